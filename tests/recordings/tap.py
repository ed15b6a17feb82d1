"""One synchronization search on a socket of its own, whose answers are kept as the octets that came."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Self

from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import filter as ldap_filter
from syncrepl_client.ldap import messages
from tests.recordings import MESSAGE_ID, split_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server import Server

__all__ = ["MODES", "Tap"]

MODES = {"refreshOnly": 1, "refreshAndPersist": 3}
TIMEOUT = 20.0
SUBTREE = 2


class Tap:
    """Bind as the server's administrator and search; ``answers`` are the messages of the search so far."""

    def __init__(self, server: Server, *, mode: str, base: str, filter: str, cookie: bytes | None) -> None:  # noqa: A002
        self.answers: list[bytes] = []
        self._rest = b""
        self._socket = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
        self._ask(MESSAGE_ID - 1, messages.bind_request(server.rootdn, server.rootpw.encode()))
        self._read()
        if self.answers.pop() and self.answers:
            raise RuntimeError("more than one answer to a bind")
        search = messages.search_request(base, SUBTREE, ldap_filter.encode(filter), [])
        self._ask(MESSAGE_ID, search, controls.request_control(MODES[mode], cookie))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read_until(self, wanted: Callable[[messages.Message], bool]) -> None:
        """Read until a message is as wanted, or the search is at its end."""
        seen = len(self.answers)
        deadline = time.monotonic() + TIMEOUT
        while True:
            decoded = [messages.decode_message(answer) for answer in self.answers[seen:]]
            if any(wanted(each) or isinstance(each.operation, messages.SearchResultDone) for each in decoded):
                return
            if time.monotonic() > deadline:
                raise RuntimeError("what was waited for did not come")
            self._read()

    def _ask(self, message_id: int, operation: bytes, *controls_: messages.Control) -> None:
        self._socket.sendall(messages.encode_message(message_id, operation, controls_))

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise RuntimeError("the server ended the connection")
        whole, self._rest = split_messages(self._rest + data)
        self.answers += whole
