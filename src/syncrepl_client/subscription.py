"""`Subscription`: an iterator over the changes of a data file.

One with a name remembers how far it has come, so that what reads it gets every change at least once, in order, whatever
is killed in between: the position is stored after the program has asked for what comes next.  One without a name begins
where it is made.

What there is to do while nothing is new, is up to who made it: a replica goes on synchronizing, everybody else waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import ClosedError, UsageError
from syncrepl_client.model import Added, Deleted, Modified, Renamed
from syncrepl_client.store.page import NOTHING
from syncrepl_client.store.position import BEGINNING, Position, Start

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from syncrepl_client.model import Change
    from syncrepl_client.store.bookmark import Bookmark
    from syncrepl_client.store.feed import Feed

__all__ = ["Start", "Subscription", "begin", "checked", "subscribe", "unsubscribe"]

Wait = Callable[[float, threading.Event], bool]
"""Waits for some seconds, less if there may be something new or the event is set; tells whether there may be more."""

# In seconds.
_LOOK_EVERY: Final = 0.02
_LONG: Final = 3.0
# How often the position is stored while there is more to read, in seconds and in changes.
_SAVE_EVERY: Final = 1.0
_SAVE_AFTER: Final = 1000
_PAGE: Final = 500
_KINDS: Final = (Added, Modified, Renamed, Deleted)


def _nothing() -> None:
    """Wake nobody."""


class Subscription:
    """Iterates over the changes; see `Replica.subscribe` and `subscribe`.

    It belongs to one thread, but for `stop`.  Use it as a context manager, or call `close`.

    Args:
        feed: what it reads.
        bookmark: remembers how far it has come; None if nothing does.
        kinds: the kinds of change to tell of; all if there are none.
        wait: is called when nothing is new.
        wake: ends that early.
    """

    def __init__(
        self,
        feed: Feed,
        bookmark: Bookmark | None,
        kinds: Iterable[type[Change]],
        wait: Wait,
        wake: Callable[[], None] = _nothing,
    ) -> None:
        self._feed = feed
        self._bookmark = bookmark
        self._kinds = checked(kinds)
        self._wait = wait
        self._wake = wake
        self._stopped = threading.Event()
        self._page = NOTHING
        # The position of who has handled what was given to him, and of who will have handled what he has now.
        self._handled = self._given = feed.position
        self._unsaved = 0
        self._saved_at = time.monotonic()
        self._ended = False
        self._closed = False
        # What has failed while it waited, if anything did.
        self._failure: Exception | None = None

    @property
    def position(self) -> int | None:
        """The number of the last change that was handled; None before the first, and as long as a snapshot is not."""
        handled = self._handled
        return None if handled is None or handled.place is not None else handled.sequence

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._stopped.is_set() or (self._ended and not self._page)

    def __iter__(self) -> Iterator[Change]:
        """Iterate until it is stopped, or nothing more will come; a change counts as handled when the next is wanted.

        It is a generator for the many changes that came together: to each it does what `read` would, in a third of the
        time.
        """
        while True:
            page = self._page
            while page and not (self._kinds or self._closed or self._stopped.is_set()):
                self._handled = self._given
                if self._bookmark is not None:
                    self._save_now_and_then()
                change, self._given = page.take()
                self._unsaved += 1
                yield change
            found = self.read(1)
            if not found:
                return
            yield found[0]

    def __next__(self) -> Change:
        found = self.read(1)
        if found:
            return found[0]
        raise StopIteration

    def read(self, limit: int = _PAGE, timeout: float | None = None) -> list[Change]:
        """Read on; what was read before counts as handled.

        Args:
            limit: how many changes at most.
            timeout: how many seconds to wait for the first of them; None for as long as it takes.

        Returns:
            Nothing if there was nothing in that time, or nothing more will come.

        Raises:
            ChangesLost: what comes next is not in the changelog any more.
        """
        if self._closed:
            raise ClosedError("the subscription is closed")
        self._handled = self._given
        self._save_now_and_then()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            found = [change for change, _ in self._take(limit)]
            if found:
                return found
            # If the owner is in the middle of something large, it is stored later.
            self.commit(patient=False)
            if self._failure is not None:
                raise self._failure
            if self._ended or self._stopped.is_set():
                self.commit()
                return found
            left = _LONG if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                # What came with the last word is still to be read.
                self._ended = not self._wait(left, self._stopped)
            except Exception as error:  # noqa: BLE001 - raised once all is told that was stored before
                self._failure = error
                continue
            if deadline is not None and time.monotonic() >= deadline:
                return [change for change, _ in self._take(limit)]

    def fetch(self, limit: int = _PAGE) -> list[tuple[Change, Position]]:
        """Read on without waiting; for fronts that wait, and hand out what they got, by themselves.

        What was fetched before counts as handled.

        Args:
            limit: how many changes at most.

        Returns:
            Each change with the position of who has it; nothing if there is nothing now.
        """
        if self._closed:
            raise ClosedError("the subscription is closed")
        self._handled = self._given
        self._save_now_and_then()
        found = self._take(limit)
        if not found:
            self.commit(patient=False)
        return found

    def _take(self, limit: int) -> list[tuple[Change, Position]]:
        found: list[tuple[Change, Position]] = []
        while len(found) < limit and not self._stopped.is_set():
            if not self._page and not self._fill():
                break
            one = self._page.take()
            self._given = one[1]
            self._unsaved += 1
            if not self._kinds or isinstance(one[0], self._kinds):
                found.append(one)
            elif not found:
                # Nobody is to handle it.
                self._handled = self._given
        return found

    def _fill(self) -> bool:
        waited = self._feed.position is None
        self._page = self._feed.read()
        if waited and self._feed.position is not None and self._bookmark is not None:
            # From here on the changelog waits for it.
            self._bookmark.save(Position(self._feed.position.sequence, BEGINNING), patient=False)
        if not self._page and self._given != self._feed.position:
            # The snapshot is at its end.
            self._given = self._feed.position
            self._unsaved += 1
        return bool(self._page)

    # --- the position -------------------------------------------------------------------------------------------------

    def _save_now_and_then(self) -> None:
        if self._unsaved and (self._unsaved >= _SAVE_AFTER or time.monotonic() > self._saved_at + _SAVE_EVERY):
            self._save(patient=False)

    def commit(self, *, patient: bool = True) -> None:
        """Store that what was read is handled, up to what the last `read` or step of the iteration has given.

        Args:
            patient: whether to wait for another writer; if not, it may be stored by a later call.
        """
        self._handled = self._given
        if self._unsaved:
            self._save(patient=patient)

    def commit_to(self, position: Position, *, patient: bool = True) -> None:
        """Store that what was fetched is handled up to a position; for fronts that hand it out by themselves.

        Args:
            position: of the last change that is handled.
            patient: whether to wait for another writer; if not, it may be stored later.
        """
        self._handled = position
        self._unsaved += 1
        self._save(patient=patient)
        if position != self._given:
            # The rest of what was fetched will have to be stored.
            self._unsaved += 1

    def _save(self, *, patient: bool) -> None:
        if self._bookmark is None or self._handled is None or self._bookmark.save(self._handled, patient=patient):
            self._unsaved = 0
            self._saved_at = time.monotonic()

    def stop(self) -> None:
        """Let the iteration end, and a `read` that waits return; for any thread and for signal handlers.

        What is left is for the next reader of that name.
        """
        self._stopped.set()
        self._wake()

    # --- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Store the position of what was handled, and close; what was given last counts as not handled."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._unsaved:
                self._save(patient=True)
        finally:
            self._feed.close()
            if self._bookmark is not None:
                self._bookmark.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _look(seconds: float, stopped: threading.Event) -> bool:
    """Wait for what another thread or process writes."""
    return not stopped.wait(min(seconds, _LOOK_EVERY))


def subscribe(
    path: str | os.PathLike[str],
    name: str,
    *,
    start: Start = "snapshot",
    restart: bool = False,
    kinds: Iterable[type[Change]] = (),
) -> Subscription:
    """Iterate over the changes of a data file that another thread or process keeps in step.

    Args:
        path: the data file, or the folder with a ``syncrepl.db`` in it.
        name: under which the position is stored; each name has one reader at a time.
        start: where it begins the first time: ``"snapshot"``, with each entry of the copy as `Added`; ``"now"``; or
            after the change of a number.  After a reset of the file it begins with a snapshot in any case.
        restart: whether to begin there again although the name is known.
        kinds: the kinds of change to tell of, such as ``(Added, Deleted)``; all if there are none.

    Returns:
        An iterator that waits for what is new; each change counts as handled when the next one is asked for.

    Raises:
        DBError: there is no such data file.
        UsageError: it keeps no changelog, or there is no such kind of change.
        ChangesLost: the changes after that number are not in the changelog, or not any more.
    """
    from syncrepl_client.store.files import data_file

    return begin(data_file(path), name, start, _look, restart=restart, kinds=kinds)


def begin(
    path: Path,
    name: str,
    start: Start,
    wait: Wait,
    wake: Callable[[], None] = _nothing,
    *,
    restart: bool,
    kinds: Iterable[type[Change]],
) -> Subscription:
    """Make a subscription with a name; see `subscribe` and `Subscription`."""
    from syncrepl_client.store.bookmark import Bookmark
    from syncrepl_client.store.feed import Feed

    kinds = checked(kinds)
    bookmark = Bookmark(path, name, start, restart=restart)
    try:
        return Subscription(Feed(path, bookmark.position, name), bookmark, kinds, wait, wake)
    except BaseException:
        bookmark.close()
        raise


def unsubscribe(path: str | os.PathLike[str], name: str) -> bool:
    """Forget how far a subscription has come; the changelog waits for it no longer.

    Args:
        path: the data file, or the folder with a ``syncrepl.db`` in it.
        name: the name of the subscription.

    Returns:
        Whether there was one of that name.

    Raises:
        DBError: there is no such data file, or it cannot be written to.
    """
    from syncrepl_client.store.bookmark import forget
    from syncrepl_client.store.files import data_file

    return forget(data_file(path), name)


def checked(kinds: Iterable[type[Change]]) -> tuple[type[Change], ...]:
    """Return kinds of change.

    Raises:
        UsageError: one of them is none.
    """
    wanted = tuple(kinds)
    for kind in wanted:
        if kind not in _KINDS:
            raise UsageError(f"{kind!r} is no kind of change", hint="give the classes, such as kinds=(Added, Deleted)")
    return wanted
