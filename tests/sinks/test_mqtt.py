"""MQTT 5: what a message says, what an acknowledgement means, and whom the broker lets in."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from syncrepl_client.envelope import CloudEvents, tombstone
from syncrepl_client.envelope.base import Kind
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.mqtt import MQTTSink
from syncrepl_client.sinks.mqtt_line import Packed
from tests.certificates import Authority
from tests.envelope.changes import CHANGES, FILE
from tests.server import free_port
from tests.sinks.events import event
from tests.sinks.mosquitto import (
    LARGEST_BODY,
    LARGEST_PACKET,
    PASSWORD,
    RECEIVE_MAXIMUM,
    Mosquitto,
    Subscriber,
    user_properties,
)
from tests.sinks.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.envelope.base import Event

WRONG = "Wr0ng-QuItO"


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as running:
        running.start()
        yield running


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    with closing(Subscriber(broker.port)) as one:
        yield one


@contextmanager
def opened(url: str, **options: Any) -> Iterator[MQTTSink]:
    with closing(MQTTSink.from_url(url, **{"timeout": 5.0} | options)) as sink:
        sink.open()
        yield sink


def publish(url: str, *events: Event, **options: Any) -> None:
    with opened(url, **options) as sink:
        sink.publish(events)


def came(subscriber: Subscriber) -> list[tuple[str, str]]:
    """Return the topic and the id of each message."""
    return [(one.topic, user_properties(one)["id"]) for one in subscriber.messages()]


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_says_what_it_is(broker: Mosquitto, subscriber: Subscriber) -> None:
    made = event(1, '{"a":"\u00e4"}'.encode(), "application/json")
    publish(broker.url, made, tombstone(made), topic="ldap/{source}/{kind}/{key}", source="corp")
    one, of_tombstone = subscriber.messages()
    assert (one.topic, one.payload, one.qos, one.retain) == ("ldap/corp/updated/k1", made.body, 1, False)
    assert getattr(one.properties, "ContentType", None) == "application/json"
    assert user_properties(one) == {"id": "e1", "key": "k1"}
    assert of_tombstone.payload == b""
    assert user_properties(of_tombstone) == {"id": "e1:tombstone", "key": "k1"}
    assert not hasattr(of_tombstone.properties, "ContentType")


def test_in_binary_mode_the_attributes_of_cloudevents_are_the_user_properties(
    broker: Mosquitto, subscriber: Subscriber
) -> None:
    (made,) = CloudEvents(FILE, "ldap://h/o=J\u00fcrgen", mode="binary").events(CHANGES["updated"])
    publish(broker.url, made)
    (one,) = subscriber.messages()
    assert user_properties(one) == made.headers
    assert (one.payload, getattr(one.properties, "ContentType", None)) == (made.body, "application/json")


def test_what_is_retained_comes_to_who_subscribes_later_and_a_tombstone_takes_it_away(broker: Mosquitto) -> None:
    options = {"topic": "ldap/{key}", "retain": True}
    publish(broker.url, event(1), event(2), **options)
    publish(broker.url, tombstone(event(2)), **options)
    with closing(Subscriber(broker.port)) as late:
        assert came(late) == [("ldap/k1", "e1")]


def test_as_many_are_on_their_way_as_the_broker_takes(broker: Mosquitto, subscriber: Subscriber) -> None:
    count = 10 * RECEIVE_MAXIMUM
    with Wire(broker.port) as wire, opened(f"mqtt://127.0.0.1:{wire.port}") as sink:
        wire.slow(0.02)
        begin = time.monotonic()
        sink.publish([event(number) for number in range(count)])
        assert time.monotonic() - begin < count * 0.02
    assert [name for _, name in came(subscriber)] == [f"e{number}" for number in range(count)]


@pytest.mark.parametrize("length", [0, 90, 20_000])
def test_properties_are_packed_as_paho_packs_its_own(length: int) -> None:
    beside = {"id": "e1", "\u00fc": "\u20ac" * length}
    theirs = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    theirs.ContentType, theirs.UserProperty = "text/plain", list(beside.items())
    assert Packed.of("text/plain", beside).pack() == theirs.pack()  # type: ignore[no-untyped-call]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (LARGEST_PACKET, f"its packet has .* takes {LARGEST_PACKET}"),
        (LARGEST_BODY + 1, "does not take it, and says so in no way"),
    ],
)
def test_what_is_too_large_is_rejected_and_what_comes_before_it_is_confirmed(
    broker: Mosquitto, subscriber: Subscriber, octets: int, words: str
) -> None:
    large = replace(event(4, b"x" * octets), key="k1")
    with opened(broker.url) as sink:
        with pytest.raises(EventRejected, match=words) as caught:
            sink.publish([event(1), replace(event(2), key="k1"), replace(event(3), key="k1"), large, event(5)])
        assert caught.value.event is large
        assert list(dict.fromkeys(name for _, name in came(subscriber) if name != "e5")) == ["e1", "e2", "e3"]
        sink.publish([event(5)])


def test_the_largest_packet_is_taken_to_the_octet() -> None:
    # The head with the size of the rest, the topic, a number, and properties with their size.
    properties = 1 + 3 + len("application/json") + 5 + len("ide1") + 5 + len("keyk1")
    body = b"x" * (LARGEST_PACKET - (1 + 3) - (2 + len("ldap/directory")) - 2 - properties)
    with Mosquitto(largest_body=0) as broker:
        broker.start()
        with closing(Subscriber(broker.port)) as subscriber, opened(broker.url) as sink:
            sink.publish([event(1, body)])
            with pytest.raises(EventRejected, match=f"has {LARGEST_PACKET + 1} octets"):
                sink.publish([event(1, body + b"x")])
            assert came(subscriber) == [("ldap/directory", "e1")]


def test_what_nobody_has_subscribed_to_is_not_lost(broker: Mosquitto) -> None:
    with opened(broker.url) as sink:
        with pytest.raises(SinkUnavailable, match="nobody has subscribed to ldap/directory") as caught:
            sink.publish([event(1)])
        assert "whose session lasts" in caught.value.hint
    publish(broker.url, event(1), mandatory=False)
    publish(broker.url, event(1), retain=True)


def test_no_event_overtakes_another_of_its_entry_that_is_refused(broker: Mosquitto) -> None:
    """Nobody has subscribed to the kind of the first yet."""
    created, updated = replace(event(1), key="k", kind=Kind.CREATED), replace(event(2), key="k")
    with (
        closing(Subscriber(broker.port, "ldap/updated")) as subscriber,
        opened(broker.url, topic="ldap/{kind}") as sink,
    ):
        with pytest.raises(SinkUnavailable, match="ldap/created"):
            sink.publish([created, event(3), updated])
        assert came(subscriber) == [("ldap/updated", "e3")]


def test_who_may_not_publish_there_is_told(broker: Mosquitto, subscriber: Subscriber) -> None:
    writer = {"user": "writer", "password": Secret(PASSWORD)}
    publish(broker.url, event(1), source="corp", **writer)
    assert came(subscriber) == [("ldap/corp", "e1")]
    with pytest.raises(SinkUnavailable, match="does not take what is sent to ldap/other: Not authorized") as caught:
        publish(broker.url, event(1), source="other", **writer)
    assert "let this user publish there" in caught.value.hint


def test_a_connection_that_was_cut_while_nothing_was_sent_is_made_anew(
    broker: Mosquitto, subscriber: Subscriber
) -> None:
    with Wire(broker.port) as wire, opened(f"mqtt://127.0.0.1:{wire.port}") as sink:
        sink.publish([event(1)])
        wire.cut()
        sink.publish([event(2)])
        wire.cut_off()
        with pytest.raises(SinkUnavailable, match=r"cannot be reached|is gone"):
            sink.publish([event(3)])
    assert [name for _, name in came(subscriber)] == ["e1", "e2"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_stop_ends_what_waits_for_a_frozen_broker(broker: Mosquitto) -> None:
    with opened(broker.url, timeout=50) as sink:
        broker.freeze()
        timer = threading.Timer(0.1, sink.stop)
        timer.start()
        begin = time.monotonic()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(1)])
        sink.close()
        assert time.monotonic() - begin < 5
        timer.join()


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_broker_that_falls_silent_is_unavailable_in_time(broker: Mosquitto, *, encrypted: bool) -> None:
    url, options = broker.url, {}
    if encrypted:
        url, options = broker.tls_url, {"ca_file": str(broker.authority.file)}
    with opened(url, timeout=0.5, **options) as sink:
        broker.freeze()
        with pytest.raises(SinkUnavailable, match=r"has not answered for 0.5 s"):
            sink.publish([event(1)])
        sink.close()
        with pytest.raises(SinkUnavailable, match=r"has not answered for 0.5 s|timed out"):
            sink.open()


def test_what_is_not_open_sends_nothing(broker: Mosquitto, subscriber: Subscriber) -> None:
    sink = MQTTSink.from_url(broker.url)
    sink.close()
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.publish([event(1)])
    with opened(broker.url) as sink:
        sink.stop()
        with pytest.raises(SinkUnavailable, match="stopped"):
            sink.publish([event(1)])
    assert came(subscriber) == []


# --- who is let in ----------------------------------------------------------------------------------------------------


def test_nobody_there_is_unavailable() -> None:
    port = free_port()
    with pytest.raises(SinkUnavailable, match=f"mqtt://127.0.0.1:{port} cannot be reached: .*refused") as caught:
        publish(f"mqtt://127.0.0.1:{port}", event(1))
    assert "on which port" in caught.value.hint


def test_no_secret_is_in_any_log(broker: Mosquitto, subscriber: Subscriber, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    publish(broker.url, event(1), source="corp", user="writer", password=Secret(PASSWORD))
    with pytest.raises(SinkUnavailable, match=r"does not let us in: Not authorized|Bad user name") as caught:
        publish(broker.url, event(1), source="corp", user="writer", password=Secret(WRONG))
    assert "compare user and password" in caught.value.hint
    for secret in (PASSWORD, WRONG):
        assert secret not in caplog.text + broker.log + repr(vars(caught.value)) + str(caught.value)
    assert came(subscriber) == [("ldap/corp", "e1")]


@pytest.mark.parametrize(
    ("options", "words"), [({"qos": 0}, "acknowledges nothing"), ({"retain": False}, "retains nothing")]
)
def test_a_broker_that_cannot_do_it_is_unavailable(options: dict[str, Any], words: str) -> None:
    with Mosquitto(**options) as broker:
        broker.start()
        with pytest.raises(SinkUnavailable, match=words):
            publish(broker.url, event(1), retain=True)


# --- encryption -------------------------------------------------------------------------------------------------------


def test_who_has_the_right_certificate_is_trusted(broker: Mosquitto, subscriber: Subscriber) -> None:
    publish(broker.tls_url, *map(event, range(100)), ca_file=str(broker.authority.file))
    assert [name for _, name in came(subscriber)] == [f"e{number}" for number in range(100)]


def test_nothing_is_sent_to_who_has_a_wrong_certificate(broker: Mosquitto, tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with pytest.raises(SinkUnavailable, match="certificate verify failed"):
        publish(broker.tls_url, event(1), ca_file=str(other.file))
    with pytest.raises(SinkUnavailable, match="certificate verify failed: Hostname mismatch"):
        publish(broker.tls_url.replace("127.0.0.1", "localhost"), event(1), ca_file=str(broker.authority.file))


def test_a_port_without_tls_is_told(broker: Mosquitto) -> None:
    with pytest.raises(SinkUnavailable, match=r"cannot be reached"):
        publish(broker.url.replace("mqtt:", "mqtts:"), event(1), timeout=1)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("mqtt://h/", {}, "in clear"),
        ("mqtts://u:p@h/", {}, "holds a password"),
        ("mqtts://h/a", {}, "has no path"),
        ("mqtts://u@h/", {}, "without a password"),
        ("mqtt://localhost", {"ca_file": "x"}, "not encrypted"),
        ("mqtts://h", {"topic": "{dn}"}, "no event has"),
        ("mqtts://h", {"topic": "a/#"}, "cannot be a topic"),
        ("mqtts://h", {"topic": "a/+/b"}, "cannot be a topic"),
    ],
)
def test_settings_that_are_wrong_are_refused(url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        MQTTSink.from_url(url, **options)


def test_a_password_that_is_no_text_is_refused_and_not_shown(broker: Mosquitto) -> None:
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        publish(broker.url, event(1), user="writer", password=Secret(b"abc\xff"))
    assert caught.value.__suppress_context__
