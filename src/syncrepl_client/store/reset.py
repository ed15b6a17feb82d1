"""Starting a copy afresh, by whoever owns the data file for that moment."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DBError
from syncrepl_client.store import changelog, held, subscriptions, tables
from syncrepl_client.store.database import Database

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ["forget_cookie", "reset"]

_FORGET: Final = "UPDATE syncrepl_state SET cookie = NULL"
# The fingerprint stays: it also tells that there were entries, of which octets may be left in free space of the file.
_START: Final = "UPDATE syncrepl_state SET url = NULL, cookie = NULL, visible = 0, dialect = NULL, listener = NULL"
_EMPTY: Final = (
    *tables.DROP_INDEXES,
    "DELETE FROM syncrepl_entry",
    "DELETE FROM syncrepl_marker",
    "DELETE FROM syncrepl_request",
)


def reset(path: Path) -> None:
    """Forget copy, cookie and changelog.

    Subscriptions begin with a snapshot of what is loaded next; who is in the middle of reading is told that changes are
    lost.  Numbers of changes go on.  Settings, tables of programs and rules of redaction stay.

    Args:
        path: the data file.

    Raises:
        DatabaseInUse: a consumer owns the file.
        DBError: there is no such file, or it cannot be used.
    """
    with _owned(path) as database, database.transaction() as connection:
        _empty(connection)


def forget_cookie(path: Path) -> None:
    """Let the next refresh read everything, and tell of what differs from the copy; see `reset`."""
    with _owned(path) as database, database.transaction() as connection:
        connection.execute(_FORGET)


def _empty(connection: sqlite3.Connection) -> None:
    for statement in _EMPTY:
        connection.execute(statement)
    held.clear(connection)
    changelog.clear(connection)
    subscriptions.start_again(connection)
    connection.execute(_START)


def _owned(path: Path) -> closing[Database]:
    # Opened by its owner, a file that is not there would be made.
    if not path.exists():
        raise DBError(f"there is no data file {path}", hint="check its path")
    return closing(Database(path, lambda: False))
