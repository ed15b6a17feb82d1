"""Kafka: what is in a message, where it goes, what is refused, and what nobody may see."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
import traceback
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, from_structured_event

from syncrepl_client.envelope import CloudEvents, Debezium, tombstone
from syncrepl_client.envelope.base import CHANGES as CHANGED
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.kafka import KafkaSink
from tests.certificates import Authority
from tests.envelope.changes import ANN, CHANGES, FILE, URL
from tests.server import free_port
from tests.sinks.events import event
from tests.sinks.kafka_login import LoginLine
from tests.sinks.kafka_server import EncryptedLine, KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.envelope.base import Event

TOPIC = "ldap.directory"
TOO_LARGE = 10


@pytest.fixture
def server() -> Iterator[KafkaServer]:
    with KafkaServer(TOPIC) as running:
        yield running


def publish(server: KafkaServer, *events: Event, **options: Any) -> None:
    sink = KafkaSink(server.url, **options)
    sink.open()
    with closing(sink):
        sink.publish(events)


def bodies(server: KafkaServer, topic: str = TOPIC) -> list[bytes]:
    return [message.value() for message in server.messages(topic)]


def as_cloud_event(message: Any) -> KafkaMessage:
    return KafkaMessage(headers=dict(message.headers()), key=message.key(), value=message.value())


# --- messages ---------------------------------------------------------------------------------------------------------


def test_structured_cloud_events_are_read_by_their_library(server: KafkaServer) -> None:
    (made,) = CloudEvents(FILE, URL).events(CHANGES["updated"])
    publish(server, made)
    (message,) = server.messages(TOPIC)
    assert message.key() == str(ANN).encode()
    assert message.headers() == [("content-type", b"application/cloudevents+json")]
    read = from_structured_event(as_cloud_event(message))
    assert read.get_id() == made.id
    assert read.get_type() == "org.syncrepl.entry.updated"
    assert read.get_data() == json.loads(made.body or b"")["data"]


def test_binary_cloud_events_are_read_by_their_library(server: KafkaServer) -> None:
    (made,) = CloudEvents(FILE, URL, mode="binary").events(CHANGES["renamed"])
    publish(server, made)
    (message,) = server.messages(TOPIC)
    headers = dict(message.headers())
    assert headers["ce_id"] == made.id.encode()
    assert headers["content-type"] == b"application/json"
    read = from_binary_event(as_cloud_event(message))
    assert read.get_id() == made.id
    assert read.get_subject() == str(ANN)
    assert read.get_data() == json.loads(made.body or b"")


def test_events_of_an_entry_are_in_one_partition_in_order(server: KafkaServer) -> None:
    events = [event(number % 7, b'"%d"' % number) for number in range(200)]
    publish(server, *events)
    partitions: dict[bytes, set[int]] = {}
    order: dict[bytes, list[int]] = {}
    for message in server.messages(TOPIC):
        partitions.setdefault(message.key(), set()).add(message.partition())
        order.setdefault(message.key(), []).append(json.loads(message.value()))
    assert {len(found) for found in partitions.values()} == {1}
    assert len(set.union(*partitions.values())) > 1
    assert all(list(map(int, found)) == sorted(map(int, found)) for found in order.values())


def test_keys_are_spread_as_javas_clients_do(server: KafkaServer) -> None:
    """The numbers are those of Kafka's own test of its murmur2 (UtilsTest), over the four partitions of the topic."""
    known = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536}
    events = [event(number) for number in range(len(known))]
    publish(
        server,
        *(
            type(one)(one.id, key, one.kind, one.dn, one.sequence, one.content_type, one.headers, one.body)
            for one, key in zip(events, known, strict=True)
        ),
    )
    found = {message.key().decode(): message.partition() for message in server.messages(TOPIC)}
    assert found == {key: (number & 0x7FFFFFFF) % 4 for key, number in known.items()}


def test_a_deletion_is_followed_by_a_tombstone_by_choice(server: KafkaServer) -> None:
    (deletion,) = CloudEvents(FILE, URL).events(CHANGES["deleted"])
    publish(server, deletion)
    assert bodies(server) == [deletion.body]
    publish(server, deletion, event(1), tombstones=True)
    messages = [message for message in server.messages(TOPIC) if message.key() == deletion.key.encode()]
    assert [message.value() for message in messages] == [deletion.body, deletion.body, None]
    assert messages[-1].headers() is None


