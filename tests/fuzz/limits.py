"""How much time and memory one input may take, in proportion to its size."""

from __future__ import annotations

import signal
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["Hang", "TooMuchMemory", "bounded", "measured"]

# Of the process's own time, which stands still while others have the machine.  A small input takes milliseconds.
SECONDS = 2.0
SECONDS_PER_BYTE = 0.0005
BYTES = 4 << 20
BYTES_PER_BYTE = 400

_Result = TypeVar("_Result")


class Hang(AssertionError):
    """An input took longer than any input of its size may."""


class TooMuchMemory(AssertionError):
    """An input took more memory than any input of its size may."""


@contextmanager
def bounded(size: int, *, seconds: float = SECONDS) -> Iterator[None]:
    """Raise `Hang` where the work takes too long; for the main thread."""
    limit = seconds + SECONDS_PER_BYTE * size

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {limit:g} s of work for {size} bytes")

    former = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)


def measured(work: Callable[[bytes], _Result], data: bytes) -> _Result:
    """Run a target, and raise `TooMuchMemory` if it took too much at any time."""
    limit = BYTES + BYTES_PER_BYTE * len(data)
    tracemalloc.start()
    try:
        result = work(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > limit:
        raise TooMuchMemory(f"{peak} bytes for {len(data)}")
    return result
