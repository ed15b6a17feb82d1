"""Command: the same program, run by `subprocess` for each batch with the same lines on its standard input."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.sinks.contender import BATCH, Contender
from syncrepl_client.sinks.command import CommandSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event


@contextmanager
def contender() -> Iterator[Contender]:
    """Make a folder for what the program keeps."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["/bin/sh", "-c", 'cat >> "$0"', f"{folder}/kept"]
        yield Contender(direct=lambda events: _run(command, events), sink=lambda: CommandSink(command))


def _run(command: list[str], events: Sequence[Event]) -> None:
    for begin in range(0, len(events), BATCH):
        lines = b"".join((event.body or b"") + b"\n" for event in events[begin : begin + BATCH])
        subprocess.run(command, input=lines, check=True)
