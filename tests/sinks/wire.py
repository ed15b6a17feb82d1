"""A line to a broker that can be cut, held and slowed, so that the broker itself need not suffer."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from tests.between import SIZE, Between, shut
from tests.server import free_port

if TYPE_CHECKING:
    import socket

__all__ = ["Wire"]


class Wire(Between):
    """Passes everything on, unless it is told otherwise.

    Args:
        port: of the broker.
    """

    def __init__(self, port: int) -> None:
        self._broker_port = port
        self._flowing = threading.Event()
        self._flowing.set()
        self._delay = 0.0
        super().__init__(port)

    def __exit__(self, *_: object) -> None:
        self.mend()
        super().__exit__()

    def cut_off(self) -> None:
        """End all connections, and let nobody through."""
        self.server_port = free_port()
        self.cut()

    def hold(self) -> None:
        """Pass nothing on; connections stay, and new ones are accepted."""
        self._flowing.clear()

    def slow(self, seconds: float) -> None:
        """Let everything take so long."""
        self._delay = seconds

    def mend(self) -> None:
        """Pass everything on again."""
        self._delay = 0.0
        self.server_port = self._broker_port
        self._flowing.set()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(SIZE):
                self._flowing.wait()
                time.sleep(self._delay)
                target.sendall(data)
        shut(source, target)
