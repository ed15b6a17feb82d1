"""A cable between clients and a server, which can be pulled, slowed down and cut."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from syncrepl_client.testing import wire
from syncrepl_client.testing.connection import read_message
from syncrepl_client.testing.requests import decode_request
from tests.between import SIZE, Between, shut

if TYPE_CHECKING:
    from tests.network.lies import Lie

__all__ = ["Cable"]


class Cable(Between):
    """Passes on what comes; what it swallows is gone, and the connection it belonged to is dead from then on.

    Args:
        port: of the server; may be changed.
    """

    def __init__(self, port: int) -> None:
        # What is passed on: while it is pulled nothing is, in one direction or both.
        self.to_server = True
        self.to_client = True
        # Bytes a piece and seconds between pieces, to the client; None for all that comes.
        self.trickle: tuple[int, float] | None = None
        # How many more bytes come through before the connections are reset; None for all.
        self.reset_after: int | None = None
        # What connections that begin are told in the place of the truth, and how often that was.
        self.lie: Lie | None = None
        self.lied = 0
        # The connections to which that happens, each with the ids of the requests that it answers.
        self._lies: dict[socket.socket, tuple[Lie, set[int]]] = {}
        super().__init__(port)

    def pull(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Swallow what is sent in these directions, without a word."""
        self.to_server = self.to_server and not to_server
        self.to_client = self.to_client and not to_client

    def plug(self) -> None:
        """Pass on what comes again."""
        self.to_server = self.to_client = True

    def greet(self, client: socket.socket) -> socket.socket:
        if self.lie is not None:
            self._lies[client] = self.lie, set()
        return client

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        if client in self._lies:
            with suppress(OSError):
                self._ask(client, server)
            return shut(client, server)
        with suppress(OSError):
            while data := client.recv(SIZE):
                if not self.to_server:
                    return _swallow(client)
                server.sendall(data)
        return shut(client, server)

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        if client in self._lies:
            with suppress(OSError):
                self._lie(server, client)
            return shut(client, server)
        with suppress(OSError):
            while data := server.recv(self.trickle[0] if self.trickle else SIZE):
                if not self.to_client:
                    return _swallow(server)
                if self._resets(data, client):
                    break
                client.sendall(data)
                if self.trickle:
                    time.sleep(self.trickle[1])
        return shut(client, server)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        """Remember which requests are answered by the lie."""
        lie, lied_to = self._lies[client]
        with client.makefile("rb") as stream:
            while message := read_message(stream):
                request = decode_request(message)
                if lie.to(request):
                    lied_to.add(request.message_id)
                server.sendall(message)

    def _lie(self, server: socket.socket, client: socket.socket) -> None:
        """Lie, once to each request, and say nothing more to it; the others are answered."""
        (lie, lied_to), told = self._lies[client], set[int]()
        with server.makefile("rb") as stream:
            while message := read_message(stream):
                number = wire.message_id(message)
                if number not in lied_to:
                    client.sendall(message)
                elif number not in told:
                    told.add(number)
                    self.lied += 1
                    client.sendall(b"".join(lie.says(number)))

    def _resets(self, data: bytes, sink: socket.socket) -> bool:
        """Reset the connection in the middle of what is sent, if it is time."""
        if self.reset_after is None or len(data) <= self.reset_after:
            if self.reset_after is not None:
                self.reset_after -= len(data)
            return False
        sink.sendall(data[: self.reset_after])
        self.reset_after = None
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # It is not closed as long as another thread waits for what the client says.
        sink.shutdown(socket.SHUT_RD)
        sink.close()
        return True


def _swallow(source: socket.socket) -> None:
    """Take what comes, its end included."""
    with suppress(OSError):
        while source.recv(SIZE):
            pass
