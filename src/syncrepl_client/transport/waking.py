"""Waiting that other threads and signal handlers can end at once."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Waker"]


class Waker:
    """Waits for the time, or a socket, until somebody wakes it."""

    def __init__(self) -> None:
        # Sockets rather than a pipe: written to by other threads, they cannot be mistaken for another file once closed.
        # They are made for the first wait: some never come to one.
        self._pair: tuple[socket.socket, socket.socket] | None = None
        self._woken = False

    def wait(self, timeout: float, sock: socket.socket | None = None) -> bool:
        """Wait for some seconds, or less when woken, or when a signal came.

        Args:
            timeout: seconds.
            sock: may end it as well.

        Returns:
            Whether there is something to read from `sock`; not when woken.
        """
        if self._pair is None:
            self._pair = socket.socketpair()
            for end in self._pair:
                end.settimeout(0)
        reader, writer = self._pair
        poller = select.poll()
        poller.register(reader, select.POLLIN)
        if sock is not None:
            poller.register(sock, select.POLLIN)
        ready: list[int] = []
        # Looked at after there is something to write to: who wakes sets it before he looks for that.
        if not self._woken:
            with _woken_by_signals(writer.fileno()):
                ready = [file for file, _ in poller.poll(max(0.0, timeout) * 1000)]
        woken = self._woken or reader.fileno() in ready
        if woken:
            self._woken = False
            with contextlib.suppress(BlockingIOError):
                reader.recv(4096)
        return bool(ready) and not woken

    def wake(self) -> None:
        """End a `wait`, also one that has not begun; for any thread and for signal handlers."""
        self._woken = True
        if self._pair is not None:
            with contextlib.suppress(OSError):
                self._pair[1].send(b"\0")

    def close(self) -> None:
        """Give up what it needs to be woken."""
        for end in self._pair or ():
            end.close()


@contextlib.contextmanager
def _woken_by_signals(pipe: int) -> Iterator[None]:
    """Let a signal write to a pipe.

    A signal that comes right before the process begins to wait does not end the waiting, and its handler runs after it.
    """
    if threading.current_thread() is not threading.main_thread():
        # Handlers run in the main thread alone.
        yield
        return
    former = signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)
    try:
        if former >= 0:
            # An event loop waits for signals by its own pipe.
            signal.set_wakeup_fd(former)
        yield
    finally:
        signal.set_wakeup_fd(former)
