"""A Mosquitto broker of the tests' own, and somebody who has subscribed to everything and keeps what comes.

Facts that shaped it:

* Started by root it becomes another user, who could not read a temporary folder; so it is told to stay.
* It drops what it cannot queue for a subscriber, without a word; so it may queue anything.
* What it would take from the command line as a password, others could see; files of passwords it encrypts in place.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.certificates import Authority
from tests.server import find_program, free_port
from tests.sinks.broker import Broker

if TYPE_CHECKING:
    from paho.mqtt.client import ConnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = [
    "LARGEST_BODY",
    "LARGEST_PACKET",
    "PASSWORD",
    "RECEIVE_MAXIMUM",
    "Mosquitto",
    "Subscriber",
    "bodies",
    "user_properties",
]

PASSWORD = "mOs-QuItO-bItEs"
# The largest packet that it takes, which it tells, and the largest body, which it does not tell; in octets.
LARGEST_PACKET = 200_000
LARGEST_BODY = 150_000
# How many messages it lets be on their way.
RECEIVE_MAXIMUM = 20
_START = 20.0
_CONF = """
user root
per_listener_settings false
listener {port} 127.0.0.1
max_qos {qos}
listener {tls_port} 127.0.0.1
cafile {ca}
certfile {cert}
keyfile {key}
allow_anonymous true
password_file {folder}/passwords
acl_file {folder}/rights
max_packet_size {packet}
message_size_limit {body}
max_inflight_messages {receive}
max_queued_messages 0
retain_available {retain}
"""
_RIGHTS = """
topic readwrite #
user writer
topic write ldap/corp
"""


class Mosquitto(Broker):
    """One broker, at one port all its lives; it keeps nothing from one to the next.

    Who gives no name may do everything; ``writer``, whose password is `PASSWORD`, may write to ``ldap/corp``.

    Args:
        retain: whether it retains messages.
        qos: the highest quality of service.
        largest_body: the largest body of a message, in octets; 0 for any.
        at_once: how many messages it lets be on their way.
    """

    program = "mosquitto"
    package = "mosquitto"

    def __init__(
        self, *, retain: bool = True, qos: int = 2, largest_body: int = LARGEST_BODY, at_once: int = RECEIVE_MAXIMUM
    ) -> None:
        super().__init__()
        folder = self.folder
        self.tls_port = free_port()
        self.authority = Authority(folder)
        cert, key = self.authority.issue("127.0.0.1")
        (folder / "rights").write_text(_RIGHTS)
        (folder / "passwords").write_text(f"writer:{PASSWORD}\n")
        subprocess.run([find_program("mosquitto_passwd", "mosquitto"), "-U", folder / "passwords"], check=True)
        for secret in ("rights", "passwords"):
            (folder / secret).chmod(0o600)
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(
            _CONF.format(
                port=self.port,
                tls_port=self.tls_port,
                ca=self.authority.file,
                cert=cert,
                key=key,
                folder=folder,
                packet=LARGEST_PACKET,
                body=largest_body,
                receive=at_once,
                retain=str(retain).lower(),
                qos=qos,
            )
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"mqtts://127.0.0.1:{self.tls_port}"

    def _prepare(self) -> list[str]:
        return ["-c", str(self._conf)]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Keeps what comes, in its order.

    Args:
        port: of the broker.
        topics: what to subscribe to.
    """

    def __init__(self, port: int, topics: str = "#") -> None:
        self._topics = topics
        self._changed = threading.Condition()
        self._messages: list[MQTTMessage] = []
        self._noted = 0
        # How often somebody has asked for all that has come, and how far it has.
        self._asked, self._mark = 0, b""
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._client.on_unsubscribe = self._on_done
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._wait(1)

    def leave(self) -> None:
        """Subscribe to nothing, but to what tells that all has come."""
        noted = self._noted
        self._client.unsubscribe(self._topics)
        self._wait(noted + 1)

    def join(self) -> None:
        """Subscribe again."""
        noted = self._noted
        self._client.subscribe(self._topics, qos=1)
        self._wait(noted + 1)

    def messages(self) -> list[MQTTMessage]:
        """Return what has come until now."""
        self._asked += 1
        mark = b"%d" % self._asked
        self._client.publish("mark", mark, qos=1)
        with self._changed:
            assert self._changed.wait_for(lambda: self._mark == mark, 20)
            return list(self._messages)

    def close(self) -> None:
        """Leave for good."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        client.subscribe([("mark", 1), (self._topics, 1)])

    def _on_done(self, *_: Any) -> None:
        with self._changed:
            self._noted += 1
            self._changed.notify_all()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._changed:
            if message.topic == "mark":
                self._mark = bytes(message.payload)
                self._changed.notify_all()
            else:
                self._messages.append(message)

    def _wait(self, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._noted >= times, 20)


def user_properties(message: MQTTMessage) -> dict[str, str]:
    """Return the user properties of a message."""
    return dict(getattr(message.properties, "UserProperty"))  # noqa: B009 - paho makes its attributes as it goes


def bodies(messages: list[MQTTMessage]) -> list[Any]:
    """Return what JSON messages say."""
    return [json.loads(message.payload) for message in messages]
