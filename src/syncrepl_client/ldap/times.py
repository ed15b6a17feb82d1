"""Points in time as LDAP writes them (RFC 4517 sections 3.3.13 and 3.3.34)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["generalized_time", "instant", "utc_time"]

_GENERALIZED: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)?)?(?:[.,](\d+))?(?:Z|([+-])(\d\d)(\d\d)?)")
_UTC_TIME: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:Z|([+-])(\d\d)(\d\d))?")
# As in certificates (RFC 5280 section 4.1.2.5.1): two digits are a year between 1950 and 2049.
_CENTURY_BEGINS: Final = 50
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def generalized_time(value: bytes) -> datetime:
    """Read a Generalized Time; what is finer than a microsecond is cut off.

    Python knows no leap seconds, so the second after 23:59:59 is always 00:00:00.

    Args:
        value: such as ``20260131120000Z``, ``2026013112.5+0100`` or ``202601311200,25-05``.

    Returns:
        The time in UTC.

    Raises:
        ValueError: it is none, or there is no such day or hour.
        OverflowError: it is outside of the years that Python has.
    """
    when, rest = _moment(value)
    return when + timedelta(microseconds=rest * 1_000_000 // 1)


def instant(value: bytes) -> int | Fraction:
    """Read a Generalized Time as seconds since 1970, exactly.

    Raises:
        ValueError: it is none, or there is no such day or hour.
        OverflowError: it is outside of the years that Python has.
    """
    when, rest = _moment(value)
    seconds = (when - _EPOCH) // _SECOND
    return seconds + rest if rest else seconds


def utc_time(value: bytes) -> datetime:
    """Read a UTC Time; without a zone it is in UTC.

    Args:
        value: such as ``260131120000Z``, ``2601311200+0100`` or ``2601311200``.

    Returns:
        The time in UTC.

    Raises:
        ValueError: it is none, or there is no such day or hour.
        OverflowError: it is outside of the years that Python has.
    """
    match = _UTC_TIME.fullmatch(value)
    if match is None:
        raise ValueError("not a UTC Time")
    year, month, day, hour, minute = (int(match[group]) for group in range(1, 6))
    century = 1900 if year >= _CENTURY_BEGINS else 2000
    when = _second_of(datetime(century + year, month, day, hour, minute, tzinfo=UTC), match[6])
    return when - _offset(match[7], match[8], match[9])


def _moment(value: bytes) -> tuple[datetime, Fraction | int]:
    """Read a Generalized Time as a whole second in UTC and what comes on top of it, which is less than a second."""
    match = _GENERALIZED.fullmatch(value)
    if match is None:
        raise ValueError("not a Generalized Time")
    year, month, day, hour = (int(match[group]) for group in range(1, 5))
    minute = datetime(year, month, day, hour, int(match[5] or 0), tzinfo=UTC)
    when = _second_of(minute, match[6]) - _offset(match[8], match[9], match[10])
    if match[7] is None:
        return when, 0
    # Few servers write one, and it brings the decimal numbers.
    from fractions import Fraction  # noqa: PLC0415

    # The fraction is one of the smallest unit that is given.
    unit = 1 if match[6] else 60 if match[5] else 3600
    fraction = Fraction(int(match[7]) * unit, 10 ** len(match[7]))
    return when + _SECOND * (fraction // 1), fraction % 1


def _second_of(minute: datetime, second: bytes | None) -> datetime:
    seconds = int(second or 0)
    if seconds > 60:  # noqa: PLR2004 - RFC 4517: a minute may have a second more
        raise ValueError("no such second")
    return minute + _SECOND * seconds


def _offset(sign: bytes | None, hours: bytes | None, minutes: bytes | None) -> timedelta:
    if sign is None:
        return timedelta()
    hour, minute = int(hours or 0), int(minutes or 0)
    if hour > 23 or minute > 59:  # noqa: PLR2004 - RFC 4517
        raise ValueError("no such difference from UTC")
    offset = timedelta(hours=hour, minutes=minute)
    return -offset if sign == b"-" else offset
