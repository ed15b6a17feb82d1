"""NATS JetStream: nats-py publishes all without waiting, and then waits for all acknowledgements."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import nats
from tests.sinks.nats_server import NatsServer

from bench.sinks.contender import Contender
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.sinks.nats import NatsSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nats.js import JetStreamContext

    from syncrepl_client.envelope.base import Event

_SUBJECT = "ldap.bench.created"


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a server with a stream in files."""
    with NatsServer() as server, asyncio.Runner() as runner:
        server.start()
        server.make_stream()
        client = runner.run(nats.connect(server.url))
        stream = client.jetstream()
        try:
            yield Contender(
                direct=lambda events: runner.run(_publish(stream, events)),
                sink=lambda: NatsSink(server.url, source="bench"),
            )
        finally:
            runner.run(client.close())


async def _publish(stream: JetStreamContext, events: Sequence[Event]) -> None:
    binding = BINDINGS["nats"]
    futures = [
        await stream.publish_async(
            _SUBJECT, event.body or b"", headers={**binding.headers(event), "Nats-Msg-Id": event.id}
        )
        for event in events
    ]
    await asyncio.gather(*futures)
