"""Points in time as the data file counts them, in microseconds since 1970, and as programs write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from syncrepl_client.exceptions import UsageError

__all__ = ["microseconds", "moment"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def moment(since_1970: int) -> datetime:
    """Return the time of a number of microseconds since 1970, in UTC."""
    return _EPOCH + since_1970 * _MICROSECOND


def microseconds(when: datetime) -> int:
    """Return the microseconds since 1970.

    Raises:
        UsageError: a time without zone.
    """
    if when.tzinfo is None:
        raise UsageError(f"{when} could be any time", hint="give the time with its zone: datetime.now(UTC)")
    return (when - _EPOCH) // _MICROSECOND
