"""Staying connected: which provider to try next, and when.

The first try after a failure goes to another provider at once, if there is one that was not tried since the last wait.
When there is none left, the wait is longer with each row of failures; a connection that was in step for much longer
than the wait before it starts the row anew.  The end of a refresh alone does not: a server that breaks soon afterwards
each time would send everything again and again.  So whatever servers do, they are asked a few times in a minute and not
as fast as the network carries it.

A refresh that is held because it would delete too much is no failure.  The copy serves as it is, and the connection is
made again when somebody has decided, or after a while, for what would be deleted may have come back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from syncrepl_client.consumer import journal
from syncrepl_client.retry import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.backoff import Backoff
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.provider.providers import Providers

__all__ = ["Connection", "Follower", "Told"]

# How often to look for a decision about what is held, and when to ask the server once more without one, in seconds.
_LOOK_EVERY: Final = 1.0
_HELD_FOR: Final = 600.0
# A connection that lasts is in step for so many times the wait before it.
_WORTH: Final = 10


class Connection(Protocol):
    """What is kept going; see `Link`."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and the search runs."""

    @property
    def refreshing(self) -> bool:
        """Whether a refresh is in progress."""

    @property
    def decided(self) -> bool:
        """Whether somebody has decided about a refresh that is held."""

    def connect(self, url: LDAPUrl) -> None:
        """Connect to a provider and start the search."""

    def listen(self, timeout: float) -> bool:
        """Handle what has arrived; tells whether there is more to come."""

    def disconnect(self) -> None:
        """End the connection."""

    def worth_another_try(self, error: Exception) -> bool:
        """Tell whether to connect again after an error."""

    def pause(self, seconds: float) -> None:
        """Wait, at most until woken."""


class Told(Protocol):
    """Who is told of connections; see `Replica`."""

    def connected(self, url: str) -> None:
        """The search was started at this server."""

    def disconnected(self, error: Exception, *, url: str, delay: float, attempt: int) -> None:
        """There is no connection; the next try is in `delay` seconds."""


class Follower:
    """Keeps a connection going.

    Args:
        connection: the connection.
        providers: whom it may be with.
        told: who is told of it; None if nobody is.
        backoff: how long to wait between tries.
        random: returns a number from 0 up to, but not including, 1.
        clock: returns seconds.
    """

    def __init__(
        self,
        connection: Connection,
        providers: Providers,
        told: Told | None,
        backoff: Backoff,
        *,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._providers = providers
        self._told = told
        self._backoff = backoff
        self._random = random
        self._clock = clock
        # The waits of this row of failures, the last one, and how many failures there were since the last refresh.
        self._delays = backoff.delays(random)
        self._waited = 0.0
        self._failures = 0
        # Since when the copy follows the server; None before the refresh is complete.
        self._in_step_since: float | None = None
        # When the next try is due.
        self._due = clock()
        # Which providers were tried since the last wait, which is the last one, and whether there are others.
        self._tried: set[LDAPUrl] = set()
        self._url: LDAPUrl | None = None
        self._more = False
        # Whether a refresh is held, and nobody has decided.
        self._held = False
        # Whether somebody who cannot wait has come while a try was made.
        self._hurried = False

    # --- without waiting ----------------------------------------------------------------------------------------------

    def open(self, connect: Callable[[LDAPUrl], None]) -> None:
        """Connect to the first provider that can be had now.

        Raises:
            SyncreplError: why the last one could not be had.
        """
        while True:
            url = self._next()
            try:
                connect(url)
            except Exception as error:
                if not self._more or not self._connection.worth_another_try(error):
                    raise
                journal.tried(url, error, delay=0.0, attempt=len(self._tried))
                self._connection.disconnect()
            else:
                return

    def _next(self) -> LDAPUrl:
        """Choose a provider."""
        self._url, self._more = None, False
        urls = self._providers.urls()
        left = [url for url in urls if url not in self._tried] or urls
        self._url = left[0]
        self._tried.add(left[0])
        # By number as well: a DNS that tells of new servers each time would never let it rest.
        self._more = len(left) > 1 and len(self._tried) < len(urls)
        return left[0]

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, timeout: float) -> bool:
        """Handle what has arrived, or get connected again.

        Args:
            timeout: how many seconds to wait at most; a try takes its own time.

        Returns:
            Whether there is more to come.

        Raises:
            Exception: it is not worth another try.
        """
        if self._connection.connected:
            return self._listen(timeout)
        wait = self._due - self._clock()
        if wait > 0 and not (self._held and self._connection.decided):
            self._connection.pause(min(wait, timeout, _LOOK_EVERY) if self._held else min(wait, timeout))
        else:
            self._try()
        return True

    def hurry(self) -> None:
        """Let the next try be due, if one is waited for; if one is made just now, the one after it; for any thread."""
        self._hurried = True
        self._due = self._clock()

    def _listen(self, timeout: float) -> bool:
        try:
            more = self._connection.listen(timeout)
        except Exception as error:  # noqa: BLE001 - raised again if it is not worth another try
            self._failed(error)
            return True
        if self._in_step_since is None and not self._connection.refreshing:
            self._in_step_since = self._clock()
            if self._failures:
                journal.in_step_again(self._url, self._failures)
                self._failures = 0
        return more

    def _try(self) -> None:
        if self._hurried:
            # Things are different from what the last failures told; and nobody has waited.
            self._delays, self._waited = self._backoff.delays(self._random), 0.0
        self._held = self._hurried = False
        try:
            url = self._next()
            self._connection.connect(url)
        except Exception as error:  # noqa: BLE001 - the same
            self._failed(error, at_once=self._hurried)
            return
        if self._told is not None:
            self._told.connected(url.address)

    def _failed(self, error: Exception, *, at_once: bool = False) -> None:
        """End the connection and plan the next try.

        Raises:
            Exception: the error itself, if it is not worth another try.
        """
        if not self._connection.worth_another_try(error):
            raise error
        self._connection.disconnect()
        self._failures += 1
        if self._lasted():
            self._delays = self._backoff.delays(self._random)
        self._in_step_since = None
        delay = 0.0 if at_once else self._delay(error)
        self._due = self._clock() + delay
        where = "" if self._url is None else self._url.address
        journal.tried(self._url, error, delay=delay, attempt=self._failures)
        if self._told is not None:
            self._told.disconnected(error, url=where, delay=delay, attempt=self._failures)

    def _lasted(self) -> bool:
        """Tell whether the connection that has ended was worth the wait before it."""
        if self._in_step_since is None:
            return False
        return self._clock() - self._in_step_since > _WORTH * max(self._waited, self._backoff.base)

    def _delay(self, error: Exception) -> float:
        """Return how long to wait after an error."""
        self._held = verdict(error) is Verdict.DECISION
        if self._more and not self._held:
            return 0.0
        self._tried.clear()
        if self._held:
            return _HELD_FOR
        self._waited = next(self._delays)
        return self._waited
