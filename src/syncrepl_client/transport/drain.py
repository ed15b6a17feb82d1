"""A socket that is read while the program does something else.

A server that cannot get rid of what it has to say is slowed down, and some drop changes for clients that do not
listen.  So a thread watches: if nobody has come to read for a while it takes what arrives, into a `Reservoir`.  Who
reads next gets that first, and the socket itself from there on.

How the two take turns:

* The program reads the socket itself, in its own pace: a refresh is never slower than without the thread.  All that a
  read costs more is the lock, once, and a look at the clock.
* Between `enter` and `leave` the thread does not touch the socket.  Otherwise it takes from it, and puts away what it
  took, in one go under the lock; so no byte overtakes another.  Nobody holds the lock while waiting for the network.
* The thread sleeps while the program reads.  It is told that the program left by an event, which is set at most once
  for each look that it takes at the clock.

The thread knows bytes alone, those that crossed the network: TLS and the security layers of SASL are above it.  So no
session of theirs is used by two threads, and what goes to a file is encrypted if the connection is.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.transport.reservoir import Reservoir

if TYPE_CHECKING:
    from syncrepl_client.transport.reservoir import Buffers

__all__ = ["Drain"]

# How long the program may be away before the thread takes over, in seconds; and in the middle of a refresh, whose
# server waits for us anyway, and is faster if it is let.
_DELAY: Final = 0.075
_PATIENT_DELAY: Final = 0.5


class Drain:
    """Takes from a connected, non-blocking socket while nobody reads; begins at once, and is ended by `close`.

    Args:
        sock: the socket.
        buffers: how much is taken.
    """

    def __init__(self, sock: socket.socket, buffers: Buffers) -> None:
        self._sock = sock
        self._reservoir = Reservoir(buffers)
        # For one step on the socket and what comes of it.
        self._lock = threading.Lock()
        # When the program left, on the monotonic clock; None while it reads.
        self._left: float | None = time.monotonic()
        # How long it may be away.
        self._delay = _DELAY
        # What the thread found at the end of the stream: for who reads up to there.
        self._failure: Exception | None = None
        self._closing = False
        # Wakes the thread: the program has left; and it is being closed, where it waits for bytes.
        self._away = threading.Event()
        self._away.set()
        self._end_reader, self._end_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name="syncrepl-drain", daemon=True)
        self._thread.start()

    # --- the program --------------------------------------------------------------------------------------------------

    def enter(self, *, patient: bool) -> None:
        """Begin to read; see `Transport.read`."""
        # Said first, waited for second: the thread ends what it is at, and does not begin again.
        self._left = None
        self._delay = _PATIENT_DELAY if patient else _DELAY
        with self._lock:
            pass

    def leave(self) -> None:
        """Stop reading for now."""
        self._left = time.monotonic()
        if not self._away.is_set():
            self._away.set()

    def recv(self, size: int) -> bytes:
        """Take what is there, as the `recv` of a socket that does not block; between `enter` and `leave`.

        Raises:
            OSError: nothing is there, or the connection broke.
            ConnectionLost: what was taken before cannot be read back.
        """
        if self._reservoir:
            return self._reservoir.take(size)
        if self._failure is not None:
            raise self._failure
        return self._sock.recv(size)

    def close(self) -> None:
        """End the thread; what it took is lost."""
        self._closing = True
        self._away.set()
        with contextlib.suppress(OSError):
            self._end_writer.send(b"\0")
        self._thread.join()
        self._reservoir.close()
        self._end_reader.close()
        self._end_writer.close()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Look whether the program stays away, each time it leaves."""
        try:
            while True:
                self._away.wait()
                if self._closing:
                    return
                # Cleared before looking: who leaves after the look sets it again.
                self._away.clear()
                while (left := self._left) is not None and not self._closing:
                    wait = left + self._delay - time.monotonic()
                    if wait <= 0:
                        self._take_over()
                        break
                    self._sleep(wait)
        except Exception as error:  # noqa: BLE001 - whoever reads is told: a thread that is gone would be a deaf client
            self._failure = error

    def _sleep(self, seconds: float) -> None:
        poller = select.poll()
        poller.register(self._end_reader, select.POLLIN)
        poller.poll(seconds * 1000)

    def _take_over(self) -> None:
        """Take what arrives until the program is back, nothing more fits, or the stream ends."""
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        poller.register(self._end_reader, select.POLLIN)
        while (taken := self._take()) is not None:
            if not taken:
                poller.poll()

    def _take(self) -> bool | None:
        """Take once what is there; False if nothing is, None if there is no more for the thread to do."""
        with self._lock:
            if self._left is None or self._failure is not None or self._closing:
                return None
            room = self._reservoir.room()
            if not room:
                return None
            try:
                data = self._sock.recv(room)
            except BlockingIOError:
                return False
            except OSError as error:
                self._failure = error
                return None
            if data:
                self._reservoir.add(data)
                return True
            # At the end of the stream, which who reads finds again.
            return None
