"""How large a process is, as the system tells it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Vitals", "grown", "vitals"]

# What an allocator, SQLite's cache and the odd thread that is just being made may take: in kB, and in pieces.
_MEMORY: Final = 16_000
_SHARE: Final = 1.25
_DESCRIPTORS: Final = 12
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Vitals:
    """Memory that is its own, in kB, and how many descriptors and threads it has."""

    memory: int
    descriptors: int
    threads: int


def vitals(pid: int) -> Vitals:
    """Look at a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    return Vitals(
        int(status["RssAnon"].split()[0]), len(list(Path(f"/proc/{pid}/fd").iterdir())), int(status["Threads"])
    )


def grown(samples: Sequence[Vitals]) -> list[str]:
    """Tell what has grown in one life; each sample is of a moment of rest, the first of who has not warmed up yet."""
    if len(samples) < 3:
        return []
    first, last = samples[1], samples[-1]
    found = {
        f"memory from {first.memory} to {last.memory} kB": last.memory > first.memory * _SHARE + _MEMORY,
        f"descriptors from {first.descriptors} to {last.descriptors}": last.descriptors
        > first.descriptors + _DESCRIPTORS,
        f"threads from {first.threads} to {last.threads}": last.threads > first.threads + _THREADS,
    }
    return [what for what, true in found.items() if true]
