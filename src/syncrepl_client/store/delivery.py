"""The net difference of a refresh, applied and told in an order that a program keyed by DN can follow.

Deletes come first, children before parents; then renames, each when its new name is free; then changes; then adds,
parents before children.  A rename whose new name is still held by an entry that will be renamed waits for it: chains
are delivered from their free end.  What is left are circles (two entries that swapped names are the smallest).  One
member of each is delivered as a delete at its turn and as an add when its new name is free.

Everything is read in pages and memory stays flat, also when every entry was renamed or deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.store.differences import ARE_SMALL
from syncrepl_client.store.names import DepthOrder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from syncrepl_client.store.telling import Telling

__all__ = ["Delivery", "Some", "apply_untold"]

_PAGE: Final = 500
_GONE: Final = 2

_ENTRY: Final = "SELECT uuid, dn, attrs FROM syncrepl_entry WHERE id = ?"
_DELETE: Final = "DELETE FROM syncrepl_entry WHERE id = ?"
_UPDATE: Final = "UPDATE syncrepl_entry SET key = ?, dn = ?, attrs = ? WHERE id = ?"
_INSERT: Final = "INSERT INTO syncrepl_entry (uuid, key, dn, attrs) VALUES (?, ?, ?, ?)"
_INSERT_ALL: Final = """
    INSERT INTO syncrepl_entry (uuid, key, dn, attrs)
    SELECT uuid, new_key, dn, attrs FROM syncrepl_named WHERE entry IS NULL ORDER BY id
"""
# The indexes on names are left alone where names are.
_RENAME_ALL: Final = """
    UPDATE syncrepl_entry SET key = d.new_key, dn = d.dn, attrs = coalesce(d.attrs, syncrepl_entry.attrs)
    FROM syncrepl_named d WHERE d.entry = syncrepl_entry.id
"""
_CHANGE: Final = "UPDATE syncrepl_entry SET attrs = ? WHERE id = ?"
_RENAMES: Final = """
    SELECT d.id, d.entry, d.old_key, d.new_key, d.dn, d.attrs FROM syncrepl_named d
"""
_NEXT_RENAMES: Final = _RENAMES + "WHERE d.entry IS NOT NULL AND NOT d.done AND d.id > ? ORDER BY d.id LIMIT 200"
_WANTING: Final = _RENAMES + "WHERE d.entry IS NOT NULL AND NOT d.done AND d.new_key = ?"
_STILL_TO_DO: Final = "SELECT 1 FROM syncrepl_named WHERE id = ? AND NOT done"
_HOLDING: Final = """
    SELECT e.dn FROM syncrepl_named d JOIN syncrepl_entry e ON e.id = d.entry
    WHERE d.entry IS NOT NULL AND NOT d.done AND d.old_key = ? AND d.id <> ?
"""
_DONE: Final = "UPDATE syncrepl_named SET done = 1 WHERE id = ?"
_CHANGE_ALL: Final = """
    UPDATE syncrepl_entry AS e SET attrs = d.attrs FROM syncrepl_changed d WHERE d.entry = e.id
"""
_CHANGE_SMALL: Final = _CHANGE_ALL + "AND " + ARE_SMALL
# The same as _CHANGE_ALL, where each is in the copy: the entry that is in conflict is this one, by its id, and of the
# new row only the attributes are taken.  An UPDATE with a FROM writes all that is new to a temporary file first, and
# takes twice as long: 4 µs.
_CHANGE_EACH: Final = """
    INSERT INTO syncrepl_entry (id, uuid, key, dn, attrs)
    SELECT entry, x'', 0, '', attrs FROM syncrepl_changed WHERE TRUE
    ON CONFLICT (id) DO UPDATE SET attrs = excluded.attrs
"""
_STAGED: Final = """
    SELECT d.entry, e.uuid, e.dn, e.attrs, d.attrs FROM syncrepl_changed d JOIN syncrepl_entry e ON e.id = d.entry
    WHERE d.entry > ?
