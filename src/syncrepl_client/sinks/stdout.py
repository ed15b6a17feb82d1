"""Standard output, or another stream: JSON lines, or LDIF, for the next program of a pipe.

What the operating system has taken counts as delivered.  Whoever reads a pipe and dies loses what is still in it; who
needs more takes a file or a command.
"""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Protocol, Self
from weakref import WeakSet

from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.sinks.written import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.sinks.written import Form

__all__ = ["StreamSink", "WritesBytes"]

# Several sinks may write to standard output, each by a thread of its own, and it has one beginning.
_writing: Final = threading.Lock()
_begun: Final[WeakSet[object]] = WeakSet()


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
        records: whether each event is a line with a record around the body; see `syncrepl_client.sinks.lines`.
    """

    def __init__(self, stream: WritesBytes | None = None, *, records: bool = False) -> None:
        self._stream = stream
        self._records = records
        # Whether it has what it begins with, if it is not standard output.
        self._begun = False

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
        try:
            with _writing if self._stream is None else nullcontext():
                for form, octets in written(batch, records=self._records):
                    self._write(octets if self._has_begun(form) else form.begin + octets)
        except (OSError, ValueError) as error:
            raise SinkUnavailable(
                f"the output cannot be written: {error}", hint="the program that reads it may have ended"
            ) from error

    def _has_begun(self, form: Form) -> bool:
        """Tell whether the stream has what it begins with; from now on it has."""
        if self._stream is None:
            begun = sys.stdout.buffer in _begun
            if form.begin:
                _begun.add(sys.stdout.buffer)
            return begun
        begun = self._begun
        self._begun = begun or bool(form.begin)
        return begun

    def _write(self, octets: bytes) -> None:
        stream: WritesBytes = self._stream or sys.stdout.buffer
        left = memoryview(octets)
        while left:
            taken = stream.write(left)  # type: ignore[arg-type]  # streams take any buffer
            left = left[len(left) if taken is None else taken :]
        stream.flush()

    def close(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing: writing ends when the reader reads, or ends."""
