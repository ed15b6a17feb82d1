"""Dead letters: events that a receiver did not take, in a file of their own until somebody has decided about them.

One file serves all relays of a service (see `relay_letters`) and the commands of other processes.  What such a command
wants of a relay it writes into the row: `marked` letters are sent again by the relay's own thread, which removes them
when they are confirmed.

The letters of an entry stay in their order: who marks one marks those before it as well.

Facts about SQLite that shaped this module:

* A row number of a deleted row is given again without AUTOINCREMENT: somebody who says "drop 7" would drop another one.
* What stands behind a large value in a row is found by reading that value, so the body is the last column.
* Freed pages stay in the file without ``auto_vacuum``, and readable without ``secure_delete``.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.exceptions import DBError, DBSchemaError, SchemaVersionError
from syncrepl_client.model.moments import moment
from syncrepl_client.store.files import connect, is_made, make_file
from syncrepl_client.store.visiting import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from syncrepl_client.exceptions import SyncreplError

__all__ = ["EVENT", "Count", "DeadLetter", "DeadLetterFile", "event_of", "open_file", "translated", "writing"]

_APPLICATION_ID: Final = 0x5359444C
_ALL: Final = (0, (1 << 63) - 1)
# In seconds: how long to wait while somebody else makes the file.
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.01

_VERSION_1: Final = (
    """
    CREATE TABLE dead_letter (
        number INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, source TEXT NOT NULL, marked INTEGER NOT NULL,
        event_id TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, dn TEXT NOT NULL, sequence INTEGER NOT NULL,
        refused_at INTEGER NOT NULL, reason TEXT NOT NULL, content_type TEXT NOT NULL, headers TEXT NOT NULL, body BLOB
    ) STRICT
    """,
    "CREATE UNIQUE INDEX dead_letter_event ON dead_letter (sink, source, event_id)",
    "CREATE INDEX dead_letter_entry ON dead_letter (sink, source, key, number)",
    "CREATE INDEX dead_letter_marked ON dead_letter (sink, source, number) WHERE marked",
)
_MIGRATIONS: Final = (_VERSION_1,)

EVENT: Final = "SELECT event_id, key, kind, dn, sequence, content_type, headers, body FROM dead_letter "
"""What `event_of` makes an event of."""

_CHOSEN: Final = "number BETWEEN ?1 AND ?2 AND (?3 IS NULL OR sink = ?3) AND (?4 IS NULL OR source = ?4)"
_FROM_CHOSEN: Final = "FROM dead_letter WHERE " + _CHOSEN
_ABOUT: Final = """
    SELECT number, sink, source, event_id, key, kind, dn, sequence, coalesce(length(body), 0), reason, refused_at,
        marked
"""
_LIST: Final = _ABOUT + _FROM_CHOSEN + " ORDER BY number LIMIT 100"
_SHOW: Final = EVENT + "WHERE number = ?"
_COUNTS: Final = """
    SELECT sink, source, count(*), (
        SELECT count(*) FROM dead_letter m WHERE m.sink = d.sink AND m.source = d.source AND m.marked
    ) FROM dead_letter d GROUP BY sink, source ORDER BY sink, source
"""
_DROP: Final = "DELETE " + _FROM_CHOSEN
_MARK_SOME: Final = "UPDATE dead_letter SET marked = 1 WHERE NOT marked AND "
_MARK_ALL: Final = _MARK_SOME + _CHOSEN
# With those of the same entry before them.
_WITH_EARLIER: Final = """
    number IN (
        SELECT earlier.number FROM dead_letter chosen JOIN dead_letter earlier USING (sink, source, key)
        WHERE chosen.number BETWEEN ?1 AND ?2 AND earlier.number <= chosen.number
            AND (?3 IS NULL OR sink = ?3) AND (?4 IS NULL OR source = ?4)
    )
"""
_MARK: Final = _MARK_SOME + _WITH_EARLIER

_HINTS: Final = {
    sqlite3.SQLITE_FULL: "free some space on its disk; nothing was lost",
    sqlite3.SQLITE_READONLY: "the file, its folder or its disk cannot be written to",
    sqlite3.SQLITE_CANTOPEN: "the file, its folder or its disk cannot be written to",
    sqlite3.SQLITE_BUSY: "another program holds a write lock on the file: let it commit",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database: name another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: move it away",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was set aside, without what it says.

    Args:
        number: which one it is; no other one ever has this number.
        sink: who did not take it.
        source: where the change was found.
        event_id: the ``id`` of the event.
        key: the entryUUID.
        kind: what happened.
        dn: the name of the entry.
        sequence: the number of the change.
        octets: how large the body is.
        reason: why it was not taken.
        refused_at: when that was said last.
        marked: whether it is to be sent again.
    """

    number: int
    sink: str
    source: str
    event_id: str
    key: str
    kind: Kind
    dn: str
    sequence: int
    octets: int
    reason: str
    refused_at: datetime
    marked: bool


class Count(NamedTuple):
    """How many events of a source are set aside for a sink, and how many of these are to be sent again."""

    sink: str
    source: str
    letters: int
    marked: int


