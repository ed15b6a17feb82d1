"""Webhook: urllib3 posts the same bodies, a batch in each, signed as well, over a connection that stays."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import urllib3
from tests.sinks.receivers import SECRET, HookServer

from bench.sinks.contender import BATCH, Contender
from syncrepl_client.envelope.cloudevents import CloudEvents
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.webhook import WebhookSink, signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event

_ENVELOPE = CloudEvents("bench", "ldap://ldap.example.com/dc=example,dc=com")


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a receiver that keeps what it gets on the disk."""
    with tempfile.TemporaryDirectory() as folder, urllib3.PoolManager(retries=False) as pool:
        server = HookServer(Path(folder))
        server.start()
        try:
            yield Contender(
                direct=lambda events: _post(pool, server.url, events),
                sink=lambda: WebhookSink(server.url, secrets=[Secret(SECRET)], join=_ENVELOPE.batch, at_most=BATCH),
            )
        finally:
            server.kill()


def _post(pool: urllib3.PoolManager, url: str, events: Sequence[Event]) -> None:
    for begin in range(0, len(events), BATCH):
        some = events[begin : begin + BATCH]
        joined = _ENVELOPE.batch(some)
        now = int(time.time())
        headers = {
            "Content-Type": joined.content_type,
            "webhook-id": some[0].id,
            "Idempotency-Key": some[0].id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(Secret(SECRET), some[0].id, now, joined.body),
        }
        assert pool.request("POST", url, body=joined.body, headers=headers).status == 200  # noqa: PLR2004 - OK
