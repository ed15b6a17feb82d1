"""The form of Debezium's change events, as JSON without schemas, for consumers that know those of databases.

Where LDAP differs from a database, and what was decided:

* The row is ``{"dn", "entryUUID", "attributes"}``.  The key of a message is the entryUUID, which stays when an entry is
  renamed: a rename is one update (``op`` is ``u``), and no deletion with a creation, as Debezium has it for a change of
  the primary key.
* ``source.ts_*`` is when the server says that the change was made, if it does; the outer ``ts_*`` when the change was
  stored here.  Both are the same each time that the event is sent.
* ``source.sequence`` holds the number of the change before, and that of this one; for an entry of a snapshot the second
  is that of the last change that the snapshot contains.
* ``source.snapshot`` is ``first``, ``true`` or ``last`` for an entry of a snapshot, else ``false``; one that is both is
  ``last``.
* A heartbeat has ``ts_ms``, when it was sent, as Debezium's has, and as ``sequence`` the last change that is delivered.
* There is no transaction of several entries in LDAP, and the cookie belongs to none of them: both are null.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from syncrepl_client.envelope.base import (
    JSON,
    OPERATIONS,
    Batch,
    Kind,
    array,
    head_of,
    heartbeat_head,
    modified_when,
    origin,
    tombstone,
)
from syncrepl_client.envelope.values import Value, Values, encode
from syncrepl_client.ldap import url as urls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.envelope.base import Event, Head
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.model import Change, Entry

__all__ = ["Debezium"]

_CONNECTOR: Final = "ldap"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Nanoseconds in 64 bits end in the year 2262.
_LAST: Final = (1 << 63) // 1000 - 1


class _Row(msgspec.Struct, frozen=True, rename={"uuid": "entryUUID"}):
    """An entry as it is or was."""

    dn: str
    uuid: str
    attributes: dict[str, list[Value]]


class _Source(msgspec.Struct, frozen=True):
    """Where a change comes from."""

    version: str
    connector: str
    name: str
    ts_ms: int
    ts_us: int
    ts_ns: int
    snapshot: str
    db: str
    sequence: str
    server: str | None
    cookie: None
    entry_csn: str | None
    dn: str


class _Payload(msgspec.Struct, frozen=True):
    """A change."""

    before: _Row | None
    after: _Row | None
    source: _Source
    op: str
    ts_ms: int | None
    ts_us: int | None
    ts_ns: int | None
    transaction: None


class _Beat(msgspec.Struct, frozen=True):
    """A heartbeat."""

    ts_ms: int
    sequence: int


class Debezium:
    """The form of Debezium's change events.

    Args:
        origin_id: names the data file that changes come from.
        url: the server and the search; what is in it besides the base is not told.
        name: what is called the logical name of the server, or the prefix of topics.
        version: of what makes the events.
        server: what kind of server it is, if that is known.
        tombstones: whether a deletion is followed by a tombstone, as ``tombstones.on.delete`` makes Debezium do, for
            topics that are compacted.

    Raises:
        UsageError: the file's name is none.
        LDAPUrlParseError: the URL is none.
    """

    def __init__(
        self,
        origin_id: str,
        url: str | LDAPUrl,
        *,
        name: str,
        version: str,
        server: str | None = None,
        tombstones: bool = False,
    ) -> None:
        self._origin_id = origin(origin_id)
        self._base = urls.of(url).base
        self._name = name
        self._version = version
        self._server = server
        self._tombstones = tombstones
        self._values = Values()

    def events(self, change: Change) -> list[Event]:
        """Return what to send for a change: two events for a deletion if there are tombstones, else one.

        Raises:
            UsageError: the change has no number.
        """
        head = head_of(self._origin_id, change)
        payload = _Payload(
            self._row(head, change.before),
            self._row(head, change.after),
            self._source(head, change),
            OPERATIONS[head.kind],
            *_times(change.provenance.stored),
            transaction=None,
        )
        event = head.event(JSON, encode(payload))
        return [event, tombstone(event)] if self._tombstones and head.kind is Kind.DELETED else [event]

    def heartbeat(self, sequence: int | None, time: int) -> Event:
        """Return a heartbeat; see `Envelope.heartbeat`."""
        head = heartbeat_head(self._origin_id, sequence, time)
        return head.event(JSON, encode(_Beat(time // 1000, head.sequence)))

    def batch(self, events: Iterable[Event]) -> Batch:
        """Join events that this envelope has made to one JSON array; tombstones are left out."""
        return Batch(JSON, array(events))

    def _row(self, head: Head, entry: Entry | None) -> _Row | None:
        return None if entry is None else _Row(entry.dn, head.key, self._values.of(entry))

    def _source(self, head: Head, change: Change) -> _Source:
        ts_ms, ts_us, ts_ns = _times(_made(change))
        return _Source(
            version=self._version,
            connector=_CONNECTOR,
            name=self._name,
            # Debezium's consumers expect numbers here, and know 0 for what is not known.
            ts_ms=ts_ms or 0,
            ts_us=ts_us or 0,
            ts_ns=ts_ns or 0,
            snapshot=_snapshot(head, change),
            db=self._base,
            sequence=f'["{max(head.sequence - 1, 0)}","{head.sequence}"]',
            server=self._server,
            cookie=None,
            entry_csn=change.entry_csn,
            dn=head.dn,
        )


def _snapshot(head: Head, change: Change) -> str:
    """Return where in a snapshot an entry is, in Debezium's words."""
    if head.kind is not Kind.READ:
        return "false"
    if head.last:
        return "last"
    return "first" if change.provenance.first else "true"


def _made(change: Change) -> int | None:
    """Return when a change was made, or else stored, in microseconds since 1970."""
    modified = modified_when(change)
    found = None if modified is None else (modified - _EPOCH) // _MICROSECOND
    return found if found is not None and 0 <= found <= _LAST else change.provenance.stored


def _times(moment: int | None) -> tuple[int | None, int | None, int | None]:
    """Return a time in milliseconds, microseconds and nanoseconds."""
    return (None, None, None) if moment is None else (moment // 1000, moment, moment * 1000)
