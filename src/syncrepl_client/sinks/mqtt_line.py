"""One connection to a broker of MQTT 5, driven by who waits.

Nothing runs in between: what the broker says is read while something is waited for, and every wait has an end.

Facts about paho and MQTT that shaped it:

* Paho sends as many messages at once as it is told, whatever the broker has said that it takes (section 3.3.4); it
  does not compare the size of a packet with what the broker takes either (section 3.2.2.3.6).  Both are done here.
* What it has queued for a connection that is gone it would send again by itself; so each connection has a client of its
  own.
* It connects anew by itself only in a loop of its own; here the loop is stepped.
* To make properties of a message with it, and octets of those, takes longer than to send it; so the octets are made
  here.
* Nobody pings between two batches, so there is no keep-alive; a broker that wants one ends the connection.
* It closes its sockets when it is forgotten, which must not be left to the collector of circles; one with which TLS
  has failed it forgets without closing it.
* It ends the connection at a reason code that does not belong to the packet.  Mosquitto has one: with 0x95 it
  acknowledges what is larger than its ``message_size_limit``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from syncrepl_client.exceptions import SinkUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket
    from ssl import SSLContext, SSLSocket

    from paho.mqtt.client import ConnectFlags, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from syncrepl_client.sinks.addresses import Address
    from syncrepl_client.sinks.logins import Login
    from syncrepl_client.transport.tls import TLS

__all__ = ["MQTTLine", "Packed", "Unreadable", "variable_integer"]

# How many seconds a wait is blind to who wants it to end.
_TICK: Final = 0.05
# More on their way at once make nothing faster.
_AT_ONCE: Final = 1000
_HINTS: Final = {
    0x84: "the broker speaks an older MQTT: this needs version 5",
    0x85: "give another client_id",
    0x86: "compare user and password",
    0x87: "compare user and password, and whom the broker lets in",
}


_PROTOCOL_ERROR: Final = 0x82
# Properties (section 2.2.2.2).
_CONTENT_TYPE: Final = b"\x03"
_USER_PROPERTY: Final = b"\x26"


class Unreadable(Exception):
    """The broker has answered in a way that paho does not read."""


class Packed:
    """Properties of a message as they are sent (section 2.2.2), which is all that paho asks of its own.

    Args:
        octets: the properties, with their length before them.
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @classmethod
    def of(cls, content_type: str | None, user_properties: Mapping[str, str]) -> Self:
        """Pack properties.

        Args:
            content_type: the media type of the body; None if there is none.
            user_properties: names and values.
        """
        parts = [] if content_type is None else [_CONTENT_TYPE, _string(content_type)]
        for name, value in user_properties.items():
            parts += (_USER_PROPERTY, _string(name), _string(value))
        octets = b"".join(parts)
        return cls(variable_integer(len(octets)) + octets)

    def pack(self) -> bytes:
        """Return them."""
        return self._octets


def variable_integer(number: int) -> bytes:
    """Return a number as its octets (section 1.5.5): seven bits in each, and whether there are more."""
    octets = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _string(text: str) -> bytes:
    """Return a text as its octets (section 1.5.4): their number, and themselves."""
    octets = text.encode()
    return len(octets).to_bytes(2, "big") + octets


