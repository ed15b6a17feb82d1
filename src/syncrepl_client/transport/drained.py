"""A socket that is read while the program does something else.

A server that cannot get rid of what it has to say is slowed down, and some drop changes for clients that do not
listen.  So once `Drained.drain` was called a thread watches: if nobody has come to read for a while it takes what
arrives, into a `Reservoir`.  The next `read` gets that first, and reads the socket itself from there on.

How the two take turns:

* The program reads the socket itself, in its own pace: a refresh is never slower than without the thread.  All that a
  `read` costs more is the lock, once, and a look at the clock.
* While the program is inside `read` the thread does not touch the socket.  It takes from it, and puts away what it
  took, in one go under the lock; so no byte overtakes another.
* The lock is the transport's own, which sending takes as well: an SSL object must not be used by two threads at once.
  Nobody holds it while waiting.
* The thread sleeps while the program reads.  It is told that the program left by an event, which is set at most once
  for each look that it takes at the clock.

The thread knows bytes alone.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.transport.reservoir import Buffers, Reservoir

if TYPE_CHECKING:
    from syncrepl_client.transport.sockets import SocketTransport

__all__ = ["Drained"]

# How long the program may be away before the thread takes over, in seconds.
_DELAY: Final = 0.075
# About how much one `read` takes out of the reservoir.
_BATCH: Final = 1024 * 1024


class Drained:
    """A transport that can be drained.

    Args:
        inner: the socket.
        buffers: how much is taken while nobody reads.
    """

    def __init__(self, inner: SocketTransport, buffers: Buffers) -> None:
        self._inner = inner
        self._reservoir = Reservoir(buffers)
        self._thread: threading.Thread | None = None
        # When the program left `read`, on the monotonic clock; None while it is inside.
        self._left: float | None = None
        # What the thread found at the end of the stream: for who reads up to there.
        self._lost: Exception | None = None
        self._closing = False
        # Wakes the thread: the program has left; and the connection is being closed, where it waits for bytes.
        self._away = threading.Event()
        self._end_reader, self._end_writer = socket.socketpair()

    def drain(self) -> None:
        """Take what arrives while nobody reads, from here on; see `Transport.drain`."""
        if self._thread is None:
            self._left = time.monotonic()
            self._away.set()
            self._thread = threading.Thread(target=self._watch, name="syncrepl-drain", daemon=True)
            self._thread.start()

    def send(self, data: bytes) -> None:
        """Send all of `data`; see `Transport.send`."""
        self._inner.send(data)

    def read(self, timeout: float, *, patient: bool = False) -> bytes | None:
        """Wait for bytes; see `Transport.read`."""
        self._left = None
        with self._inner.lock:
            # Said first, waited for second: the thread ends what it is at and does not begin again.
            pass
        try:
            if self._reservoir:
                return self._reservoir.take(_BATCH)
            if self._lost is not None:
                raise self._lost
            return self._inner.read(timeout, patient=patient)
        finally:
            self._left = time.monotonic()
            if not self._away.is_set():
                self._away.set()

    def start_tls(self, hostname: str) -> None:
        """Encrypt the stream from here on, which nobody drains yet; see `Transport.start_tls`."""
        assert self._thread is None  # noqa: S101 - our own guarantee: what is drained in clear would count as encrypted
        self._inner.start_tls(hostname)

    def wake(self) -> None:
        """End a `read` that waits; see `Transport.wake`."""
        self._inner.wake()

    def close(self) -> None:
        """End the thread and close the socket; what was not read is lost."""
        self._closing = True
        self._away.set()
        with contextlib.suppress(OSError):
            self._end_writer.send(b"\0")
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._inner.close()
        self._reservoir.close()
        self._end_reader.close()
        self._end_writer.close()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Look whether the program stays away, each time it leaves."""
        try:
            while True:
                self._away.wait()
                # Cleared before looking: who leaves after the look sets it again.
                self._away.clear()
                while not self._closing and (left := self._left) is not None:
                    wait = left + _DELAY - time.monotonic()
                    if wait <= 0:
                        self._drain()
                        break
                    self._sleep(wait)
                if self._closing:
                    return
        except Exception as error:  # noqa: BLE001 - whoever reads is told: a thread that is gone would be a deaf client
            self._lost = error

    def _sleep(self, seconds: float) -> None:
        poller = select.poll()
        poller.register(self._end_reader, select.POLLIN)
        poller.poll(seconds * 1000)

    def _drain(self) -> None:
        """Take what arrives until the program is back, nothing more fits, or the stream ends."""
        poller = select.poll()
        poller.register(self._inner.fileno(), select.POLLIN)
        poller.register(self._end_reader, select.POLLIN)
        while (taken := self._take()) is not None:
            if not taken:
                poller.poll()

    def _take(self) -> bool | None:
        """Take once what is there; False if nothing is, None if there is no more for the thread to do."""
        with self._inner.lock:
            if self._left is None or self._lost is not None or self._closing:
                return None
            room = self._reservoir.room()
            if not room:
                return None
            try:
                data = self._inner.receive(room)
            except ConnectionLost as error:
                self._lost = error
                return None
            if data:
                self._reservoir.add(data)
                return True
            # Empty at the end of the stream, which the next `read` finds again.
            return None if data is not None else False
