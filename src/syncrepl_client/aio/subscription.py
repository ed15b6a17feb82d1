"""`AsyncSubscription`: an iterator over the changes of a replica that is in another thread."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.aio.arrival import Arrival, outcome, result
from syncrepl_client.exceptions import ClosedError, UsageError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from syncrepl_client.aio.replica import AsyncReplica
    from syncrepl_client.aio.sharing import Fetched
    from syncrepl_client.model import Change
    from syncrepl_client.replica import Replica
    from syncrepl_client.store.position import Position
    from syncrepl_client.subscription import Subscription

__all__ = ["AsyncSubscription"]

# How many changes come at once at most.
_PAGE: Final = 500
# How often a slow reader tells how far it has come, in seconds.
_TELL_EVERY: Final = 1.0


class AsyncSubscription:
    """Iterates over the changes; see `AsyncReplica.subscribe`.

    It belongs to one task at a time.  Use it with ``async with``, or call `aclose`.
    """

    def __init__(self, replica: AsyncReplica, make: Callable[[Replica], Subscription], *, reconnect: bool) -> None:
        # It lives as long as somebody reads.
        self._replica = replica
        self._shared = replica.shared
        self._reconnect = reconnect
        self._subscription = self._shared.subscribe(make)
        # Set by `awatch`: what ends it besides.
        self.stop_event: asyncio.Event | None = None
        self._fetching: Arrival[Fetched] | None = None
        self._ready: deque[tuple[Change, Position]] = deque()
        # The position of who has handled what he was given, and of who will have handled what he has now; None if the
        # thread knows it, for nothing of the last batch was given out.
        self._handled: Position | None = None
        self._given: Position | None = None
        self._telling: Future[None] | None = None
        self._told_at = time.monotonic()
        self._busy = False
        # What comes of closing it, once it was told to.
        self._left: Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        if not self._ready:
            await self._fetch(_PAGE)
            if not self._ready:
                raise StopAsyncIteration
        else:
            self._handle()
        change, self._given = self._ready.popleft()
        return change

    async def read(self, limit: int = _PAGE) -> list[Change]:
        """Read on, waiting for what is new; what was read before counts as handled.

        Args:
            limit: how many changes at most.

        Returns:
            Nothing if nothing more will come.
        """
        if not self._ready:
            await self._fetch(limit)
        else:
            self._handle()
        found = [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]
        if found:
            self._given = found[-1][1]
        return [change for change, _ in found]

    def _handle(self) -> None:
        """Count what was given as handled, and tell the thread of it now and then."""
        self._refuse_if_closed()
        self._handled = self._given
        now = time.monotonic()
        if now > self._told_at + _TELL_EVERY:
            self._told_at = now
            told, self._telling = self._telling, None
            if told is not None and told.done():
                told.result()
            self._telling = self._shared.commit(self._subscription, self._handled, patient=False)

    async def _fetch(self, limit: int) -> None:
        """Get what comes next; in the thread, what was given counts as handled with that."""
        self._refuse_if_closed()
        if self._busy:
            raise UsageError("two tasks wait for one subscription", hint="let one task read, or subscribe twice")
        self._handled = self._given
        if self._fetching is None:
            fetch = self._shared.fetch(self._subscription, limit=limit, reconnect=self._reconnect)
            self._fetching = Arrival(fetch)
        fetching = self._fetching
        self._busy = True
        try:
            if not await fetching.wait(self.stop_event):
                return
        finally:
            self._busy = False
        self._fetching = None
        self._ready.extend(fetching.future.result())
        self._handled = self._given = None
        self._told_at = time.monotonic()

    def handled(self) -> None:
        """Count what was given as handled; for the fronts."""
        self._handled = self._given

    def _refuse_if_closed(self) -> None:
        if self._left is not None:
            raise ClosedError("the subscription is closed")

    @property
    def position(self) -> int | None:
        """The number of the last change that was handled; None before the first, and as long as a snapshot is not."""
        if self._handled is not None:
            return self._handled.sequence if self._handled.place is None else None
        begun = self._subscription.done() and self._subscription.exception() is None
        return self._subscription.result().position if begun else None

    async def commit(self) -> None:
        """Store that what was read is handled, up to what the last `read` or step of the iteration has given."""
        self._refuse_if_closed()
        self._handled = self._given
        await result(self._shared.commit(self._subscription, self._handled, patient=True))

    # --- life ---------------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Store the position of what was handled, and close; what was given last counts as not handled."""
        await outcome(self.leave())

    def leave(self) -> Future[None]:
        """Let the thread close it; for the fronts."""
        if self._left is None:
            self._left = self._shared.unsubscribe(self._subscription, self._handled)
        return self._left

    def __del__(self) -> None:
        # Who leaves a loop early may forget it.
        if hasattr(self, "_left"):
            self.leave()

    async def __aenter__(self) -> Self:
        await outcome(self._subscription)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
