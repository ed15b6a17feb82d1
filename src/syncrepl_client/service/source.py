"""`Source`: one copy, kept in step by a thread of its own, and what is known about it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client.backoff import Backoff
from syncrepl_client.exceptions import MassDeletionHeld
from syncrepl_client.service import diary
from syncrepl_client.service.attempts import Attempts, Phase
from syncrepl_client.service.building import make_replica
from syncrepl_client.service.facts import Looking
from syncrepl_client.service.metrics import reason
from syncrepl_client.service.snapshot import SourceState, ThreadState
from syncrepl_client.store.files import data_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.replica import Replica
    from syncrepl_client.service.config import Config

__all__ = ["Source"]

# How long one step waits, and how long it may take until somebody wonders: a refresh is applied in one step.
_STEP: Final = 3.0
_LONGEST_STEP: Final = 1800.0
# What does not pass by itself passes seldom: a full disk, a file that somebody else has open.
_BACKOFF: Final = Backoff(10.0, 600.0)


class Source:
    """Keeps a copy in step.

    Args:
        config: what is to be done.
        name: which of its sources this is.
        random: returns a number from 0 up to, but not including, 1.
        clock: returns seconds, never less than before.
    """

    def __init__(
        self,
        config: Config,
        name: str,
        *,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.path = config.data_file(name)
        self.fingerprint = config.sources[name].fingerprint
        self._config = config
        self._clock = clock
        self.attempts = Attempts(f"source {name}", self, _BACKOFF, random=random, clock=clock)
        self.opened = threading.Event()
        """Set once there is a data file that can be read."""
        self.file: tuple[int, int] | None = None
        """Which file that is, whatever its name stands for later."""
        self.tried = threading.Event()
        """Set once it is known whether there is a copy: the first refresh is complete, or a first try has failed."""
        self._interrupted = False
        self._replica: Replica | None = None
        # Since when there has been no connection; None while there is one.
        self._away: float | None = clock()
        self._error: Exception | None = None
        self._reconnects: Counter[str] = Counter()
        self.looking = Looking(self.path, clock)
        """What looks at the data file, for the thread that shows it."""

    # --- the thread ---------------------------------------------------------------------------------------------------

    def attempt(self) -> None:
        """Keep the copy in step until `interrupt`."""
        replica = make_replica(self._config, self.name, self)
        with closing(replica):
            self._replica = replica
            if self._interrupted:
                return
            replica.open_store()
            replica.refuse_another_search()
            self.looking.renew()
            status = data_file(self.path).stat()
            self.file = status.st_dev, status.st_ino
            self.opened.set()
            if replica.store.whole:
                self.tried.set()
            while replica.follow_step(_STEP):
                self.attempts.beat()

    def interrupt(self) -> None:
        """Let `attempt` return; a refresh in progress is dropped."""
        self._interrupted = True
        replica = self._replica
        if replica is not None:
            replica.stop()

    def failed(self, error: Exception, delay: float | None) -> None:
        """Note why there is no copy that is kept in step."""
        self._lost(error)
        self._replica = None
        self.tried.set()
        diary.source_failed(self.name, error, delay)

    # --- what the replica tells ---------------------------------------------------------------------------------------

    def connected(self, url: str) -> None:
        """Note that a search runs."""
        self._away = self._error = None
        diary.source_connected(self.name, url)

    def disconnected(self, error: Exception, *, url: str, delay: float, attempt: int) -> None:  # noqa: ARG002
        """Note that there is no connection; the log has it from who has lost it, but for what is to be done."""
        self._lost(error)
        if isinstance(error, MassDeletionHeld):
            diary.deletions_held(self.name, error, self.path)
        self.tried.set()

    def refresh_done(self, entries: Any, cursor: Any) -> None:  # noqa: ANN401, ARG002 - what a listener gets
        """Note that there is a copy."""
        self.tried.set()

    def _lost(self, error: Exception) -> None:
        self._error = error
        self._reconnects[reason(error)] += 1
        if self._away is None:
            self._away = self._clock()

    # --- for who shows it ---------------------------------------------------------------------------------------------

    def state(self) -> SourceState:
        """Tell how it is; for one thread, which is not the source's."""
        replica, error, away = self._replica, self._error, self._away
        facts = self.looking.look()
        return SourceState(
            name=self.name,
            whole=facts.whole,
            entries=facts.entries,
            last_event=facts.last_event,
            changes=facts.changes,
            deletes_held=facts.deletes_held,
            lag=None if replica is None else replica.lag,
            connected=away is None,
            refreshing=replica is not None and replica.refreshing,
            away=0.0 if away is None else self._clock() - away,
            stopped=self.attempts.phase is Phase.HELPLESS,
            reconnects=dict(self._reconnects),
            error="" if error is None else diary.named(error),
        )

    def thread(self) -> ThreadState:
        """Tell whether its thread is at work."""
        return ThreadState(self.attempts.name, self.attempts.silent, _LONGEST_STEP)

    def again(self) -> None:
        """Try again at once, if it waits; after a refresh that is held too."""
        self.attempts.again()
        replica = self._replica
        if replica is not None:
            replica.retry()

    def close(self) -> None:
        """Close what `state` has opened; for the same thread."""
        self.looking.close()
