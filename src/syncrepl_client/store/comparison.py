"""The copy compared with what a server holds, without trusting anything that it said before.

The server lists its content.  Where it lists change markers alone, an entry is equal if it has the marker under which
it was last found equal and its row is still what it was then; whoever has another marker must be fetched.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.attributes import same_values
from syncrepl_client.store.names import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.store.database import Database

__all__ = ["Comparison"]

_MAX_ID: Final = "SELECT coalesce(max(id), 0) FROM syncrepl_entry"
_FIND: Final = """
    SELECT e.id, e.dn, e.attrs, CASE WHEN m.uuid = e.uuid THEN m.marker END, m.digest
    FROM syncrepl_entry e LEFT JOIN syncrepl_marker m ON m.entry = e.id WHERE e.uuid = ?
"""
_NEXT: Final = "SELECT uuid FROM syncrepl_entry WHERE id = ?"
_STORE: Final = "INSERT OR REPLACE INTO syncrepl_marker (entry, uuid, marker, digest) VALUES (?, ?, ?, ?)"
_FORGET_LATE: Final = "DELETE FROM syncrepl_marker WHERE marker >= ?"
_FORGET_OLD: Final = "DELETE FROM syncrepl_marker WHERE entry NOT IN (SELECT id FROM syncrepl_entry)"
_COUNTS: Final = "SELECT (SELECT count(*) FROM syncrepl_entry), (SELECT count(*) FROM syncrepl_marker)"


class Comparison:
    """Compares a listing with the copy, in constant memory.

    Args:
        database: the data file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.connection
        (last,) = self._connection.execute(_MAX_ID).fetchone()
        self._seen = bytearray(last + 1)

    def has_markers(self) -> bool:
        """Tell whether most entries have a marker, so that listing the markers is worth the while."""
        entries, markers = self._connection.execute(_COUNTS).fetchone()
        return bool(markers * 2 > entries)

    def differing(self, listed: Iterable[tuple[SentEntry, bytes | None]], *, whole: bool) -> list[bytes]:
        """Compare a part of the listing; returns the UUIDs of entries that are not certainly equal.

        Args:
            listed: entries as the server lists them, and the change markers that were taken out of their attributes;
                None if there is none.
            whole: whether they come with their attributes; otherwise with their markers alone.
        """
        differing = []
        equal = []
        for (uuid, raw_dn, attrs), marker in listed:
            found = self._connection.execute(_FIND, (uuid,)).fetchone()
            if found is None:
                differing.append(uuid)
                continue
            row, dn, own, known, digest = found
            self._seen[row] = 1
            if not names.same(dn, text(raw_dn)):
                differing.append(uuid)
            elif whole and same_values(own, attrs):
                if marker is not None and (marker != known or digest != _digest(own)):
                    equal.append((row, uuid, marker, _digest(own)))
            elif whole or marker is None or marker != known or digest != _digest(own):
                differing.append(uuid)
        if equal:
            with self._database.transaction(durable=False) as connection:
                connection.executemany(_STORE, equal)
        return differing

    def unmentioned(self) -> Iterator[bytes]:
        """Iterate over the UUIDs of entries of the copy that were not listed."""
        row = self._seen.find(0, 1)
        while row >= 0:
            found = self._connection.execute(_NEXT, (row,)).fetchone()
            if found:
                yield found[0]
            row = self._seen.find(0, row + 1)

    def forget_markers(self, since: bytes | None) -> None:
        """Forget markers of entries that are gone, and those that another change may still get.

        Args:
            since: the first of these, where the server's markers are times; None where each is given once.
        """
        with self._database.transaction(durable=False) as connection:
            connection.execute(_FORGET_OLD)
            if since is not None:
                connection.execute(_FORGET_LATE, (since,))


def _digest(attrs: bytes) -> int:
    return zlib.crc32(attrs)
