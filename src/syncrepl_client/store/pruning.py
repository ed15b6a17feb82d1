"""Taking away what the changelog keeps no longer, and finding out which subscriptions lose by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from syncrepl_client.store import changelog, subscriptions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from syncrepl_client.store.retention import Retention

__all__ = ["Pruned", "overdue", "prune"]

_MICROSECOND: Final = timedelta(microseconds=1)
_PAGE: Final = 500

_OLDEST: Final = """
    SELECT sequence, stored_at,
        coalesce(length(before), 0) + coalesce(length(after), 0) + coalesce(length(difference), 0)
    FROM syncrepl_change ORDER BY sequence LIMIT ?
"""
_TAKE: Final = "DELETE FROM syncrepl_change WHERE sequence <= ?"
_TAKEN: Final = "UPDATE syncrepl_state SET log_floor = ?, log_since = ?, log_bytes = max(0, log_bytes - ?)"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away.

    Args:
        changes: how many changes.
        floor: the number of the last one.
        overtaken: the names of the subscriptions that had not read all of them.
    """

    changes: int
    floor: int
    overtaken: tuple[str, ...]


def prune(connection: sqlite3.Connection, retention: Retention, now: int, needed: int | None = None) -> Pruned:
    """Take a part of what is older, or more, than is kept from the changelog, in a transaction.

    Args:
        connection: in the transaction.
        retention: what is kept.
        now: microseconds since 1970.
        needed: the number of the last change that those have who read without a name; None if nobody does.
    """
    floor = changelog.extent(connection).floor
    taken = list(_overdue(connection, retention, now, needed))
    if not taken:
        return Pruned(0, floor, ())
    last, since, _ = taken[-1]
    connection.execute(_TAKE, (last,))
    connection.execute(_TAKEN, (last, since, sum(octets for _, _, octets in taken)))
    lost = (
        one.name
        for one in subscriptions.listed(connection)
        if one.position is not None and floor <= one.position.sequence < last
    )
    return Pruned(len(taken), last, tuple(lost))


def overdue(connection: sqlite3.Connection, retention: Retention, now: int, needed: int | None = None) -> bool:
    """Tell whether `prune` would take anything; that needs no transaction that others have to wait for."""
    return any(True for _ in _overdue(connection, retention, now, needed, 1))


def _overdue(
    connection: sqlite3.Connection, retention: Retention, now: int, needed: int | None, limit: int = _PAGE
) -> Iterator[tuple[int, int, int]]:
    """Find the oldest changes that are not kept any more: their numbers, their times, and what they take in octets."""
    extent = changelog.extent(connection)
    numbers = (subscriptions.slowest(connection, extent.floor), needed)
    slowest = min((number for number in numbers if number is not None), default=None)
    left = extent.octets
    for sequence, stored_at, size in connection.execute(_OLDEST, (limit,)).fetchall():
        age = (now - stored_at) * _MICROSECOND
        unread = slowest is not None and sequence > slowest
        if not retention.exceeded(age, left, unread=unread):
            return
        yield sequence, stored_at, size + changelog.OVERHEAD
        left -= size + changelog.OVERHEAD
