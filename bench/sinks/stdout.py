"""Standard output: the same lines, written to a pipe with a flush after each batch."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from bench.sinks.contender import BATCH, Contender
from syncrepl_client.sinks.stdout import StreamSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event


@contextmanager
def contender() -> Iterator[Contender]:
    """Start a program that reads."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        stream = reader.stdin
        assert stream is not None
        yield Contender(direct=lambda events: _write(stream, events), sink=lambda: StreamSink(stream))


def _write(stream: IO[bytes], events: Sequence[Event]) -> None:
    for begin in range(0, len(events), BATCH):
        stream.write(b"".join((event.body or b"") + b"\n" for event in events[begin : begin + BATCH]))
        stream.flush()
