"""Kafka: each event is a message whose key is the entryUUID; confirmed by all replicas that are in step.

All of a batch is in flight at once.  The producer is idempotent: what it sends again by itself is not there twice, nor
out of order.  What the relay sends again is there twice, with the same ``id``.

Facts that shaped it (librdkafka, which confluent-kafka brings):

* A producer connects by itself, in threads of its own, and for ever; whether anybody is there says only a question for
  metadata, which cannot be interrupted.  So it is asked again and again for a short time.
* Why it cannot connect it tells a callback, and nobody else.
* Messages are put together up to ``batch.size``, and a broker that finds that too large refuses them all.
* Without ``delivery.report.only.error`` each message costs a callback.
* What is in its queues when it is thrown away is waited for, unless it is purged before.
* It spreads keys otherwise than Java's clients do, unless it is told ``murmur2_random``.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from syncrepl_client.envelope.base import CHANGES, Kind, tombstone
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address, is_here
from syncrepl_client.sinks.halves import BatchRejected, send_in_halves
from syncrepl_client.sinks.logins import encryption, text_of
from syncrepl_client.sinks.templates import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.secret import Secret

__all__ = ["KafkaSink"]

_SCHEMES: Final = {"kafka": False, "kafkas": True, "kafka+tls": True}
_PORTS: Final = {"kafka": 9092, "kafkas": 9093, "kafka+tls": 9093}
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
# How often a wait looks whether it is to end, in seconds.
_LOOK_EVERY: Final = 0.05
_ASK_EVERY: Final = 0.5
# The most that librdkafka puts together, and the least that it takes as a limit.
_LARGEST_BATCH: Final = 1_000_000
_SMALLEST_LIMIT: Final = 1000

_ABOUT_THE_EVENT: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
_HINTS: Final = {
    KafkaError._AUTHENTICATION: "compare user, password and sasl with what the broker knows",  # noqa: SLF001 - that is its name
    KafkaError._SSL: "compare the certificate of the broker with ca_file and its name with the address",  # noqa: SLF001
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "let the user write: kafka-acls.sh --add --producer --topic TOPIC",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "let the user write: kafka-acls.sh --add --producer --topic TOPIC",
    KafkaError.KAFKA_STORAGE_ERROR: "look at the disks of the brokers",
    KafkaError.NOT_ENOUGH_REPLICAS: "look which brokers are down: fewer are in step than min.insync.replicas",
    KafkaError._MSG_TIMED_OUT: "look whether the brokers run, or give a longer timeout",  # noqa: SLF001
}


class KafkaSink:
    """Writes messages to topics.

    Args:
        url: ``kafka://host:port`` of a broker, or ``kafkas://`` (or ``kafka+tls://``) with TLS.
        topic: the name of the topic; may have the fields ``{source}`` and ``{kind}``.
        heartbeat_topic: the same for heartbeats, such as ``__debezium-heartbeat.{source}``; None for that of events.
        brokers: more brokers of the cluster, each ``host:port``, to ask if the first is away.
        create: whether to let the brokers make topics that are missing, if they do so.
        tombstones: whether a deletion is followed by a message without a value, by which a topic that is compacted
            forgets the entry.
        max_octets: the largest message that the topic takes (``max.message.bytes``).
        compression: ``none``, ``gzip``, ``snappy``, ``lz4`` or ``zstd``.
        user: who to be, if the URL does not say so.
        password: of the user.
        sasl: how to say who one is: ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``.
        ca_file: who may have issued the brokers' certificates; None for whomever the system trusts.
        cert_file: the certificate of the client, if the brokers want one.
        key_file: its key.
        cleartext: whether what is sent to another machine may do without TLS.
        timeout: how many seconds to wait for the brokers at a time.
        source: the name of the source.

    Raises:
        UsageError: something that can never work.
    """

    def __init__(
        self,
        url: str,
        *,
        topic: str = "ldap.{source}",
        heartbeat_topic: str | None = None,
        brokers: Sequence[str] = (),
        create: bool = False,
        tombstones: bool = False,
        max_octets: int = _LARGEST_BATCH,
        compression: str = "none",
        user: str | None = None,
        password: Secret | None = None,
        sasl: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        cleartext: bool = False,
        timeout: float = 10.0,
        source: str = "directory",
    ) -> None:
        address = Address.parse(url, _SCHEMES, _PORTS, cleartext=cleartext)
        if address.path.strip("/"):
            raise UsageError(f"the address {address} has no path", hint="write kafkas://host:port, and topic = NAME")
        others = [
            Address.parse(f"{address.scheme}://{other}", _SCHEMES, _PORTS, cleartext=cleartext) for other in brokers
        ]
        self._where = str(address)
        self._topic = _topic(topic, source)
        self._topics = {topic.replace("{source}", source).replace("{kind}", kind) for kind in CHANGES}
        self._heartbeat_topic = self._topic
        if heartbeat_topic is not None:
            self._heartbeat_topic = _topic(heartbeat_topic, source)
            self._topics.add(heartbeat_topic.replace("{source}", source).replace("{kind}", Kind.HEARTBEAT))
        self._create = create
        self._tombstones = tombstones
        self._password = password
        self._timeout = timeout
        self._settings = {
            "bootstrap.servers": ",".join(str(one).partition("://")[2] for one in (address, *others)),
            **_login(address, others, user or address.user, password, sasl),
            **_files(address, ca_file, cert_file, key_file),
            **_limits(timeout, max_octets),
            "compression.type": compression,
        }
        self._producer: Producer | None = None
        # Why it cannot connect, and why messages of a batch were not confirmed.
        self._reason: KafkaError | None = None
        self._failures: list[KafkaError] = []
        self._stopped = threading.Event()

    # --- the connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and look for the topics."""
        self._reason = None
        secret = {} if self._password is None else {"sasl.password": text_of(self._password)}
        try:
            self._producer = producer = Producer(
                {**self._settings, **secret, "error_cb": self._note, "on_delivery": self._failed}
            )
        except KafkaException as error:
            what = error.args[0].str()
        else:
            self._look_for_topics(producer)
            return
        finally:
            secret.clear()
        # Outside of the handler: what was raised there knows the password.
        raise UsageError(f"{self._where} cannot be used: {what}", hint="compare the options with the documentation")

    def _note(self, error: KafkaError) -> None:
        """Keep why it cannot connect; that nobody is there at all says less than what came before."""
        if self._reason is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - that is its name
            self._reason = error

    def _failed(self, error: KafkaError | None, _: object) -> None:
        """Keep why a message was not confirmed."""
        if error is not None:
            self._failures.append(error)

    def _look_for_topics(self, producer: Producer) -> None:
        found = self._ask(producer, lambda: producer.list_topics(timeout=_ASK_EVERY))
        missing = sorted(self._topics.difference(found.topics))
        if self._create:
            missing = [name for name in missing if not self._make(producer, name)]
        if missing:
            raise SinkUnavailable(
                f"{self._where} has no topic {', '.join(missing)}",
                hint=f"make it: kafka-topics.sh --create --topic {missing[0]} --bootstrap-server "
                f"{self._settings['bootstrap.servers']}",
            )

    def _make(self, producer: Producer, name: str) -> bool:
        """Let the brokers make a topic, as they do when they are asked about it; tells whether they have."""
        deadline = time.monotonic() + self._timeout
        while not self._ask(producer, partial(producer.list_topics, name, timeout=_ASK_EVERY)).topics[name].partitions:
            if time.monotonic() > deadline or self._stopped.is_set():
                return False
            producer.poll(_LOOK_EVERY)
        return True

    def _ask(self, producer: Producer, question: Callable[[], Any]) -> Any:  # noqa: ANN401 - it has no type
        """Ask until there is an answer.

        Raises:
            SinkUnavailable: there is none in time.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return question()
            except KafkaException as error:
                producer.poll(0)
                if time.monotonic() > deadline or self._stopped.is_set() or self._is_hopeless():
                    raise self._unavailable(error.args[0]) from error

    def _is_hopeless(self) -> bool:
        return self._reason is not None and self._reason.code() in {
            KafkaError._AUTHENTICATION,  # noqa: SLF001 - that is its name
            KafkaError._SSL,  # noqa: SLF001
        }

    # --- messages -----------------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Event]) -> None:
        """Send messages, and wait until all of them are confirmed; see `Sink.publish`."""
        send_in_halves(batch, self._send)

    def _send(self, events: Sequence[Event]) -> None:
        producer = self._opened()
        failures = self._failures
        failures.clear()
        too_large = self._produce(producer, self._with_tombstones(events) if self._tombstones else events)
        self._wait(producer)
        for failure in failures:
            if failure.code() not in _ABOUT_THE_EVENT:
                raise self._unavailable(failure)
        if failures:
            raise BatchRejected(failures[0].str())
        if too_large is not None:
            raise too_large

    def _produce(self, producer: Producer, events: Iterable[Event]) -> Exception | None:
        """Hand messages to the library, up to the first that is too large for it; returns what to say of that."""
        produce, headers_of = producer.produce, BINDINGS["kafka"].headers
        for event in events:
            topic = self._heartbeat_topic if event.kind is Kind.HEARTBEAT else self._topic
            # The library wants a dictionary of more kinds of values.
            headers: Any = headers_of(event)
            while True:
                try:
                    produce(topic(event), event.body, event.key, headers=headers)
                except BufferError:
                    # Its queue is full of what is on its way.
                    producer.poll(_LOOK_EVERY)
                    self._check(None)
                except KafkaException as error:
                    refused: KafkaError = error.args[0]
                    if refused.code() in _ABOUT_THE_EVENT:
                        return EventRejected(event, refused.str())
                    return self._unavailable(refused)
                else:
                    break
        return None

    def _with_tombstones(self, events: Sequence[Event]) -> Iterator[Event]:
        told = {event.id for event in events if event.body is None}
        for event in events:
            yield event
            if event.kind is Kind.DELETED and event.body is not None and (grave := tombstone(event)).id not in told:
                yield grave

    def _wait(self, producer: Producer) -> None:
        """Wait until each message is confirmed or has failed, which it does in its time."""
        deadline = time.monotonic() + 2 * self._timeout
        while producer.flush(_LOOK_EVERY):
            self._check(deadline)

    def _check(self, deadline: float | None) -> None:
        if self._stopped.is_set():
            raise SinkUnavailable(f"the sink of {self._where} is stopped")
        if deadline is not None and time.monotonic() > deadline:
            raise SinkUnavailable(f"{self._where} does not answer", hint="look whether the brokers run")

    def _opened(self) -> Producer:
        if self._producer is None or self._stopped.is_set():
            raise SinkUnavailable(f"nothing was sent to {self._where}: the sink is stopped, or not open")
        return self._producer

    def _unavailable(self, error: KafkaError) -> SinkUnavailable:
        reason = self._reason
        codes = (error.code(), None if reason is None else reason.code())
        hint = next((_HINTS[code] for code in codes[::-1] if code in _HINTS), "look whether the brokers run")
        why = "" if reason is None or reason.code() == error.code() else f" ({reason.str()})"
        return SinkUnavailable(f"{self._where} did not confirm: {error.str()}{why}", hint=hint)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Throw away what is not confirmed, and the connections."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            producer.purge()
            producer.poll(0)

    def stop(self) -> None:
        """Let a wait for the brokers end."""
        self._stopped.set()


def _topic(text: str, source: str) -> Template:
    made = Template(text, source=source, what="topic")
    if "{key}" in text:
        raise UsageError(f"{text!r} would be a topic for each entry", hint="use the fields {source} and {kind}")
    return made


def _login(
    address: Address, others: Sequence[Address], user: str | None, password: Secret | None, sasl: str | None
) -> dict[str, Any]:
    """Return what the library is told about encryption and who one is, but for the password."""
    protocol = "SSL" if address.encrypted else "PLAINTEXT"
    if sasl is None:
        if user is not None or password is not None:
            raise UsageError("there is a user, and it is not said how to log in", hint='write sasl = "SCRAM-SHA-512"')
        return {"security.protocol": protocol}
    if sasl not in _MECHANISMS:
        raise UsageError(f"{sasl!r} is no way to log in", hint=f"there are {', '.join(_MECHANISMS)}")
    if user is None or password is None:
        raise UsageError(f"{sasl} needs a user and a password", hint="give user and password")
    if sasl == "PLAIN" and not address.encrypted and not all(is_here(one.host) for one in (address, *others)):
        raise UsageError("PLAIN would send the password in clear", hint="use kafkas, or a SCRAM mechanism")
    return {"security.protocol": f"SASL_{protocol}", "sasl.mechanism": sasl, "sasl.username": user}


def _files(address: Address, ca_file: str | None, cert_file: str | None, key_file: str | None) -> dict[str, str]:
    # The library encrypts by itself; what contradicts itself is refused as everywhere.
    encryption(address, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    names = {"ssl.ca.location": ca_file, "ssl.certificate.location": cert_file, "ssl.key.location": key_file}
    return {name: file for name, file in names.items() if file is not None}


def _limits(timeout: float, max_octets: int) -> dict[str, Any]:
    """Return what the library is told about how it sends."""
    if max_octets < _SMALLEST_LIMIT:
        raise UsageError("no event is that small", hint=f"give max_octets of at least {_SMALLEST_LIMIT}")
    milliseconds = max(100, round(timeout * 1000))
    return {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "delivery.report.only.error": True,
        "message.timeout.ms": milliseconds,
        "socket.timeout.ms": max(milliseconds, 1000),
        "message.max.bytes": max_octets,
        "batch.size": min(max_octets, _LARGEST_BATCH),
        "client.id": "syncrepl_client",
        "log_level": 0,
    }
