"""A data file as seen by a process that does not own it: what is held there, and what its owner is asked for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import DBError
from syncrepl_client.store import held
from syncrepl_client.store.files import connect
from syncrepl_client.store.visiting import translated, visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.store.held import Held

__all__ = ["Decisions", "copy_file"]


class Decisions:
    """A connection to a data file that somebody else may own.

    Args:
        path: the data file.

    Raises:
        DBError: there is none, or it is not one of ours, or of an older version that nobody has opened since.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = visit(path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def held(self) -> Held | None:
        """Tell of the refresh that is held; None if none is."""
        return held.read(self._connection)

    def listed(self) -> Iterator[tuple[bytes, str]]:
        """Iterate over UUIDs and names of what would be deleted."""
        return held.listed(self._connection)

    def ask(self, kind: str, about: Held | None = None) -> None:
        """Ask the owner for something.

        Args:
            kind: what for.
            about: what is decided, as it was seen; another one may be held by now.

        Raises:
            DBError: the file cannot be written to.
        """
        with translated(self._path):
            held.ask(self._connection, kind, about.number if about else 0)


def copy_file(path: Path, target: Path) -> None:
    """Copy a data file, as it is at one moment, while its owner goes on.

    Raises:
        DBError: it cannot be read, or the copy not written.
    """
    try:
        target.touch(mode=0o600)
        with closing(connect(path)) as source, closing(sqlite3.connect(target)) as sink:
            source.backup(sink)
    except (sqlite3.Error, OSError) as error:
        raise DBError(f"cannot copy the data file {path}: {error}", hint="check the free space on its disk") from error
