"""MQTT: paho sends as many as the broker takes, and reads the acknowledgements in between."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.sinks.mosquitto import Mosquitto

from bench.sinks.contender import Contender
from syncrepl_client.sinks.mqtt import MQTTSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncrepl_client.envelope.base import Event

# How many the broker takes.  Mosquitto's own 20 would measure the waiting.
_AT_ONCE = 1000


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a broker to which nobody has subscribed."""
    with Mosquitto(at_once=_AT_ONCE) as broker:
        broker.start()
        with closing(_Direct(broker.port)) as direct:
            yield Contender(direct.publish, lambda: MQTTSink.from_url(broker.url, topic="ldap/bench", mandatory=False))


class _Direct:
    """Paho's client, whose loop is stepped."""

    def __init__(self, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(0)
        self._client.on_publish = self._on_publish
        self._left = 0
        self._client.connect("127.0.0.1", port, keepalive=0)
        self._until(self._client.is_connected)

    def publish(self, events: Sequence[Event]) -> None:
        """Publish events, and return when all are acknowledged."""
        for event in events:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = event.content_type
            properties.UserProperty = [("id", event.id), ("key", event.key)]
            self._client.publish("ldap/bench", event.body, qos=1, properties=properties)
            self._left += 1
            if self._left >= _AT_ONCE:
                self._until(lambda: self._left < _AT_ONCE)
        self._until(lambda: not self._left)

    def close(self) -> None:
        self._client.disconnect()
        self._client.on_publish = None

    def _on_publish(self, *_: object) -> None:
        self._left -= 1

    def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._client.loop()
