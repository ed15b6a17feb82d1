"""`DBInterface`: a program's own handle on the data file of a client."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from syncrepl_client.exceptions import CallbackError, DBError, DBSettingError
from syncrepl_client.store.database import owner_in_callback
from syncrepl_client.store.files import connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["DBInterface"]


class DBInterface:
    """A connection of the caller's own, for tables of its own; names that begin with ``syncrepl`` are reserved.

    A transaction begins with the first write and ends with `commit` or `rollback`.

    Args:
        path: the data file; it must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path)
        self._connection.isolation_level = "DEFERRED"

    def clone(self) -> Self:
        """Return another handle on the same file, for another thread."""
        return type(self)(self._path)

    def cursor(self) -> sqlite3.Cursor:
        """Return a cursor."""
        return self._connection.cursor()

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> sqlite3.Cursor:
        """Execute one statement.

        Raises:
            CallbackError: it writes from inside a callback of the client that owns the file.
            DBError: SQLite cannot execute it.
        """
        with self._errors():
            return self._connection.execute(sql, params if params is not None else ())

    def commit(self) -> None:
        """Commit the transaction."""
        with self._errors():
            self._connection.commit()

    def rollback(self) -> None:
        """Roll the transaction back."""
        self._connection.rollback()

    def interrupt(self) -> None:
        """End a statement that runs in another thread."""
        self._connection.interrupt()

    def optimize(self) -> None:
        """Let SQLite refresh its statistics."""
        self.execute("PRAGMA optimize")

    def vacuum(self) -> None:
        """Do nothing: the file is never rewritten as a whole, free pages are used again."""

    def close(self) -> None:
        """Close the handle."""
        self._connection.close()

    def get_setting(self, name: str) -> bytes:
        """Return a named value.

        Raises:
            DBSettingError: there is none of that name.
        """
        found = self.execute("SELECT value FROM syncrepl_setting WHERE name = ?", (name,)).fetchone()
        if found is None:
            raise DBSettingError(f"there is no setting {name!r}")
        return bytes(found[0])

    def set_setting(self, name: str, value: bytes) -> None:
        """Store a named value; `commit` makes it durable."""
        self.execute("INSERT OR REPLACE INTO syncrepl_setting VALUES (?, ?)", (name, bytes(value)))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        # A write from inside a callback would wait for the transaction that waits for the callback.
        inside = owner_in_callback(self._path)
        self._connection.execute(f"PRAGMA busy_timeout = {0 if inside else 5000}")
        try:
            yield
        except sqlite3.Error as error:
            if inside and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise CallbackError(
                    "a callback wrote through another connection to the data file, which waits for the callback itself",
                    hint="write through the cursor that the callback is given",
                ) from error
            raise DBError(f"the data file {self._path}: {error}") from error
