"""The memory of a process that keeps a copy and relays it, while the receiver is away and changes pile up."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.measure import run

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["measure"]

_PROGRAM: Final = "bench.programs.away"


def measure(sizes: Sequence[int]) -> None:
    """Measure each size, and print the peaks.

    Args:
        sizes: how many events pile up.
    """
    print("A relay whose sink is away, then comes back: the largest resident set of the process")
    for size in sizes:
        scratch = Path(tempfile.mkdtemp(prefix="syncrepl-bench-"))
        try:
            report = scratch / "report"
            done = run([sys.executable, "-m", _PROGRAM, scratch / "away.db", str(size)], output=report)
            print(f"  {size:9,} events: {done.peak:7.1f} MB, {report.read_text().strip()}", flush=True)
        finally:
            shutil.rmtree(scratch)
