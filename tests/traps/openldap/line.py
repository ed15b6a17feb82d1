"""A line between clients and a server: what is said on it is kept, and it can be cut after any message.

Searches are kept that ask for synchronization, with all that the server answered; plain searches are not.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import controls
from syncrepl_client.contentsync.controls import EntryState, IdSet
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap.messages import IntermediateResponse, Message, SearchResultEntry
from tests.between import SIZE, Between, shut
from tests.recordings import split_messages

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.server import Server

__all__ = ["Asked", "Line", "deletes_of", "presents_of", "state_of"]

_SEARCH: Final = 0x63


@dataclass
class Asked:
    """A search for synchronization and what was answered so far."""

    mode: int
    cookie: bytes | None
    # Who hears the answers before the client does.
    hear: Callable[[Message], bool] | None = None
    answers: list[Message] = field(default_factory=list)

    @property
    def adds(self) -> int:
        """How many entries were sent with all they have."""
        return sum(state_of(answer) in {EntryState.ADD, EntryState.MODIFY} for answer in self.answers)


def state_of(message: Message) -> EntryState | None:
    """Return the state that an entry was sent with; None if the message is no entry."""
    if not isinstance(message.operation, SearchResultEntry):
        return None
    value = controls.find(message.controls, controls.SYNC_STATE)
    return None if value is None else controls.decode_state(value).state


def deletes_of(message: Message) -> int:
    """Count the entries that an id set names as deleted."""
    return _named(message, deletes=True)


def presents_of(message: Message) -> int:
    """Count the entries that an id set names as present."""
    return _named(message, deletes=False)


def _named(message: Message, *, deletes: bool) -> int:
    operation = message.operation
    if not isinstance(operation, IntermediateResponse) or operation.name != controls.SYNC_INFO:
        return 0
    info = controls.decode_info(operation.value or b"")
    return len(info.uuids) if isinstance(info, IdSet) and info.deletes is deletes else 0


class Line(Between):
    """Passes on what clients and the server say.

    ``asked`` are the searches so far.  Each answer to one that begins from now on is given to the function of ``hear``
    before it is passed on; where that returns True the line is cut right behind it, for all clients of that moment.
    The first answer that ``delay`` is True for is passed on behind the next one.
    """

    def __init__(self, server: Server) -> None:
        self.asked: list[Asked] = []
        self._hear: Callable[[Message], bool] | None = None
        self.delay: Callable[[Message], bool] | None = None
        self._delayed = b""
        # By the connection to the server: the searches on it, by message id.
        self._searches: dict[socket.socket, dict[int, Asked]] = {}
        super().__init__(server.port)

    def take(self) -> list[Asked]:
        """Return the searches since this was called last."""
        asked, self.asked = self.asked, []
        return asked

    def hear(self, function: Callable[[Message], bool]) -> None:
        """Let a function hear the answers to searches that begin from now on.

        To a search before that the server may still answer: it need not know yet that the client is gone.
        """
        self._hear = function

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        self._pump(client, server, self._searches.setdefault(server, {}), self._request)

    def pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        self._pump(server, client, self._searches.setdefault(server, {}), self._answer)

    @staticmethod
    def _pump(
        source: socket.socket,
        sink: socket.socket,
        searches: dict[int, Asked],
        handle: Callable[[bytes, socket.socket, dict[int, Asked]], None],
    ) -> None:
        rest = b""
        with suppress(OSError):
            while data := source.recv(SIZE):
                whole, rest = split_messages(rest + data)
                for message in whole:
                    handle(message, sink, searches)
        shut(source, sink)

    def _request(self, data: bytes, sink: socket.socket, searches: dict[int, Asked]) -> None:
        _, start, end = ber.read(data, 0, len(data))
        parts = list(ber.children(data, start, end))
        if parts[1][0] == _SEARCH and len(parts) > 2:
            raw = messages.decode_controls(data[parts[1][2] : end])
            value = controls.find(raw, controls.SYNC_REQUEST)
            if value is not None:
                asked = searches[ber.read_integer(data, *parts[0][1:])] = _asked(value, self._hear)
                self.asked.append(asked)
        sink.sendall(data)

    def _answer(self, data: bytes, sink: socket.socket, searches: dict[int, Asked]) -> None:
        message = messages.decode_message(data)
        asked = searches.get(message.message_id)
        cut = False
        if asked is not None:
            asked.answers.append(message)
            cut = asked.hear is not None and asked.hear is self._hear and asked.hear(message)
            if self.delay is not None and self.delay(message):
                self.delay, self._delayed = None, data
                return
        delayed, self._delayed = self._delayed, b""
        sink.sendall(data + delayed)
        if cut:
            self._hear = None
            self.cut()


def _asked(value: bytes, hear: Callable[[Message], bool] | None) -> Asked:
    _, start, end = ber.read(value, 0, len(value))
    members = {tag: value[inner:stop] for tag, inner, stop in ber.children(value, start, end)}
    return Asked(int.from_bytes(members[0x0A]), members.get(0x04), hear)