"""
_CHANGES: Final = _STAGED + "ORDER BY d.entry LIMIT 100"
_LARGE_CHANGES: Final = _STAGED + "AND NOT " + ARE_SMALL + " ORDER BY d.entry LIMIT 100"
_ADDS: Final = "SELECT id, dn FROM syncrepl_named WHERE entry IS NULL AND id > ? ORDER BY id LIMIT 500"
_ADD: Final = "SELECT uuid, new_key, dn, attrs FROM syncrepl_named WHERE id = ?"

_Rename = tuple[int, int, int, int, str, bytes | None]
"""Its id, the id of the entry, the keys of the old and new name, the new name, the new attributes or None."""


@dataclass(slots=True)
class Some:
    """What may be among a staged difference; to look for it takes a pass over all of it.

    Args:
        named: entries that are new or renamed.
        large: changes of attributes for which `differences.are_small` is not true.
    """

    named: bool = False
    large: bool = False


def apply_untold(connection: sqlite3.Connection, marks: bytearray, some: Some) -> None:
    """Apply the staged difference of a refresh that nobody is told of; the arguments are those of `Delivery`."""
    connection.executemany(_DELETE, ((row,) for row in _gone(marks)))
    if some.named:
        connection.execute(_RENAME_ALL)
    connection.execute(_CHANGE_EACH)
    if some.named:
        connection.execute(_INSERT_ALL)


def _gone(marks: bytearray) -> Iterator[int]:
    row = marks.find(_GONE)
    while row >= 0:
        yield row
        row = marks.find(_GONE, row + 1)


class Delivery:
    """Applies the staged difference of one refresh inside a transaction.

    Args:
        connection: to the data file, in the transaction.
        telling: who is told of the changes.
        marks: one byte for each row id; 2 where the entry is gone.
        some: what may be among it.
    """

    def __init__(self, connection: sqlite3.Connection, telling: Telling, marks: bytearray, some: Some) -> None:
        self._connection = connection
        self._telling = telling
        self._marks = marks
        self._some = some

    def run(self) -> None:
        """Apply everything."""
        self._deletes()
        if self._some.named:
            self._renames()
        self._changes()
        if self._some.named:
            self._adds()

    # --- deletes ------------------------------------------------------------------------------------------------------

    def _deletes(self) -> None:
        order = DepthOrder()
        for row in _gone(self._marks):
            found = self._connection.execute(_ENTRY, (row,)).fetchone()
            if found:
                order.add(found[1:2], row)
        for page in order.pages(_PAGE, deepest_first=True):
            for row in page:
                entry = self._telling.entry(*self._connection.execute(_ENTRY, (row,)).fetchone())
                self._connection.execute(_DELETE, (row,))
                self._telling.deleted(entry)

    # --- renames ------------------------------------------------------------------------------------------------------

    def _renames(self) -> None:
        for rename in self._undone():
            if self._is_free(rename):
                self._chain(rename)
        for rename in self._undone():
            self._circle(rename)

    def _undone(self) -> Iterator[_Rename]:
        last = 0
        while page := self._connection.execute(_NEXT_RENAMES, (last,)).fetchall():
            last = page[-1][0]
            for rename in page:
                if self._connection.execute(_STILL_TO_DO, (rename[0],)).fetchone():
                    yield rename

    def _is_free(self, rename: _Rename) -> bool:
        """Tell whether no entry that is still to be renamed holds the new name."""
        number, _, _, new_key, dn, _ = rename
        holders = self._connection.execute(_HOLDING, (new_key, number)).fetchall()
        return not any(names.same(held, dn) for (held,) in holders)

    def _chain(self, rename: _Rename | None) -> None:
        """Deliver a rename, then the one that waited for the name it frees, and so on."""
        while rename is not None:
            freed = self._apply_rename(rename)
            rename = self._waiting_for(rename[2], freed)

    def _waiting_for(self, key: int, dn: str) -> _Rename | None:
        for candidate in self._connection.execute(_WANTING, (key,)).fetchall():
            if names.same(candidate[4], dn):
                found: _Rename = candidate
                return found
        return None

    def _apply_rename(self, rename: _Rename) -> str:
        """Apply and tell one rename; returns the name that is free now."""
        number, row, _, new_key, dn, attrs = rename
        uuid, old_dn, old_attrs = self._connection.execute(_ENTRY, (row,)).fetchone()
        before = self._telling.entry(uuid, old_dn, old_attrs)
        after = self._telling.entry(uuid, dn, old_attrs if attrs is None else attrs)
        self._connection.execute(_UPDATE, (new_key, dn, after.attributes.wire, row))
        self._connection.execute(_DONE, (number,))
        self._telling.renamed(before, after)
        return str(old_dn)

    def _circle(self, cut: _Rename) -> None:
        """Deliver a circle of names: one member leaves it, the others move up, and the member comes back."""
        number, row, old_key, new_key, dn, attrs = cut
        uuid, old_dn, old_attrs = self._connection.execute(_ENTRY, (row,)).fetchone()
        before = self._telling.entry(uuid, old_dn, old_attrs)
        after = self._telling.entry(uuid, dn, old_attrs if attrs is None else attrs)
        self._connection.execute(_DONE, (number,))
        self._telling.left_a_circle(before)
        self._chain(self._waiting_for(old_key, old_dn))
        self._connection.execute(_UPDATE, (new_key, dn, after.attributes.wire, row))
        self._telling.closed_a_circle(before, after)

    # --- changes and adds ---------------------------------------------------------------------------------------------

    def _changes(self) -> None:
        logged = self._telling.changed_together()
        if logged is None:
            self._tell_changes(_CHANGES)
            return
        if self._some.large:
            self._tell_changes(_LARGE_CHANGES)
        changed = self._connection.execute(_CHANGE_SMALL if self._some.large else _CHANGE_EACH).rowcount
        self._telling.silent += changed - logged

    def _tell_changes(self, statement: str) -> None:
        last = 0
        while page := self._connection.execute(statement, (last,)).fetchall():
            last = page[-1][0]
            self._connection.executemany(_CHANGE, [(attrs, row) for row, _, _, _, attrs in page])
            for _, uuid, dn, old_attrs, attrs in page:
                self._telling.changed(uuid, dn, old_attrs, attrs)

    def _adds(self) -> None:
        order = DepthOrder()
        last = 0
        while page := self._connection.execute(_ADDS, (last,)).fetchall():
            last = page[-1][0]
            for number, dn in page:
                order.add((dn,), number)
        for ids in order.pages(_PAGE):
            for number in ids:
                uuid, key, dn, attrs = self._connection.execute(_ADD, (number,)).fetchone()
                self._connection.execute(_INSERT, (uuid, key, dn, attrs))
                self._telling.added(self._telling.entry(uuid, dn, attrs))
