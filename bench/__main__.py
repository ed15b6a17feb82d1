"""Run the benchmark: everything in one sitting, alternating, as ratios to the floor of the same round."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.contenders import ENCRYPTED, FLOORS, LATER, OURS, PEERS
from bench.provider import prepare
from bench.starting import measure_starts
from bench.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.slapd import Slapd

    from bench.measure import Run

    Results = dict[str, list[Run]]

_MOST_FOR_PEERS = 200_000
_BEST_FLOOR = "floor, the fastest"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000, help="people in the directory")
    parser.add_argument("--rounds", type=int, default=7, help="alternations")
    parser.add_argument("--peer-rounds", type=int, default=1, help="alternations that other programs take part in")
    options = parser.parse_args()
    peer_rounds = options.peer_rounds if options.entries <= _MOST_FOR_PEERS else 0
    scratch = Path(tempfile.mkdtemp(prefix="syncrepl-bench-"))
    results: Results = {}
    floors: list[float] = []
    measure_starts()
    try:
        for number in range(options.rounds):
            with prepare(options.entries, random_uuids=number % 2 == 1) as slapd:
                slapd.start()
                floors.append(_round(slapd, scratch, number, results, with_peers=number < peer_rounds))
                if number == options.rounds - 1:
                    _later(slapd, scratch, results)
    finally:
        shutil.rmtree(scratch)
    _print(options.entries, results, floors)


def _round(slapd: Slapd, scratch: Path, number: int, results: Results, *, with_peers: bool) -> float:
    """Run every contender once, in an order that differs from round to round; returns the floor."""
    contenders = list({**FLOORS, **OURS, **(PEERS if with_peers else {})}.items())
    turn = number % len(contenders)
    fastest: Run | None = None
    for name, contender in contenders[turn:] + contenders[:turn]:
        for file in scratch.iterdir():
            file.unlink()
        measured = _measure(contender, slapd, scratch, name, results)
        if name in FLOORS and (fastest is None or measured.wall < fastest.wall):
            fastest = measured
    if fastest is None:
        raise LookupError("no floor was measured")
    results.setdefault(_BEST_FLOOR, []).append(fastest)
    return fastest.wall


def _later(slapd: Slapd, scratch: Path, results: Results) -> None:
    """Measure what happens to a copy that is there."""
    path = scratch / "ours.db"
    OURS["ours"](slapd, scratch)
    for name, later in LATER.items():
        later.before(slapd, path)
        if later.has_floor:
            fastest = min((floor(slapd, path) for floor in FLOORS.values()), key=lambda run: run.wall)
            results[f"floor of: {name}"] = [fastest]
        _measure(later.run, slapd, path, name, results)


def _measure(contender: Callable[[Slapd, Path], Run], slapd: Slapd, place: Path, name: str, results: Results) -> Run:
    measured = contender(slapd, place)
    results.setdefault(name, []).append(measured)
    print(f"  {name:32} {measured.wall:8.2f} s", flush=True)
    return measured


def _print(entries: int, results: Mapping[str, list[Run]], floors: list[float]) -> None:
    rows = [(name, *_figures(runs, _floors_of(name, results, floors), entries)) for name, runs in results.items()]
    print(f"\n{entries:,} entries, {len(floors)} rounds; medians; ratio to the fastest floor of the same round\n")
    print(table(("program", "wall s", "cpu s", "µs/entry", "peak MB", "ratio"), rows))
    for name, clear in ENCRYPTED.items():
        # Round by round, for the machine is not the same in each.
        compared = [
            one.wall / other.wall for one, other in zip(results.get(name, []), results.get(clear, []), strict=True)
        ]
        if compared:
            print(f"\n{name}: {median(compared):.2f} times what it takes in clear text")


def _floors_of(name: str, results: Mapping[str, list[Run]], floors: list[float]) -> list[float]:
    """Return what to compare with; nothing for what has no floor."""
    if name not in LATER:
        return floors
    return [run.wall for run in results.get(f"floor of: {name}", [])]


def _figures(runs: list[Run], floors: list[float], entries: int) -> tuple[str, ...]:
    cpu = median(run.cpu for run in runs)
    compared = [run.wall / floor for run, floor in zip(runs, floors, strict=False)]
    return (
        f"{median(run.wall for run in runs):.2f}",
        f"{cpu:.2f}",
        f"{cpu / entries * 1e6:.1f}",
        f"{max(run.peak for run in runs):.0f}",
        f"{median(compared):.2f}" if compared else "",
    )


if __name__ == "__main__":
    main()
