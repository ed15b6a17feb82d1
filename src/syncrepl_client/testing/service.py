"""What a client asks on one connection, and who answers it: this module, the directory, or a script.

Requests are handled one after the other in the connection's reading thread.  A script is played in a thread of its own,
so that the client can cancel, abandon or ask beside it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.contentsync.controls import SYNC_REQUEST
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.testing import filters, wire
from syncrepl_client.testing.content import search_done, selected
from syncrepl_client.testing.requests import (
    Abandon,
    Bind,
    Extended,
    Other,
    Search,
    Unbind,
    decode_request,
    sync_request,
)
from syncrepl_client.testing.script import Cut, FromDirectory, Pause, Raw, Replay, Stall
from syncrepl_client.testing.wire import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncrepl_client.testing.backend import Backend, Listener
    from syncrepl_client.testing.connection import Connection
    from syncrepl_client.testing.requests import Request, SyncRequest
    from syncrepl_client.testing.script import Step

__all__ = ["Service"]

_PROTOCOL_ERROR: Final = 2
_METHOD_NOT_SUPPORTED: Final = 7
_STRONGER_AUTH_REQUIRED: Final = 8
_CRITICAL_EXTENSION: Final = 12
_INVALID_CREDENTIALS: Final = 49
_UNWILLING: Final = 53
_CANCELED: Final = 118
_NO_SUCH_OPERATION: Final = 119

_DEREFERENCING_SEARCH: Final = frozenset({1, 3})
# Requests that change something, and the tags of their responses (RFC 4511 appendix B).
_UPDATES: Final = {0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F}


class Service:
    """Answers one client.

    Args:
        backend: what all clients share.
        connection: the client's.
    """

    def __init__(self, backend: Backend, connection: Connection) -> None:
        self._backend = backend
        self._connection = connection
        self._identity = ""
        self._lock = threading.Lock()
        self._open: dict[int, _OpenSearch] = {}

    def received(self, data: bytes) -> None:
        """Handle a message from the client."""
        try:
            self._handle(decode_request(data))
        except ProtocolError as error:
            # RFC 4511 section 4.1.1: what cannot be read ends the session.
            self._connection.send(wire.disconnection(_PROTOCOL_ERROR, str(error)))
            self._connection.finish()

    def closed(self) -> None:
        """Drop whatever is in progress: the client is gone."""
        for message_id in list(self._open):
            self._end(message_id)

    def _handle(self, request: Request) -> None:
        match request.operation:
            case Bind() as bind:
                self._answer(request, self._bind(bind))
            case Unbind():
                self._connection.finish()
            case Abandon(message_id):
                self._end(message_id)
            case Extended() as extended:
                self._extended(request, extended)
            case Search() as search:
                self._search(request, search)
            case Other(tag) if tag in _UPDATES:
                self._answer(request, wire.result(_UPDATES[tag], _UNWILLING, "entries are written from Python"))
            case Other(tag):
                raise ProtocolError(f"unknown operation 0x{tag:02x}")
            case _:
                assert_never(request.operation)

    def _answer(self, request: Request, operation: bytes) -> None:
        self._connection.send(wire.message(request.message_id, operation))

    # --- who it is ----------------------------------------------------------------------------------------------------

    def _bind(self, bind: Bind) -> bytes:
        # RFC 4511 section 4.2.1: a bind that fails leaves the client anonymous.
        self._identity = ""
        if bind.password is None:
            return wire.result(wire.BIND_RESPONSE, _METHOD_NOT_SUPPORTED, "no SASL here")
        wanted = self._backend.credentials
        if bind.name and not bind.password:
            return wire.result(wire.BIND_RESPONSE, _UNWILLING, "unauthenticated bind (DN with no password) disallowed")
        if bind.name and wanted is not None and (bind.name.lower(), bind.password) != (wanted[0].lower(), wanted[1]):
            return wire.result(wire.BIND_RESPONSE, _INVALID_CREDENTIALS)
        self._identity = bind.name
        return wire.result(wire.BIND_RESPONSE)

    def _is_stranger(self) -> bool:
        return self._backend.credentials is not None and not self._identity

    # --- extended operations ------------------------------------------------------------------------------------------

    def _extended(self, request: Request, extended: Extended) -> None:
        if extended.oid not in self._advertised("supportedExtension"):
            said = wire.result(wire.EXTENDED_RESPONSE, _PROTOCOL_ERROR, "unsupported extended operation")
        elif extended.oid == messages.WHO_AM_I:
            name = f"dn:{self._identity}" if self._identity else ""
            said = wire.result(wire.EXTENDED_RESPONSE, 0, "", ber.octet_string(name.encode(), tag=0x8B))
        elif extended.oid == messages.CANCEL:
            if self._backend.cancel_result is None:
                return
            said = wire.result(wire.EXTENDED_RESPONSE, self._cancel(extended.value or b""))
        else:
            said = wire.result(wire.EXTENDED_RESPONSE, _UNWILLING, "advertised, but not done here")
        self._answer(request, said)

    def _advertised(self, attribute: str) -> set[str]:
        return {value.decode() for value in self._backend.root_dse.get(attribute, [])}

    def _cancel(self, value: bytes) -> int:
        """End a search with a result (RFC 3909); returns the result of the Cancel itself."""
        _, start, end = ber.read(value, 0, len(value))
        _, first, stop = ber.read(value, start, end)
        message_id = ber.read_integer(value, first, stop)
        if self._backend.cancel_result:
            return self._backend.cancel_result
        if not self._end(message_id):
            return _NO_SUCH_OPERATION
        self._connection.send(search_done(_CANCELED).encode(message_id))
        return 0

    # --- searches -----------------------------------------------------------------------------------------------------

    def _search(self, request: Request, search: Search) -> None:
        refusal = self._refusal(request, search)
        supported = SYNC_REQUEST in self._advertised("supportedControl")
        asked = sync_request(search, request.controls, self._identity) if supported else None
        if refusal is not None:
            self._say(request.message_id, [refusal])
        elif asked is not None:
            self._synchronize(request.message_id, search, asked)
        elif not search.base and search.scope == 0:
            self._say(request.message_id, _root_dse(self._backend.root_dse, search))
        else:
            self._say(request.message_id, self._backend.read(search))

    def _refusal(self, request: Request, search: Search) -> Response | None:
        known = self._advertised("supportedControl")
        if any(control.critical and control.oid not in known for control in request.controls):
            return search_done(_CRITICAL_EXTENSION, "critical control unavailable in context")
        if self._is_stranger() and search.base:
            return search_done(_STRONGER_AUTH_REQUIRED, "authentication required")
        is_sync = any(control.oid == SYNC_REQUEST for control in request.controls)
        if is_sync and search.dereference in _DEREFERENCING_SEARCH:
            # RFC 4533 section 3.1: neverDerefAliases or derefFindingBaseObj.
            return search_done(_PROTOCOL_ERROR, "illegal value for derefAliases")
        return None

    def _say(self, message_id: int, responses: Sequence[Response]) -> None:
        for response in responses:
            self._connection.send(response.encode(message_id))

    def _synchronize(self, message_id: int, search: Search, request: SyncRequest) -> None:
        steps = self._backend.asked(request)
        found = _OpenSearch(self._backend, self._connection, message_id, search, request)
        with self._lock:
            self._open[message_id] = found
        if steps is None:
            found.answer()
        else:
            found.play(steps)

    def _end(self, message_id: int) -> bool:
        """Say nothing more of a search; tells whether it was open."""
        with self._lock:
            found = self._open.pop(message_id, None)
        return found is not None and found.end()


class _OpenSearch:
    """A synchronization that was asked for."""

    def __init__(
        self, backend: Backend, connection: Connection, message_id: int, search: Search, request: SyncRequest
    ) -> None:
        self._backend = backend
        self._connection = connection
        self._message_id = message_id
        self._search = search
        self._request = request
        self._listener: Listener | None = None
        self._player: threading.Thread | None = None
        self._steps: Sequence[Step] = ()
        self._done = False
        self._given_up = threading.Event()

    def answer(self) -> None:
        """Let the directory answer."""
        self._listener = self._backend.synchronize(self._search, self._request, self._say)

    def play(self, steps: Sequence[Step]) -> None:
        """Let a script answer."""
        self._steps = steps
        self._player = threading.Thread(target=self._play, daemon=True)
        self._player.start()

    def end(self) -> bool:
        """Say nothing more; tells whether there was more to come."""
        self._given_up.set()
        for step in self._steps:
            if isinstance(step, Stall):
                step.wake()
        if self._player is not None:
            self._player.join()
        if self._listener is not None:
            self._backend.leave(self._listener)
        return not self._done

    def _say(self, response: Response) -> None:
        self._done = self._done or response.ends_search
        self._connection.send(response.encode(self._message_id))

    def _play(self) -> None:
        for step in self._steps:
            if self._given_up.is_set():
                return
            self._do(step)

    def _do(self, step: Step) -> None:
        match step:
            case Response():
                self._say(step)
            case Raw(data):
                self._connection.send(data)
            case Replay(recorded):
                self._done = any(wire.operation_tag(one) == wire.SEARCH_RESULT_DONE for one in recorded)
                self._connection.send(b"".join(wire.renumber(one, self._message_id) for one in recorded))
            case Cut(after):
                self._connection.cut(after)
            case Pause(seconds):
                self._given_up.wait(seconds)
            case Stall():
                step.hold(self._given_up)
            case FromDirectory():
                self.answer()
            case _:
                assert_never(step)


def _root_dse(attributes: Mapping[str, list[bytes]], search: Search) -> list[Response]:
    """Answer a search for the root DSE (RFC 4512 section 5.1): all but its class is operational."""
    if not filters.matches(search.filter_, attributes, ""):
        return [search_done()]
    user = {name: values for name, values in attributes.items() if name.lower() == "objectclass"}
    operational = {name: values for name, values in attributes.items() if name not in user}
    return [Response(wire.entry("", selected(user, operational, search))), search_done()]
