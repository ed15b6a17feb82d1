"""What every envelope makes of a change: an `Event`, which a sink sends as it is.

An event has the number that the change has in the changelog, so that a repeated delivery has the same `Event.id`, and
nothing else ever has it: the number of a change is given once per data file, and the file has an identifier of its own,
the `origin_id`.  The entries of a snapshot share the number of the last change that the snapshot contains; they are
told apart by their UUIDs, and from that change by having one.

A heartbeat is about no change, and has the time at which it is sent in its `Event.id`.

Envelopes look at nothing but what they are given: no clock, no configuration, no network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, assert_never
from uuid import UUID, uuid5

from syncrepl_client.exceptions import UsageError
from syncrepl_client.model import Added, Deleted, Modified, Origin, Renamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from syncrepl_client.model import Change

__all__ = [
    "CHANGES",
    "JSON",
    "OPERATIONS",
    "Batch",
    "Envelope",
    "Event",
    "Head",
    "Kind",
    "array",
    "head_of",
    "heartbeat_head",
    "kind_of",
    "modified_when",
    "origin",
    "origin_of",
    "tombstone",
]

JSON: Final = "application/json"

# It becomes part of headers and of the names of messages.
_ORIGIN: Final = re.compile(r"[0-9A-Za-z._~-]{1,128}")
# Where the keys of heartbeats come from: one for each data file, and never that of an entry.
_HEARTBEATS: Final = UUID("5ab60c1f-2f0f-4f4c-9a6e-1c1d0b8f8d57")
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Kind(StrEnum):
    """What happened to an entry, in the words that events use."""

    CREATED = "created"
    UPDATED = "updated"
    RENAMED = "renamed"
    """Its name changed, and its attributes perhaps."""
    DELETED = "deleted"
    READ = "read"
    """It is an entry of a snapshot, and nothing has happened to it."""
    HEARTBEAT = "heartbeat"
    """It is about no entry; nothing was sent for long, and delivery works."""


CHANGES: Final = tuple(kind for kind in Kind if kind is not Kind.HEARTBEAT)
"""The kinds that are about entries."""

OPERATIONS: Final = {
    Kind.CREATED: "c",
    Kind.UPDATED: "u",
    Kind.RENAMED: "u",
    Kind.DELETED: "d",
    Kind.READ: "r",
    Kind.HEARTBEAT: "m",
}
"""The letter that stands for what happened where a rename is an update; a heartbeat is what Debezium calls message."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a sink sends for a change.

    Args:
        id: names the event, the same each time that it is sent, and never another one.
        key: the entryUUID, of a heartbeat one that no entry has; events with the same key must stay in order.
        kind: what happened.
        dn: the name of the entry, as it is now or was last; empty for a heartbeat.
        sequence: the number of the change; see `syncrepl_client.Provenance`.  For a heartbeat that of the last one that
            is delivered, 0 before the first.
        content_type: the media type of the body.
        headers: attributes of the event that are not in the body, without what a transport puts before their names (see
            `syncrepl_client.envelope.bindings`); empty if all is in the body.
        body: what to send; None for a tombstone, by which a log that is compacted forgets the key.
        last: whether it is the last entry of a snapshot: what the receiver has and the snapshot had not, is gone.
    """

    id: str
    key: str
    kind: Kind
    dn: str
    sequence: int
    content_type: str
    headers: Mapping[str, str] = field(hash=False)
    body: bytes | None
    last: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Several events in one body.

    Args:
        content_type: the media type of the body.
        body: what to send.
    """

    content_type: str
    body: bytes


class Envelope(Protocol):
    """Turns changes into what a sink sends."""

    def events(self, change: Change) -> list[Event]:
        """Return what to send for a change, in this order.

        Raises:
            UsageError: the change has no number, because no changelog is kept.
        """

    def heartbeat(self, sequence: int | None, time: int) -> Event:
        """Return an event that is about no change: delivery works, and how far it is.

        Args:
            sequence: the number of the last change that is delivered; None before the first.
            time: when it is sent, in microseconds since 1970.
        """

    def batch(self, events: Iterable[Event]) -> Batch:
        """Join events that this envelope has made; tombstones, which have nothing to join, are left out."""


