"""An LDAP connection that can be asked: bind, StartTLS, Who am I?, plain searches.

It joins the sans-I/O codec with a transport.  A consumer sends its search through it and takes what arrives; the
requests here wait for their own answers before that begins.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ConnectionLost, Interrupted, ProtocolError
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages, results
from syncrepl_client.ldap.attributes import decode_attributes
from syncrepl_client.ldap.connection import DEFAULT_MAX_MESSAGE, Connection, EntryRun
from syncrepl_client.ldap.messages import BindResponse, Control, ExtendedResponse, Message, SearchResultDone
from syncrepl_client.trace.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncrepl_client.redaction import Redaction
    from syncrepl_client.sasl.base import Mechanism
    from syncrepl_client.sasl.layer import SecurityLayer
    from syncrepl_client.transport.base import Encryption, Transport
    from syncrepl_client.transport.reservoir import Buffers

__all__ = ["Client"]

_ANSWER_TIMEOUT: Final = 30.0
_PING: Final = messages.search_request("", 0, filters.encode("(objectClass=*)"), ("1.1",))
# Kerberos takes four.
_MOST_STEPS: Final = 20


class Client:
    """One connection to a server.

    Args:
        transport: connected.
        max_message: the largest message that is accepted, in bytes.
        trace: is given a line for each message, without credentials and values; None for silence.
        stopping: tells whether everything is to be dropped at once.
        patience: seconds that the server may be silent where it owes an answer.
        redaction: what becomes of attributes that nobody may see; what `search` returns is redacted in the trace alone.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        max_message: int = DEFAULT_MAX_MESSAGE,
        patience: float = _ANSWER_TIMEOUT,
        trace: Callable[[str], None] | None = None,
        stopping: Callable[[], bool] = bool,
        redaction: Redaction | None = None,
    ) -> None:
        self._transport = transport
        self._stopping = stopping
        self._max_message = max_message
        self._patience = patience
        self._connection = Connection(max_message=max_message)
        self._trace = None if trace is None else Conversation(trace)
        self._redaction = redaction
        # The request that `ask` waits for; 0 for none.
        self._asked = 0
        # When something came last, on the monotonic clock.
        self.heard = time.monotonic()
        # Requests beside everything else that were not answered yet, and who takes what is answered.
        self._asides: dict[int, Callable[[Message | EntryRun], None]] = {}
        # What a SASL bind put between the transport and the messages.
        self._layer: SecurityLayer | None = None
        # In whose name searches are done; None in our own.
        self._proxied: Control | None = None
        # Whom the server takes us for; set by who found it out.
        self.identity = ""

    @property
    def encryption(self) -> Encryption | None:
        """How the connection is encrypted; None if it is not."""
        return self._transport.encryption

    @property
    def in_message(self) -> bool:
        """Whether a message has come in part."""
        return self._connection.in_message or (self._layer is not None and self._layer.pending > 0)

    @property
    def encrypted(self) -> bool:
        """Whether TLS protects the stream."""
        return self._transport.encryption is not None

    @property
    def peer_certificate(self) -> bytes | None:
        """The server's certificate in DER form; None without TLS."""
        encryption = self._transport.encryption
        return None if encryption is None else encryption.certificate

    @property
    def confidential(self) -> bool:
        """Whether nobody on the way can read: by TLS, or by the layer of a SASL mechanism."""
        return self.encrypted or (self._layer is not None and self._layer.confidential)

    def send(self, operation: bytes, controls: Iterable[Control] = ()) -> int:
        """Send a request; returns its message id."""
        proxied = () if self._proxied is None or operation[0] != _SEARCH else (self._proxied,)
        controls = (*controls, *proxied)
        message_id, data = self._connection.request(operation, controls)
        if self._trace is not None:
            self._trace.sent(message_id, operation, controls)
        self._transport.send(data if self._layer is None else self._layer.wrap(data))
        return message_id

    def receive(self, timeout: float, *, patient: bool = False) -> list[Message | EntryRun]:
        """Wait for messages, at most `timeout` seconds; see `Transport.read`.

        Raises:
            ConnectionLost: the stream ended, or the server announced that it will (RFC 4511 section 4.4.1).
            ProtocolError: what came is not LDAP.
        """
        data = self._transport.read(timeout, patient=patient)
        if data is None:
            return []
        self.heard = time.monotonic()
        if self._layer is not None:
            data = self._layer.unwrap(data)
            if not data:
                return []
        items = self._connection.receive_data(data)
        # Here, where all that comes passes by, before anybody looks at it.
        seen = items if self._redaction is None else [_redacted(item, self._redaction) for item in items]
        for item in seen:
            if self._trace is not None:
                self._trace.received(item)
            if isinstance(item, Message) and item.message_id == 0:
                _unsolicited(item)
        if self._asked:
            seen = [item if item.message_id == self._asked else other for item, other in zip(items, seen, strict=True)]
        return [item for item in seen if not self._is_aside(item)] if self._asides else seen

    def ping(self) -> None:
        """Ask for a sign of life: `heard` tells when there was one, whatever it was.

        Each server answers a search for the root DSE, with no attributes (RFC 4512 section 5.1, RFC 4511 section
        4.5.1.8).  What it answers is told to nobody.
        """
        self.ask_aside(_PING, _forget)

    def ask_aside(
        self, search: bytes, take: Callable[[Message | EntryRun], None], controls: Iterable[Control] = ()
    ) -> None:
        """Search without waiting for the answer.

        Args:
            search: the request.
            take: is called inside of a later `receive` with each part of the answer, which that does not return; the
                last one is the result.  It must only note it: what came before may not have been handled yet.
            controls: of the request.
        """
        self._asides[self.send(search, controls)] = take

    def _is_aside(self, item: Message | EntryRun) -> bool:
        take = self._asides.get(item.message_id)
        if take is None:
            return False
        if isinstance(item, Message) and isinstance(item.operation, SearchResultDone):
            del self._asides[item.message_id]
        take(item)
        return True

    def ask(
        self, operation: bytes, controls: Iterable[Control] = (), *, timeout: float | None = None
    ) -> list[Message | EntryRun]:
        """Send a request and wait for all of its answer, the last message of which is its result.

        Args:
            operation: the request.
            timeout: seconds that the server may be silent; None for as many as usual.

        Raises:
            ConnectionLost: no answer came in time.
            Interrupted: a stop was asked for.
        """
        message_id = self._asked = self.send(operation, controls)
        try:
            return self._answer(message_id, self._patience if timeout is None else timeout)
        finally:
            self._asked = 0

    def _answer(self, message_id: int, timeout: float) -> list[Message | EntryRun]:
        if self._stopping():
            # Who asked for it may have woken the connection before this one.
            raise Interrupted
        answer: list[Message | EntryRun] = []
        asked = time.monotonic()
        while True:
            # Any part of a message counts: a large one takes its time.
            until = max(asked, self.heard) + timeout
            items = self.receive(max(0.0, until - time.monotonic()))
            if self._stopping():
                raise Interrupted
            if not items and time.monotonic() >= max(asked, self.heard) + timeout:
                raise ConnectionLost(f"no answer within {timeout:g} s", hint="the server is overloaded or hangs")
            answer += (item for item in items if item.message_id == message_id)
            if answer and isinstance(answer[-1], Message) and isinstance(answer[-1].operation, _RESULTS):
                return answer

    def start_tls(self, hostname: str, *, timeout: float = _ANSWER_TIMEOUT) -> None:
        """Encrypt the connection (RFC 4511 section 4.14); the server has `timeout` seconds to agree.

        Raises:
            LDAPResultError: the server refuses.
            EncryptionFailed: the handshake or the check of the certificate failed.
        """
        results.check("StartTLS", self._extended(messages.START_TLS, timeout=timeout).result)
        if self._connection.in_message:
            # Bytes that came in clear after the answer could have been put there by anybody.
            raise ProtocolError("the server sent more in clear text after it agreed to encrypt")
        self._transport.start_tls(hostname)

    def bind(self, name: str, password: bytes, *, timeout: float = _ANSWER_TIMEOUT) -> None:
        """Bind with a name and a password; both empty is anonymous (RFC 4513 section 5.1).

        Raises:
            ConnectionLost: no answer came within `timeout` seconds.
            InvalidCredentials: the server does not accept them.
        """
        results.check("bind", self._bind(messages.bind_request(name, password), timeout).result)

    def sasl_bind(self, mechanism: Mechanism, *, timeout: float = _ANSWER_TIMEOUT) -> None:
        """Bind by a SASL mechanism (RFC 4513 section 5.2); each answer may take `timeout` seconds.

        Raises:
            ConnectionLost: no answer came in time.
            InvalidCredentials: the server does not accept who we are.
            LDAPResultError: it refuses something else.
            AuthenticationError: it did not prove who it is, or we have nothing to prove it with.
            ProtocolError: what it says does not belong to the mechanism.
        """
        response = mechanism.start()
        for _ in range(_MOST_STEPS):
            answer = self._bind(messages.sasl_bind_request(mechanism.name, response), timeout)
            if answer.result.code != results.SASL_BIND_IN_PROGRESS:
                results.check(f"bind with {mechanism.name}", answer.result)
                mechanism.conclude(answer.credentials)
                self._protect(mechanism.layer)
                return
            response = mechanism.respond(answer.credentials or b"")
        raise ProtocolError(f"a bind with {mechanism.name} that does not end")

    def _protect(self, layer: SecurityLayer | None) -> None:
        """Put a layer over the stream; it begins right behind the bind (RFC 4513 section 5.2.1.4)."""
        if layer is not None and self._connection.in_message:
            raise ProtocolError("the server sent more in clear text after it agreed to protect the stream")
        self._layer = layer

    def _bind(self, request: bytes, timeout: float) -> BindResponse:
        answer = self.ask(request, timeout=timeout)[-1]
        if not isinstance(answer, Message) or not isinstance(answer.operation, BindResponse):
            raise ProtocolError("a bind was not answered by a bind response")
        return answer.operation

    def act_as(self, authzid: str) -> None:
        """Do searches, and Who am I?, in somebody else's name from here on (RFC 4370); empty ends it."""
        self._proxied = (
            Control(messages.PROXIED_AUTHORIZATION, critical=True, value=authzid.encode()) if authzid else None
        )

    def who_am_i(self) -> str:
        """Return the authorization identity (RFC 4532), empty if anonymous.

        Raises:
            LDAPResultError: the server does not know the question, or does not answer it.
        """
        response = self._extended(messages.WHO_AM_I, () if self._proxied is None else (self._proxied,))
        results.check("Who am I?", response.result)
        return (response.value or b"").decode(errors="replace")

    def search(
        self, base: str, scope: int, filter_: str | bytes, attributes: Iterable[str], *, size_limit: int = 0
    ) -> list[tuple[str, dict[str, list[bytes]]]]:
        """Search once, for a small result.

        Args:
            base: DN of the search base.
            scope: 0 base, 1 one level, 2 subtree.
            filter_: as text, or encoded already.
            attributes: what to return.
            size_limit: how many entries at most, without it being an error if there are more; 0 for all.

        Raises:
            LDAPResultError: the search failed.
        """
        encoded = filters.encode(filter_) if isinstance(filter_, str) else filter_
        answer = self.ask(messages.search_request(base, scope, encoded, attributes, size_limit))
        done = answer[-1]
        if not isinstance(done, Message) or not isinstance(done.operation, SearchResultDone):
            raise ProtocolError("a search was not ended by its result")
        if not (size_limit and done.operation.result.code == results.SIZE_LIMIT_EXCEEDED):
            results.check("search", done.operation.result)
        return [
            (messages.decode_octets(dn, "entry DN"), decode_attributes(attrs))
            for item in answer
            if isinstance(item, EntryRun)
            for dn, attrs, _ in item.rows
        ]

    def _extended(
        self, oid: str, controls: Iterable[Control] = (), *, timeout: float | None = None
    ) -> ExtendedResponse:
        answer = self.ask(messages.extended_request(oid), controls, timeout=timeout)[-1]
        if not isinstance(answer, Message) or not isinstance(answer.operation, ExtendedResponse):
            raise ProtocolError("an extended operation was not answered by its response")
        return answer.operation

    def renew(self, transport: Transport) -> None:
        """Go on with another connection, on which nothing was asked yet; what this one had to say is lost."""
        self.close()
        self._transport = transport
        self._connection = Connection(max_message=self._max_message)
        self._asides.clear()
        self.heard = time.monotonic()
        self._layer = self._proxied = None

    def drain(self, buffers: Buffers) -> None:
        """Take what arrives while nobody receives, from here on; see `Transport.drain`."""
        self._transport.drain(buffers)

    def wake(self) -> None:
        """Let a `receive` that waits return at once; may be called from any thread and from a signal handler."""
        self._transport.wake()

    def close(self) -> None:
        """Unbind and close the connection."""
        try:
            self.send(messages.unbind_request())
        except ConnectionLost:
            pass
        finally:
            self._transport.close()


_RESULTS: Final = (BindResponse, SearchResultDone, ExtendedResponse)
_SEARCH: Final = 0x63


def _forget(_item: Message | EntryRun) -> None:
    """Take an answer that does not matter."""


def _redacted(item: Message | EntryRun, redaction: Redaction) -> Message | EntryRun:
    """Return what came without what is redacted: attributes come in runs of entries alone."""
    return EntryRun(item.message_id, redaction.rows(item.rows)) if isinstance(item, EntryRun) else item


def _unsolicited(message: Message) -> None:
    operation = message.operation
    if isinstance(operation, ExtendedResponse):
        result = operation.result
        raise ConnectionLost(
            f"the server disconnects: {results.name_of(result.code)} ({result.code}): {result.diagnostic}",
            hint="start again: the client resumes where it was",
        )
    raise ProtocolError(f"an unsolicited {type(operation).__name__}")
