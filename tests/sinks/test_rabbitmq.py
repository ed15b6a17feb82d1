"""RabbitMQ: what a message says, what an answer means, and whom the broker lets in."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event

from syncrepl_client.envelope import CloudEvents, tombstone
from syncrepl_client.envelope.base import Kind
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.rabbitmq import RabbitMQSink
from tests.certificates import Authority
from tests.envelope.changes import CHANGES, FILE, decoded
from tests.following import until
from tests.server import free_port
from tests.sinks.events import event
from tests.sinks.rabbitmq_server import LARGEST, PASSWORD, RabbitMQ, new_name, shared
from tests.sinks.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.envelope.cloudevents import Mode

WRONG = "Wr0ng-RaBbIt"


@pytest.fixture
def broker() -> RabbitMQ:
    return shared()


@pytest.fixture
def queue(broker: RabbitMQ) -> str:
    return broker.make(new_name("queue"))


@contextmanager
def opened(url: str, **options: Any) -> Iterator[RabbitMQSink]:
    with closing(RabbitMQSink.from_url(url, **{"timeout": 5.0} | options)) as sink:
        sink.open()
        yield sink


def publish(url: str, *events: Event, **options: Any) -> None:
    with opened(url, **options) as sink:
        sink.publish(events)


def ids(broker: RabbitMQ, queue: str, virtual_host: str = "/") -> list[str]:
    return [properties.message_id for _, properties, _ in broker.take(queue, virtual_host)]


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_says_what_it_is(broker: RabbitMQ, queue: str) -> None:
    made = event(1, b'{"a":1}', "application/json", subject="\u00e4 b")
    publish(broker.url, made, tombstone(made), routing_key=queue)
    (_, properties, body), (_, of_tombstone, nothing) = broker.take(queue)
    assert (body, properties.content_type, properties.message_id) == (made.body, "application/json", "e1")
    assert properties.headers == {"ce-subject": "\u00e4 b"}
    assert properties.correlation_id == of_tombstone.correlation_id == "k1"
    assert properties.delivery_mode == of_tombstone.delivery_mode == 2
    assert (nothing, of_tombstone.content_type, of_tombstone.headers) == (b"", None, None)
    assert of_tombstone.message_id == "e1:tombstone"


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_sdk_reads_what_was_sent(broker: RabbitMQ, queue: str, mode: Mode) -> None:
    (made,) = CloudEvents(FILE, "ldap://h/o=J\u00fcrgen", mode=mode).events(CHANGES["updated"])
    publish(broker.url, made, routing_key=queue)
    ((_, properties, body),) = broker.take(queue)
    read = from_rabbitmq_event(RabbitMQMessage(properties.headers or {}, properties.content_type, body))
    assert read.get_id() == made.id == properties.message_id
    data = decoded(made.body)
    assert read.get_data() == (data["data"] if mode == "structured" else data)


def test_keys_are_made_for_each_event_in_any_virtual_host(broker: RabbitMQ) -> None:
    name = new_name("topic")
    url = f"{broker.url}a%2Fb"
    route = {"exchange": name, "routing_key": "{source}.{kind}.{key}", "source": "corp", "queue": name}
    publish(url, event(1), replace(event(2), kind=Kind.DELETED), create=True, **route)
    assert [method.routing_key for method, _, _ in broker.take(name, "a/b")] == ["corp.updated.k1", "corp.deleted.k2"]
    # What is there may be there, and somebody else may have made it.
    publish(url, event(3), create=True, **route | {"exchange": "amq.fanout"})
    publish(url, event(4), **route)
    assert ids(broker, name, "a/b") == ["e3", "e4"]


def test_many_are_on_their_way_at_once(broker: RabbitMQ, queue: str) -> None:
    with Wire(broker.port) as wire, opened(f"amqp://127.0.0.1:{wire.port}", routing_key=queue) as sink:
        wire.slow(0.05)
        begin = time.monotonic()
        sink.publish([event(number) for number in range(100)])
        assert time.monotonic() - begin < 100 * 0.05
    assert ids(broker, queue) == [f"e{number}" for number in range(100)]


def test_a_large_event_goes_in_several_frames(broker: RabbitMQ, queue: str) -> None:
    body = b"x" * LARGEST
    publish(broker.url, event(1, body), routing_key=queue)
    assert [one for _, _, one in broker.take(queue)] == [body]


# --- answers ----------------------------------------------------------------------------------------------------------


def test_what_is_too_large_is_rejected_and_what_comes_before_it_is_confirmed(broker: RabbitMQ, queue: str) -> None:
    large = event(3, b"x" * (LARGEST + 1))
    with opened(broker.url, routing_key=queue) as sink:
        for _ in range(2):
            with pytest.raises(EventRejected, match=f"has {LARGEST + 1} octets, and .* takes {LARGEST}") as caught:
                sink.publish([event(1), event(2), large, event(4)])
            assert caught.value.event is large
            assert set(ids(broker, queue)) == {"e1", "e2"}
        sink.publish([event(4)])
        assert ids(broker, queue) == ["e4"]


def test_a_full_queue_is_unavailable_until_it_has_room(broker: RabbitMQ) -> None:
    queue = broker.make(new_name("short"), **{"x-max-length": 3, "x-overflow": "reject-publish"})
    with opened(broker.url, routing_key=queue) as sink:
        batch = [event(number) for number in range(6)]
        with pytest.raises(SinkUnavailable, match="has refused 3 events") as caught:
            sink.publish(batch)
        assert "reject-publish" in caught.value.hint
        assert ids(broker, queue) == ["e0", "e1", "e2"]
        sink.publish(batch[3:])
        assert ids(broker, queue) == ["e3", "e4", "e5"]


def test_an_event_for_which_there_is_no_queue_is_not_lost(broker: RabbitMQ) -> None:
    with opened(broker.url, exchange="amq.topic", routing_key="no-queue") as sink:
        with pytest.raises(
            SinkUnavailable, match=r"no queue for the routing key no-queue of the exchange amq.topic"
        ) as caught:
            sink.publish([event(1)])
        assert "bind a queue" in caught.value.hint
    publish(broker.url, event(1), exchange="amq.topic", routing_key="no-queue", mandatory=False)


def test_no_event_overtakes_another_of_its_entry_that_is_refused(broker: RabbitMQ) -> None:
    """The first comes back, for nobody has bound a queue to its kind yet."""
    exchange, queue = new_name("topic"), broker.make(new_name("queue"))
    created, updated = replace(event(1), key="k", kind=Kind.CREATED), replace(event(2), key="k")
    with broker.connected() as channel:
        channel.exchange_declare(exchange, "topic", durable=True)
        channel.queue_bind(queue, exchange, "updated")
        with opened(broker.url, exchange=exchange, routing_key="{kind}") as sink:
            with pytest.raises(SinkUnavailable, match="routing key created"):
                sink.publish([created, event(3), updated])
            assert ids(broker, queue) == ["e3"]
            channel.queue_bind(queue, exchange, "created")
            sink.publish([created, event(3), updated])
    assert ids(broker, queue) == ["e1", "e3", "e2"]


def test_a_broker_that_is_short_of_memory_says_so(broker: RabbitMQ, queue: str) -> None:
    with opened(broker.url, routing_key=queue, timeout=1) as sink:
        broker.control("set_vm_memory_high_watermark", "absolute", "1")
        try:
            with pytest.raises(SinkUnavailable, match="lets nobody publish: low on memory") as caught:
                sink.publish([event(1)])
            begin = time.monotonic()
            sink.close()
            assert time.monotonic() - begin < 1
        finally:
            broker.control("set_vm_memory_high_watermark", "0.4")
        assert "rabbitmq-diagnostics alarms" in caught.value.hint
        sink.open()
        sink.publish([event(1)])
    assert set(ids(broker, queue)) == {"e1"}


def test_what_was_deleted_meanwhile_is_unavailable(broker: RabbitMQ) -> None:
    exchange = new_name("topic")
    with opened(broker.url, exchange=exchange, create=True, mandatory=False) as sink:
        sink.publish([event(1)])
        with broker.connected() as channel:
            channel.exchange_delete(exchange)
        with pytest.raises(SinkUnavailable, match=f"refuses: NOT_FOUND - no exchange '{exchange}'") as caught:
            sink.publish([event(1)])
        assert "set create" in caught.value.hint
        # It is opened anew, which makes it again.
        sink.publish([event(1)])


def test_a_connection_that_was_cut_while_nothing_was_sent_is_made_anew(broker: RabbitMQ, queue: str) -> None:
    with Wire(broker.port) as wire, opened(f"amqp://127.0.0.1:{wire.port}", routing_key=queue) as sink:
        sink.publish([event(1)])
        wire.cut()
        sink.publish([event(2)])
        wire.cut_off()
        with pytest.raises(SinkUnavailable, match="cannot be used"):
            sink.publish([event(3)])
    assert ids(broker, queue) == ["e1", "e2"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_stop_ends_what_waits_for_a_frozen_broker(broker: RabbitMQ, queue: str) -> None:
    with opened(broker.url, routing_key=queue, timeout=50) as sink:
        broker.freeze()
        timer = threading.Timer(0.1, sink.stop)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(1)])
        sink.close()
        assert time.monotonic() - begin < 5
        timer.join()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.open()


def test_a_broker_that_falls_silent_is_unavailable_in_time(broker: RabbitMQ, queue: str) -> None:
    with opened(broker.url, routing_key=queue, timeout=0.2) as sink:
        broker.freeze()
        with pytest.raises(SinkUnavailable, match=r"has not answered for 0.2 s"):
            sink.publish([event(1)])
        sink.close()
        with pytest.raises(SinkUnavailable, match=r"has not answered for 0.2 s"):
            sink.open()


def test_what_is_not_open_sends_nothing(broker: RabbitMQ, queue: str) -> None:
    sink = RabbitMQSink.from_url(broker.url, routing_key=queue)
    sink.close()
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.publish([event(1)])
    with opened(broker.url, routing_key=queue) as sink:
        sink.stop()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(1)])
    assert ids(broker, queue) == []


# --- who is let in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "options", "words", "hint"),
    [
        ("", {"user": "guest", "password": Secret(WRONG)}, "Login was refused", "compare user and password"),
        ("", {"user": "nobody", "password": Secret(PASSWORD)}, "access to vhost '/' refused", "set_permissions"),
        ("nowhere", {}, "vhost nowhere not found", "list_vhosts"),
        (
            "",
            {"routing_key": "nowhere"},
            "has no queue nowhere",
            "declare queue name=nowhere durable=true, or set create",
        ),
        ("", {"exchange": "nowhere"}, "has no exchange nowhere", "name=nowhere durable=true type=topic, or set create"),
        ("", {"exchange": "amq.topic", "queue": "nowhere"}, "has no queue nowhere", "set create"),
    ],
)
def test_what_is_wrong_with_the_settings_is_said_when_it_is_opened(
    broker: RabbitMQ, path: str, options: dict[str, Any], words: str, hint: str
) -> None:
    sink = RabbitMQSink.from_url(broker.url + path, **options)
    with closing(sink), pytest.raises(SinkUnavailable, match=words) as caught:
        sink.open()
    assert hint in caught.value.hint


def test_who_may_not_make_a_queue_is_told(broker: RabbitMQ) -> None:
    with pytest.raises(SinkUnavailable, match="refuses: ACCESS_REFUSED - access to queue"):
        publish(broker.url, event(1), user="writer", password=Secret(PASSWORD), create=True)


def test_who_may_write_and_nothing_else_can_deliver(broker: RabbitMQ, queue: str) -> None:
    writer = {"user": "writer", "password": Secret(PASSWORD)}
    with broker.connected() as channel:
        channel.exchange_declare("changes", "fanout", durable=True)
        channel.queue_bind(queue, "changes")
    publish(broker.url, event(1), exchange="changes", **writer)
    assert ids(broker, queue) == ["e1"]
    with pytest.raises(SinkUnavailable, match=r"access to exchange 'amq\.topic'") as caught:
        publish(broker.url, event(1), exchange="amq.topic", **writer)
    assert "right to write" in caught.value.hint


def test_nobody_there_is_unavailable() -> None:
    port = free_port()
    with pytest.raises(SinkUnavailable, match=f"amqp://127.0.0.1:{port} cannot be used: .*refused") as caught:
        publish(f"amqp://127.0.0.1:{port}", event(1))
    assert "on which port" in caught.value.hint


def test_no_secret_is_in_any_log(broker: RabbitMQ, queue: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with broker.connected() as channel:
        channel.exchange_declare("changes", "fanout", durable=True)
        channel.queue_bind(queue, "changes")
    publish(broker.url, event(1), exchange="changes", user="writer", password=Secret(PASSWORD))
    with pytest.raises(SinkUnavailable) as caught:
        publish(broker.url, event(1), exchange="changes", user="writer", password=Secret(WRONG))
    assert "pika" in caplog.text
    for secret in (PASSWORD, WRONG):
        assert secret not in caplog.text + broker.log + repr(vars(caught.value)) + str(caught.value)


def test_a_password_that_is_no_text_is_refused_and_not_shown(broker: RabbitMQ) -> None:
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        publish(broker.url, event(1), user="writer", password=Secret(b"abc\xff"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# --- encryption -------------------------------------------------------------------------------------------------------


def test_who_has_the_right_certificate_is_trusted(broker: RabbitMQ, queue: str) -> None:
    ca = str(broker.authority.file)
    publish(broker.tls_url, event(1), routing_key=queue, ca_file=ca)
    cert, key = map(str, broker.authority.issue("ann@example.com", file="ann"))
    publish(broker.tls_url, event(2), routing_key=queue, ca_file=ca, cert_file=cert, key_file=key)
    assert ids(broker, queue) == ["e1", "e2"]
    until(lambda: "user 'ann' authenticated" in broker.log)


def test_nothing_is_sent_to_who_has_a_wrong_certificate(broker: RabbitMQ, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with pytest.raises(SinkUnavailable, match="certificate verify failed"):
        publish(broker.tls_url, event(1), ca_file=str(other.file))
    with pytest.raises(SinkUnavailable, match="certificate verify failed: Hostname mismatch"):
        publish(broker.tls_url.replace("127.0.0.1", "localhost"), event(1), ca_file=str(broker.authority.file))


def test_a_port_without_tls_is_told(broker: RabbitMQ) -> None:
    with pytest.raises(SinkUnavailable, match="SSL"):
        publish(broker.url.replace("amqp:", "amqps:"), event(1))


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("amqp://h/", {}, "in clear"),
        ("amqps://u:p@h/", {}, "holds a password"),
        ("amqps://h/a/b", {}, "no virtual host"),
        ("amqps://u@h/", {}, "without a password"),
        ("amqp://localhost", {"ca_file": "x"}, "not encrypted"),
        ("amqps://h", {"routing_key": "{dn}"}, "no event has"),
        ("amqps://h", {"routing_key": "x" * 256}, "longer than 255"),
        ("amqps://h", {"routing_key": "{kind}", "create": True}, "cannot be created"),
    ],
)
def test_settings_that_are_wrong_are_refused(url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RabbitMQSink.from_url(url, **options)


def test_nothing_is_printed_where_no_logging_is_configured() -> None:
    program = f"""
from syncrepl_client.sinks.registry import make_sink
sink = make_sink("amqp://127.0.0.1:{free_port()}")
try:
    sink.open()
except Exception as error:
    print(type(error).__name__)
sink.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("SinkUnavailable\n", "")
