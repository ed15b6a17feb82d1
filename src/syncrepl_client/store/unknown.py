"""UUIDs that a server named as present and that are not in the copy.

Servers name what they are about to send in present phases too, so after an import there are as many of them as there
are new entries.  They stand in a temporary table: nobody needs them after the refresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

__all__ = ["Unknown"]

_CREATE: Final = "CREATE TEMP TABLE IF NOT EXISTS syncrepl_unknown (uuid BLOB PRIMARY KEY) WITHOUT ROWID"
_CLEAR: Final = "DELETE FROM temp.syncrepl_unknown"
_ADD: Final = "INSERT OR IGNORE INTO temp.syncrepl_unknown VALUES (?)"
_DISCARD: Final = "DELETE FROM temp.syncrepl_unknown WHERE uuid = ?"
_FIND: Final = "SELECT 1 FROM temp.syncrepl_unknown WHERE uuid = ?"
_ALL: Final = "SELECT uuid FROM temp.syncrepl_unknown"


class Unknown:
    """A set of UUIDs, empty at first; whoever changes it is in a transaction.

    Args:
        connection: to the data file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._count: int
        connection.execute(_CREATE)
        self.clear()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        return (uuid for (uuid,) in self._connection.execute(_ALL))

    def __contains__(self, uuid: object) -> bool:
        return self._connection.execute(_FIND, (uuid,)).fetchone() is not None

    def clear(self) -> None:
        """Remove everything."""
        self._connection.execute(_CLEAR)
        self._count = 0

    def add(self, uuids: Iterable[bytes]) -> None:
        """Add UUIDs."""
        self._count += self._connection.executemany(_ADD, ((uuid,) for uuid in uuids)).rowcount

    def discard(self, uuids: Iterable[bytes]) -> None:
        """Remove UUIDs, if they are there."""
        if self._count:
            self._count -= self._connection.executemany(_DISCARD, ((uuid,) for uuid in uuids)).rowcount
