"""Somebody on the line between client and server who writes down every octet."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

__all__ = ["Eavesdropper"]


class Eavesdropper:
    """Passes on what comes in both directions; `requests` and `answers` are what crossed so far.

    Args:
        port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self.requests = bytearray()
        self.answers = bytearray()
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += (client, server)
                for ends in ((client, server, self.requests), (server, client, self.answers)):
                    thread = threading.Thread(target=self._pass, args=ends)
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, heard: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                heard += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
