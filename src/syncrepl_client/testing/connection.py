"""The server's end of one connection: a thread that reads requests, and one that writes.

Whoever has something to say gives it to `Connection.send` and need not wait until the client takes it.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

__all__ = ["Connection", "read_message"]

_LONG_FORM: Final = 0x80
_LARGEST_REQUEST: Final = 1 << 24


class Connection:
    """A connected socket.

    Args:
        sock: the socket, which is closed when the client or `close` ends the connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # What to send; a number says after how many more bytes to close, None that nothing follows.
        self._outbox: queue.SimpleQueue[bytes | int | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._reader: threading.Thread | None = None

    def start(self, received: Callable[[bytes], None], closed: Callable[[], None]) -> None:
        """Begin to read and to write.

        Args:
            received: is called with each message, in the reading thread.
            closed: is called once when nothing more can come, in the reading thread.
        """
        with contextlib.suppress(OSError):
            # The client may be gone already; the reader will notice.
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = threading.Thread(target=self._read, args=(received, closed), daemon=True)
        self._writer.start()
        self._reader.start()

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return self._reader is None or self._reader.is_alive()

    def send(self, data: bytes) -> None:
        """Send octets, after those given before."""
        self._outbox.put(data)

    def cut(self, after: int) -> None:
        """Close when `after` more bytes were sent."""
        self._outbox.put(after)

    def finish(self) -> None:
        """Close when everything was sent."""
        self._outbox.put(0)

    def close(self) -> None:
        """Close now, and wait until that is done; not from the connection's own threads."""
        self._shut(socket.SHUT_RDWR)
        if self._reader is not None:
            self._reader.join()

    def _shut(self, how: int) -> None:
        # The other side may have closed already.
        with contextlib.suppress(OSError):
            self._sock.shutdown(how)

    def _read(self, received: Callable[[bytes], None], closed: Callable[[], None]) -> None:
        try:
            with self._sock.makefile("rb") as stream, contextlib.suppress(OSError):
                while (data := read_message(stream)) is not None:
                    received(data)
        finally:
            closed()
            self._outbox.put(None)
            self._shut(socket.SHUT_RDWR)
            self._writer.join()
            self._sock.close()

    def _write(self) -> None:
        left: int | None = None
        while (item := self._outbox.get()) is not None:
            if isinstance(item, int):
                left = item
                piece = b""
            else:
                piece = item if left is None else item[:left]
                left = None if left is None else left - len(piece)
            try:
                self._sock.sendall(piece)
            except OSError:
                break
            if left == 0:
                # One direction only: closing while there are unread requests would throw away what is on its way.
                self._shut(socket.SHUT_WR)
                break


def read_message(stream: BufferedReader) -> bytes | None:
    """Read one LDAPMessage; None at the end of the stream, or where none begins."""
    head = stream.read(2)
    if len(head) < 2:  # noqa: PLR2004 - a tag and the first octet of a length
        return None
    length = head[1]
    if length >= _LONG_FORM:
        octets = stream.read(length - _LONG_FORM)
        length = int.from_bytes(octets)
        head += octets
    if length > _LARGEST_REQUEST:
        return None
    body = stream.read(length)
    return head + body if len(body) == length else None