class Head(NamedTuple):
    """What an event has before it has a body; see `Event`."""

    id: str
    key: str
    kind: Kind
    dn: str
    sequence: int
    last: bool

    def event(self, content_type: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> Event:
        """Return the event with a body."""
        return Event(*self[:-1], content_type, headers, body, self.last)


def origin(origin_id: str) -> str:
    """Return the name of the data file that changes come from.

    Args:
        origin_id: 1 to 128 letters, digits, ``-``, ``.``, ``_`` and ``~``.

    Raises:
        UsageError: it is none.
    """
    if not _ORIGIN.fullmatch(origin_id):
        raise UsageError(
            f"{origin_id!r} cannot name the file that changes come from",
            hint="use 1 to 128 letters, digits, '-', '.', '_' or '~'",
        )
    return origin_id


def origin_of(event: Event) -> str:
    """Return the name of the data file that an event comes from."""
    return event.id.partition(":")[0]


def head_of(origin_id: str, change: Change) -> Head:
    """Return what an event of a change has before it has a body.

    Args:
        origin_id: names the data file that the change comes from; see `origin`.
        change: one of the changelog, or of a snapshot.

    Raises:
        UsageError: the change has no number.
    """
    entry, kind, sequence = change.entry, kind_of(change), change.sequence
    if sequence is None:
        raise UsageError(
            "a change without a number cannot be sent: nobody could tell whether it came before",
            hint="keep a changelog, and read the changes from it",
        )
    # What str(entry.uuid) is, in a fifth of the time.
    octets = entry.uuid_octets.hex()
    key = f"{octets[:8]}-{octets[8:12]}-{octets[12:16]}-{octets[16:20]}-{octets[20:]}"
    name = f"{origin_id}:{sequence}:{key}" if kind is Kind.READ else f"{origin_id}:{sequence}"
    return Head(name, key, kind, entry.dn, sequence, change.provenance.last)


def heartbeat_head(origin_id: str, sequence: int | None, time: int) -> Head:
    """Return what a heartbeat has before it has a body; the arguments are those of `Envelope.heartbeat`."""
    key = str(uuid5(_HEARTBEATS, origin_id))
    return Head(f"{origin_id}:heartbeat:{time}", key, Kind.HEARTBEAT, "", sequence or 0, last=False)


def kind_of(change: Change) -> Kind:
    """Tell what happened to the entry."""
    match change:
        case Added():
            return Kind.READ if change.origin is Origin.SNAPSHOT else Kind.CREATED
        case Modified():
            return Kind.UPDATED
        case Renamed():
            return Kind.RENAMED
        case Deleted():
            return Kind.DELETED
        case _:
            assert_never(change)


def modified_when(change: Change) -> datetime | None:
    """Return when the change was made, by the server's clock; None if that is not known.

    The modification time of an entry is when it was last written to.  It says nothing about when it was deleted, nor
    about a change that left it as it was: those of entries below one that is renamed do, and some that a server makes
    by itself.
    """
    if isinstance(change, Deleted):
        return None
    found = change.entry.get("modifyTimestamp")
    if found is None or (change.before is not None and change.before.get("modifyTimestamp") == found):
        return None
    return change.modified_at


def tombstone(event: Event) -> Event:
    """Return what follows the event of a deletion in a log that is compacted: the same key without a body."""
    return replace(event, id=f"{event.id}:tombstone", headers=_NO_HEADERS, body=None)


def array(events: Iterable[Event]) -> bytes:
    """Return the bodies of events, each of which is a JSON document, as one JSON array; tombstones are left out."""
    return b"[" + b",".join(event.body for event in events if event.body is not None) + b"]"
