"""`awatch`: one line for programs that want to be told what changes, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, Unpack

from syncrepl_client.aio.replica import AsyncReplica
from syncrepl_client.model import SyncreplMode

if TYPE_CHECKING:
    import asyncio
    import os
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from syncrepl_client.aio.subscription import AsyncSubscription
    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.model import Change
    from syncrepl_client.options import Options
    from syncrepl_client.store.position import Start

__all__ = ["AsyncWatch", "awatch"]


def awatch(
    url: str | LDAPUrl | SupportsUnparse | None,
    path: str | os.PathLike[str],
    *,
    mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
    subscription: str | None = None,
    start: Start = "snapshot",
    kinds: Iterable[type[Change]] = (),
    stop_event: asyncio.Event | None = None,
    reconnect: bool = True,
    **options: Unpack[Options],
) -> AsyncWatch:
    """Iterate over what is and what changes in a search: first each entry as `Added`, then every change; see `watch`.

    Args:
        url: the server and the search; None means the one stored in the data file.
        path: the data file; a folder gets a ``syncrepl.db`` in it.
        mode: whether to end when the refresh is complete or to go on listening.
        subscription: a name under which it is remembered which changes were handled.
        start: where a new subscription begins.
        kinds: the kinds of change to tell of, such as ``(Added, Deleted)``; all if there are none.
        stop_event: ends the iteration at once.
        reconnect: whether to stay in step whatever servers and networks do.
        options: everything else; see `Options`.

    Returns:
        An iterator for ``async for``, which closes what it has opened at its end.  A loop that may be left early is
        better written ``async with awatch(…) as changes``.

    Raises:
        SyncreplError: while it is iterated over: something that does not get better by itself.
    """
    try:
        replica = AsyncReplica(url, path, mode=mode, **options)
    finally:
        del url, options

    def begin() -> AsyncSubscription:
        if subscription is None:
            changes = replica.changes(kinds=kinds, reconnect=reconnect)
        else:
            changes = replica.subscribe(subscription, start=start, kinds=kinds, reconnect=reconnect)
        changes.stop_event = stop_event
        return changes

    return AsyncWatch(replica, begin, stop_event)


class AsyncWatch:
    """What `awatch` returns: an iterator over changes with all that it needs."""

    def __init__(
        self, replica: AsyncReplica, begin: Callable[[], AsyncSubscription], stop_event: asyncio.Event | None
    ) -> None:
        self._replica = replica
        self._begin = begin
        self._stop_event = stop_event
        self._changes: AsyncSubscription | None = None
        # Why the iteration is over, once it is.
        self._end: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        if self._end is None:
            try:
                return await self._next()
            except Exception as error:  # noqa: BLE001 - raised once everything is closed
                self._end = error
        await self._replica.aclose()
        end, self._end = self._end, StopAsyncIteration()
        try:
            raise end
        finally:
            del end

    async def _next(self) -> Change:
        if self._stop_event is not None and self._stop_event.is_set():
            if self._changes is not None:
                # Who asks for the next change has handled the last one.
                self._changes.handled()
            raise StopAsyncIteration
        if self._changes is None:
            self._changes = self._begin()
        return await self._changes.__anext__()

    async def aclose(self) -> None:
        """Disconnect and close the data file; what was told last counts as not handled."""
        self._end = self._end or StopAsyncIteration()
        await self._replica.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
