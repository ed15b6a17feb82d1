"""The copy as it is at one moment, parents before their children, where no changelog tells what it was.

It holds one read transaction, so that the write-ahead log grows until it is closed; with a changelog, `Past` does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.ldap import dn as names
from syncrepl_client.store.visiting import translated, visit
from syncrepl_client.store.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from syncrepl_client.model import Entry

__all__ = ["Listing"]

_TABLE: Final = "CREATE TEMP TABLE listing (depth INTEGER, id INTEGER, PRIMARY KEY (depth, id)) WITHOUT ROWID"
_LIST: Final = "INSERT INTO temp.listing SELECT depth_of(dn), id FROM syncrepl_copy"
_ALL: Final = """
    SELECT e.uuid, e.dn, e.attrs FROM temp.listing l JOIN syncrepl_entry e ON e.id = l.id ORDER BY l.depth, l.id
"""


class Listing:
    """The entries of a copy; use it as a context manager.

    Args:
        path: the data file.

    Raises:
        DBError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = visit(path)
        try:
            with translated(path):
                self._connection.create_function("depth_of", 1, names.depth, deterministic=True)
                self._connection.execute(_TABLE)
                self._connection.execute("BEGIN")
                self._connection.execute(_LIST)
                self._vocabulary = Vocabulary(self._connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection to the data file."""
        self._connection.close()

    def all(self) -> Iterator[Entry]:
        """Iterate over the entries in constant memory; each time they are the same."""
        with translated(self._path):
            for row in self._connection.execute(_ALL):
                yield self._vocabulary.entry(*row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
