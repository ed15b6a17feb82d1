"""PostgreSQL: psycopg copies all events to a table of the same shape, in one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from tests.sinks.postgresql_server import PASSWORD, PostgreSQLServer

from bench.sinks.contender import Contender
from syncrepl_client.secret import Secret
from syncrepl_client.sinks.postgresql import PostgreSQLSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event

_COPY = b"COPY direct (id, sequence, key, kind, dn, time, headers, body) FROM STDIN"


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a server whose commits are on the disk."""
    with PostgreSQLServer(durable=True) as server:
        url = server.url(server.make_database())

        def sink() -> PostgreSQLSink:
            return PostgreSQLSink(url, events="changes", create=True, password=Secret(PASSWORD))

        made = sink()
        made.open()
        made.close()
        with psycopg.connect(url, password=PASSWORD, autocommit=True) as connection:
            connection.execute("CREATE TABLE direct (LIKE changes INCLUDING ALL)")
            yield Contender(direct=lambda events: _copy(connection, events), sink=sink)


def _copy(connection: psycopg.Connection, events: Sequence[Event]) -> None:
    with connection.cursor().copy(_COPY) as copy:
        for event in events:
            body = (event.body or b"").decode()
            copy.write_row((event.id, event.sequence, event.key, event.kind.value, event.dn, None, "{}", body))
