"""The data file as its owner has it: how a transaction begins and ends, and what a callback may do inside one.

Facts about Python's ``sqlite3`` that shaped this module:

* A ``COMMIT`` prepared through ``execute`` is cached and may slip past an authorizer, so the engine begins by
  ``execute`` and ends by the connection's ``commit`` and ``rollback``.
* A handler for a signal runs between bytecodes only; while SQLite builds an index there are none.  The progress handler
  is bytecode, so a stop ends a long statement through it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import (
    CallbackError,
    DatabaseInUse,
    DBError,
    DBSchemaError,
    Interrupted,
    SchemaVersionError,
)
from syncrepl_client.log_fields import fields
from syncrepl_client.store import staging, tables
from syncrepl_client.store.files import connect, inode, make_file, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Database", "owner_in_callback"]

_log = logging.getLogger("syncrepl_client.store")

_BUSY_LIMIT: Final = 30.0
_BUSY_PAUSE: Final = 0.01
_PROGRESS_STEPS: Final = 50_000
_LARGE_WAL: Final = 64 * 1024 * 1024
_PAGE_SIZE: Final = 8192
# How much of the file is kept in memory: what is looked up or written here and there needs it.  What comes in one piece
# does not, and then it is that much less: SQLite lets the sorting for an index have the same again.
_CACHE_KIB: Final = 8192
_SMALL_CACHE_KIB: Final = 2048
# 32 MiB: each checkpoint waits for the disk twice.
_CHECKPOINT_PAGES: Final = 4096

_WRITES: Final = frozenset(
    {
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_VIEW,
    }
)
_ATTACHMENTS: Final = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})

# Which thread is inside a callback of which file: what a second connection asks before it waits for itself.
_in_callback: dict[str, int] = {}


def owner_in_callback(path: Path) -> bool:
    """Tell whether this thread is inside a callback of the consumer that owns the file."""
    return _in_callback.get(str(path.resolve())) == threading.get_ident()


class Database:
    """The writing connection of the one consumer that owns a data file.

    Args:
        path: the data file; made if it does not exist, readable by its owner alone.
        stopping: tells whether a stop was asked for; long statements ask it.
    """

    def __init__(self, path: Path, stopping: Callable[[], bool]) -> None:
        # However it was named, there is one lock for it.
        self.path = path = resolved(path)
        self._stopping = stopping
        self._key = str(path)
        self._closed = False
        # Whether there is a place for a refresh over a copy.
        self._staging = False
        # Whether a step is at work, which a stop may interrupt; who merely reads is not.
        self._working = False
        # Inside a callback: what the authorizer refused last.
        self._guarded = False
        self._refused = ""
        # Whether what was raised came out of a callback; it may look like an error of ours.
        self.callback_failed = False
        self._lock_path = path.with_name(path.name + "-lock")
        self._lock = self._take_lock()
        try:
            # What a crash has left, whatever it is that may be in it.
            staging.remove(path)
            self._create_file()
            self.connection = connect(path, timeout=0)
            self._prepare()
        except BaseException:
            os.close(self._lock)
            raise
        # Which files those are, whatever their names stand for later.
        self._files = self._in_place()

    def _in_place(self) -> tuple[tuple[int, int] | None, ...]:
        """Tell which files the names of the data file and of its lock stand for; None where there is none."""
        return tuple(inode(path) for path in (self.path, self._lock_path))

    def _take_lock(self) -> int:
        lock_path = self._lock_path
        try:
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DBError(
                f"cannot create {lock_path}: {error.strerror}",
                hint="the data file needs a folder that can be written to",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise DatabaseInUse(
                f"another consumer is using {self.path}",
                hint="one consumer per data file: stop the other one, or use another file",
            ) from error
        return lock

    def _create_file(self) -> None:
        try:
            make_file(self.path)
        except OSError as error:
            raise DBError(
                f"cannot open the data file {self.path}: {error.strerror}", hint="check its path and permissions"
            ) from error

    def _prepare(self) -> None:
        try:
            # A program that opens the file to read locks it for a moment: it may have to recover the write-ahead log.
            self._patiently(self._check_file)
            self._patiently(self._migrate)
            self.connection.set_authorizer(self._authorize)
            self.connection.set_progress_handler(
                lambda: self._working and not self._guarded and self._stopping(), _PROGRESS_STEPS
            )
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise self.translated(error) from error
        except BaseException:
            self.connection.close()
            raise

    def _check_file(self) -> None:
        """Refuse a file that is not ours before the first byte of it is changed."""
        execute = self.connection.execute
        held = [name for (name,) in execute("SELECT name FROM sqlite_master")]
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        if application == tables.APPLICATION_ID:
            if version > tables.SCHEMA_VERSION:
                raise SchemaVersionError(version, tables.SCHEMA_VERSION)
        elif any(name.startswith("syncrepl") for name in held):
            raise DBSchemaError(
                f"{self.path} was made by another implementation of this client",
                hint="its contents cannot be taken over: start afresh with another data file",
            )
        elif held or application:
            raise DBSchemaError(
                f"{self.path} is the database of another program", hint="use a data file of its own for each search"
            )

    def _migrate(self) -> None:
        execute = self.connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version == 0:
            execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        execute("PRAGMA journal_mode = WAL").fetchone()
        self.expect(streaming=False)
        # Some builds overwrite what is deleted by themselves, and then to delete is to write.
        execute("PRAGMA secure_delete = FAST").fetchone()
        execute("PRAGMA temp_store = FILE")
        execute("PRAGMA synchronous = FULL")
        self._durable = True
        execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        for number, statements in enumerate(tables.MIGRATIONS[version:], version + 1):
            with self.transaction():
                for statement in statements:
                    execute(statement)
                execute(f"PRAGMA application_id = {tables.APPLICATION_ID}")
                execute(f"PRAGMA user_version = {number}")

    def close(self) -> None:
        """Close the connection and give up the ownership; a second time that does nothing."""
        if self._closed:
            return
        # The number of the lock's descriptor is soon that of another file.
        self._closed = True
        self.connection.close()
        try:
            staging.remove(self.path)
        finally:
            os.close(self._lock)

    @property
    def in_callback(self) -> bool:
        """Whether a callback is running."""
        return self._guarded

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run a step: a stop interrupts its statements, and what SQLite raises becomes one of our errors.

        Raises:
            DBError: the file is not there any more: what a step would write, nobody could read again.
        """
        if self._in_place() != self._files:
            raise DBError(
                f"the data file {self.path} or its lock was deleted or replaced while it was in use",
                hint="stop the consumer before you move, delete or restore its data file; start it again now",
            )
        self._working = True
        try:
            yield
        except sqlite3.Error as error:
            raise self.translated(error) from error
        finally:
            self._working = False

    def expect(self, *, streaming: bool) -> None:
        """Say what comes next, which memory follows.

        Args:
            streaming: rows that are appended, read in their order or sorted, and nothing that is looked up.
        """
        self.connection.execute(f"PRAGMA cache_size = -{_SMALL_CACHE_KIB if streaming else _CACHE_KIB}")

    # --- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction: it is committed whole, or nothing of it happened.

        Args:
            durable: whether the commit must survive a power cut; a first load need not before it is whole.

        Raises:
            Interrupted: a stop was asked for while waiting or in the middle of a statement.
            DBError: the file is locked by another writer for long, the disk is full or read-only.
        """
        if durable is not self._durable:
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self._begin("BEGIN IMMEDIATE")
        with self._to_its_end():
            yield self.connection

    @contextmanager
    def staging(self) -> Iterator[sqlite3.Connection]:
        """Run a block in one transaction that writes what is staged, and nothing else; see `staging`.

        Raises:
            Interrupted: a stop was asked for in the middle of a statement.
            DBError: the disk is full or read-only.
        """
        if not self._staging:
            try:
                staging.attach(self.connection, self.path)
            except sqlite3.Error as error:
                raise self.translated(error) from error
            self._staging = True
        self._begin("BEGIN")
        with self._to_its_end():
            yield self.connection

    @contextmanager
    def _to_its_end(self) -> Iterator[None]:
        try:
            yield
            self.connection.commit()
        except sqlite3.DatabaseError as error:
            self._roll_back()
            raise self.translated(error) from error
        except BaseException:
            self._roll_back()
            raise

    def _begin(self, statement: str) -> None:
        try:
            self._patiently(lambda: self.connection.execute(statement))
        except sqlite3.OperationalError as error:
            raise self.translated(error) from error

    def _patiently(self, step: Callable[[], object]) -> None:
        """Do something again while another connection has the file locked."""
        deadline = time.monotonic() + _BUSY_LIMIT
        while True:
            try:
                step()
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                if self._stopping():
                    raise Interrupted from None
                time.sleep(_BUSY_PAUSE)
            else:
                return

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.rollback()

    def translated(self, error: sqlite3.Error) -> Exception:
        """Make one of our errors out of SQLite's."""
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code == sqlite3.SQLITE_INTERRUPT:
            return Interrupted()
        hints = {
            sqlite3.SQLITE_FULL: "free some space on its disk; nothing was lost, the copy is as it was",
            sqlite3.SQLITE_READONLY: "the file, its folder or its disk cannot be written to",
            sqlite3.SQLITE_CANTOPEN: "the file, its folder or its disk cannot be written to",
            sqlite3.SQLITE_IOERR: "check the disk; nothing was lost, the copy is as it was",
            sqlite3.SQLITE_BUSY: "another program holds a write lock on the file: let it commit",
            sqlite3.SQLITE_NOTADB: "it is not an SQLite database: use another data file",
            sqlite3.SQLITE_CORRUPT: "the file is damaged: delete it and start afresh",
        }
        return DBError(f"the data file {self.path}: {error}", hint=hints.get(code & 0xFF, ""))

    def log_large_wal(self) -> None:
        """Tell of a write-ahead log that grew because somebody reads for long."""
        try:
            busy, pages, moved = self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:
            # What there is no room for in the file stays in the log, where it is just as durable.
            extra = fields(what="wal-stays", path=str(self.path))
            _log.warning("the write-ahead log of %s cannot be moved into it: %s", self.path, error, extra=extra)
            return
        size = pages * _PAGE_SIZE
        if (busy or moved < pages) and size > _LARGE_WAL:
            extra = fields(what="wal-large", path=str(self.path), wal_bytes=size)
            _log.warning("a reader holds the write-ahead log of %s at %d bytes", self.path, size, extra=extra)

    # --- callbacks ----------------------------------------------------------------------------------------------------

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Run a callback: it can write to its own tables, but not end the transaction nor touch ours."""
        self._guarded = True
        self._refused = ""
        _in_callback[self._key] = threading.get_ident()
        self.callback_failed = True
        try:
            yield
            self.callback_failed = False
        except sqlite3.DatabaseError as error:
            if self._refused:
                raise CallbackError(
                    f"a callback tried to {self._refused}",
                    hint="its writes are committed together with the change; it must not commit, roll back, attach, "
                    "or write to tables whose names begin with syncrepl",
                ) from error
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise CallbackError(
                    "a callback wrote through another connection to the data file, which waits for the callback itself",
                    hint="write through the cursor that the callback is given",
                ) from error
            raise
        finally:
            self._guarded = False
            del _in_callback[self._key]

    def _authorize(self, action: int, first: str | None, _second: str | None, _db: str | None, _by: str | None) -> int:
        if not self._guarded:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_TRANSACTION:
            self._refused = f"{first} inside the transaction".lower()
        elif action in _ATTACHMENTS:
            self._refused = "attach or detach a database inside the transaction"
        elif action in _WRITES and (first or "").lower().startswith("syncrepl"):
            self._refused = f"write to the table {first}"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY
