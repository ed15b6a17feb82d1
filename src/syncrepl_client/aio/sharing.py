"""`Shared`: a replica in a thread of its own, that several wait for at once.

Whoever waits for something states a wish, which is looked at again and again until it is fulfilled; as long as there
are wishes, the replica synchronizes.  So any number of subscriptions, a refresh and a `follow` go on at the same time,
and calls come in between.

All that touches the replica or a subscription happens in the thread.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from syncrepl_client.aio.worker import Worker
from syncrepl_client.exceptions import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.model import Change, Refreshed
    from syncrepl_client.replica import Replica
    from syncrepl_client.store.position import Position
    from syncrepl_client.subscription import Subscription

__all__ = ["Fetched", "Shared"]

T = TypeVar("T")

Fetched = list[tuple["Change", "Position"]]
"""Changes, each with the position of who has it."""


class _Wish(Generic[T]):
    """Something that is waited for.

    Args:
        look: is called with whether the replica has nothing more to do; returns None as long as there is nothing.
        reconnect: whether to stay in step whatever servers and networks do.
    """

    def __init__(self, look: Callable[[bool], T | None], *, reconnect: bool) -> None:
        self._look = look
        self.reconnect = reconnect
        self.future: Future[T] = Future()

    def fulfilled(self, *, over: bool, failure: BaseException | None = None) -> bool:
        """Tell whether it is not to be looked at any more.

        Args:
            over: whether the replica has nothing more to do.
            failure: why not, if something has failed; it is raised where somebody waits for what is not here already.
        """
        if self.future.cancelled():
            return True
        try:
            found = self._look(over)
        except BaseException as error:  # noqa: BLE001 - raised where somebody waits for it
            self.fail(failure or error)
            return True
        if found is None:
            if failure is not None:
                self.fail(failure)
            return failure is not None
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(found)
        return True

    def fail(self, error: BaseException) -> None:
        """Raise it where the wish was stated."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class Shared:
    """A replica and its worker.

    Args:
        replica: the replica; nobody else uses it from here on, but for what any thread may call.
    """

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.worker = Worker(f"syncrepl {replica.path.name}", self)
        self._wishes: list[_Wish[Any]] = []
        self._subscriptions: list[Subscription] = []
        # What has ended the session, if anything did.
        self._failure: BaseException | None = None

    # --- for any thread -----------------------------------------------------------------------------------------------

    def connect(self) -> Future[None]:
        """Connect, unless that was done."""

        def connect() -> None:
            if not self.replica.begun:
                self.replica.connect()

        return self.worker.call(connect)

    def subscribe(self, make: Callable[[Replica], Subscription]) -> Future[Subscription]:
        """Begin to read."""

        def begin() -> Subscription:
            subscription = make(self.replica)
            self._subscriptions.append(subscription)
            return subscription

        return self.worker.call(begin)

    def fetch(self, subscription: Future[Subscription], *, limit: int, reconnect: bool) -> Future[Fetched]:
        """Wait for changes; what was fetched before counts as handled.

        Returns:
            No change at all if nothing more will come.
        """

        def look(over: bool) -> Fetched | None:  # noqa: FBT001 - see `_Wish`
            reading = subscription.result()
            found = reading.fetch(limit)
            return found if found or over or reading.ended else None

        return self._wish(look, reconnect=reconnect)

    def commit(self, subscription: Future[Subscription], handled: Position | None, *, patient: bool) -> Future[None]:
        """Store how far a reader has handled what it has fetched last; None if nothing of it."""

        def store() -> None:
            reading = subscription.result()
            if handled is not None:
                reading.commit_to(handled, patient=patient)

        return self.worker.call(store)

    def unsubscribe(self, subscription: Future[Subscription], handled: Position | None) -> Future[None]:
        """Let a reader end, and all that waits for it.

        Args:
            subscription: the reader.
            handled: up to where it has handled what it has fetched last; None if nothing of it.
        """
        if subscription.done() and subscription.exception() is None:
            subscription.result().stop()

        def end() -> None:
            if subscription.exception() is None:
                reading = subscription.result()
                if reading in self._subscriptions:
                    # Who waits for it is told that it is at its end.
                    self._fulfil(over=False)
                    self._subscriptions.remove(reading)
                    _close(reading, handled)

        return self.worker.call(end)

    def refresh(self) -> Future[Refreshed]:
        """Complete a refresh."""
        replica = self.replica

        def look(over: bool) -> Refreshed | None:  # noqa: FBT001 - see `_Wish`
            done = replica.opened.link.connected and not replica.refreshing
            return replica.refreshed() if over or done else None

        return self._wish(look, reconnect=False, first=replica.begin_refresh)

    def follow(self) -> Future[bool]:
        """Stay in step until the replica is stopped."""
        return self._wish(lambda over: over or None, reconnect=True)

    def _wish(
        self, look: Callable[[bool], T | None], *, reconnect: bool, first: Callable[[], None] | None = None
    ) -> Future[T]:
        wish = _Wish(look, reconnect=reconnect)

        def state() -> None:
            if first is not None:
                first()
            self._wishes.append(wish)

        def stated(call: Future[None]) -> None:
            error = call.exception()
            if error is not None:
                wish.fail(error)

        self.worker.call(state).add_done_callback(stated)
        return wish.future

    # --- what the worker does by itself -------------------------------------------------------------------------------

    def turn(self, patience: float) -> bool:
        """Fulfil what can be; if that is nothing, synchronize."""
        if not self._fulfil(over=False) and self._wishes:
            self._synchronize(patience)
        return bool(self._wishes)

    def _fulfil(self, *, over: bool, failure: BaseException | None = None) -> bool:
        left = [wish for wish in self._wishes if not wish.fulfilled(over=over, failure=failure)]
        some = len(left) < len(self._wishes)
        self._wishes = left
        return some

    def _synchronize(self, patience: float) -> None:
        replica = self.replica
        step = replica.follow_step if any(wish.reconnect for wish in self._wishes) else replica.step
        try:
            more = step(patience)
        except BaseException as error:  # noqa: BLE001 - raised where somebody waits for it
            # The first one says why.
            if self._failure is None or not isinstance(error, ClosedError):
                self._failure = error
            # What was stored before is told first.
            self._fulfil(over=False, failure=self._failure)
        else:
            if not more:
                self._fulfil(over=True)

    def _fail_all(self, error: BaseException) -> None:
        wishes, self._wishes = self._wishes, []
        for wish in wishes:
            wish.fail(error)

    def wake(self) -> None:
        """Let a step that waits return."""
        self.replica.wake()

    def stop(self) -> None:
        """Let everything come to an end."""
        self.replica.stop()

    def close(self) -> None:
        """Close everything."""
        # What was asked for before the end gets what is there.
        self._fulfil(over=True)
        self._fail_all(ClosedError())
        with ExitStack() as stack:
            # One that cannot store its position keeps no other from it.
            stack.callback(self.replica.close)
            for subscription in self._subscriptions:
                stack.callback(subscription.close)
            self._subscriptions.clear()


def _close(reading: Subscription, handled: Position | None) -> None:
    try:
        if handled is not None:
            reading.commit_to(handled)
    finally:
        reading.close()
