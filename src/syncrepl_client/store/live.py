"""Changes of the persist stage, applied as they come.

What the server said stands in events; what is different here is found by looking at the copy.  One batch of events is
one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.events import CookieReceived, EntriesDeleted, EntriesSent
from syncrepl_client.ldap import dn as names
from syncrepl_client.store.entries import children, descendants
from syncrepl_client.store.names import text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.store.telling import Telling

__all__ = ["Doubts", "LiveBatch", "deleted_in_bulk", "doubts_about"]

_FIND: Final = "SELECT id, dn, attrs FROM syncrepl_entry WHERE uuid = ?"
_ATTRS: Final = "SELECT attrs FROM syncrepl_entry WHERE id = ?"
_HOLDERS: Final = "SELECT dn FROM syncrepl_entry WHERE key = ? AND uuid <> ?"
_INSERT: Final = "INSERT INTO syncrepl_entry (uuid, key, dn, attrs) VALUES (?, ?, ?, ?)"
_UPDATE: Final = "UPDATE syncrepl_entry SET key = ?, dn = ?, attrs = ? WHERE id = ?"
_CHANGE: Final = "UPDATE syncrepl_entry SET attrs = ? WHERE id = ?"
_RENAME: Final = "UPDATE syncrepl_entry SET key = ?, dn = ? WHERE id = ?"
_DELETE: Final = "DELETE FROM syncrepl_entry WHERE id = ?"


@dataclass(slots=True)
class Doubts:
    """What an event leaves open and only the server can answer.

    Servers tell of a moved subtree by one message for its top (RFC 4533 section 4.1), so entries below may have come
    with it or gone with it.
    """

    # UUIDs of entries that are new here: entries below them may have been moved in along.
    below: set[bytes] = field(default_factory=set)
    # UUIDs and names of entries here whose parent is gone, nobody knows where to.
    entries: dict[bytes, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.below or self.entries)


def doubts_about(connection: sqlite3.Connection, events: Sequence[Event]) -> list[Doubts]:
    """Find what each event of a batch of the persist stage leaves open.

    The copy is as it was before the batch, so an entry counts as new too where an earlier event may have taken it away.

    Args:
        connection: to the copy.
        events: the batch.
    """
    all_doubts = []
    named = {uuid for event in events if isinstance(event, EntriesDeleted) for uuid in event.uuids}
    gone: set[bytes] = set()
    told: set[bytes] = set()
    subtree_gone = False
    for event in events:
        doubts = Doubts()
        if isinstance(event, EntriesSent):
            for uuid, _, _ in event.rows:
                if uuid not in told and (
                    subtree_gone or uuid in gone or connection.execute(_FIND, (uuid,)).fetchone() is None
                ):
                    doubts.below.add(uuid)
                told.add(uuid)
        elif isinstance(event, EntriesDeleted):
            gone.update(event.uuids)
            told.difference_update(event.uuids)
            for uuid in event.uuids:
                found = connection.execute(_FIND, (uuid,)).fetchone()
                if found and (event.dn is None or names.same(text(event.dn), found[1])):
                    below = ((child, dn) for _, child, dn in descendants(connection, found[1]))
                    doubts.entries.update((child, dn) for child, dn in below if child not in named)
                else:
                    # It was moved; which entries went with it is known when the batch is applied.
                    subtree_gone = True
                    told.clear()
        all_doubts.append(doubts)
    return all_doubts


def deleted_in_bulk(connection: sqlite3.Connection, events: Iterable[Event], in_content: Callable[[str], bool]) -> int:
    """Count the entries that a batch of the persist stage would delete by messages that take more than one away.

    Args:
        connection: to the copy, as it was before the batch.
        events: the batch.
        in_content: see `LiveBatch`.
    """
    count = 0
    for event in events:
        if not isinstance(event, EntriesDeleted):
            continue
        moved_out = event.dn is not None and not in_content(text(event.dn))
        if len(event.uuids) == 1 and not moved_out:
            continue
        found = [connection.execute(_FIND, (uuid,)).fetchone() for uuid in event.uuids]
        here = [row[1] for row in found if row is not None]
        if len(event.uuids) > 1:
            count += len(here)
        if moved_out:
            below = sum(1 for dn in here for _ in descendants(connection, dn))
            count += below + 1 if below else 0
    return count


class LiveBatch:
    """Applies events inside a transaction.

    Args:
        connection: to the data file, in the transaction.
        telling: who is told of the changes.
        in_content: tells whether a name lies within the base and scope of the search.
    """

    def __init__(self, connection: sqlite3.Connection, telling: Telling, in_content: Callable[[str], bool]) -> None:
        self._connection = connection
        self._telling = telling
        self._in_content = in_content
        # The last cookie whose changes are applied; None if there was none.
        self.received: CookieReceived | None = None

    def apply(self, events: Iterable[Event]) -> bool:
        """Apply events in their order.

        An event that gives an entry the name of another one ends the batch: messages of changes that were made at once
        may come in another order.  A program that knows entries by their names alone could not follow.

        Returns:
            Whether all events were applied.
        """
        for event in events:
            if isinstance(event, EntriesSent):
                for row in event.rows:
                    if self._takes_a_name(row[0], text(row[1])):
                        return False
                    self._sent(row)
            elif isinstance(event, EntriesDeleted):
                for uuid in event.uuids:
                    self._deleted(uuid, None if event.dn is None else text(event.dn))
            elif isinstance(event, CookieReceived):
                self.received = event
        return True

    def _takes_a_name(self, uuid: bytes, dn: str) -> bool:
        holders = self._connection.execute(_HOLDERS, (names.key(dn), uuid)).fetchall()
        return any(names.same(holder, dn) for (holder,) in holders)

    def _sent(self, row: SentEntry) -> None:
        uuid, raw_dn, attrs = row
        dn = text(raw_dn)
        found = self._connection.execute(_FIND, (uuid,)).fetchone()
        if found is None:
            self._connection.execute(_INSERT, (uuid, names.key(dn), dn, attrs))
            self._telling.added(self._telling.entry(uuid, dn, attrs))
            return
        number, old_dn, old_attrs = found
        if old_dn == dn and old_attrs == attrs:
            return
        if old_dn == dn:
            self._connection.execute(_CHANGE, (attrs, number))
            self._telling.changed(uuid, dn, old_attrs, attrs)
        else:
            self._connection.execute(_UPDATE, (names.key(dn), dn, attrs, number))
            self._telling.renamed(self._telling.entry(uuid, old_dn, old_attrs), self._telling.entry(uuid, dn, attrs))
            self._rename_below(old_dn, dn)

    def _rename_below(self, old: str, new: str) -> None:
        """Give the entries below a renamed one their new names: the server tells of the parent alone."""
        for number, uuid, dn in children(self._connection, old):
            renamed = names.rebase(dn, old, new)
            self._connection.execute(_RENAME, (names.key(renamed), renamed, number))
            (attrs,) = self._connection.execute(_ATTRS, (number,)).fetchone()
            self._telling.renamed(self._telling.entry(uuid, dn, attrs), self._telling.entry(uuid, renamed, attrs))
            self._rename_below(dn, renamed)

    def _deleted(self, uuid: bytes, said_dn: str | None) -> None:
        found = self._connection.execute(_FIND, (uuid,)).fetchone()
        if found is None:
            # Log replays and foreign changes name entries that were never here.
            return
        number, dn, attrs = found
        moved = said_dn is not None and not names.same(said_dn, dn)
        if moved and said_dn is not None and not self._in_content(said_dn):
            # It was moved out of the base, and its children with it.
            for child, child_uuid, child_dn in descendants(self._connection, dn):
                (child_attrs,) = self._connection.execute(_ATTRS, (child,)).fetchone()
                self._connection.execute(_DELETE, (child,))
                self._telling.deleted(self._telling.entry(child_uuid, child_dn, child_attrs))
        self._connection.execute(_DELETE, (number,))
        self._telling.deleted(self._telling.entry(uuid, dn, attrs))
        if moved and said_dn is not None:
            # Renamed so that the filter hides it: its children are still content, below its new name.
            self._rename_below(dn, said_dn)
