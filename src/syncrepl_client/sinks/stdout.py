"""Standard output, or another stream: JSON lines for the next program of a pipe.

What the operating system has taken counts as delivered.  Whoever reads a pipe and dies loses what is still in it; who
needs more takes a file or a command.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.sinks.lines import as_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["StreamSink", "WritesBytes"]


class WritesBytes(Protocol):
    """What binary files and streams have."""

    def write(self, octets: bytes, /) -> int | None:
        """Take octets; returns how many, for a stream without a buffer."""

    def flush(self) -> object:
        """Hand over what was written."""


class StreamSink:
    """Writes events to a stream, which it does not close.

    Args:
        stream: binary; None for standard output.
        records: whether each line is a record around the body; see `syncrepl_client.sinks.lines`.
    """

    def __init__(self, stream: WritesBytes | None = None, *, records: bool = False) -> None:
        self._stream = stream
        self._records = records

    @classmethod
    def from_url(cls, url: str, *, records: bool = False) -> Self:
        """Make one of the URL ``stdout:``."""
        if url not in {"stdout", "stdout:"}:
            raise UsageError(f"{url!r} is not standard output", hint="write stdout: and nothing behind it")
        return cls(records=records)

    def open(self) -> None:
        """Do nothing."""

    def publish(self, batch: Sequence[Event]) -> None:
        """Write events and flush; see `Sink.publish`."""
        stream: WritesBytes = self._stream or sys.stdout.buffer
        left = memoryview(as_lines(batch, records=self._records))
        try:
            while left:
                taken = stream.write(left)  # type: ignore[arg-type]  # streams take any buffer
                left = left[len(left) if taken is None else taken :]
            stream.flush()
        except (OSError, ValueError) as error:
            raise SinkUnavailable(
                f"the output cannot be written: {error}", hint="the program that reads it may have ended"
            ) from error

    def close(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing: writing ends when the reader reads, or ends."""
