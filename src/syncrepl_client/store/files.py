"""Files of SQLite: which one is meant, how one is made, and how one is opened.

Opening and closing a second descriptor of a database file drops the locks that SQLite holds in this process, so the
lock of the owner is on a file beside it, and a file that is there is opened by nobody but SQLite.  Without its locks
another process that closes the file takes itself for the last one, and deletes the write-ahead log.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from syncrepl_client.exceptions import DBError

__all__ = ["connect", "data_file", "inode", "is_made", "make_file", "resolved"]

# Who finds a file that another thread makes must not open it before that has closed it.
_MAKING: Final = threading.Lock()


def data_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of the data file for what a program named: a folder gets a ``syncrepl.db`` in it."""
    text = os.fspath(path)
    folder = text.endswith(("/", os.sep))
    # Who opens it says why it cannot be looked at.
    with suppress(OSError):
        folder = folder or Path(text).is_dir()
    return Path(text, "syncrepl.db") if folder else Path(text)


def make_file(path: Path) -> None:
    """Make a file for a database if there is none, readable by its owner alone.

    Raises:
        OSError: it cannot be made.
    """
    with _MAKING, suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def is_made(path: Path) -> bool:
    """Tell whether there is a file, and nobody here still makes it."""
    with _MAKING:
        return path.exists()


def connect(path: Path, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a connection to a data file that exists.

    Raises:
        DBError: it cannot be opened.
    """
    try:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
    except sqlite3.Error as error:
        raise DBError(f"cannot open the data file {path}: {error}", hint="check its path and permissions") from error


def inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from others that had its name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def resolved(path: Path) -> Path:
    """Return where a path leads to.

    Raises:
        DBError: that cannot be told.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise DBError(f"cannot open the data file {path}: {error}", hint="check its path") from error
