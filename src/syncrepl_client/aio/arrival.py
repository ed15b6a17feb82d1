"""How what a thread brings comes to the event loop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

__all__ = ["Arrival", "outcome", "result"]

T = TypeVar("T")


class Arrival(Generic[T]):
    """What the thread will bring.

    One task at a time waits for it; it may give up, and come back, in another loop even.
    """

    def __init__(self, future: Future[T]) -> None:
        self.future = future
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        future.add_done_callback(self._tell)

    def _tell(self, _: Future[T]) -> None:
        if self._waiter is not None:
            loop, waiter = self._waiter
            # The loop may be gone.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_release, waiter)

    async def wait(self, stop_event: asyncio.Event | None = None) -> bool:
        """Wait for it, or for an event; tells whether it is here."""
        import asyncio

        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        # Before it is looked at: what comes right after that is told.
        self._waiter = loop, waiter
        if self.future.done():
            return True
        if stop_event is None:
            await waiter
            return True
        stopped = loop.create_task(stop_event.wait())
        try:
            await asyncio.wait({waiter, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        return self.future.done()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def result(future: Future[T]) -> T:
    """Wait for what the thread was asked for; if nobody waits any more, it need not be begun."""
    import asyncio

    try:
        return await outcome(future)
    except asyncio.CancelledError:
        future.cancel()
        raise


async def outcome(future: Future[T]) -> T:
    """Wait for what the thread does in any case."""
    await Arrival(future).wait()
    return future.result()
