"""What it costs to begin, as a multiple of what the interpreter alone takes: both differ from machine to machine."""

from __future__ import annotations

import sys
from typing import Final

from bench.measure import Run, run
from bench.table import table

__all__ = ["measure_starts"]

_ROUNDS: Final = 15
_BARE: Final = "the interpreter alone"
_STARTS: Final[dict[str, tuple[str, ...]]] = {
    _BARE: ("-c", "pass"),
    "import syncrepl_client": ("-c", "import syncrepl_client"),
    "a replica that is not open": (
        "-c",
        "import syncrepl_client as s; s.Replica('ldap://localhost/dc=example', 'copy.db')",
    ),
    "syncrepl-client --version": ("-m", "syncrepl_client", "--version"),
}


def measure_starts() -> None:
    """Measure in turns, and print the least of each, which other programs on the machine disturb least."""
    runs: dict[str, list[Run]] = {name: [] for name in _STARTS}
    for words in _STARTS.values():
        # Compiles what was not compiled yet.
        run([sys.executable, *words])
    for _ in range(_ROUNDS):
        for name, words in _STARTS.items():
            runs[name].append(run([sys.executable, *words]))
    bare = min(one.cpu for one in runs[_BARE])
    rows = []
    for name, measured in runs.items():
        wall, cpu = min(one.wall for one in measured), min(one.cpu for one in measured)
        rows.append((name, f"{wall * 1e3:.0f}", f"{cpu * 1e3:.0f}", f"{cpu / bare:.1f}"))
    print(table(("start", "wall ms", "cpu ms", "ratio"), rows), end="\n\n", flush=True)
