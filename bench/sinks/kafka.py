"""Kafka: confluent-kafka's idempotent producer with all messages in its queue at once, and then a flush."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from tests.sinks.kafka_server import KafkaServer

from bench.sinks.contender import Contender
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.sinks.kafka import KafkaSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event

_TOPIC = "ldap.bench"


@contextmanager
def contender() -> Iterator[Contender]:
    """Start librdkafka's own broker, without a line between: it would be measured too."""
    with KafkaServer(_TOPIC, straight=True) as server:
        producer = Producer(
            {
                "bootstrap.servers": server.url.partition("://")[2],
                "enable.idempotence": True,
                "acks": "all",
                "delivery.report.only.error": True,
                "log_level": 0,
            }
        )
        yield Contender(
            direct=lambda events: _publish(producer, events),
            sink=lambda: KafkaSink(server.url, source="bench"),
        )


def _publish(producer: Producer, events: Sequence[Event]) -> None:
    binding = BINDINGS["kafka"]
    for event in events:
        producer.produce(_TOPIC, event.body, event.key, headers=[*binding.headers(event).items()])
    assert producer.flush(60) == 0
