"""RabbitMQ: pika sends all on a channel that confirms, and reads the confirmations while it sends."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pika
from tests.sinks.rabbitmq_server import RabbitMQ

from bench.sinks.contender import Contender
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.sinks.rabbitmq import RabbitMQSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncrepl_client.envelope.base import Event

_QUEUE = "ldap.bench"
# The oldest messages go where nobody reads, so that the broker does not grow from round to round.
_ROOM = 20_000


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a broker with a durable queue."""
    with RabbitMQ() as broker:
        broker.start()
        broker.make(_QUEUE)
        direct = _Direct(broker.port)
        try:
            yield Contender(direct.publish, lambda: RabbitMQSink.from_url(broker.url, source="bench"))
        finally:
            direct.close()


class _Direct:
    """Pika's ``SelectConnection``, whose loop is stepped: what it can do without waiting for each confirmation."""

    def __init__(self, port: int) -> None:
        self._connection = pika.SelectConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0))
        self._loop = self._connection.ioloop
        self._loop.activate_poller()
        self._until(lambda: self._connection.is_open)
        self._channel = self._connection.channel()
        self._until(lambda: self._channel.is_open)
        self._sent = 0
        self._waiting: dict[int, None] = {}
        answers: list[object] = []
        self._channel.confirm_delivery(self._on_confirmed, answers.append)
        self._until(lambda: bool(answers))

    def publish(self, events: Sequence[Event]) -> None:
        """Publish events, and return when all are confirmed."""
        binding = BINDINGS["rabbitmq"]
        for event in events:
            properties = pika.BasicProperties(
                content_type=event.content_type,
                headers=binding.headers(event) or None,
                delivery_mode=2,
                correlation_id=event.key,
                message_id=event.id,
            )
            self._channel.basic_publish("", _QUEUE, event.body or b"", properties, mandatory=True)
            self._sent += 1
            self._waiting[self._sent] = None
            if not self._sent % 500:
                self._step()
        self._until(lambda: not self._waiting)

    def close(self) -> None:
        self._connection.close()
        self._until(lambda: self._connection.is_closed)
        self._loop.close()

    def _on_confirmed(self, frame: Any) -> None:  # noqa: ANN401 - pika has no types
        answer = frame.method
        assert isinstance(answer, pika.spec.Basic.Ack)
        number = answer.delivery_tag
        done = list(takewhile(lambda one: one <= number, self._waiting)) if answer.multiple else [number]
        for one in done:
            del self._waiting[one]

    def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._step()

    def _step(self) -> None:
        self._loop.poll()
        self._loop.process_timeouts()
