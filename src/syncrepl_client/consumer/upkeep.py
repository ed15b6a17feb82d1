"""What a consumer does besides following the stream: comparison and repair of the copy, and requests of others."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from syncrepl_client.consumer import guard, journal
from syncrepl_client.consumer.verification import Verification
from syncrepl_client.model import Origin
from syncrepl_client.store import held
from syncrepl_client.store.refresh import Update
from syncrepl_client.store.store import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncrepl_client.connection.inquiry import Inquiry
    from syncrepl_client.consumer.guard import MaxDeletes
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.model import Report
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.store import Store

__all__ = ["Upkeep"]

_LOOK_EVERY: Final = 1.0
_VERIFY_EVERY: Final = 600.0
# How long after a hint a comparison begins: more hints may follow.  One that takes long is not repeated too often.
_HINT_DELAY: Final = 2.0
_REST: Final = 10


class Upkeep:
    """Keeps a copy right where the stream does not.

    Args:
        store: the copy.
        search: what it is a copy of.
        inquiry: asks the server.
        listener: who is told of what was repaired.
        max_deletes: what a repair may delete without being held; None for anything.
        verify_every: seconds between comparisons with the server; None where the stream alone cannot be right, each
            ten minutes, 0 never.
    """

    def __init__(
        self,
        store: Store,
        search: Search,
        inquiry: Inquiry,
        listener: Listener | None,
        *,
        max_deletes: MaxDeletes | None,
        verify_every: float | None,
    ) -> None:
        self._store = store
        self._search = search
        self._inquiry = inquiry
        self._listener = listener
        self._max_deletes = max_deletes
        self._verify_every = verify_every
        # When the next comparison is due, and when to look for requests, on the monotonic clock.
        self._verify_at = math.inf
        self._look_at = 0.0
        # Whether comparisons are made by themselves, and how long the last one took.
        self._on = False
        self._took = 0.0
        # Whether another process asked for a comparison.
        self._asked = False

    # --- when ---------------------------------------------------------------------------------------------------------

    def plan(self, dialect: Dialect, *, resumed: bool) -> None:
        """Plan the next comparison: at once if a refresh began at a cookie, for it may have left something out."""
        interval = self._verify_every
        if interval is None:
            interval = _VERIFY_EVERY if dialect.verified else 0.0
        self._on = bool(interval)
        if interval:
            self._verify_at = time.monotonic() + (0.0 if resumed else interval)

    def hurry(self) -> None:
        """Plan the next comparison for soon: the stream said something, which is a hint that more has happened."""
        if self._on:
            self._verify_at = min(self._verify_at, time.monotonic() + max(_HINT_DELAY, _REST * self._took))

    def doubt(self, *, at_once: bool = False) -> None:
        """Plan a comparison for soon, also where none are made by themselves, unless there are to be none at all.

        Args:
            at_once: whether there is no time to wait for what is on its way.
        """
        if self._verify_every is None or self._verify_every > 0:
            delay = 0.0 if at_once else _HINT_DELAY
            self._verify_at = min(self._verify_at, time.monotonic() + delay)

    @property
    def look_in(self) -> float:
        """Seconds until there may be something to do."""
        return max(0.0, min(self._verify_at, self._look_at) - time.monotonic())

    @property
    def wanted(self) -> bool:
        """Whether it is time for a comparison, or another process asks for one."""
        if time.monotonic() >= self._look_at:
            self.look()
        return self._asked or time.monotonic() >= self._verify_at

    def look(self) -> None:
        """Execute what other processes have asked for."""
        self._look_at = time.monotonic() + _LOOK_EVERY
        self._asked = held.REPAIR in self._store.execute_requests() or self._asked
        if self._store.log.tidy():
            # A part of it before each step, or changes might come faster than they go.
            self._look_at = 0.0

    # --- comparison and repair ----------------------------------------------------------------------------------------

    def verify(self, dialect: Dialect, *, repair: bool, live: Callable[[Callable[[], bool]], None] | None) -> Report:
        """Compare the copy with the server, and make it equal if asked to; see `Verification`.

        Nothing is repaired while a refresh is held.  A repair that was held is tried again: it may be approved by now.

        Raises:
            MassDeletionHeld: the repair would delete too much.
        """
        self.look()
        self._verify_at = math.inf
        self._asked = False
        began = time.monotonic()
        verification = Verification(self._store, self._search, self._inquiry, dialect, live)
        report = verification.run()
        self._took = time.monotonic() - began
        said = journal.verified(self._store.state().url or "", report, seconds=self._took, repair=repair)
        if report.drift and self._listener is not None:
            self._listener.debug(said)
        now = self._store.held()
        if repair and (now is None or now.origin is Origin.VERIFICATION):
            if report.drift:
                self._repair(verification.found, report)
                report = replace(report, repaired=True)
            elif now is not None and not report.undecided:
                self._store.release()
        return report

    def _repair(self, found: Mapping[bytes, SentEntry], report: Report) -> None:
        """Make the copy what the server holds, as a refresh of what differs."""
        staged = Update(self._store.database)
        if report.complete:
            staged.sent(list(found.values()))
            staged.deleted(tuple(one.uuid_octets for one in report.differences if one.server_dn is None))
        whole = not report.complete or any(staged.displaced())
        if whole:
            # Or a name has gone from an entry that changes all the time to one that differs.
            staged = Update(self._store.database)
            for rows in self._inquiry.everything(self._search.attributes):
                staged.sent(rows)
            staged.present_phase_ended()
        # Who was not found by reading everything may have been left out.
        guard.check(staged, self._store, self._inquiry, self._max_deletes, doubtful=whole, origin=Origin.VERIFICATION)
        staged.settle()
        counts = staged.counts()
        ending = Ending(self._search.fingerprint, origin=Origin.VERIFICATION)
        counts["modified"] -= self._store.finish_refresh(staged, ending, self._listener)
        journal.repaired(self._store.state().url or "", counts)
