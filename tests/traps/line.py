"""A line between client and server that breaks before a message of one's choice."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

from syncrepl_client.ldap import messages
from tests.recordings import split_messages

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Line"]


class Line:
    """Passes on what comes, but for the first message of the server that `breaks_before` accepts: there it breaks.

    Args:
        port: of the server.
        breaks_before: chooses the message; only once, for what comes after the line is whole again.
    """

    def __init__(self, port: int, breaks_before: Callable[[messages.Message], bool]) -> None:
        self._server_port = port
        self._breaks_before = breaks_before
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        self.broken = False

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            _shut(each)
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += (client, server)
                self._start(self._pass_requests, client, server)
                self._start(self._pass_answers, server, client)

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        _shut(client)
        _shut(server)

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                whole, rest = split_messages(rest + data)
                for message in whole:
                    if not self.broken and self._breaks_before(messages.decode_message(message)):
                        self.broken = True
                        return self._break(server, client)
                    client.sendall(message)
        return self._break(server, client)

    def _break(self, *sockets: socket.socket) -> None:
        for each in sockets:
            _shut(each)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
