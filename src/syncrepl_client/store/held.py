"""A refresh that would delete too much: what it would delete is kept here while somebody decides.

Nothing of such a refresh is applied, and the next one is held in its turn until an approval covers what it deletes.
Another process decides by a row in ``syncrepl_request``; the consumer that owns the file executes it, or the next one
that opens it.

A repair that would delete too much is held in the same way.  The refreshes that succeed until the next comparison know
nothing of what it found, so what is held, and an approval of it, stays until a comparison has settled it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.model import Origin

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "APPROVE",
    "REJECT",
    "REPAIR",
    "Held",
    "ask",
    "clear",
    "decided",
    "execute",
    "hold",
    "holds",
    "listed",
    "read",
    "settled",
]

APPROVE: Final = "approve"
REJECT: Final = "reject"
REPAIR: Final = "repair"

_READ: Final = """
    SELECT held, held_entries, approved, (SELECT count(*) FROM syncrepl_held), held_origin FROM syncrepl_state
    WHERE EXISTS (SELECT 1 FROM syncrepl_held)
"""
_LIST: Final = "SELECT uuid, dn FROM syncrepl_held WHERE uuid > ? ORDER BY uuid LIMIT 500"
_HOLDS: Final = "SELECT 1 FROM syncrepl_held WHERE uuid = ?"
_CLEAR: Final = "DELETE FROM syncrepl_held"
_CLEAR_DELETED: Final = "DELETE FROM syncrepl_held WHERE uuid NOT IN (SELECT uuid FROM syncrepl_entry)"
_ADD: Final = "INSERT OR REPLACE INTO syncrepl_held VALUES (?, ?)"
_HOLD: Final = "UPDATE syncrepl_state SET held = held + ?, held_entries = ?, held_origin = ?, approved = 0"
_APPROVE: Final = "UPDATE syncrepl_state SET approved = 1"
_NOT_APPROVED: Final = "UPDATE syncrepl_state SET approved = 0"
_REJECT: Final = "UPDATE syncrepl_state SET cookie = NULL, approved = 0"
_ASK: Final = "INSERT INTO syncrepl_request (kind, held) VALUES (?, ?)"
_ASKED: Final = "SELECT kind, held FROM syncrepl_request ORDER BY id"
_DECIDED: Final = "SELECT 1 FROM syncrepl_request WHERE kind IN (?, ?) LIMIT 1"
_ANSWERED: Final = "DELETE FROM syncrepl_request"


@dataclass(frozen=True, slots=True)
class Held:
    """A refresh that is held.

    Args:
        number: counts those that were held.
        entries: how many the copy had.
        approved: whether the deletions are approved.
        deletions: how many there are.
        origin: what found them, a refresh or a comparison with the server.
    """

    number: int
    entries: int
    approved: bool
    deletions: int
    origin: Origin = Origin.REFRESH


def read(connection: sqlite3.Connection) -> Held | None:
    """Tell of the refresh that is held; None if none is."""
    row = connection.execute(_READ).fetchone()
    return Held(row[0], row[1], bool(row[2]), row[3], Origin(row[4])) if row else None


def listed(connection: sqlite3.Connection) -> Iterator[tuple[bytes, str]]:
    """Iterate over UUIDs and names of what would be deleted."""
    last = b""
    while rows := connection.execute(_LIST, (last,)).fetchall():
        last = rows[-1][0]
        yield from rows


def holds(connection: sqlite3.Connection, uuid: bytes) -> bool:
    """Tell whether an entry is among what would be deleted."""
    return connection.execute(_HOLDS, (uuid,)).fetchone() is not None


def hold(
    connection: sqlite3.Connection, gone: Callable[[], Iterable[tuple[bytes, str]]], entries: int, origin: Origin
) -> None:
    """Hold a refresh, in place of the one before.

    If that would have deleted all of these too, it is the same one that comes again: who decides while it comes has
    seen what it would delete.
    """
    seen = all(holds(connection, uuid) for uuid, _ in gone())
    clear(connection)
    connection.executemany(_ADD, gone())
    connection.execute(_HOLD, (int(not seen), entries, origin))


def settled(connection: sqlite3.Connection, origin: Origin) -> None:
    """Forget what a refresh, or a repair, that was applied has settled: an approval serves one of them."""
    now = read(connection)
    if now is None or now.origin is origin:
        clear(connection)
    else:
        connection.execute(_CLEAR_DELETED)


def clear(connection: sqlite3.Connection) -> None:
    """Forget what was held."""
    connection.execute(_CLEAR)
    connection.execute(_NOT_APPROVED)


def ask(connection: sqlite3.Connection, kind: str, number: int = 0) -> None:
    """Ask the consumer that owns the file for something; a decision is about the refresh of a number."""
    connection.execute(_ASK, (kind, number))


def decided(connection: sqlite3.Connection) -> bool:
    """Tell whether a decision waits to be executed."""
    return connection.execute(_DECIDED, (APPROVE, REJECT)).fetchone() is not None


def execute(connection: sqlite3.Connection) -> set[str]:
    """Execute what was asked for; returns the kinds that the caller has to see to.

    A decision about a refresh that is not the one that is held any more is dropped: nobody has seen what this one
    would delete.
    """
    held = read(connection)
    kinds = set()
    for kind, number in connection.execute(_ASKED).fetchall():
        if kind == REPAIR:
            kinds.add(kind)
        elif held is not None and number == held.number:
            if kind == APPROVE:
                connection.execute(_APPROVE)
            else:
                # The server may have been wrong, so the next refresh asks for everything.
                connection.execute(_CLEAR)
                connection.execute(_REJECT)
            kinds.add(kind)
    connection.execute(_ANSWERED)
    return kinds
