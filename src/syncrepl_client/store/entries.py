"""Reading the copy: by name, by UUID, page by page.

A reader sees the copy as of its last whole refresh or change.  No read transaction is held between two pages, so that a
slow reader does not make the write-ahead log grow.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.attributes import Attributes

if TYPE_CHECKING:
    import sqlite3
    from uuid import UUID

    from syncrepl_client.model.entry import Entry
    from syncrepl_client.store.vocabulary import Vocabulary

__all__ = ["ByName", "Entries", "children", "descendants"]

_PAGE: Final = 500

_PAGE_OF_COPY: Final = "SELECT id, uuid, dn, attrs FROM syncrepl_copy WHERE id > ? ORDER BY id LIMIT ?"
_BY_KEY: Final = """
    SELECT id, uuid, dn, attrs FROM syncrepl_entry WHERE key = ? AND (SELECT visible FROM syncrepl_state)
"""
_BY_UUID: Final = "SELECT id, uuid, dn, attrs FROM syncrepl_copy WHERE uuid = ?"
_COUNT: Final = "SELECT count(*) FROM syncrepl_copy"
# Page by page along the index on key, which ends with the id.
_CHILDREN: Final = """
    SELECT id, uuid, dn, key FROM syncrepl_entry
    WHERE key >= ? AND key <= ? AND (key > ? OR id > ?) ORDER BY key, id LIMIT ?
"""
_NAMESAKES: Final = "SELECT dn FROM syncrepl_entry WHERE key = ? AND dn <> ?"


def children(connection: sqlite3.Connection, dn: str) -> Iterator[tuple[int, bytes, str]]:
    """Find id, UUID and DN of the entries right below a name, whether the copy is whole or not.

    The caller may rename or delete the rows as they come: they are read in pages, and a new name has another place.
    Where names differ by their case alone (some attributes have values that do), the exact spelling tells apart what
    is below each.
    """
    low, high = names.child_range(dn)
    parent = names.normalize(dn)
    namesakes = connection.execute(_NAMESAKES, (names.key(dn), dn)).fetchall()
    # Who else is called so may be hidden by the filter, so in doubt an entry is below another one.
    is_it = operator.eq if any(names.same(namesake, dn) for (namesake,) in namesakes) else names.alike
    key, last = low, 0
    while rows := connection.execute(_CHILDREN, (key, high, key, last, _PAGE)).fetchall():
        last, _, _, key = rows[-1]
        for row, uuid, child, _ in rows:
            # Two names may have one hash, so the name itself decides.
            if names.split_first(names.normalize(child))[1] == parent and is_it(names.parent(child), dn):
                yield row, uuid, child


def descendants(connection: sqlite3.Connection, dn: str) -> Iterator[tuple[int, bytes, str]]:
    """Find id, UUID and DN of all entries below a name, children before their parents."""
    for row in children(connection, dn):
        yield from descendants(connection, row[2])
        yield row


class ByName(Mapping[str, Attributes]):
    """Entries as a read-only mapping of DN to attributes."""

    @abstractmethod
    def entry(self, dn: str) -> Entry | None:
        """Find an entry by its name, in any spelling."""

    @abstractmethod
    def all(self) -> Iterator[Entry]:
        """Iterate over the entries in constant memory."""

    def __getitem__(self, dn: str) -> Attributes:
        entry = self.entry(dn)
        if entry is None:
            raise KeyError(dn)
        return entry.attributes

    def __iter__(self) -> Iterator[str]:
        return (entry.dn for entry in self.all())


class Entries(ByName):
    """The copy as a read-only mapping of DN to attributes; a DN is found in any spelling.

    Args:
        vocabulary: makes the entries, and has the connection.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        object.__setattr__(self, "_connection", vocabulary.connection)
        object.__setattr__(self, "_vocabulary", vocabulary)

    _connection: sqlite3.Connection
    _vocabulary: Vocabulary

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"the copy cannot be changed: {name!r}")

    def __setitem__(self, dn: str, value: object) -> None:
        raise AttributeError(f"the copy cannot be changed: {dn!r}")

    def __delitem__(self, dn: str) -> None:
        raise AttributeError(f"the copy cannot be changed: {dn!r}")

    def entry(self, dn: str) -> Entry | None:
        """Find an entry by its name, the exact spelling first."""
        self._vocabulary.look()
        found = self._connection.execute(_BY_KEY, (names.key(dn),)).fetchall()
        row = next((row for row in found if row[2] == dn), None)
        row = row or next((row for row in found if names.same(row[2], dn)), None)
        return self._vocabulary.entry(*row[1:]) if row else None

    def by_uuid(self, uuid: UUID) -> Entry | None:
        """Find an entry by its UUID."""
        self._vocabulary.look()
        row = self._connection.execute(_BY_UUID, (uuid.bytes,)).fetchone()
        return self._vocabulary.entry(*row[1:]) if row else None

    def all(self) -> Iterator[Entry]:
        """Iterate over the entries in constant memory."""
        last = 0
        self._vocabulary.look()
        while rows := self._connection.execute(_PAGE_OF_COPY, (last, _PAGE)).fetchall():
            last = rows[-1][0]
            for row in rows:
                yield self._vocabulary.entry(*row[1:])

    def __len__(self) -> int:
        (count,) = self._connection.execute(_COUNT).fetchone()
        return int(count)

    def __repr__(self) -> str:
        return f"<{len(self)} entries>"
