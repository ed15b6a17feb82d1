"""What one reader gets: a snapshot, if it begins with one, and then each change after it, in order, once.

The two join without gap or overlap, since the snapshot is the copy as it was after one change of the changelog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ChangesLost, UsageError
from syncrepl_client.model import Added, Origin, Provenance
from syncrepl_client.store import changelog
from syncrepl_client.store.page import NOTHING, Page
from syncrepl_client.store.past import Past
from syncrepl_client.store.position import BEGINNING, Position
from syncrepl_client.store.visiting import reading, translated, visit
from syncrepl_client.store.vocabulary import Vocabulary

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from syncrepl_client.model import Change, Entry
    from syncrepl_client.store.changelog import Row
    from syncrepl_client.store.position import Place, Start

__all__ = ["Feed", "begin_at"]

_PAGE: Final = 500
_OCTETS: Final = 4 << 20


def begin_at(connection: sqlite3.Connection, start: Start, path: Path) -> Position | None:
    """Find out where a reader begins; None with a snapshot, as soon as there is a copy.

    Args:
        connection: to the data file.
        start: where it wants to begin.
        path: the data file, for errors.

    Raises:
        UsageError: the file keeps no changelog.
        ChangesLost: what comes after that number is not in the changelog.
    """
    now = changelog.extent(connection)
    if now.whole and now.since is None:
        raise UsageError(
            f"{path} keeps no changelog", hint="let the client that owns it keep one: changelog=Retention()"
        )
    if start == "snapshot":
        return Position(now.sequence, BEGINNING) if now.whole else None
    if start == "now":
        return Position(now.sequence)
    if not now.floor <= start <= now.sequence:
        raise ChangesLost(start, now.floor, now.sequence)
    return Position(start)


class Feed:
    """Reads on from a position.

    Args:
        path: the data file.
        position: None to begin with a snapshot, as soon as there is a copy.
        reader: its name, for errors.

    Raises:
        DBError: the file cannot be read.
    """

    def __init__(self, path: Path, position: Position | None, reader: str = "") -> None:
        self._path = path
        self._connection = visit(path)
        self._reader = reader
        self._vocabulary = Vocabulary(self._connection)
        self._snapshot: Past | None = None
        # What the file was like when there was nothing to read, or nothing but what was read.
        self._seen = -1
        self._complete = False
        self.position = position
        self.closed = False

    def close(self) -> None:
        """Close the connections to the data file."""
        self.closed = True
        self._connection.close()
        self._end_snapshot()

    def _end_snapshot(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def read(self, limit: int = _PAGE) -> Page:
        """Read on; each change comes with the position of who has it.

        Args:
            limit: how many at most.

        Returns:
            Nothing if there is nothing new.

        Raises:
            ChangesLost: what comes next is not in the changelog any more.
        """
        with translated(self._path):
            # It counts what others have committed.
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version == self._seen:
                return NOTHING
            if self.position is None:
                self._begin()
            self._complete = False
            found = self._read_snapshot(limit) or self._read_log(limit)
        if self._complete or not found:
            # What is committed after that gives the file another version.
            self._seen = version
        return found

    def _begin(self) -> None:
        """Begin with a snapshot, if there is a copy."""
        if changelog.extent(self._connection).whole:
            self.position = begin_at(self._connection, "snapshot", self._path)

    def _read_snapshot(self, limit: int) -> Page:
        sequence, place = self.position or (0, None)
        if place is None:
            return NOTHING
        if self._snapshot is None:
            self._snapshot = self._past(sequence)
        page = self._snapshot.page(place, limit)
        if not page:
            self._end_snapshot()
            self.position = Position(sequence)
            return NOTHING
        usual = Provenance(Origin.SNAPSHOT, sequence, self._time_of(sequence))
        told = [usual] * len(page)
        told[0] = usual._replace(first=place == BEGINNING)
        told[-1] = told[-1]._replace(last=page[-1][0] == self._snapshot.end())
        self.position = Position(sequence, page[-1][0])

        def make(row: tuple[tuple[Place, Entry], Provenance]) -> tuple[Change, Position]:
            (at, entry), provenance = row
            return Added(entry, provenance), Position(sequence, at)

        return Page(zip(page, told, strict=True), make)

    def _past(self, sequence: int) -> Past:
        try:
            return Past(self._path, sequence)
        except ChangesLost as lost:
            raise ChangesLost(lost.wanted, lost.floor, lost.last, self._reader) from None

    def _time_of(self, sequence: int) -> int | None:
        return changelog.time_of(self._connection, sequence)

    def _read_log(self, limit: int) -> Page:
        if self.position is None:
            return NOTHING
        sequence = self.position.sequence
        with reading(self._connection) as connection:
            now = changelog.extent(connection)
            # Who wants no snapshot may be here before there is a copy, with which the changelog begins.
            kept = now.since is not None or not now.whole
            if not kept or not now.floor <= sequence <= now.sequence:
                raise ChangesLost(sequence, now.floor, now.sequence, self._reader)
            if sequence == now.sequence:
                return NOTHING
            self._vocabulary.look()
            rows = changelog.rows_after(connection, sequence, limit, _OCTETS)
        if rows:
            last = rows[-1][0]
            self.position = Position(last)
            self._complete = last == now.sequence
        return Page(rows, self._logged)

    def _logged(self, row: Row) -> tuple[Change, Position]:
        return changelog.change_of(self._vocabulary, row), Position(row[0])