class DeadLetterFile:
    """The dead letters of a service.

    Use it as a context manager, or call `close`.  It belongs to one thread; others may open the same file.

    Args:
        path: the file.
        create: whether to make it if there is none, readable by its owner alone; for the service, not for commands that
            somebody else may run.

    Raises:
        DBError: there is none, it cannot be opened, or is not one of ours.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._connection = open_file(path, create=create)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def letters(self, sink: str | None = None, source: str | None = None) -> Iterator[DeadLetter]:
        """Iterate over the letters in the order in which they were set aside, in constant memory.

        Args:
            sink: of this sink only.
            source: of this source only.
        """
        first, last = _ALL
        while True:
            with translated(self._path, DBError):
                rows = self._connection.execute(_LIST, (first, last, sink, source)).fetchall()
            if not rows:
                return
            yield from map(_letter, rows)
            first = rows[-1][0] + 1

    def letter(self, number: int) -> DeadLetter | None:
        """Find a letter; None if there is none of that number."""
        with translated(self._path, DBError):
            row = self._connection.execute(_LIST, (number, number, None, None)).fetchone()
        return None if row is None else _letter(row)

    def event(self, number: int) -> Event | None:
        """Return what was set aside; None if there is no letter of that number."""
        with translated(self._path, DBError):
            row = self._connection.execute(_SHOW, (number,)).fetchone()
        return None if row is None else event_of(row)

    def counts(self) -> list[Count]:
        """Tell how many there are for each sink and source."""
        with translated(self._path, DBError):
            return [Count(*row) for row in self._connection.execute(_COUNTS)]

    def mark(self, numbers: Iterable[int] | None = None, *, sink: str | None = None, source: str | None = None) -> int:
        """Let letters be sent again by the relay of their sink, and with each those of its entry before it.

        Args:
            numbers: which ones; None for all.
            sink: those of this sink only.
            source: those of this source only.

        Returns:
            How many are marked now that were not before.

        Raises:
            DBError: the file cannot be written to.
        """
        return self._change(_MARK_ALL if numbers is None else _MARK, numbers, sink, source)

    def drop(self, numbers: Iterable[int] | None = None, *, sink: str | None = None, source: str | None = None) -> int:
        """Delete letters for good; see `mark`.

        Returns:
            How many there were.
        """
        return self._change(_DROP, numbers, sink, source)

    def _change(self, statement: str, numbers: Iterable[int] | None, sink: str | None, source: str | None) -> int:
        ranges = [_ALL] if numbers is None else [(number, number) for number in numbers]
        with translated(self._path, DBError), writing(self._connection) as connection:
            return sum(connection.execute(statement, (*one, sink, source)).rowcount for one in ranges)


def event_of(row: tuple[str, str, str, str, int, str, str, bytes | None]) -> Event:
    """Make an event of a row of `EVENT`."""
    name, key, kind, dn, sequence, content_type, headers, body = row
    return Event(name, key, Kind(kind), dn, sequence, content_type, json.loads(headers), body)


def _letter(row: tuple[int, str, str, str, str, str, str, int, int, str, int, int]) -> DeadLetter:
    number, sink, source, name, key, kind, dn, sequence, octets, reason, refused_at, marked = row
    when = moment(refused_at)
    return DeadLetter(number, sink, source, name, key, Kind(kind), dn, sequence, octets, reason, when, bool(marked))


# --- the file ---------------------------------------------------------------------------------------------------------


def open_file(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open a file of dead letters; see `DeadLetterFile`."""
    if create:
        try:
            make_file(path.resolve())
        except OSError as error:
            raise DBError(
                f"cannot open the dead letters {path}: {error.strerror}", hint="check the path and permissions"
            ) from error
    elif not _is_there(path):
        raise DBError(f"there are no dead letters at {path}", hint="nothing was set aside yet, or the path is wrong")
    connection = connect(path)
    try:
        with translated(path, DBError):
            _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_there(path: Path) -> bool:
    try:
        return is_made(path)
    except OSError as error:
        raise DBError(f"cannot look at {path}: {error.strerror}", hint="check the path and permissions") from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    execute = connection.execute
    with reading(connection):
        # Both at one moment: somebody else may be making the tables.
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        held = execute("SELECT 1 FROM sqlite_master").fetchone()
    if application != _APPLICATION_ID and (application or version or held):
        raise DBSchemaError(f"{path} holds no dead letters: it is another database", hint="name another file")
    if version > len(_MIGRATIONS):
        raise SchemaVersionError(version, len(_MIGRATIONS))
    execute("PRAGMA secure_delete = ON")
    execute("PRAGMA synchronous = FULL")
    if version < len(_MIGRATIONS):
        _migrate(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    execute = connection.execute
    execute("PRAGMA auto_vacuum = FULL")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError:
            # Two that do this at once would wait for each other, so SQLite lets none of them wait.
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
    with writing(connection):
        # Another thread may have been here first.
        (version,) = execute("PRAGMA user_version").fetchone()
        for number, statements in enumerate(_MIGRATIONS[version:], version + 1):
            for statement in statements:
                execute(statement)
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            execute(f"PRAGMA user_version = {number}")


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run a block in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


@contextmanager
def translated(path: Path, kind: Callable[..., SyncreplError]) -> Iterator[None]:
    """Make errors of ours of those that SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        hint = _HINTS.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, "check the disk")
        raise kind(f"the dead letters {path}: {error}", hint=hint) from error
