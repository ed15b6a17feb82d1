"""A line to a Kafka broker that asks for a user and a password first: librdkafka's own broker knows of none.

It answers the two requests of a login itself, and adds them to what the broker says it understands.

Facts that shaped it: each request and answer has its length before it; the first request asks what the broker
understands, in a version that this broker does not, and then in version 0; `SaslHandshake` and `SaslAuthenticate` have
the numbers 17 and 36.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.between import shut
from tests.sinks.kafka_server import Line

if TYPE_CHECKING:
    import socket

__all__ = ["LoginLine"]

_HANDSHAKE, _AUTHENTICATE = 17, 36
_FAILED = 58
# Number, lowest and highest version.
_UNDERSTOOD = b"".join(struct.pack(">hhh", number, 0, 1) for number in (_HANDSHAKE, _AUTHENTICATE))


class LoginLine(Line):
    """A line that lets through who says the right thing by the mechanism PLAIN.

    Args:
        right: the user and the password.
    """

    def __init__(self, right: tuple[str, str]) -> None:
        self._right = b"\0%s\0%s" % (right[0].encode(), right[1].encode())
        super().__init__()

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, EOFError):
            while True:
                request = _frame(client)
                number, _, correlation = struct.unpack_from(">hhi", request)
                answer = self._answer(number, request)
                if answer is None:
                    _send(server, request)
                else:
                    _send(client, struct.pack(">i", correlation) + answer)
        shut(client, server)

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            correlation, error, count = struct.unpack_from(">ihi", answer := _frame(server))
            while error:
                _send(client, answer)
                correlation, error, count = struct.unpack_from(">ihi", answer := _frame(server))
            _send(client, struct.pack(">ihi", correlation, error, count + 2) + _UNDERSTOOD + answer[10:])
        super().pass_answers(server, client)

    def _answer(self, number: int, request: bytes) -> bytes | None:
        match number:
            case 17:
                return struct.pack(">hih5s", 0, 1, 5, b"PLAIN")
            case 36 if request.endswith(self._right):
                return struct.pack(">hhiq", 0, -1, 0, 0)
            case 36:
                said = b"who are you?"
                return struct.pack(f">hh{len(said)}siq", _FAILED, len(said), said, 0, 0)
            case _:
                return None


def _frame(source: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(source, 4))
    return _exactly(source, size)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _send(target: socket.socket, octets: bytes) -> None:
    target.sendall(struct.pack(">i", len(octets)) + octets)