@pytest.mark.parametrize("tombstones", [True, False])
def test_a_tombstone_of_the_envelope_is_there_once(server: KafkaServer, tombstones: bool) -> None:  # noqa: FBT001
    events = Debezium(FILE, URL, name="corp", version="1", tombstones=True).events(CHANGES["deleted"])
    assert events[1] == tombstone(events[0])
    publish(server, *events, tombstones=tombstones)
    assert bodies(server) == [events[0].body, None]


def test_the_topic_is_a_template(server: KafkaServer) -> None:
    with KafkaServer(*(f"corp.{kind}" for kind in CHANGED)) as other:
        (made,) = CloudEvents(FILE, URL).events(CHANGES["read"])
        publish(other, made, event(1), topic="{source}.{kind}", source="corp")
        assert bodies(other, "corp.read") == [made.body]
        assert bodies(other, "corp.updated") == [event(1).body]


def test_heartbeats_may_have_a_topic_of_their_own(server: KafkaServer) -> None:
    (made,), beat = (
        (form := Debezium(FILE, URL, name="corp", version="1")).events(CHANGES["read"]),
        form.heartbeat(1, 2),
    )
    publish(server, made, beat)
    assert bodies(server) == [made.body, beat.body]
    with KafkaServer("ldap.corp", "__debezium-heartbeat.corp") as other:
        publish(other, made, beat, heartbeat_topic="__debezium-heartbeat.{source}", source="corp")
        assert bodies(other, "ldap.corp") == [made.body]
        assert bodies(other, "__debezium-heartbeat.corp") == [beat.body]
    with pytest.raises(SinkUnavailable, match="no topic beats"):
        publish(server, beat, heartbeat_topic="beats")


def test_messages_are_compressed_by_choice(server: KafkaServer) -> None:
    publish(server, event(1, b"x" * 5000), compression="gzip")
    assert bodies(server) == [b"x" * 5000]


# --- what is refused --------------------------------------------------------------------------------------------------


def test_what_the_topic_never_takes_is_found_before_anything_after_it_is_sent(server: KafkaServer) -> None:
    with pytest.raises(EventRejected, match="too large") as caught:
        publish(server, event(1), event(2, b"x" * 3000), event(3), max_octets=2000)
    assert caught.value.event.id == "e2"
    assert bodies(server) == [event(1).body]


def test_many_messages_together_may_be_larger_than_one(server: KafkaServer) -> None:
    events = [event(number, b"%03d" % number + b"x" * 1500) for number in range(30)]
    publish(server, *events, max_octets=2000)
    assert sorted(bodies(server)) == [one.body for one in events]


def test_what_a_broker_finds_too_large_is_looked_for_by_halves(server: KafkaServer) -> None:
    sink = KafkaSink(server.url)
    sink.open()
    with closing(sink):
        server.order(f"errors {TOO_LARGE} 1")
        # It was all of them together.
        sink.publish([event(number) for number in range(4)])
        server.order(f"errors {TOO_LARGE} 1")
        with pytest.raises(EventRejected, match="too large") as caught:
            sink.publish([event(5)])
    assert caught.value.event.id == "e5"
    assert set(bodies(server)) == {event(number).body for number in range(4)}


# --- topics and brokers -----------------------------------------------------------------------------------------------


def test_a_missing_topic_is_said_or_made(server: KafkaServer) -> None:
    with pytest.raises(SinkUnavailable, match="no topic other") as caught:
        publish(server, topic="other")
    assert "kafka-topics.sh --create --topic other" in caught.value.hint
    publish(server, event(1), topic="other", create=True)
    assert bodies(server, "other") == [event(1).body]


def test_nobody_is_said_soon() -> None:
    sink = KafkaSink(f"kafka://127.0.0.1:{free_port()}", timeout=0.3)
    with pytest.raises(SinkUnavailable, match=r"did not confirm.*(refused|transport)"):
        sink.open()
    sink.close()


def test_another_broker_is_asked_if_the_first_is_away(server: KafkaServer) -> None:
    sink = KafkaSink(f"kafka://127.0.0.1:{free_port()}", brokers=[server.url.partition("://")[2]])
    sink.open()
    with closing(sink):
        sink.publish([event(1)])
    assert bodies(server) == [event(1).body]


@pytest.mark.parametrize("opened", [True, False])
def test_a_wait_ends_when_the_sink_is_stopped(server: KafkaServer, opened: bool) -> None:  # noqa: FBT001
    sink = KafkaSink(server.url, timeout=30)
    if opened:
        sink.open()
    server.line.stand_still()
    timer = threading.Timer(0.2, sink.stop)
    timer.start()
    began = time.monotonic()
    with closing(sink), pytest.raises(SinkUnavailable):
        sink.publish([event(1)]) if opened else sink.open()
    assert time.monotonic() - began < 5
    timer.join()