class MQTTLine:
    """A connection.

    Args:
        address: where the broker listens.
        timeout: how many seconds to wait for each answer.
        stopped: tells whether to wait no more.
    """

    def __init__(self, address: Address, timeout: float, stopped: Callable[[], bool]) -> None:
        self._address = address
        self._timeout = timeout
        self._stopped = stopped
        self._client: Client | None = None
        self._answered = 0.0
        # What the broker said when it let us in, or did not; and why there is no connection any more.
        self._welcome: Properties | None = None
        self._refused: ReasonCode | None = None
        self._lost: str | None = None
        self._unreadable = False
        self._waiting: set[int] = set()
        self._answers: dict[int, ReasonCode] = {}

    # --- the connection -----------------------------------------------------------------------------------------------

    def connect(self, client_id: str, login: Login | None, tls: TLS | None) -> None:
        """Connect.

        Args:
            client_id: the name of the connection; the broker gives one if it is empty.
            login: who to be; None for nobody.
            tls: how to encrypt; None for not at all.

        Raises:
            SinkUnavailable: the broker cannot be reached, or does not let us in.
            UsageError: a certificate or the password cannot be read.
        """
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect_timeout = self._timeout
        client.max_inflight_messages_set(0)
        client.on_connect, client.on_disconnect, client.on_publish = self._on_connect, self._on_lost, self._on_answer
        if login is not None:
            client.username_pw_set(login.user, login.text())
        context = None if tls is None else _Context(tls.make_context())
        if context is not None:
            client.tls_set_context(context)  # type: ignore[arg-type] # it takes whatever wraps a socket
        self._client = client
        try:
            client.connect(self._address.host, self._address.port, keepalive=0)
        except OSError as error:
            if context is not None:
                context.close()
            hint = "see whether the broker runs, and on which port it listens"
            raise SinkUnavailable(
                f"{self._address} cannot be reached: {error}",
                hint=hint if isinstance(error, ConnectionRefusedError) else "",
            ) from error
        self._wait(lambda: self._welcome is not None or self._refused is not None)
        if self._refused is not None:
            raise SinkUnavailable(
                f"{self._address} does not let us in: {self._refused}", hint=_HINTS.get(self._refused.value, "")
            )

    @property
    def largest(self) -> int | None:
        """The largest packet that the broker takes, in octets; None if it does not say."""
        return getattr(self._welcome, "MaximumPacketSize", None)

    @property
    def retains(self) -> bool:
        """Whether the broker keeps messages for who subscribes later."""
        return bool(getattr(self._welcome, "RetainAvailable", 1))

    @property
    def acknowledges(self) -> bool:
        """Whether the broker acknowledges messages."""
        return bool(getattr(self._welcome, "MaximumQoS", 1))

    def is_there(self) -> bool:
        """Tell whether the connection still is, as far as that is known."""
        if self._client is not None and self._lost is None:
            self._client.loop(0)
        return self._lost is None

    # --- messages -----------------------------------------------------------------------------------------------------

    def publish(self, topic: str, properties: Packed, body: bytes, *, retain: bool) -> int:
        """Send a message, as soon as the broker takes one more; returns its number for `wait_for_answers`.

        Raises:
            SinkUnavailable: the connection is gone.
            Unreadable: it is, for something that was sent.
        """
        at_once = min(_AT_ONCE, getattr(self._welcome, "ReceiveMaximum", _AT_ONCE))
        if len(self._waiting) >= at_once:
            self._wait(lambda: len(self._waiting) < at_once)
        self._check()
        packed: Any = properties
        sent = self._connected().publish(topic, body, qos=1, retain=retain, properties=packed)
        self._waiting.add(sent.mid)
        return sent.mid

    def wait_for_answers(self) -> dict[int, ReasonCode]:
        """Return what the broker says of each message that was sent since the last call.

        Raises:
            SinkUnavailable: it did not say it of all, or not in time.
            Unreadable: it said something else.
        """
        self._wait(lambda: not self._waiting)
        answers, self._answers = self._answers, {}
        return answers

    # --- what paho tells ----------------------------------------------------------------------------------------------

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._refused = code
        else:
            self._welcome = properties

    def _on_lost(
        self, _client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        self._lost = str(code)
        self._unreadable = code.value == _PROTOCOL_ERROR and not flags.is_disconnect_packet_from_server

    def _on_answer(
        self, _client: Client, _data: object, number: int, code: ReasonCode, _properties: Properties
    ) -> None:
        self._waiting.discard(number)
        self._answers[number] = code
        self._answered = time.monotonic()

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _wait(self, done: Callable[[], bool]) -> None:
        """Read what the broker says until something is so."""
        self._answered = time.monotonic()
        client = self._connected()
        while not done():
            self._check()
            if time.monotonic() - self._answered > self._timeout:
                raise SinkUnavailable(f"{self._address} has not answered for {self._timeout:g} s")
            client.loop(_TICK)

    def _check(self) -> None:
        if self._stopped():
            raise SinkUnavailable(f"the sink of {self._address} was stopped")
        if self._unreadable and self._waiting:
            raise Unreadable(f"{self._address} does not take it, and says so in no way of MQTT 5")
        if self._lost is not None and self._refused is None:
            raise SinkUnavailable(f"the connection to {self._address} is gone: {self._lost}")

    def _connected(self) -> Client:
        if self._client is None:
            raise SinkUnavailable(f"there is no connection to {self._address}")
        return self._client

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; with a goodbye if that can be said at once."""
        if self._client is not None:
            client, self._client = self._client, None
            if self._welcome is not None and self._lost is None:
                client.disconnect()
            client.on_connect = client.on_disconnect = client.on_publish = None


class _Context:
    """A TLS context that closes the sockets which paho forgets."""

    def __init__(self, context: SSLContext) -> None:
        self._context = context
        self.check_hostname = context.check_hostname
        self._last: SSLSocket | None = None

    def wrap_socket(self, sock: socket, **options: Any) -> SSLSocket:  # noqa: ANN401 - they are those of `ssl`
        """Wrap a socket, and remember it."""
        self._last = wrapped = self._context.wrap_socket(sock, **options)
        return wrapped

    def close(self) -> None:
        """Close the last one."""
        if self._last is not None:
            self._last.close()
