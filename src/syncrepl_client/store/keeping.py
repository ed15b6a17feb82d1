"""Keeping the changelog of a data file: that there is one or none, and what it need not hold any more."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from syncrepl_client.log_fields import fields
from syncrepl_client.model import Origin, Provenance
from syncrepl_client.store import changelog
from syncrepl_client.store.changelog import Appending
from syncrepl_client.store.feed import Feed
from syncrepl_client.store.pruning import overdue, prune

if TYPE_CHECKING:
    import sqlite3

    from syncrepl_client.store.database import Database
    from syncrepl_client.store.position import Position
    from syncrepl_client.store.retention import Retention

__all__ = ["Keeping"]

_log = logging.getLogger("syncrepl_client.store")

_TIDY_EVERY: Final = 1.0


class Keeping:
    """Keeps the changelog, or keeps none.

    Args:
        database: the data file.
        retention: how long it is kept; None for no changelog.
    """

    def __init__(self, database: Database, retention: Retention | None) -> None:
        self._database = database
        self._retention = retention
        # When to look next whether it holds more than it should, on the monotonic clock.
        self._tidy_at = 0.0
        # Who reads it in this process without a name.
        self._feeds: WeakSet[Feed] = WeakSet()

    def open(self) -> None:
        """Begin a changelog over a copy that has none, or end the one that is there."""
        now = changelog.extent(self._database.connection)
        if self._retention is None and now.since is not None:
            with self._database.transaction() as connection:
                changelog.clear(connection)
        elif self._retention is not None and now.since is None and now.whole:
            with self._database.transaction() as connection:
                changelog.begin(connection, _microseconds, gap=True)

    def loaded(self, connection: sqlite3.Connection) -> Provenance:
        """Begin with a first load, in its transaction; tells where that stands."""
        if self._retention is None:
            return Provenance(Origin.SNAPSHOT)
        changelog.begin(connection, _microseconds)
        now = changelog.extent(connection)
        return Provenance(Origin.SNAPSHOT, now.sequence, now.since)

    def appending(self, connection: sqlite3.Connection) -> Appending | None:
        """Return what a transaction appends to; None if no changelog is kept."""
        return None if self._retention is None else Appending(connection, _microseconds)

    def feed(self, position: Position | None) -> Feed:
        """Begin to read from a position; until it is closed or forgotten, the changelog waits for it."""
        feed = Feed(self._database.path, position)
        self._feeds.add(feed)
        return feed

    def hurry(self) -> None:
        """Look at once when asked next: it may hold much more than a moment ago."""
        self._tidy_at = 0.0

    def tidy(self) -> bool:
        """Take a part of what it need not hold any more, if it is time to look.

        Returns:
            Whether there may be more of it.
        """
        if self._retention is None or time.monotonic() < self._tidy_at:
            return False
        if not overdue(self._database.connection, self._retention, _microseconds(), self._needed()):
            self._tidy_at = time.monotonic() + _TIDY_EVERY
            return False
        with self._database.transaction(durable=False) as connection:
            pruned = prune(connection, self._retention, _microseconds(), self._needed())
        more = pruned.changes > 0
        self._tidy_at = time.monotonic() + (0.0 if more else _TIDY_EVERY)
        for name in pruned.overtaken:
            extra = fields(what="subscription-overtaken", path=str(self._database.path), subscription=name)
            _log.warning(
                "the subscription %r has not read the changes up to number %d, and they are gone now",
                name,
                pruned.floor,
                extra=extra,
            )
        return more

    def _needed(self) -> int | None:
        """Return the number of the last change that all have who read without a name; None if nobody does."""
        positions = (feed.position for feed in self._feeds if not feed.closed)
        return min((position.sequence for position in positions if position is not None), default=None)


def _microseconds() -> int:
    return time.time_ns() // 1000