def test_a_sink_that_is_not_open_sends_nothing(server: KafkaServer) -> None:
    sink = KafkaSink(server.url)
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.publish([event(1)])
    sink.close()


def test_more_than_the_library_holds_is_sent_in_turns(server: KafkaServer) -> None:
    publish(server, *(event(number, b"1") for number in range(110_000)))
    assert len(bodies(server)) == 110_000


# --- encryption -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["", "authority", "name"])
def test_certificates_are_verified(tmp_path: Path, wrong: str) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("other.example" if wrong == "name" else "127.0.0.1"))
    client = authority.issue("relay", file="client")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    with KafkaServer(TOPIC, line=EncryptedLine(context)) as server:
        options: dict[str, Any] = {
            "ca_file": str(other.file if wrong == "authority" else authority.file),
            "cert_file": str(client[0]),
            "key_file": str(client[1]),
        }
        server.settings = {
            "security.protocol": "SSL",
            "ssl.ca.location": str(authority.file),
            "ssl.certificate.location": str(client[0]),
            "ssl.key.location": str(client[1]),
        }
        sink = KafkaSink(server.url.replace("kafka:", "kafkas:"), **options)
        with closing(sink):
            if wrong:
                with pytest.raises(SinkUnavailable, match=r"(?i)certificate|SSL") as caught:
                    sink.open()
                assert "ca_file" in caught.value.hint
            else:
                sink.open()
                sink.publish([event(1)])
                assert bodies(server) == [event(1).body]


# --- login ------------------------------------------------------------------------------------------------------------


def test_who_has_the_right_password_is_let_in(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with KafkaServer(TOPIC, line=LoginLine(("relay", "t0ps3cret"))) as server:
        sink = KafkaSink(server.url, user="relay", password=SECRET, sasl="PLAIN")
        sink.open()
        with closing(sink):
            sink.publish([event(1)])
        sink = KafkaSink(server.url, user="relay", password=Secret("0th3r"), sasl="PLAIN", timeout=30)
        began = time.monotonic()
        with closing(sink), pytest.raises(SinkUnavailable, match="who are you") as caught:
            sink.open()
        assert "user, password and sasl" in caught.value.hint
        # Who is refused need not be waited for.
        assert time.monotonic() - began < 10
        assert not any(word in str(caught.value) + caplog.text for word in ("0th3r", "t0ps3cret"))
        server.settings = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "relay",
            "sasl.password": "t0ps3cret",
        }
        assert bodies(server) == [event(1).body]


# --- settings ---------------------------------------------------------------------------------------------------------

SECRET = Secret("t0ps3cret")


@pytest.mark.parametrize(
    ("url", "options", "why"),
    [
        ("http://h", {}, "not the address"),
        ("kafka://example.com", {}, "in clear"),
        ("kafkas://h", {"brokers": ["u:p@h"]}, "holds a password"),
        ("kafka://localhost", {"brokers": ["example.com"]}, "in clear"),
        ("kafkas://h/topic", {}, "has no path"),
        ("kafkas://h", {"topic": "{key}"}, "a topic for each entry"),
        ("kafkas://h", {"topic": "a/b"}, "cannot be a topic"),
        ("kafkas://u@h", {}, "not said how to log in"),
        ("kafkas://h", {"password": SECRET}, "not said how to log in"),
        ("kafkas://u@h", {"sasl": "GSSAPI", "password": SECRET}, "no way to log in"),
        ("kafkas://h", {"sasl": "PLAIN", "password": SECRET}, "needs a user"),
        ("kafkas://u@h", {"sasl": "PLAIN"}, "needs a user and a password"),
        ("kafka://u@h", {"sasl": "PLAIN", "password": SECRET, "cleartext": True}, "password in clear"),
        ("kafkas://h", {"max_octets": 10}, "that small"),
    ],
)
def test_what_can_never_work_is_refused_at_once(url: str, options: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        KafkaSink(url, **options)
    assert caught.value.hint
    assert "s3cret" not in str(caught.value)


def test_what_the_library_does_not_take_is_said_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sink = KafkaSink("kafkas://u@h", compression="best", sasl="PLAIN", password=SECRET)
    with pytest.raises(UsageError, match=r'"best" for configuration') as caught:
        sink.open()
    error: BaseException = caught.value
    assert error.__context__ is None
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "t0ps3cret" not in told + caplog.text
