"""A Kafka cluster for the tests of sinks: librdkafka's own broker in a process, and a line to it that can be cut.

The broker keeps nothing, so it is never ended: what ends are connections.  It tells its clients to come through the
line.
"""

from __future__ import annotations

import select
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.between import SIZE, Between, shut

if TYPE_CHECKING:
    import socket

__all__ = ["KafkaServer", "Line"]

_PATIENCE = 20.0


class Line(Between):
    """A line that can be cut, or stand still."""

    def __init__(self) -> None:
        self._moves = threading.Event()
        self._moves.set()
        self._whole = 0
        super().__init__(0)

    def connect(self, port: int) -> None:
        """Lead to a server."""
        self._whole = self.server_port = port

    def break_off(self) -> None:
        """End all connections, and let nobody connect."""
        self.server_port = 0
        self.cut()

    def stand_still(self) -> None:
        """Pass on nothing, with all connections open."""
        self._moves.clear()

    def mend(self) -> None:
        self._moves.set()
        self.server_port = self._whole

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(SIZE):
                self._moves.wait()
                target.sendall(data)
        shut(source, target)


class EncryptedLine(Line):
    """A line with TLS at the end of the clients.

    Args:
        context: how to encrypt.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        # OpenSSL does not read and write at once.
        self._one = threading.Lock()
        super().__init__()

    def greet(self, client: socket.socket) -> socket.socket:
        made = self._context.wrap_socket(client, server_side=True)
        made.settimeout(0)
        return made

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := self._read(source):
                with self._one:
                    target.sendall(data)
        shut(source, target)

    def _read(self, source: socket.socket) -> bytes:
        if not isinstance(source, ssl.SSLSocket):
            return source.recv(SIZE)
        while True:
            select.select([source], [], [])
            with self._one, suppress(ssl.SSLWantReadError):
                return source.recv(SIZE)


class KafkaServer:
    """One broker; ``close`` (or ``with``) stops it.

    Args:
        topics: there from the beginning.
        line: the line to it.
        straight: whether clients go to it straight, and not through the line.
    """

    def __init__(self, *topics: str, line: Line | None = None, straight: bool = False) -> None:
        self.line = line or Line()
        program = str(Path(__file__).with_name("kafka_mock.py"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", program, str(0 if straight else self.line.port), *topics],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = int(self._answer())
        self.line.connect(port)
        self._port = port if straight else self.line.port
        # What whoever reads its messages has to say.
        self.settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self._port}"

    def order(self, what: str) -> None:
        """Let it do something; see ``kafka_mock.py``."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def messages(self, topic: str) -> list[Any]:
        """Return all messages of a topic, partition by partition."""
        usual = {"bootstrap.servers": f"127.0.0.1:{self._port}", "group.id": "tests", "log_level": 0}
        with closing(Consumer({**usual, "fetch.wait.max.ms": 10, **self.settings})) as consumer:
            partitions = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic].partitions
            ends = {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_PATIENCE)[1]
                for number in partitions
            }
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
            found: list[Any] = []
            deadline = time.monotonic() + _PATIENCE
            while len(found) < sum(ends.values()):
                found += [one for one in consumer.consume(1000, timeout=0.05) if one.error() is None]
                if time.monotonic() > deadline:
                    raise RuntimeError(f"only {len(found)} of {sum(ends.values())} messages came")
        return sorted(found, key=lambda one: (one.partition(), one.offset()))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.line.mend()
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self.line.__exit__()
