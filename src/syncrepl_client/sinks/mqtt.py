"""MQTT 5: each event is published with QoS 1, and the broker acknowledges it.

A message has the ``content type``, and as user properties what travels beside the body.  Where that does not say the
``id`` of the event and its ``key``, these are user properties too.  A tombstone has an empty body and no content type.

What an acknowledgement says (MQTT 5.0 section 3.4.2.1):

* Success: the broker has taken it, whatever that means there.
* 0x10, nobody has subscribed: unavailable, for it is as good as lost, unless it is retained or that is allowed.
* 0x95 and 0x99, too large and of a wrong format: said of the event, so it is rejected.  So is an event to which the
  answer cannot be read, also when it is sent by itself.
* Any other: unavailable.  It is said of who sends or where to, or of what the broker can take now.

The broker may refuse one message and take the next; so no two events of an entry are on their way at once.
What is said about paho is in `syncrepl_client.sinks.mqtt_line`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.logins import Login, encryption
from syncrepl_client.sinks.mqtt_line import MQTTLine, Packed, Unreadable, variable_integer
from syncrepl_client.sinks.templates import Template
from syncrepl_client.sinks.waves import one_per_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paho.mqtt.reasoncodes import ReasonCode

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.secret import Secret
    from syncrepl_client.transport.tls import TLS

__all__ = ["MQTTSink"]

_SCHEMES: Final = {"mqtt": False, "mqtts": True}
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_BINDING: Final = BINDINGS["mqtt"]
# Names have no wildcards in them.
_ALLOWED: Final = r"0-9A-Za-z._:/ $-"
_LONGEST: Final = 1024
# Reason codes (section 2.4).
_NOBODY: Final = 0x10
_FAILURE: Final = 0x80
_TOO_LARGE: Final = 0x95
_WRONG_FORMAT: Final = 0x99
_HINTS: Final = {
    0x87: "let this user publish there",
    0x90: "choose another topic",
    0x97: "the broker takes no more for now: see what it limits, and whether somebody reads",
}


class MQTTSink:
    """Publishes events to a topic; see `from_url` for what there is to say.

    Args:
        address: where the broker listens.
        topic: makes the topic.
        login: who to be; None for nobody.
        tls: how to encrypt; None for not at all.
        retain: whether the broker keeps the last message of each topic.
        mandatory: whether it is an error that nobody has subscribed.
        client_id: the name of the connection; by default the broker gives one.
        timeout: how many seconds to wait for a connection, and for each acknowledgement.

    Raises:
        UsageError: the URL has a path.
    """

    def __init__(
        self,
        address: Address,
        topic: Template,
        *,
        login: Login | None,
        tls: TLS | None,
        retain: bool,
        mandatory: bool,
        client_id: str,
        timeout: float,
    ) -> None:
        if address.path not in {"", "/"}:
            raise UsageError("the URL of a broker has no path", hint="give the topic by the option topic")
        self._address = address
        self._topic = topic
        self._login = login
        self._tls = tls
        self._retain = retain
        self._mandatory = mandatory and not retain
        self._client_id = client_id
        self._timeout = timeout
        self._line: MQTTLine | None = None
        self._stopped = False

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        topic: str = "ldap/{source}",
        retain: bool = False,
        mandatory: bool = True,
        client_id: str = "",
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
            url: ``mqtt`` or ``mqtts``, such as ``mqtts://user@host``.
            topic: a template of the topic.
            retain: whether the broker keeps the last message of each topic, for who subscribes later.
            mandatory: whether it is an error that nobody has subscribed; else the broker drops the event.  What is
                retained needs nobody.
            client_id: the name of the connection, for brokers that know clients by it; two with the same name throw
                each other out.
            user: who to be, if the URL does not say it.
            password: the user's.
            ca_file: who may have issued the broker's certificate; None for whomever the system trusts.
            cert_file: the certificate to show to the broker.
            key_file: the key of that certificate, if it is in a file of its own.
            cleartext: whether ``mqtt`` may go to another machine.
            timeout: how many seconds to wait for a connection, and for each acknowledgement.
            source: the name of the source, for templates.

        Raises:
            UsageError: something of it is wrong, or contradicts the rest.
        """
        address = Address.parse(url, _SCHEMES, _PORTS, cleartext=cleartext)
        return cls(
            address,
            Template(topic, source=source, what="topic", allowed=_ALLOWED, longest=_LONGEST),
            login=Login.of(address, user, password),
            tls=encryption(address, ca_file=ca_file, cert_file=cert_file, key_file=key_file),
            retain=retain,
            mandatory=mandatory,
            client_id=client_id,
            timeout=timeout,
        )

    def open(self) -> None:
        """Connect.

        Raises:
            SinkUnavailable: the broker cannot be had, does not let us in, or does not do what is asked of it.
            UsageError: a certificate or the password cannot be read.
        """
        self._line = line = MQTTLine(self._address, self._timeout, lambda: self._stopped)
        line.connect(self._client_id, self._login, self._tls)
        if not line.acknowledges:
            raise SinkUnavailable(f"{self._address} acknowledges nothing", hint="let the broker offer QoS 1")
        if self._retain and not line.retains:
            raise SinkUnavailable(f"{self._address} retains nothing", hint="set retain to false")

    # --- events -------------------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Event]) -> None:
        """Publish events, as many at once as the broker takes; see `Sink.publish`."""
        if not self._ready().is_there():
            # Brokers end connections on which nothing happens.
            self.close()
            self.open()
        at = {event.id: number for number, event in enumerate(batch)}
        end, reason = len(batch), ""
        for wave in one_per_key(batch):
            # What comes after an event that is rejected is not sent, but all that comes before it is.
            for event, words in self._publish_apart([event for event in wave if at[event.id] < end]):
                if at[event.id] < end:
                    end, reason = at[event.id], words
        if end < len(batch):
            raise EventRejected(batch[end], reason)

    def _ready(self) -> MQTTLine:
        if self._line is None or self._stopped:
            raise SinkUnavailable(f"nothing was sent to {self._address}: the sink is stopped, or not open")
        return self._line

    def _publish_apart(self, wave: Sequence[Event]) -> list[tuple[Event, str]]:
        """Publish events of different entries, and return those that are rejected, and why.

        If an answer cannot be read, the event that it is about is looked for by halves.
        """
        try:
            return self._publish_wave(self._ready(), wave)
        except Unreadable as error:
            self.close()
            self.open()
            if len(wave) == 1:
                return [(wave[0], str(error))]
        middle = len(wave) // 2
        return [*self._publish_apart(wave[:middle]), *self._publish_apart(wave[middle:])]

    def _publish_wave(self, line: MQTTLine, wave: Sequence[Event]) -> list[tuple[Event, str]]:
        rejected: list[tuple[Event, str]] = []
        answers: dict[int, Event] = {}
        largest = line.largest
        for event in wave:
            topic, properties, body = self._topic(event), _properties(event), event.body or b""
            if largest is not None and (octets := _packet(topic, properties, body)) > largest:
                rejected.append((event, f"its packet has {octets} octets, and {self._address} takes {largest}"))
            else:
                answers[line.publish(topic, properties, body, retain=self._retain)] = event
        codes = line.wait_for_answers()
        for number, event in answers.items():
            code = codes[number]
            if code.value in {_TOO_LARGE, _WRONG_FORMAT}:
                rejected.append((event, f"{self._address} answers: {code}"))
            else:
                self._judge(event, code)
        return rejected

    def _judge(self, event: Event, code: ReasonCode) -> None:
        if code.value >= _FAILURE:
            raise SinkUnavailable(
                f"{self._address} does not take what is sent to {self._topic(event)}: {code}",
                hint=_HINTS.get(code.value, ""),
            )
        if code.value == _NOBODY and self._mandatory:
            raise SinkUnavailable(
                f"nobody has subscribed to {self._topic(event)} at {self._address}, so the broker would drop it",
                hint="let somebody subscribe whose session lasts; or set retain to true, or mandatory to false",
            )

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection."""
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def stop(self) -> None:
        """Send nothing more; what waits ends within moments."""
        self._stopped = True


def _properties(event: Event) -> Packed:
    beside = _BINDING.headers(event)
    if "id" not in beside:
        beside |= {"id": event.id, "key": event.key}
    return Packed.of(None if event.body is None else event.content_type, beside)


def _packet(topic: str, properties: Packed, body: bytes) -> int:
    """Return how many octets a packet has (section 3.3): its head, the topic, a number, properties, the body."""
    rest = 2 + len(topic.encode()) + 2 + len(properties.pack()) + len(body)
    return 1 + len(variable_integer(rest)) + rest
