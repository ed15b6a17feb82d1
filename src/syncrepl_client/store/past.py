"""The copy as it was after one of the changes in the changelog.

An entry was then what the first change after that had found, or, if it has not changed since, what it is.  So no copy
of a copy is made, and no read transaction is held from page to page while the copy moves on.

What is kept is the order, parents before their children: a table of depth and UUID, which SQLite keeps in a temporary
file.  It is the same whenever it is made again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ChangesLost, DBError
from syncrepl_client.ldap import dn as names
from syncrepl_client.model import Added
from syncrepl_client.store import changelog
from syncrepl_client.store.entries import ByName
from syncrepl_client.store.position import BEGINNING
from syncrepl_client.store.visiting import reading, translated, visit
from syncrepl_client.store.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

    from syncrepl_client.model import Entry
    from syncrepl_client.store.position import Place

__all__ = ["Past"]

_PAGE: Final = 500
_OCTETS: Final = 4 << 20

_TABLE: Final = "CREATE TEMP TABLE listing (depth INTEGER, uuid BLOB, PRIMARY KEY (depth, uuid)) WITHOUT ROWID"
_LIST_UNCHANGED: Final = """
    INSERT INTO temp.listing SELECT depth_of(dn), uuid FROM syncrepl_copy e
    WHERE NOT EXISTS (SELECT 1 FROM syncrepl_change c WHERE c.uuid = e.uuid AND c.sequence > ?)
"""
# The columns are those of the row that has the smallest number.
_LIST_CHANGED: Final = """
    INSERT INTO temp.listing SELECT depth_of(coalesce(old_dn, new_dn)), uuid FROM (
        SELECT uuid, kind, old_dn, new_dn, min(sequence) FROM syncrepl_change WHERE sequence > ? GROUP BY uuid
    ) WHERE kind <> 'added'
"""
_AFTER: Final = """
    SELECT depth, uuid FROM temp.listing WHERE (depth, uuid) > (?, ?) ORDER BY depth, uuid LIMIT ?
"""
_LAST: Final = "SELECT depth, uuid FROM temp.listing ORDER BY depth DESC, uuid DESC LIMIT 1"
_COUNT: Final = "SELECT count(*) FROM temp.listing"
_NOW: Final = "SELECT uuid, dn, attrs FROM syncrepl_copy WHERE uuid = ?"
_NAMED: Final = """
    SELECT uuid FROM syncrepl_entry WHERE key = ?1
    UNION SELECT uuid FROM syncrepl_change WHERE sequence > ?2 AND (old_key = ?1 OR new_key = ?1)
"""


class Past(ByName):
    """The copy after a change, as a read-only mapping of DN to attributes; a DN is found in any spelling.

    Args:
        path: the data file.
        sequence: the number of the change.

    Raises:
        ChangesLost: what followed that change is not in the changelog.
        DBError: the file cannot be read.
    """

    def __init__(self, path: Path, sequence: int) -> None:
        self._path = path
        self.sequence = sequence
        self._connection = visit(path)
        self._listed = False
        try:
            self._vocabulary = Vocabulary(self._connection)
            self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection to the data file."""
        self._connection.close()

    def _check(self) -> None:
        """Make sure that nothing which followed was taken away: an entry would be taken for what it is now."""
        now = changelog.extent(self._connection)
        if now.since is None or not now.floor <= self.sequence <= now.sequence:
            raise ChangesLost(self.sequence, now.floor, now.sequence)

    def _list(self) -> None:
        if self._listed:
            return
        connection = self._connection
        connection.create_function("depth_of", 1, names.depth, deterministic=True)
        connection.execute("BEGIN")
        try:
            self._check()
            connection.execute(_TABLE)
            connection.execute(_LIST_UNCHANGED, (self.sequence,))
            connection.execute(_LIST_CHANGED, (self.sequence,))
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
        self._listed = True

    def page(self, place: Place, limit: int = _PAGE, octets: int = _OCTETS) -> list[tuple[Place, Entry]]:
        """Read entries in their order, each with its place.

        Args:
            place: after which.
            limit: how many at most.
            octets: when to stop because they are large enough together.
        """
        with translated(self._path):
            self._list()
            with reading(self._connection):
                self._check()
                places = self._connection.execute(_AFTER, (*place, limit)).fetchall()
                found = []
                for depth, uuid in places:
                    entry = self._entry(uuid)
                    if entry is None:
                        raise DBError(
                            f"an entry of the copy after change {self.sequence} is neither there nor in the changelog",
                            hint="the data file is damaged",
                        )
                    found.append(((depth, uuid), entry))
                    octets -= len(entry.attributes.wire)
                    if octets <= 0:
                        break
                return found

    def end(self) -> Place | None:
        """Return the place of the last entry; None if there is none."""
        with translated(self._path):
            self._list()
            found: Place | None = self._connection.execute(_LAST).fetchone()
            return found

    def _entry(self, uuid: bytes) -> Entry | None:
        """Find what an entry was, in a transaction."""
        change = changelog.first_after(self._vocabulary, uuid, self.sequence)
        if change is not None:
            return None if isinstance(change, Added) else change.before
        row = self._connection.execute(_NOW, (uuid,)).fetchone()
        return None if row is None else self._vocabulary.entry(*row)

    def entry(self, dn: str) -> Entry | None:
        """Find an entry by its name then, the exact spelling first."""
        with translated(self._path), reading(self._connection):
            self._check()
            uuids = self._connection.execute(_NAMED, (names.key(dn), self.sequence)).fetchall()
            found = [entry for (uuid,) in uuids if (entry := self._entry(uuid)) is not None]
        exact = next((entry for entry in found if entry.dn == dn), None)
        return exact or next((entry for entry in found if names.same(entry.dn, dn)), None)

    def by_uuid(self, uuid: UUID) -> Entry | None:
        """Find an entry by its UUID."""
        with translated(self._path), reading(self._connection):
            self._check()
            return self._entry(uuid.bytes)

    def all(self) -> Iterator[Entry]:
        """Iterate over the entries, parents before their children, in constant memory."""
        place = BEGINNING
        while page := self.page(place):
            place = page[-1][0]
            for _, entry in page:
                yield entry

    def __len__(self) -> int:
        with translated(self._path):
            self._list()
            (count,) = self._connection.execute(_COUNT).fetchone()
        return int(count)

    def __repr__(self) -> str:
        return f"<the copy after change {self.sequence}>"
