"""The dead letters of one sink, as its relay uses them: set aside, found out what waits behind them, sent again.

By choice (`in_order`) the later events of an entry are set aside behind the first that was not taken: the receiver then
has the entry as it was before, until all of it follows, and never gets an older state after a newer one.  Otherwise
they are delivered, and what is sent again comes after them: a receiver that does not compare numbers takes it for the
newest.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import SinkUnavailable
from syncrepl_client.store.dead_letters import EVENT, event_of, open_file, translated, writing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from syncrepl_client.envelope.base import Event

__all__ = ["LARGEST", "RelayLetters"]

LARGEST: Final = 1 << 30
"""How large the file gets unless somebody says otherwise, in bytes."""

_OCTETS: Final = 4 << 20

_ANY: Final = "SELECT EXISTS (SELECT 1 FROM dead_letter WHERE sink = ? AND source = ?)"
_REFUSE: Final = """
    UPDATE dead_letter SET reason = ?, refused_at = ? WHERE sink = ? AND source = ? AND event_id = ?
"""
_UNMARK: Final = "UPDATE dead_letter SET marked = 0 WHERE sink = ? AND source = ? AND key = ? AND marked"
# What follows a letter that will be sent again is sent again behind it.
_ADD: Final = """
    INSERT OR IGNORE INTO dead_letter (sink, source, marked, event_id, key, kind, dn, sequence, refused_at, reason,
        content_type, headers, body)
    VALUES (?1, ?2, coalesce((SELECT marked FROM dead_letter WHERE sink = ?1 AND source = ?2 AND key = ?4
        ORDER BY number DESC LIMIT 1), 0), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
"""
_FIRST: Final = """
    SELECT sequence, event_id, number FROM dead_letter WHERE sink = ? AND source = ? AND key = ? ORDER BY number LIMIT 1
"""
_DUE: Final = EVENT + "WHERE sink = ? AND source = ? AND marked ORDER BY number LIMIT 100"
_CONFIRM: Final = "DELETE FROM dead_letter WHERE sink = ? AND source = ? AND event_id = ?"


class RelayLetters:
    """The dead letters of one sink and one source, as their relay uses them; it satisfies `relay.DeadLetters`.

    It belongs to one thread, and there is one at a time.  Close it after the relay.

    Args:
        path: the file; made if there is none.
        sink: the name of the sink.
        source: the name of the source.
        in_order: whether the later events of an entry are set aside as well, until the first is delivered or dropped.
        largest: from which size of the file on nothing more is set aside, in bytes, so that the relay waits; None for
            any.

    Raises:
        DBError: the file cannot be opened, or is not one of ours.
    """

    def __init__(
        self, path: Path, sink: str, source: str, *, in_order: bool = True, largest: int | None = LARGEST
    ) -> None:
        self._path = path
        self._whose = (sink, source)
        self._in_order = in_order
        self._largest = largest
        self._connection = open_file(path, create=True)
        self._any = True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, event: Event, reason: str) -> None:
        """Keep an event, or the reason why it was refused again; return when it is on the disk.

        Raises:
            SinkUnavailable: there is no room for it, or the file cannot be written to.
        """
        now = time.time_ns() // 1000
        with self._writing() as connection:
            if connection.execute(_REFUSE, (reason, now, *self._whose, event.id)).rowcount:
                connection.execute(_UNMARK, (*self._whose, event.key))
            else:
                self._insert(event, reason, now)
        self._any = True

    def sift(self, events: Sequence[Event]) -> list[Event]:
        """Set aside those events that come after one of their entry that is; return the others.

        Raises:
            SinkUnavailable: see `add`.
        """
        if not (self._in_order and self._any):
            return list(events)
        with translated(self._path, SinkUnavailable):
            before = [self._before(event) for event in events]
        if any(number is not None for number in before):
            now = time.time_ns() // 1000
            with self._writing():
                for event, number in zip(events, before, strict=True):
                    if number is not None:
                        self._insert(event, f"it waits for dead letter {number} of the same entry", now)
        return [event for event, number in zip(events, before, strict=True) if number is None]

    def due(self) -> list[Event]:
        """Return the next events that are to be sent again, in their order; none if there are none.

        Raises:
            SinkUnavailable: the file cannot be read.
        """
        found = []
        octets = _OCTETS
        with translated(self._path, SinkUnavailable):
            self._any = bool(self._connection.execute(_ANY, self._whose).fetchone()[0])
            rows = self._connection.execute(_DUE, self._whose)
            for row in rows:
                event = event_of(row)
                found.append(event)
                octets -= len(event.body or b"")
                if octets <= 0:
                    break
            rows.close()
        return found

    def confirmed(self, events: Sequence[Event]) -> None:
        """Forget events that were sent again and confirmed.

        Raises:
            SinkUnavailable: the file cannot be written to; they are sent once more.
        """
        with self._writing() as connection:
            connection.executemany(_CONFIRM, [(*self._whose, event.id) for event in events])

    def _before(self, event: Event) -> int | None:
        """Return the number of the letter that an event comes after, or is; None if there is none."""
        first = self._connection.execute(_FIRST, (*self._whose, event.key)).fetchone()
        if first is None:
            return None
        sequence, name, number = first
        # After a crash events come again, also from before the first that was set aside.
        earlier = (event.sequence, event.id) < (sequence, name) and _origin(event.id) == _origin(name)
        return None if earlier else number

    def _insert(self, event: Event, reason: str, now: int) -> None:
        connection = self._connection
        if self._largest is not None:
            (pages,), (size,) = (connection.execute(f"PRAGMA {of}").fetchone() for of in ("page_count", "page_size"))
            if pages * size >= self._largest:
                raise SinkUnavailable(
                    f"the dead letters {self._path} take {pages * size:,} bytes, which is as much as they may",
                    hint="have some sent again or drop them, or allow more",
                )
        about = (event.id, event.key, str(event.kind), event.dn, event.sequence, now, reason, event.content_type)
        connection.execute(_ADD, (*self._whose, *about, json.dumps(dict(event.headers)), event.body))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with translated(self._path, SinkUnavailable), writing(self._connection) as connection:
            yield connection


def _origin(event_id: str) -> str:
    """Return what names the data file in the ``id`` of an event; numbers of two files do not compare."""
    return event_id.partition(":")[0]
