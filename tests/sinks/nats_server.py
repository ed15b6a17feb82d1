"""A NATS server with JetStream, and what a stream of it holds."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import nats
import nats.errors
from nats.js.api import ConsumerConfig, DeliverPolicy, DiscardPolicy, StreamConfig

from tests.sinks.broker import Broker, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

__all__ = ["STREAM", "SUBJECTS", "NatsServer"]

STREAM = "LDAP"
SUBJECTS = "ldap.>"
USER, PASSWORD = "alice", "Wh-is-pered-1n-NATS"


class NatsServer(Broker):
    """A server.

    Its configuration is what `settings` holds when it starts, or when it is told to read it again.
    """

    program = "nats-server"
    package = "nats-server"

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings: dict[str, Any] = settings
        # Who looks at what the server holds.
        self.login: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def _prepare(self) -> list[str]:
        store = {"store_dir": str(self.folder / "store"), "max_file_store": 1 << 30}
        settings = {"host": "127.0.0.1", "port": self.port, "jetstream": store, **self.settings}
        path = self.folder / "nats.conf"
        # What it reads is a superset of JSON, but for the braces around all of it.
        path.write_text("\n".join(f"{name}: {json.dumps(value)}" for name, value in settings.items()))
        return ["--config", str(path)]

    def _answers(self) -> bool:
        return self.said().startswith(b"INFO")

    def reload(self, **settings: Any) -> None:
        """Let it read other settings."""
        self.settings = settings
        self._prepare()
        count = self.log.count("Reloaded")
        self.signal(signal.SIGHUP)
        wait_for(lambda: self.log.count("Reloaded") > count, "other settings were waited for")

    def use_tls(self, cert: Path, key: Path, **options: Any) -> None:
        """Let it encrypt, after the next start."""
        self.settings["tls"] = {"cert_file": str(cert), "key_file": str(key), **options}

    def ask(self, question: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
        """Ask the server something, as its administrator."""

        async def asked() -> Any:
            client = await nats.connect(self.url, **self.login)
            try:
                return await question(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(asked())

    def make_stream(self, name: str = STREAM, subjects: str = SUBJECTS, **settings: Any) -> None:
        """Make a stream, in files."""
        config = StreamConfig(name=name, subjects=[subjects], **settings)
        self.ask(lambda js: js.add_stream(config))

    def change_stream(self, **settings: Any) -> None:
        """Give a stream other limits."""

        async def change(js: JetStreamContext) -> None:
            found = await js.stream_info(STREAM)
            await js.update_stream(found.config, **settings)

        self.ask(change)

    def fill_stream(self) -> None:
        """Let a stream take nothing more."""

        async def fill(js: JetStreamContext) -> None:
            found = await js.stream_info(STREAM)
            limit = max(1, found.state.messages)
            await js.update_stream(found.config, max_msgs=limit, discard=DiscardPolicy.NEW)

        self.ask(fill)

    def messages(self, name: str = STREAM) -> list[Msg]:
        """Return all messages of a stream, in their order."""

        async def read(js: JetStreamContext) -> list[Msg]:
            left = (await js.stream_info(name)).state.messages
            config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, max_ack_pending=-1)
            reader = await js.pull_subscribe("", stream=name, config=config)
            found: list[Msg] = []
            while len(found) < left:
                found += await reader.fetch(min(500, left - len(found)))
            return found

        return list(self.ask(read))
