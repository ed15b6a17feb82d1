"""Somebody on the line between clients and a server, on this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SIZE", "Between", "shut"]

SIZE: Final = 65536


class Between:
    """Connects each client to the server, and passes on what both say; begins at once.

    What becomes of it is for subclasses to change: `pass_requests` and `pass_answers` run in a thread of their own for
    each client.

    Args:
        port: of the server; may be changed.
    """

    def __init__(self, port: int) -> None:
        self.server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shut(self._listener)
        # Who is being accepted now is shut as well.
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._sockets):
            one.close()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections."""
        shut(*self._sockets)

    def greet(self, client: socket.socket) -> socket.socket:
        """Return what to talk to a client through, once it has connected."""
        return client

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what a client says, until it says no more."""
        self._pass(client, server)

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        """Pass on what the server says to a client, until it says no more."""
        self._pass(server, client)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(SIZE):
                target.sendall(data)
        shut(source, target)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                self._sockets.append(client)
                try:
                    client = self.greet(client)
                    self._sockets.append(client)
                    server = socket.create_connection(("127.0.0.1", self.server_port))
                except OSError:
                    client.close()
                    continue
                self._sockets.append(server)
                self._run(self.pass_requests, client, server)
                self._run(self.pass_answers, server, client)


def shut(*sockets: socket.socket) -> None:
    """End connections, whatever state they are in."""
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
