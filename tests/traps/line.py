"""A line between client and server that breaks before a message of one's choice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from syncrepl_client.ldap import messages
from tests.between import SIZE, Between, shut
from tests.recordings import split_messages

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["Line"]


class Line(Between):
    """Passes on what comes, but for the first message of the server that `breaks_before` accepts: there it breaks.

    Args:
        port: of the server.
        breaks_before: chooses the message; only once, for what comes after the line is whole again.
    """

    def __init__(self, port: int, breaks_before: Callable[[messages.Message], bool]) -> None:
        self._breaks_before = breaks_before
        self.broken = False
        super().__init__(port)

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := server.recv(SIZE):
                whole, rest = split_messages(rest + data)
                for message in whole:
                    if not self.broken and self._breaks_before(messages.decode_message(message)):
                        self.broken = True
                        return shut(server, client)
                    client.sendall(message)
        return shut(server, client)
