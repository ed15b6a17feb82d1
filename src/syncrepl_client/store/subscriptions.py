"""How far each named reader of the changelog has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from syncrepl_client.store.position import Position

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ["Stored", "find", "forget", "listed", "save", "slowest", "start_again"]

_FIND: Final = "SELECT name, sequence, depth, uuid, moved_at FROM syncrepl_subscription WHERE name = ?"
_LIST: Final = "SELECT name, sequence, depth, uuid, moved_at FROM syncrepl_subscription ORDER BY name"
_SAVE: Final = "INSERT OR REPLACE INTO syncrepl_subscription VALUES (?, ?, ?, ?, ?)"
_FORGET: Final = "DELETE FROM syncrepl_subscription WHERE name = ?"
_SLOWEST: Final = "SELECT min(sequence) FROM syncrepl_subscription WHERE sequence >= ?"
_START_AGAIN: Final = "UPDATE syncrepl_subscription SET sequence = NULL, depth = NULL, uuid = NULL"


class Stored(NamedTuple):
    """A named reader.

    Args:
        name: its name.
        position: how far it has come; None if it begins with a snapshot and has nothing yet.
        moved_at: when that was stored, in microseconds since 1970.
    """

    name: str
    position: Position | None
    moved_at: int


def find(connection: sqlite3.Connection, name: str) -> Stored | None:
    """Find a reader; None if there is none of that name."""
    row = connection.execute(_FIND, (name,)).fetchone()
    return None if row is None else _stored(*row)


def listed(connection: sqlite3.Connection) -> Iterator[Stored]:
    """Iterate over the readers by their names."""
    for row in connection.execute(_LIST).fetchall():
        yield _stored(*row)


def _stored(name: str, sequence: int | None, depth: int | None, uuid: bytes | None, moved_at: int) -> Stored:
    place = None if depth is None or uuid is None else (depth, uuid)
    return Stored(name, None if sequence is None else Position(sequence, place), moved_at)


def save(connection: sqlite3.Connection, stored: Stored) -> None:
    """Store how far a reader has come."""
    sequence, place = stored.position or (None, None)
    connection.execute(_SAVE, (stored.name, sequence, *(place or (None, None)), stored.moved_at))


def forget(connection: sqlite3.Connection, name: str) -> bool:
    """Forget a reader; tells whether there was one."""
    return connection.execute(_FORGET, (name,)).rowcount > 0


def slowest(connection: sqlite3.Connection, floor: int) -> int | None:
    """Return the number of the last change that every reader has; None if there are no readers.

    Args:
        connection: to the data file.
        floor: who has not even read on to this number cannot read on any more, so nobody waits for him.
    """
    found: int | None = connection.execute(_SLOWEST, (floor,)).fetchone()[0]
    return found


def start_again(connection: sqlite3.Connection) -> None:
    """Let every reader begin with a snapshot."""
    connection.execute(_START_AGAIN)
