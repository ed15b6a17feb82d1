"""How long the changelog is kept, and who wins where a reader is slower than that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import UsageError
from syncrepl_client.store import changelog, subscriptions

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Pruned", "Retention", "prune"]

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
        longest: how old changes get that a subscription has not read.
        largest: how large the changelog gets by them, in bytes.

    Raises:
        UsageError: a limit is negative, or smaller than what it is the limit of.
    """

    age: timedelta | None = timedelta(days=7)
    octets: int | None = 256 << 20
    longest: timedelta | None = timedelta(days=30)
    largest: int | None = 4 << 30

    def __post_init__(self) -> None:
        if (self.age is not None and self.age < _NO_TIME) or (self.octets is not None and self.octets < 0):
            raise UsageError("the changelog cannot be kept for less than nothing", hint="give a positive age and size")
        short = self.longest is not None and (self.age is None or self.longest < self.age)
        small = self.largest is not None and (self.octets is None or self.largest < self.octets)
        if short or small:
            raise UsageError(
                "the changelog would be taken from its subscriptions earlier than from anybody else",
                hint="longest is at least age, and largest at least octets; None is more than any number",
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


def prune(connection: sqlite3.Connection, retention: Retention, now: int) -> Pruned:
    """Take a part of what is older, or more, than is kept from the changelog, in a transaction.

    Args:
        connection: in the transaction.
        retention: what is kept.
        now: microseconds since 1970.
    """
    extent = changelog.extent(connection)
    slowest = subscriptions.slowest(connection)
    octets, floor, since, count = extent.octets, extent.floor, extent.since, 0
    for sequence, stored_at, size in connection.execute(_OLDEST, (_PAGE,)):
        age = (now - stored_at) * _MICROSECOND
        unread = slowest is not None and sequence > slowest
        if not _exceeds(
            age, octets, *((retention.longest, retention.largest) if unread else (retention.age, retention.octets))
        ):
            break
        octets -= size + changelog.OVERHEAD
        floor, since, count = sequence, stored_at, count + 1
    if count:
        connection.execute(_TAKE, (floor,))
        connection.execute(_TAKEN, (floor, since, extent.octets - octets))
    lost = (
        one.name
        for one in subscriptions.listed(connection)
        if one.position is not None and extent.floor <= one.position.sequence < floor
    )
    return Pruned(count, floor, tuple(lost))


def _exceeds(age: timedelta, octets: int, most_age: timedelta | None, most_octets: int | None) -> bool:
    return (most_age is not None and age > most_age) or (most_octets is not None and octets > most_octets)
