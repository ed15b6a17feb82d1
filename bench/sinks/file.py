"""File: the same lines, written and synced in batches of the same size."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.sinks.contender import BATCH, Contender
from syncrepl_client.sinks.file import FileSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event


@contextmanager
def contender() -> Iterator[Contender]:
    """Make a folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield Contender(
            direct=lambda events: _write(Path(folder, "direct"), events), sink=lambda: FileSink(Path(folder, "sink"))
        )


def _write(path: Path, events: Sequence[Event]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for begin in range(0, len(events), BATCH):
            os.write(file, b"".join((event.body or b"") + b"\n" for event in events[begin : begin + BATCH]))
            os.fsync(file)
    finally:
        os.close(file)
