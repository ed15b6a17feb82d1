"""RabbitMQ: each event is a persistent message that the broker confirms (AMQP 0-9-1, publisher confirms).

A message has the id of the event as ``message_id``, its key as ``correlation_id``, the ``content_type``, and as headers
what travels beside the body.  A tombstone has an empty body and no content type.

What an answer means:

* ``basic.ack`` confirms: each queue that gets the message has it, a durable one on its disk.
* ``basic.nack``: unavailable.  A queue that is full says so of whatever comes, and takes it when there is room.
* ``basic.return``: no queue gets the message.  It is said of the configuration, so it is unavailable as well.
* A message that is larger than the broker takes closes the channel, and the words tell the limit: it is rejected.
* Anything else that closes the channel or the connection, and silence: unavailable.

Facts about RabbitMQ that shaped it (for those about pika see `syncrepl_client.sinks.amqp`):

* Nobody would answer heartbeats between two batches, so there are none; TCP looks whether the other side is there.
* The broker may refuse one message and take the next; so no two events of an entry are on their way at once.
* A message is returned before it is acknowledged.
* The confirmations of what came before the message that closes a channel may be lost with it.
* A broker that is short of memory or disk stops reading from those who publish, and would not read a goodbye either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Protocol, Self
from urllib.parse import unquote

import pika

from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.amqp import ChannelClosed, Line
from syncrepl_client.sinks.logins import Login, encryption
from syncrepl_client.sinks.templates import Template
from syncrepl_client.sinks.waves import one_per_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.secret import Secret
    from syncrepl_client.transport.tls import TLS

__all__ = ["RabbitMQSink", "Routing"]

_SCHEMES: Final = {"amqp": False, "amqps": True}
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_BINDING: Final = BINDINGS["rabbitmq"]
_PERSISTENT: Final = 2
# A short string of AMQP has so many octets.
_LONGEST: Final = 255
_ALLOWED: Final = r"0-9A-Za-z._:/ -"
# TCP asks after so many seconds without a word whether the other side is there, again after so many, so often.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_TOO_LARGE: Final = re.compile(r"larger than (?:configured )?max size (\d+)")
# Reply codes of AMQP 0-9-1.
_REFUSED: Final = 403
_MISSING: Final = 404


@dataclass(frozen=True, slots=True)
class Routing:
    """Where messages go.

    Args:
        key: makes the routing key.
        exchange: which exchange; the empty name is that of the one which takes a routing key for the name of a queue.
        queue: a queue that has to be there; None if it is not known which.
        create: whether to make what is missing.
        mandatory: whether it is an error that no queue gets a message; else the broker drops it.

    Raises:
        UsageError: it cannot be known what to make.
    """

    key: Template
    exchange: str = ""
    queue: str | None = None
    create: bool = False
    mandatory: bool = True

    def __post_init__(self) -> None:
        if self.create and not self.exchange and self.queue is None:
            raise UsageError(
                "queues whose names depend on the event cannot be created",
                hint="give exchange, make the queues yourself, or leave {kind} and {key} out of routing_key",
            )


class _Declare(Protocol):
    """Asks the broker for an exchange or a queue; see `Line`."""

    def __call__(self, name: str, *, passive: bool) -> None: ...


class RabbitMQSink:
    """Publishes events to an exchange; see `from_url` for what there is to say.

    Args:
        address: where the broker listens; its path names the virtual host, none means ``/``.
        routing: where messages go.
        login: who to be; None for whom the certificate names, or else ``guest``.
        tls: how to encrypt; None for not at all.
        timeout: how many seconds to wait for a connection, and for each confirmation.

    Raises:
        UsageError: the path is no virtual host.
    """

    def __init__(
        self, address: Address, routing: Routing, *, login: Login | None, tls: TLS | None, timeout: float
    ) -> None:
        self._address = address
        self._virtual_host = unquote(address.path[1:]) or "/"
        if "/" in address.path[1:]:
            raise UsageError("the path of the URL is no virtual host", hint="write a slash in its name as %2F")
        self._routing = routing
        self._login = login
        self._tls = tls
        self._timeout = timeout
        self._line: Line | None = None
        # The largest message that the broker takes, in octets, once it has said so.
        self._largest: int | None = None
        self._stopped = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        exchange: str = "",
        routing_key: str = "ldap.{source}",
        queue: str | None = None,
        create: bool = False,
        mandatory: bool = True,
        user: str | None = None,
        password: Secret | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        cleartext: bool = False,
        timeout: float = 10.0,
        source: str = "directory",
    ) -> Self:
        """Make one of a URL.

        Args:
            url: ``amqp`` or ``amqps``, with the virtual host as path, such as ``amqps://user@host/name``.
            exchange: which exchange; by default the one that takes a routing key for the name of a queue.
            routing_key: a template of the routing key.
            queue: a queue that has to be there; by default the one that the default exchange gives everything to.
            create: whether to make what is missing: a durable topic exchange, a durable queue, its binding to all keys.
            mandatory: whether it is an error that no queue gets an event; else the broker drops it.
            user: who to be, if the URL does not say it; without both, and without a certificate, ``guest``.
            password: the user's.
            ca_file: who may have issued the broker's certificate; None for whomever the system trusts.
            cert_file: the certificate to show to the broker; without a user it says who we are.
            key_file: the key of that certificate, if it is in a file of its own.
            cleartext: whether ``amqp`` may go to another machine.
            timeout: how many seconds to wait for a connection, and for each confirmation.
            source: the name of the source, for templates.

        Raises:
            UsageError: something of it is wrong, or contradicts the rest.
        """
        address = Address.parse(url, _SCHEMES, _PORTS, cleartext=cleartext)
        key = Template(routing_key, source=source, what="routing key", allowed=_ALLOWED, longest=_LONGEST)
        queue = key.constant if queue is None and not exchange else queue
        return cls(
            address,
            Routing(key, exchange, queue, create, mandatory),
            login=Login.of(address, user, password),
            tls=encryption(address, ca_file=ca_file, cert_file=cert_file, key_file=key_file),
            timeout=timeout,
        )

    # --- the connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and see whether the exchange and the queue are there.

        Raises:
            SinkUnavailable: the broker cannot be had, does not let us in, or one of them is missing.
            UsageError: a certificate or the password cannot be read.
        """
        self._largest = None
        self._line = line = Line(str(self._address), self._timeout, lambda: self._stopped)
        line.connect(self._parameters())
        route = self._routing
        if route.exchange:
            self._look(line, "exchange", route.exchange, line.declare_exchange)
        if route.queue is not None:
            self._look(line, "queue", route.queue, line.declare_queue)
            if route.exchange and route.create:
                line.bind(route.queue, route.exchange)

    def _look(self, line: Line, what: str, name: str, declare: _Declare) -> None:
        try:
            declare(name, passive=True)
        except ChannelClosed as error:
            if error.code != _MISSING:
                raise self._refused(error) from error
            if not self._routing.create:
                made = f"rabbitmqadmin declare {what} name={name} durable=true"
                hint = f"make it, such as by {made}{' type=topic' if what == 'exchange' else ''}, or set create"
                raise SinkUnavailable(f"{self._address} has no {what} {name}", hint=hint) from error
            self._make(line, name, declare)

    def _make(self, line: Line, name: str, declare: _Declare) -> None:
        line.open_channel()
        try:
            declare(name, passive=False)
        except ChannelClosed as error:
            raise self._refused(error) from error

    def _parameters(self) -> pika.ConnectionParameters:
        login, tls, host = self._login, self._tls, self._address.host
        credentials = pika.PlainCredentials("guest", "guest")
        if login is not None:
            credentials = pika.PlainCredentials(login.user, login.text(), erase_on_connect=True)
        elif tls is not None and tls.certificate is not None:
            credentials = pika.credentials.ExternalCredentials()
        return pika.ConnectionParameters(
            host,
            self._address.port,
            self._virtual_host,
            credentials,
            heartbeat=0,
            connection_attempts=1,
            socket_timeout=self._timeout,
            stack_timeout=self._timeout,
            ssl_options=None if tls is None else pika.SSLOptions(tls.make_context(), host),
            tcp_options=dict(_KEEPALIVE),
        )

    # --- events -------------------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Event]) -> None:
        """Publish events, many at once; see `Sink.publish`."""
        if not self._ready().is_there():
            # What is between us and the broker may have ended a connection on which nothing happened.
            self.close()
            self.open()
        fitting = self._publish_fitting(self._ready(), batch)
        if len(fitting) < len(batch):
            large = batch[len(fitting)]
            octets = len(large.body or b"")
            raise EventRejected(large, f"it has {octets} octets, and {self._address} takes {self._largest}")

    def _ready(self) -> Line:
        if self._line is None or self._stopped:
            raise SinkUnavailable(f"nothing was sent to {self._address}: the sink is stopped, or not open")
        return self._line

    def _publish_fitting(self, line: Line, batch: Sequence[Event]) -> list[Event]:
        """Publish what comes before the first event that is too large, and return it."""
        while True:
            fitting = list(takewhile(self._fits, batch))
            try:
                for wave in one_per_key(fitting):
                    self._publish_wave(line, wave)
            except ChannelClosed as error:
                limit = _TOO_LARGE.search(error.words)
                self._largest = int(limit[1]) if limit else self._largest
                if not limit or all(map(self._fits, fitting)):
                    raise self._refused(error) from error
                # What came before may not be confirmed, so it is sent again.
                line.open_channel()
            else:
                return fitting

    def _fits(self, event: Event) -> bool:
        return self._largest is None or event.body is None or len(event.body) <= self._largest

    def _publish_wave(self, line: Line, wave: Sequence[Event]) -> None:
        route = self._routing
        for event in wave:
            body = event.body
            properties = pika.BasicProperties(
                content_type=None if body is None else event.content_type,
                headers=_BINDING.headers(event) or None,
                delivery_mode=_PERSISTENT,
                correlation_id=event.key,
                message_id=event.id,
            )
            line.publish(route.exchange, route.key(event), body or b"", properties, mandatory=route.mandatory)
        line.wait_for_confirmations()

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def _refused(self, error: ChannelClosed) -> SinkUnavailable:
        hint = ""
        if error.code == _REFUSED:
            hint = "give the user the right to write to the exchange, such as by rabbitmqctl set_permissions"
        elif error.code == _MISSING:
            hint = "somebody has deleted it: make it again, or set create"
        return SinkUnavailable(f"{self._address} refuses: {error.words}", hint=hint)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; with a goodbye if the broker listens."""
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def stop(self) -> None:
        """Send nothing more; what waits ends within moments."""
        self._stopped = True
