"""Redis Streams: redis-py appends in transactions of a thousand.

The server syncs its disk once for each transaction, and for each 16 kB of a pipeline that is none.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import redis
from tests.sinks.redis_server import RedisServer

from bench.sinks.contender import Contender
from syncrepl_client.envelope.bindings import BINDINGS
from syncrepl_client.sinks.redis import RedisSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event

_STREAM: Final = "ldap:bench"
_AT_ONCE: Final = 1000


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a server that confirms what is on the disk."""
    with RedisServer() as server:
        server.start()
        with redis.Redis(port=server.port) as client:
            yield Contender(
                direct=lambda events: _append(client, events),
                sink=lambda: RedisSink(server.url, source="bench", create=True),
            )


def _append(client: redis.Redis, events: Sequence[Event]) -> None:
    binding = BINDINGS["kafka"]
    for begin in range(0, len(events), _AT_ONCE):
        pipeline = client.pipeline(transaction=True)
        for event in events[begin : begin + _AT_ONCE]:
            fields: dict[Any, Any] = {
                "id": event.id,
                "key": event.key,
                **binding.headers(event),
                "data": event.body or b"",
            }
            pipeline.xadd(_STREAM, fields)
        pipeline.execute()
