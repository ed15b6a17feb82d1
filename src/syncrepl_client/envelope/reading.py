"""Reading what the envelopes have written: the entry before and after a change, whatever the form of its event.

It is for sinks that keep entries and not events.  Attributes stay the JSON that they are: no value is decoded, so each
is what `syncrepl_client.envelope.values` says, and octets are ``{"base64": "…"}`` wherever they are kept.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from syncrepl_client.envelope.base import Event

__all__ = ["Reading", "Stored", "is_json", "read"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Stored(msgspec.Struct, frozen=True):
    """An entry as it is or was.

    Args:
        dn: its name.
        attributes: a JSON object, as it stands in the event.
    """

    dn: str
    attributes: msgspec.Raw


class Reading(NamedTuple):
    """What an event says of an entry.

    Args:
        before: the entry as it was, None if there was none.
        after: the entry as it is, None if there is none.
        time: when the change was stored; None if the event does not say.
    """

    before: Stored | None
    after: Stored | None
    time: datetime | None


class _Data(msgspec.Struct, frozen=True):
    """The data of a CloudEvent."""

    before: Stored | None
    after: Stored | None


class _Document(msgspec.Struct, frozen=True):
    """All forms in one: none has a member that means something else in another, but for `time`."""

    before: Stored | msgspec.UnsetType | None = msgspec.UNSET
    after: Stored | msgspec.UnsetType | None = msgspec.UNSET
    data: _Data | None = None
    # CloudEvents, Debezium's form and our own have each their name for when a change was stored.
    recordedtime: datetime | None = None
    ts_us: int | None = None
    time: datetime | None = None


_decode: Final = msgspec.json.Decoder(_Document).decode
_skip: Final = msgspec.json.Decoder(msgspec.Raw).decode


def read(event: Event) -> Reading:
    """Return what an event says of its entry.

    Args:
        event: made by one of the envelopes of this package, or one much like it; no tombstone and no heartbeat.

    Raises:
        ValueError: its body is not JSON, or has no entry before and after.
    """
    try:
        found = _decode(event.body or b"")
        recorded = event.headers.get("recordedtime")
        time = _time(found) if recorded is None else datetime.fromisoformat(recorded)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"it has no entry before and after: {error}") from None
    if found.data is not None:
        return Reading(found.data.before, found.data.after, time)
    if found.before is msgspec.UNSET or found.after is msgspec.UNSET:
        raise ValueError("it has no entry before and after")
    return Reading(found.before, found.after, time)


def _time(found: _Document) -> datetime | None:
    if found.ts_us is not None:
        return _EPOCH + timedelta(microseconds=found.ts_us)
    # In a CloudEvent this one is when the server made the change.
    return found.recordedtime if found.data is not None else found.time


def is_json(body: bytes) -> bool:
    """Tell whether a body is one JSON document."""
    try:
        _skip(body)
    except ValueError:
        return False
    return True
