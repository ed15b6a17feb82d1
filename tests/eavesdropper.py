"""Somebody on the line between client and server who writes down every octet."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.between import SIZE, Between, shut

if TYPE_CHECKING:
    import socket

__all__ = ["Eavesdropper"]


class Eavesdropper(Between):
    """Passes on what comes in both directions; `requests` and `answers` are what crossed so far.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self.requests = bytearray()
        self.answers = bytearray()
        super().__init__(port)

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        self._overhear(client, server, self.requests)

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        self._overhear(server, client, self.answers)

    def _overhear(self, source: socket.socket, target: socket.socket, heard: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(SIZE):
                heard += data
                target.sendall(data)
        shut(source, target)
