"""A cable between clients and a server, which can be pulled, slowed down and cut."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final, Self

__all__ = ["Cable"]

_SIZE: Final = 65536


class Cable:
    """Passes on what comes; what it swallows is gone, and the connection it belonged to is dead from then on.

    Args:
        port: of the server; may be changed.
    """

    def __init__(self, port: int) -> None:
        self.server_port = port
        # What is passed on: while it is pulled nothing is, in one direction or both.
        self.to_server = True
        self.to_client = True
        # Bytes a piece and seconds between pieces, to the client; None for all that comes.
        self.trickle: tuple[int, float] | None = None
        # How many more bytes come through before the connections are reset; None for all.
        self.reset_after: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._ending = False
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._sockets):
            one.close()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    def pull(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Swallow what is sent in these directions, without a word."""
        self.to_server = self.to_server and not to_server
        self.to_client = self.to_client and not to_client

    def plug(self) -> None:
        """Pass on what comes again."""
        self.to_server = self.to_client = True

    def _run(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]  # a method
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ending:
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client = self._listener.accept()[0]
            self._sockets.append(client)
            with suppress(OSError):
                server = socket.create_connection(("127.0.0.1", self.server_port))
                self._sockets.append(server)
                self._run(self._pass_requests, client, server)
                self._run(self._pass_answers, server, client)
                continue
            client.close()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := self._next(client, _SIZE):
                if not self.to_server:
                    return self._swallow(client)
                server.sendall(data)
        return self._end(client, server)

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := self._next(server, self.trickle[0] if self.trickle else _SIZE):
                if not self.to_client:
                    return self._swallow(server)
                if self._resets(data, client):
                    break
                client.sendall(data)
                if self.trickle:
                    time.sleep(self.trickle[1])
        return self._end(client, server)

    def _next(self, source: socket.socket, size: int) -> bytes:
        """Wait for bytes; none at the end."""
        while not self._ending:
            if select.select([source], [], [], 0.05)[0]:
                return source.recv(size)
        return b""

    def _swallow(self, source: socket.socket) -> None:
        """Take what comes, its end included."""
        with suppress(OSError):
            while self._next(source, _SIZE):
                pass

    def _end(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _resets(self, data: bytes, sink: socket.socket) -> bool:
        """Reset the connection in the middle of what is sent, if it is time."""
        if self.reset_after is None or len(data) <= self.reset_after:
            if self.reset_after is not None:
                self.reset_after -= len(data)
            return False
        sink.sendall(data[: self.reset_after])
        self.reset_after = None
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sink.close()
        return True
