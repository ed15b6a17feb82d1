"""How long the changelog is kept, and who wins where a reader is slower than that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import UsageError
from syncrepl_client.store import changelog, subscriptions

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ["Pruned", "Retention", "overdue", "prune"]

_NO_TIME: Final = timedelta(0)
_MICROSECOND: Final = timedelta(microseconds=1)
_PAGE: Final = 500

_OLDEST: Final = """
    SELECT sequence, stored_at,
        coalesce(length(before), 0) + coalesce(length(after), 0) + coalesce(length(difference), 0)
    FROM syncrepl_change ORDER BY sequence LIMIT ?
"""
_TAKE: Final = "DELETE FROM syncrepl_change WHERE sequence <= ?"
_TAKEN: Final = "UPDATE syncrepl_state SET log_floor = ?, log_since = ?, log_bytes = max(0, log_bytes - ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the changelog is kept.

    What is older than `age`, or too much for `octets`, is taken away, but not before each subscription has read it.  A
    subscription that nobody reads would let the changelog grow for ever, so there is a limit behind which it loses: it
    is told so when it is read next (`ChangesLost`).

    Args:
        age: how old changes get; None for any age.
        octets: how large the changelog gets, in bytes; None for any size.
        longest: how old changes get that a subscription has not read, if that is more; None for any age.
        largest: how large the changelog gets by them, in bytes, if that is more; None for any size.

    Raises:
        UsageError: an age or a size is negative.
    """

    age: timedelta | None = timedelta(days=7)
    octets: int | None = 256 << 20
    longest: timedelta | None = timedelta(days=30)
    largest: int | None = 4 << 30

    def __post_init__(self) -> None:
        if (self.age is not None and self.age < _NO_TIME) or (self.octets is not None and self.octets < 0):
            raise UsageError("the changelog cannot be kept for less than nothing", hint="give a positive age and size")

    def exceeded(self, age: timedelta, octets: int, *, unread: bool) -> bool:
        """Tell whether a change is taken away.

        Args:
            age: how old it is.
            octets: how large the changelog is with it and all that came later.
            unread: whether a subscription has not read it.
        """
        too_old = self.age is not None and age > self.age
        too_large = self.octets is not None and octets > self.octets
        if not unread:
            return too_old or too_large
        return (too_old and self.longest is not None and age > self.longest) or (
            too_large and self.largest is not None and octets > self.largest
        )


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
