"""Where a refresh over a copy is staged: two tables in a file of its own, beside the data file.

=====================  ================================================================================================
``syncrepl_named``     the entries that are new, and those that have another name
``syncrepl_changed``   those of which only the attributes are others, by the row that they have in the copy
=====================  ================================================================================================

Nobody needs them after the refresh, nor after a crash.  So they are written once and waited for never: in the data
file they would go through its write-ahead log, which takes 1.5 µs more for each entry, and whoever stores something
there would wait for who stages.  The folder of temporary files is no place for them, for it is often memory.

Most of a difference is in the second table, to which rows are appended in the order of the copy; with the names and an
index on the UUIDs it would take twice as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DBError
from syncrepl_client.store.files import make_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["CREATE_INDEXES", "attach", "clear", "remove"]

_ATTACH: Final = "ATTACH ? AS staged"
_DETACH: Final = "DETACH staged"
_SETTINGS: Final = (
    # Little is looked up in it.  The journal has in memory each page that a transaction finds and changes, and UUIDs
    # of new entries go to pages everywhere: with larger ones a refresh takes some megabytes more.
    "page_size = 4096",
    "cache_size = -512",
    # What is taken out of it makes it smaller at once.
    "auto_vacuum = FULL",
    "journal_mode = MEMORY",
    "synchronous = OFF",
    "locking_mode = EXCLUSIVE",
    # Where this is on by itself, to empty a table takes as long as to fill it.
    "secure_delete = OFF",
)
_TABLES: Final = (
    # entry: the row in the copy, NULL for who is new; attrs: NULL where they stay.
    """
    CREATE TABLE staged.syncrepl_named (
        id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, entry INTEGER, old_key INTEGER, new_key INTEGER NOT NULL,
        dn TEXT NOT NULL, attrs BLOB, done INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    "CREATE TABLE staged.syncrepl_changed (entry INTEGER PRIMARY KEY, attrs BLOB NOT NULL) STRICT",
)
_RENAMED: Final = "WHERE entry IS NOT NULL AND NOT done"
CREATE_INDEXES: Final = (
    f"CREATE INDEX IF NOT EXISTS staged.syncrepl_named_old ON syncrepl_named (old_key) {_RENAMED}",
    f"CREATE INDEX IF NOT EXISTS staged.syncrepl_named_new ON syncrepl_named (new_key) {_RENAMED}",
)
"""What finds names, where there are any."""
_CLEAR: Final = (
    "DROP INDEX IF EXISTS staged.syncrepl_named_old",
    "DROP INDEX IF EXISTS staged.syncrepl_named_new",
    "DELETE FROM syncrepl_named",
    "DELETE FROM syncrepl_changed",
)


def _file(path: Path) -> Path:
    return path.with_name(path.name + "-staged")


def attach(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables known to a connection, empty.

    Args:
        connection: the owner's, in no transaction.
        path: the data file.

    Raises:
        DBError: the file cannot be made.
        sqlite3.Error: there is no room in it.
    """
    remove(path)
    file = _file(path)
    try:
        make_file(file)
    except OSError as error:
        raise DBError(f"cannot create {file}: {error.strerror}", hint="check its folder and permissions") from error
    connection.execute(_ATTACH, (f"{file.as_uri()}?mode=rw",))
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA staged.{setting}").fetchone()
        for statement in _TABLES:
            connection.execute(statement)
    except BaseException:
        connection.execute(_DETACH)
        raise


def clear(connection: sqlite3.Connection) -> None:
    """Empty the tables, in a transaction."""
    for statement in _CLEAR:
        connection.execute(statement)


def remove(path: Path) -> None:
    """Remove the file that belongs to a data file, which nobody has attached; also one that a crash has left.

    Raises:
        DBError: it cannot be removed.
    """
    file = _file(path)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise DBError(f"cannot remove {file}: {error.strerror}", hint="remove it") from error
