"""Connections to a data file for those who do not own it: readers in any number, thread and process."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DBError, DBSchemaError
from syncrepl_client.store import tables
from syncrepl_client.store.files import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["is_there", "reading", "translated", "visit"]

# How long a file may be empty while it is made, and how often to look, in seconds.
_MADE_WITHIN: Final = 1.0
_LOOK_EVERY: Final = 0.01


def is_there(path: Path) -> bool:
    """Tell whether there is a file.

    Raises:
        DBError: that cannot be known: a folder above it may not be looked into, or the disk fails.
    """
    try:
        return path.exists()
    except OSError as error:
        raise DBError(f"cannot look at {path}: {error.strerror}", hint="check the path and permissions") from error


def visit(path: Path, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a data file that somebody else may own.

    Args:
        path: the data file.
        timeout: seconds to wait for another writer.

    Raises:
        DBError: there is none, or it is not one of ours, or of an older version that nobody has opened since.
    """
    if not is_there(path):
        raise DBError(f"there is no data file {path}", hint="check its path")
    connection = connect(path, timeout=timeout)
    try:
        application, version = _kind(connection)
    except sqlite3.Error as error:
        connection.close()
        raise DBError(f"the data file {path}: {error}", hint="use a data file of this program") from error
    if application != tables.APPLICATION_ID or version != tables.SCHEMA_VERSION:
        connection.close()
        raise DBSchemaError(
            f"{path} is not a data file of this version", hint="let the client that uses it open it first"
        )
    connection.execute("PRAGMA temp_store = FILE")
    return connection


def _kind(connection: sqlite3.Connection) -> tuple[int, int]:
    """Tell what a file is: the application and the version; one that its owner is just making is waited for."""
    deadline = time.monotonic() + _MADE_WITHIN
    while True:
        with reading(connection):
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables_there,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        # The tables come in as many transactions as there were versions.
        ours = application == tables.APPLICATION_ID or not (application or tables_there)
        being_made = ours and version < tables.SCHEMA_VERSION
        if not being_made or time.monotonic() > deadline:
            return application, version
        time.sleep(_LOOK_EVERY)


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Read several things as they are at one moment; short, or the write-ahead log cannot be taken back meanwhile."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.rollback()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Make errors of ours of those that SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise DBError(f"the data file {path}: {error}", hint="try again in a moment") from error
