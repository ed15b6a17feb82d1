"""`Worker`: one thread that does what it is told, a call after the other, and something of its own in between.

It is for what belongs to one thread and is asked for by others that must not wait.  Facts that shaped it:

* `threading` waits for all threads but daemons before it runs what `atexit` was given.  So a worker is a daemon, and
  one that is left over when the interpreter exits is told to end and given a little time for it.
* An object may be collected anywhere, also in the middle of a call to its worker, and then tells it something.  So
  calls are handed over without a lock; ``SimpleQueue.put`` may be interrupted by another one.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from syncrepl_client.exceptions import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Work", "Worker"]

T = TypeVar("T")

# How long a turn may take while nobody calls, and what all workers have when the interpreter exits, in seconds.
_LONG: Final = 3.0
_FAREWELL: Final = 2.0


class Work(Protocol):
    """What a worker does by itself."""

    def turn(self, patience: float) -> bool:
        """Do something between two calls.

        Args:
            patience: how many seconds it may wait at most.

        Returns:
            Whether to do it again before the next call.
        """

    def wake(self) -> None:
        """Let a turn that waits return; for any thread."""

    def stop(self) -> None:
        """Let turns and calls come to an end soon, for good; for any thread."""

    def close(self) -> None:
        """Do the last thing in the thread."""


class Worker:
    """A thread, which the first call starts.

    Args:
        name: the thread's.
        work: what it does by itself.
    """

    def __init__(self, name: str, work: Work) -> None:
        self._name = name
        self._work = work
        # None is the end.
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        # What comes of the last thing in the thread, once it was told to end.
        self._end: Future[None] | None = None
        self._ended = False

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Do something in the thread, after what was asked for before.

        Returns:
            What comes of it; a `ClosedError` if the thread is to end.
        """
        future: Future[T] = Future()
        call = _Call(work, future)
        if self._end is None:
            self._start()
            self._put(call)
        else:
            call.refuse()
        return future

    def end(self) -> Future[None]:
        """Stop, and let the thread end after what was asked for before; for any thread.

        Returns:
            What comes of the last thing in the thread.
        """
        if self._end is None:
            self._end = Future()
            close = _Call(self._work.close, self._end)
            self._work.stop()
            if self._thread is None:
                # It is not worth a thread.
                self._ended = True
                close.run()
            else:
                self._put(close)
                self._put(None)
        return self._end

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread, for some seconds at most."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _put(self, call: _Call[Any] | None) -> None:
        self._calls.put(call)
        self._work.wake()
        if self._ended:
            # The thread may have looked for the last time before.
            self._refuse_all()

    def _start(self) -> None:
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
                _workers.add(self)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        busy = False
        while True:
            try:
                call = self._calls.get(block=not busy)
            except Empty:
                # Who calls from here on finds a turn to wake.
                busy = self._work.turn(_LONG if self._calls.empty() else 0.0)
                continue
            if call is None:
                break
            call.run()
            # A thread that waits for the next call does not keep alive what the last one knew.
            del call
            busy = True
        self._ended = True
        self._refuse_all()

    def _refuse_all(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            if call is not None:
                call.refuse()


class _Call(Generic[T]):
    """Something to do, and what comes of it."""

    def __init__(self, work: Callable[[], T], future: Future[T]) -> None:
        self._work = work
        self._future = future

    def run(self) -> None:
        if self._future.set_running_or_notify_cancel():
            try:
                result = self._work()
            except BaseException as error:  # noqa: BLE001 - raised where somebody waits for it
                self._future.set_exception(error)
            else:
                self._future.set_result(result)

    def refuse(self) -> None:
        if self._future.set_running_or_notify_cancel():
            self._future.set_exception(ClosedError())


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _say_farewell() -> None:
    """Let all end that is left over, but wait for nobody who hangs."""
    left = list(_workers)
    for worker in left:
        worker.end()
    deadline = time.monotonic() + _FAREWELL
    for worker in left:
        worker.join(max(0.0, deadline - time.monotonic()))
