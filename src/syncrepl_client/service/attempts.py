"""`Attempts`: a thread that does one thing until it is told to stop, and does it again after it has failed.

The wait after a failure is longer each time.  What does not get better by itself is not tried again before somebody has
looked at it (`Attempts.again`): a wrong password that is tried each minute locks the account.
"""

from __future__ import annotations

import threading
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from syncrepl_client.exceptions import (
    AuthenticationError,
    ChangesLost,
    InvalidCredentials,
    LDAPResultError,
    UsageError,
)
from syncrepl_client.retry import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.backoff import Backoff

__all__ = ["Attempts", "Phase", "Work"]

# Who has worked for so long, in seconds, has not failed in a row.
_WELL: Final = 600.0


class Phase(StrEnum):
    """What an attempt does."""

    WORKING = "working"
    """It does what it is for."""
    FAILED = "failed"
    """It is tried again later."""
    HELPLESS = "helpless"
    """It waits for somebody who looks at it."""
    STOPPED = "stopped"
    """It has ended because it was told to."""


class Work(Protocol):
    """What is done, again and again."""

    def attempt(self) -> None:
        """Work until `interrupt`; to raise is to have failed."""

    def interrupt(self) -> None:
        """Let `attempt` return soon; for any thread, also before `attempt` has begun."""

    def failed(self, error: Exception, delay: float | None) -> None:
        """Be told of a failure, and in how many seconds the next attempt comes; None if somebody has to look first."""


class Attempts:
    """Lets a thread work.

    Args:
        name: of the thread.
        work: what it does.
        backoff: how long to wait between attempts.
        random: returns a number from 0 up to, but not including, 1.
        clock: returns seconds, never less than before.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        backoff: Backoff,
        *,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._work = work
        self._backoff = backoff
        self._random = random
        self._clock = clock
        self._delays = backoff.delays(random)
        self._stopping = threading.Event()
        self._again = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._beaten = clock()
        self.phase = Phase.WORKING
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let it end soon, for good."""
        self._stopping.set()
        self._again.set()
        self._work.interrupt()

    def join(self, timeout: float) -> bool:
        """Wait for its end, for some seconds at most; tells whether it has ended."""
        if self._thread.ident is None:
            # There was no room for one more thread.
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def again(self) -> None:
        """Try again at once, if it waits."""
        self._again.set()

    def beat(self) -> None:
        """Say that the thread is at work; for the work itself."""
        # Who was told to try again while all went well has been heard: what fails later is not tried again for that.
        self._again.clear()
        self._beaten = self._clock()

    @property
    def silent(self) -> float:
        """For how many seconds the thread has not said that it is at work; who waits on purpose is at work."""
        return self._clock() - self._beaten if self.phase is Phase.WORKING else 0.0

    @property
    def stopping(self) -> bool:
        """Whether it is to end."""
        return self._stopping.is_set()

    def _run(self) -> None:
        while not self.stopping:
            began = self._clock()
            self.beat()
            try:
                self._work.attempt()
            except BaseException as error:  # noqa: BLE001 - told to who shows it, and tried again
                if self._clock() - began > _WELL:
                    self._delays = self._backoff.delays(self._random)
                self._wait(_as_exception(error))
            else:
                # Nothing but `stop` ends work that goes well.
                self.error = None
        self.phase = Phase.STOPPED

    def _wait(self, error: Exception) -> None:
        self.error = error
        delay = None if _needs_help(error) else next(self._delays)
        self.phase = Phase.HELPLESS if delay is None else Phase.FAILED
        self._work.failed(error, delay)
        if not self.stopping:
            self._again.wait(delay)
        self.phase = Phase.WORKING


def _as_exception(error: BaseException) -> Exception:
    """Make an error of what would end a thread in silence, such as SystemExit."""
    if isinstance(error, Exception):
        return error
    made = RuntimeError(f"{type(error).__name__} was raised")
    made.__cause__ = error
    return made


def _needs_help(error: Exception) -> bool:
    if isinstance(error, LDAPResultError):
        return verdict(error) is Verdict.STOP
    return isinstance(error, UsageError | InvalidCredentials | AuthenticationError | ChangesLost)
