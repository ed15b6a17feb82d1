"""`AsyncReplica`: a replica in a thread of its own, as programs with an event loop use it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from syncrepl_client.aio.arrival import outcome, result
from syncrepl_client.aio.pages import Pages
from syncrepl_client.aio.subscription import AsyncSubscription
from syncrepl_client.model import SyncreplMode
from syncrepl_client.replica import Replica

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path
    from types import TracebackType
    from uuid import UUID

    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.model import Change, Entry, Refreshed, Report
    from syncrepl_client.options import Options
    from syncrepl_client.reader import Status
    from syncrepl_client.store.position import Start
    from syncrepl_client.subscription import Subscription

__all__ = ["AsyncReplica"]

T = TypeVar("T")


class AsyncReplica:
    """A durable local copy of one LDAP search that stays in step with the server; see `Replica`.

    Use it with ``async with``, or call `connect`, or `follow`, and `aclose`.  Any number of tasks may use it at once:
    subscriptions, `refresh` and `follow` go on side by side, everything else is done in the order of the calls.

    Args:
        url: the server and the search; None means the one stored in the data file.
        path: the data file; a folder gets a ``syncrepl.db`` in it.
        mode: whether to end when the refresh is complete or to go on listening.
        listener: see `Replica`; its methods are called in the replica's thread, not in the event loop.
        options: everything else; see `Options`.
    """

    def __init__(
        self,
        url: str | LDAPUrl | SupportsUnparse | None,
        path: str | os.PathLike[str],
        *,
        mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
        listener: object | None = None,
        **options: Unpack[Options],
    ) -> None:
        from syncrepl_client.aio.sharing import Shared

        try:
            self.shared = Shared(Replica(url, path, mode=mode, listener=listener, **options))
        finally:
            # Tools print the variables of a traceback: no password may be among them.
            del url, options
        self._subscriptions: weakref.WeakSet[AsyncSubscription] = weakref.WeakSet()
        # One that is forgotten ends as well.
        weakref.finalize(self, self.shared.worker.end).atexit = False

    @classmethod
    async def open(
        cls,
        url: str | LDAPUrl | SupportsUnparse | None,
        path: str | os.PathLike[str],
        *,
        mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
        listener: object | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Make a replica and connect it; see `connect`."""
        try:
            replica = cls(url, path, mode=mode, listener=listener, **options)
        finally:
            del url, options
        return await replica.connect()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def connect(self) -> Self:
        """Open the data file, connect, bind and start the search; see `Replica.connect`.

        If it fails or is cancelled, the replica is closed.
        """
        try:
            await result(self.shared.connect())
        except BaseException:
            self.shared.worker.end()
            raise
        return self

    async def aclose(self) -> None:
        """Disconnect and close the data file; a refresh in progress is dropped.

        Whoever waits for the replica is let go.  If it is cancelled, the thread closes the rest by itself.
        """
        for subscription in list(self._subscriptions):
            subscription.leave()
        await outcome(self.shared.worker.end())

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> LDAPUrl:
        """The search that the copy is of."""
        return self.shared.replica.url

    @property
    def path(self) -> Path:
        """The data file."""
        return self.shared.replica.path

    # --- work ---------------------------------------------------------------------------------------------------------

    async def refresh(self) -> Refreshed:
        """Synchronize until the refresh is complete; see `Replica.refresh`."""
        return await result(self.shared.refresh())

    async def follow(self) -> None:
        """Stay in step until `stop` or `finish`, whatever servers and networks do; see `Replica.follow`."""
        await result(self.shared.follow())

    async def verify(self, *, repair: bool = False) -> Report:
        """Compare the copy with what the server holds; see `Replica.verify`."""
        return await self.call(lambda replica: replica.verify(repair=repair))

    def stop(self) -> None:
        """Let everything that waits come to its end, and drop a refresh in progress; for any thread."""
        self.shared.replica.stop()

    def finish(self) -> None:
        """Let everything that waits come to its end once a refresh in progress is complete; for any thread."""
        self.shared.replica.finish()

    def retry(self) -> None:
        """Let `follow` connect at once if it waits before another try; for any thread."""
        self.shared.replica.retry()

    async def call(self, work: Callable[[Replica], T]) -> T:
        """Do anything with the replica, in its thread.

        Args:
            work: is called with the `Replica`, which belongs to that thread; so does what hangs together with it, such
                as its `Replica.entries`.
        """
        replica = self.shared.replica
        return await result(self.shared.worker.call(lambda: work(replica)))

    # --- changes ------------------------------------------------------------------------------------------------------

    def changes(self, *, kinds: Iterable[type[Change]] = (), reconnect: bool = False) -> AsyncSubscription:
        """Iterate over the changes from the opening of the replica on; see `Replica.changes`."""
        return self._subscribe(lambda replica: replica.changes(kinds=kinds, reconnect=reconnect), reconnect=reconnect)

    def subscribe(
        self,
        name: str,
        *,
        start: Start = "snapshot",
        restart: bool = False,
        kinds: Iterable[type[Change]] = (),
        reconnect: bool = False,
    ) -> AsyncSubscription:
        """Iterate over the changes from where the last reader of that name has stopped; see `Replica.subscribe`."""

        def make(replica: Replica) -> Subscription:
            return replica.subscribe(name, start=start, restart=restart, kinds=kinds, reconnect=reconnect)

        return self._subscribe(make, reconnect=reconnect)

    def _subscribe(self, make: Callable[[Replica], Subscription], *, reconnect: bool) -> AsyncSubscription:
        subscription = AsyncSubscription(self, make, reconnect=reconnect)
        self._subscriptions.add(subscription)
        return subscription

    # --- what is here -------------------------------------------------------------------------------------------------

    async def status(self) -> Status:
        """Tell what the data file says of itself, its changelog and who reads that."""
        return await self.call(Replica.status)

    async def entry(self, dn: str) -> Entry | None:
        """Find an entry of the copy by its name, in any spelling."""
        return await self.call(lambda replica: replica.entries.entry(dn))

    def entries(self) -> AsyncIterator[Entry]:
        """Iterate over the entries of the copy, in constant memory."""
        return Pages(self, lambda replica: replica.entries.all())

    def history(self, which: str | UUID) -> AsyncIterator[Change]:
        """Iterate over the logged changes of an entry, by its UUID or a name that it has or had; see `Reader`."""
        return Pages(self, lambda replica: replica.history(which))
