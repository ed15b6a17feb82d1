"""A data file as those see it who do not own it: the copy, what it says of itself, and what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.store import changelog, held, subscriptions
from syncrepl_client.store.entries import Entries
from syncrepl_client.store.past import Past
from syncrepl_client.store.visiting import reading, translated, visit
from syncrepl_client.store.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.ldap.schema import Schema
    from syncrepl_client.model import Change
    from syncrepl_client.store.changelog import Extent
    from syncrepl_client.store.held import Held
    from syncrepl_client.store.subscriptions import Stored

__all__ = ["Copy", "Facts"]

_PAGE: Final = 100
_OCTETS: Final = 4 << 20

_STATE: Final = "SELECT url, dialect, changed_at, file_id FROM syncrepl_state"
_NAMED: Final = """
    SELECT uuid, dn FROM syncrepl_entry WHERE key = ?1
    UNION SELECT uuid, old_dn FROM syncrepl_change WHERE old_key = ?1
    UNION SELECT uuid, new_dn FROM syncrepl_change WHERE new_key = ?1
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a data file says of itself; see `reader.Status`."""

    url: str | None
    dialect: str | None
    changed_at: int
    entries: int
    log: Extent
    subscriptions: tuple[Stored, ...]
    held: Held | None
    file_id: str


class Copy:
    """Reads a data file.

    Args:
        path: the data file.

    Raises:
        DBError: there is none, or it is not one of ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = visit(path)
        self._vocabulary = Vocabulary(self._connection)
        self.entries = Entries(self._vocabulary)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def schema(self) -> Schema:
        """What is known about attributes."""
        self._vocabulary.look()
        return self._vocabulary.schema

    def facts(self) -> Facts:
        """Tell what the file says of itself."""
        with translated(self._path), reading(self._connection) as connection:
            url, dialect, changed_at, file_id = connection.execute(_STATE).fetchone()
            return Facts(
                url,
                dialect,
                changed_at,
                len(self.entries),
                changelog.extent(connection),
                tuple(subscriptions.listed(connection)),
                held.read(connection),
                file_id,
            )

    def named(self, dn: str) -> list[bytes]:
        """Return the UUIDs of the entries that have a name, or had it, as far as the changelog tells."""
        with translated(self._path):
            found = self._connection.execute(_NAMED, (names.key(dn),)).fetchall()
        return sorted({uuid for uuid, name in found if names.same(name, dn)})

    def changes_of(self, uuid: bytes) -> Iterator[Change]:
        """Iterate over the logged changes of an entry, the oldest first."""
        last = 0
        while page := self._page_of(uuid, last):
            last = page[-1].sequence or 0
            yield from page

    def _page_of(self, uuid: bytes, last: int) -> list[Change]:
        with translated(self._path), reading(self._connection):
            # A reader may be here before the schema is.
            self._vocabulary.look()
            return changelog.changes_of(self._vocabulary, uuid, last, _PAGE, _OCTETS)

    def counted(self, after: int, until: int) -> dict[type[Change], int]:
        """Count logged changes; see `reader.Reader.counted`."""
        with translated(self._path):
            return changelog.counted(self._connection, after, until)

    def stored_after(self, sequence: int) -> int | None:
        """Tell when the first logged change after a number was stored, in microseconds since 1970; None without one."""
        with translated(self._path):
            return changelog.stored_after(self._connection, sequence)

    def past(self, sequence: int) -> Past:
        """Return the copy as it was after a change; see `Past`."""
        return Past(self._path, sequence)

    def past_at(self, time: int) -> Past:
        """Return the copy as it was at a time, in microseconds since 1970; see `Past`."""
        with translated(self._path):
            sequence = changelog.last_until(self._connection, time)
        return Past(self._path, sequence)
