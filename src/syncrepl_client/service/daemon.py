"""`Daemon`: a configuration at work in one process, until somebody ends it.

Each source has a thread, and each sink has one for each source that it takes from; none waits for another.  The main
thread does nothing but look: at signals, at how the parts are, at the clock of who watches the service.
"""

from __future__ import annotations

import math
import os
import platform
import signal
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DBError, SyncreplError, UsageError
from syncrepl_client.service import building, diary
from syncrepl_client.service.claim import Claim
from syncrepl_client.service.config import load
from syncrepl_client.service.endpoint import Endpoint
from syncrepl_client.service.health import Policy, Verdict, liveness, summary
from syncrepl_client.service.notify import Notifier
from syncrepl_client.service.pages import pages
from syncrepl_client.service.parts import Parts
from syncrepl_client.service.snapshot import Snapshot
from syncrepl_client.service.standing import left_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import FrameType

    from syncrepl_client.service.config import Config

__all__ = ["Daemon"]

# How often it looks, in seconds, and how much time it asks of a manager that waits for the start or the end.
_LOOK_EVERY: Final = 0.5
_MORE_TIME: Final = 30.0
_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Daemon:
    """Runs a configuration.

    Args:
        path: the configuration file.
        random: returns a number from 0 up to, but not including, 1.
        environment: variables, some of which have the last word over the file.
        notifier: who watches the process; None for whoever the environment names.
        configured: is called with each configuration that comes to count, before it does: for the log.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        random: Callable[[], float],
        environment: Mapping[str, str] = os.environ,
        notifier: Notifier | None = None,
        configured: Callable[[Config], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._environment = environment
        self._notifier = notifier or Notifier.take()
        self._configured = configured
        # What handlers of signals put here, in the one way that a handler may.
        self._came: SimpleQueue[signal.Signals] = SimpleQueue()
        self._parts = Parts(random, self._wait_for_the_end)
        self._endpoint: Endpoint | None = None
        self._listens = ""
        self._policy = Policy()
        self._reloaded = 0.0
        self._reload_failed = False
        self._ready = False
        self._beaten = -math.inf
        self._claim: Claim | None = None
        self._folder: Path | None = None
        self._snapshot = self._look()

    def run(self) -> None:
        """Work until SIGINT or SIGTERM; SIGHUP reads the configuration again, and lets all try again what failed.

        Raises:
            ConfigurationError: the configuration cannot be.
            UsageError: the folder of the data cannot be made, or nobody can listen where it says.
        """
        with _heard(self._came), ExitStack() as stack:
            config = self._read()
            stack.callback(diary.service_ended, str(config.file))
            stack.callback(self._end)
            self._apply(config)
            diary.service_started(str(config.file), config.contents)
            while self._turn():
                pass

    def stop(self) -> None:
        """End `run`; for any thread."""
        self._came.put(signal.SIGTERM)

    def reload(self) -> None:
        """Read the configuration again; for any thread."""
        self._came.put(signal.SIGHUP)

    def _turn(self) -> bool:
        """Look once; tells whether to go on."""
        self._snapshot = self._look()
        self._tell()
        try:
            came = self._came.get(timeout=_LOOK_EVERY)
        except Empty:
            return True
        if came == signal.SIGHUP:
            self._reload()
        return came == signal.SIGHUP

    # --- configuration ------------------------------------------------------------------------------------------------

    def _read(self) -> Config:
        config = load(self._path, self._environment)
        building.check(config)
        try:
            config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"the folder {config.folder} cannot be made: {error.strerror}", hint="name another one as service.data"
            ) from error
        return config

    def _apply(self, config: Config) -> list[str]:
        # What may fail comes first, for then the former configuration goes on.
        claim = None if config.folder == self._folder else Claim(config.folder)
        try:
            policy = building.policy_of(config.service)
            self._listen(config.service.listen)
        except SyncreplError:
            if claim is not None:
                claim.release()
            raise
        self._policy = policy
        self._configured(config)
        made = self._parts.apply(config)
        if claim is not None:
            # Until here parts have worked with the former one.
            self._give_back()
            self._claim, self._folder = claim, config.folder
        for source in config.sources:
            # One that is not there yet, or of an earlier version until its owner has opened it, waits for nobody new.
            with suppress(DBError):
                left = left_over(config, source)
                if left:
                    diary.subscriptions_left(source, left)
        self._reloaded, self._reload_failed = time.time(), False
        return made

    def _give_back(self) -> None:
        if self._claim is not None:
            self._claim.release()
        self._claim = self._folder = None

    def _listen(self, where: str) -> None:
        if where == self._listens:
            return
        address = building.address_of(where)
        before, there = self._endpoint, self._listens
        self._endpoint, self._listens = None, ""
        if before is not None:
            # Both may be the same port.
            before.close()
        if address is None:
            return
        try:
            self._endpoint, self._listens = self._open_endpoint(*address), where
        except UsageError:
            if before is not None:
                self._endpoint, self._listens = before.open(), there
            raise

    def _open_endpoint(self, host: str, port: int) -> Endpoint:
        return Endpoint(host, port, pages(lambda: self._snapshot, lambda: self._policy)).open()

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            config = self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, what works goes on
            self._refuse(error)
        else:
            try:
                diary.reloaded(str(config.file), self._apply(config))
            except SyncreplError as error:
                self._refuse(error)
        self._notifier.ready()

    def _refuse(self, error: Exception) -> None:
        self._reload_failed = True
        diary.configuration_refused(error)

    # --- who watches --------------------------------------------------------------------------------------------------

    def _look(self) -> Snapshot:
        return Snapshot(
            version=building.VERSION,
            python=platform.python_version(),
            sources=self._parts.sources(),
            sinks=self._parts.sinks(),
            threads=self._parts.threads(),
            reloaded=self._reloaded or None,
            reload_failed=self._reload_failed,
        )

    def _tell(self) -> None:
        if self._claim is not None:
            self._claim.tell(self._snapshot)
        status = summary(self._snapshot, self._policy)
        if not self._ready:
            self._ready = self._parts.started
            if self._ready:
                self._notifier.ready(status)
            else:
                self._notifier.extend(_MORE_TIME, status)
        self._beat(status)

    def _beat(self, status: str) -> None:
        interval = self._notifier.interval
        if interval is None or time.monotonic() < self._beaten + interval / 2:
            return
        # Who does not work is not alive, whatever this thread says.
        if all(one.verdict is not Verdict.UNWELL for one in liveness(self._snapshot)):
            self._beaten = time.monotonic()
            self._notifier.beat()
            self._notifier.status(status)

    def _wait_for_the_end(self) -> None:
        self._notifier.beat()

    def _end(self) -> None:
        self._notifier.stopping()
        self._notifier.extend(_MORE_TIME)
        self._parts.stop()
        self._listen("")
        self._give_back()


@contextmanager
def _heard(came: SimpleQueue[signal.Signals]) -> Iterator[None]:
    """Let signals be heard, if this is the main thread, which alone may; a second SIGINT ends the process at once."""

    def hear(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        came.put(signal.Signals(number))

    former = {}
    if threading.current_thread() is threading.main_thread():
        former = {number: signal.signal(number, hear) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
