"""What every sink keeps to, with its real receiver: each event at least once, in order per entry, whatever happens."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Backoff, Replica, Retention, subscribe
from syncrepl_client.envelope.plain import Plain
from syncrepl_client.relay import Relay, State
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.store.store import Store
from tests.following import until
from tests.sinks.dying import killed
from tests.sinks.folding import folded
from tests.sinks.kafka_receiver import Topic
from tests.sinks.mqtt_receiver import MQTTTopic
from tests.sinks.nats_receiver import NatsStream
from tests.sinks.postgresql_receiver import Database
from tests.sinks.rabbitmq_receiver import RabbitMQQueue
from tests.sinks.receivers import Command, Pipe, Receiver, Rotated, Webhook
from tests.sinks.redis_receiver import RedisStream
from tests.slapd import SUFFIX, Slapd, sample_ldif
from tests.store.changing import Changing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import Change, Subscription
    from syncrepl_client.sinks.base import Sink

RECEIVERS = [
    Pipe,
    Rotated,
    Command,
    Webhook,
    NatsStream,
    RabbitMQQueue,
    MQTTTopic,
    Database,
    Topic,
    RedisStream,
]
TROUBLES = [(kind, trouble) for kind in RECEIVERS for trouble in kind.troubles]
EVERYTHING = Retention(age=None, octets=None)
SOON = Backoff(0.01, 0.05)
PLAIN = Plain("contract")


class Watched:
    """A subscription that notes when there was nothing new."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.commit, self.stop = subscription.commit, subscription.stop
        self.empty = False

    @property
    def position(self) -> int | None:
        return self._subscription.position

    @property
    def ended(self) -> bool:
        return self._subscription.ended

    def read(self, limit: int, timeout: float) -> list[Change]:
        found = self._subscription.read(limit, timeout)
        self.empty = not found
        return found


def deliver(path: Path, name: str, sink: Sink) -> None:
    """Deliver all there is to a sink, as one life of a relay."""
    with subscribe(path, name) as subscription:
        source = Watched(subscription)
        relay = Relay(source, PLAIN.events, sink, random=Random(1).random, backoff=SOON, batch=7)
        with closing(relay):
            while not source.empty:
                relay.step(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as opened:
        yield opened


@pytest.fixture
def changing(store: Store, path: Path) -> Changing:
    changing = Changing(store, Random(5))
    # Both begin with the same snapshot.
    for name in ("relay", "witness"):
        subscribe(path, name).close()
    return changing


@pytest.fixture
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    folder = tmp_path / "receiver"
    folder.mkdir()
    with closing(request.param(folder)) as made:
        yield made


def check(received: list[dict[str, Any]], path: Path, name: str = "witness") -> None:
    """Compare what a receiver got with what one gets to whom nothing happens."""
    witness, now = MemorySink(), MemorySink()
    deliver(path, name, witness)
    # Each has a name of its own for the file.
    ids = {event["id"].partition(":")[2] for event in received}
    assert ids == {event.id.partition(":")[2] for event in witness.events}
    deliver(path, "now", now)
    entries = {event.key: event.dn for event in now.events}
    assert {uuid: entry["dn"] for uuid, entry in folded(received).items()} == entries


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
def test_the_first_load_and_what_changes_then_make_the_directory(receiver: Receiver, path: Path) -> None:
    with Slapd(sessionlog=1000) as slapd:
        slapd.load(sample_ldif(150))
        slapd.start()
        replica = Replica(f"{slapd.url}/{SUFFIX}?*,+", path, changelog=EVERYTHING)
        replica.connect().refresh()
        pump = threading.Thread(target=replica.follow)
        pump.start()
        try:
            subscribe(path, "witness").close()
            with subscribe(path, "relay") as subscription:
                relay = Relay(subscription, PLAIN.events, receiver.sink(PLAIN.batch), random=Random(1).random)
                change(slapd)
                until(lambda: f"uid=other,ou=people,{SUFFIX}" in replica.opened.reader.entries)
                while relay.status().delivered < 150 + 30 or relay.status().offset != replica.status().sequence:
                    relay.step(0.1)
                relay.close()
        finally:
            replica.stop()
            pump.join()
            replica.close()
        check(receiver.received(), path)
        names = {str(uuid): dn for uuid, (dn, _) in slapd.uuids().items()}
        assert {uuid: entry["dn"] for uuid, entry in folded(receiver.received()).items()} == names


def change(slapd: Slapd) -> None:
    """Change, delete, add and rename."""
    for number in range(1, 21):
        slapd.replace(f"uid=u{number:06},ou=people,{SUFFIX}", "description", [f"changed {number}"])
    for number in range(21, 31):
        slapd.delete(f"uid=u{number:06},ou=people,{SUFFIX}")
    new = f"uid=new,ou=people,{SUFFIX}"
    slapd.add(new, {"objectClass": ["account"], "uid": ["new"]})
    slapd.rename(new, "uid=other")


@pytest.mark.parametrize(("receiver", "trouble"), TROUBLES, indirect=["receiver"])
def test_a_receiver_in_trouble_gets_everything_in_the_end(
    receiver: Receiver, trouble: str, changing: Changing, path: Path
) -> None:
    with subscribe(path, "relay") as subscription:
        source = Watched(subscription)
        sink = receiver.sink(PLAIN.batch)
        relay = Relay(source, PLAIN.events, sink, random=Random(1).random, backoff=SOON, batch=7)
        with closing(relay):
            for number in range(receiver.rounds.get(trouble, 3)):
                for _ in range(6):
                    changing.live()
                relay.step(0)
                receiver.begin(trouble)
                for _ in range(6):
                    changing.change()
                waited = False
                deadline = time.monotonic() + 20
                while not (source.empty if trouble == "slow" else waited):
                    relay.step(0.01)
                    waited = waited or relay.state is State.WAITING
                    assert time.monotonic() < deadline, number
                receiver.end()
                deadline = time.monotonic() + 20
                source.empty = False
                while not source.empty:
                    relay.step(0.01)
                    assert time.monotonic() < deadline, number
    check(receiver.received(), path)


@pytest.mark.parametrize("receiver", RECEIVERS, indirect=True)
def test_a_relay_that_is_killed_at_any_moment_loses_nothing(receiver: Receiver, changing: Changing, path: Path) -> None:
    random = Random(9)
    deaths = 0
    while deaths < 20:
        while random.random() < 0.9:
            changing.change()
        # On a slow machine it comes as far in half a second as on a fast one in some milliseconds.
        deaths += killed(lambda: deliver(path, "relay", receiver.sink(PLAIN.batch)), 0.5 * random.random() ** 3)
    deliver(path, "relay", receiver.sink(PLAIN.batch))
    check(receiver.received(), path)
