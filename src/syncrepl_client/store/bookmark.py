"""The stored position of one named reader, written by that reader itself."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import CallbackError
from syncrepl_client.store import subscriptions
from syncrepl_client.store.database import owner_in_callback
from syncrepl_client.store.feed import begin_at
from syncrepl_client.store.subscriptions import Stored
from syncrepl_client.store.visiting import translated, visit

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client.store.position import Position, Start

__all__ = ["Bookmark", "forget", "peek"]

# The owner of the file may be in the middle of a large refresh; in milliseconds.
_PATIENCE: Final = 60_000


class Bookmark:
    """Remembers how far a reader has come.

    Args:
        path: the data file.
        name: the reader's.
        start: where it begins if the name is new.
        restart: whether it begins there in any case.

    Raises:
        DBError: the file cannot be used.
        UsageError: it keeps no changelog.
        ChangesLost: what it begins with is not in the changelog.
    """

    def __init__(self, path: Path, name: str, start: Start, *, restart: bool = False) -> None:
        self._path = path
        self._name = name
        self._connection = visit(path)
        # A position that is lost in a power cut is an earlier one, and what comes after it is told again.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            found = None if restart else subscriptions.find(self._connection, name)
            if found is not None and found.position is not None:
                self.position: Position | None = found.position
            else:
                self.position = begin_at(self._connection, _start(found, start), path)
                # From here on the changelog waits for it.
                self.save(self.position)
        except BaseException:
            self.close()
            raise

    def save(self, position: Position | None, *, patient: bool = True) -> bool:
        """Store a position.

        Args:
            position: of who has handled all before it.
            patient: whether to wait for another writer.

        Returns:
            Whether it was stored.

        Raises:
            CallbackError: a callback of the file's owner would wait for itself.
            DBError: it cannot be stored.
        """
        if patient and owner_in_callback(self._path):
            raise CallbackError(
                "a callback stores the position of a subscription, which waits for the callback itself",
                hint="read the subscription when the callback has returned",
            )
        with translated(self._path):
            self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE if patient else 0}")
            try:
                subscriptions.save(self._connection, Stored(self._name, position, time.time_ns() // 1000))
            except sqlite3.OperationalError as error:
                if patient or getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                return False
        return True

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def peek(path: Path, name: str, start: Start) -> Position | None:
    """Tell from where a reader would read on; None with a snapshot, as soon as there is a copy.

    Args:
        path: the data file.
        name: the reader's.
        start: where it would begin if the name is new.

    Raises:
        DBError: the file cannot be used.
        UsageError: it keeps no changelog.
        ChangesLost: what it would begin with is not in the changelog.
    """
    connection = visit(path)
    try:
        with translated(path):
            found = subscriptions.find(connection, name)
            if found is not None and found.position is not None:
                return found.position
            return begin_at(connection, _start(found, start), path)
    finally:
        connection.close()


def _start(found: Stored | None, start: Start) -> Start:
    """Return where to begin: who is known and has nothing waits for a snapshot, wherever he began the first time."""
    return start if found is None else "snapshot"


def forget(path: Path, name: str) -> bool:
    """Forget a reader; tells whether there was one.

    Raises:
        DBError: the file cannot be used.
    """
    connection = visit(path)
    try:
        with translated(path):
            return subscriptions.forget(connection, name)
    finally:
        connection.close()
