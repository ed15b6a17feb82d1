"""Measure sinks beside their libraries, alternating, and the memory of a relay whose sink is away."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import time
from contextlib import closing
from statistics import median
from typing import TYPE_CHECKING

import bench.sinks
from bench.sinks import away
from bench.sinks.contender import BATCH, sample_events

if TYPE_CHECKING:
    from bench.sinks.contender import Contender
    from syncrepl_client.envelope.base import Event
    from syncrepl_client.sinks.base import Sink

_OURS = {"__main__", "away", "contender"}


def main() -> None:
    """Measure and print."""
    there = sorted({module.name for module in pkgutil.iter_modules(bench.sinks.__path__)} - _OURS)
    parser = argparse.ArgumentParser(prog="python -m bench.sinks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *there], help=f"of {', '.join(there)}, or all")
    parser.add_argument("--events", type=int, default=20_000, help="published in each round, by each")
    parser.add_argument("--rounds", type=int, default=5, help="alternations")
    parser.add_argument("--batch", type=int, default=BATCH, help="how many events a sink gets at once")
    parser.add_argument("--away", type=int, nargs="*", default=[100_000, 1_000_000], help="events while a sink is away")
    options = parser.parse_args()
    print(f"Sinks beside their libraries: {options.events} events of a kilobyte, {options.batch} at once")
    for name in options.names or there:
        module = importlib.import_module(f"bench.sinks.{name}")
        with module.contender() as contender:
            _compare(name, contender, options.events, options.rounds, options.batch)
    if options.away:
        away.measure(options.away)


def _compare(name: str, contender: Contender, count: int, rounds: int, size: int) -> None:
    """Let both publish the same by turns, and print how fast they were."""
    ratios: list[float] = []
    direct: list[float] = []
    with closing(contender.sink()) as sink:
        sink.open()
        for number in range(rounds + 1):
            for_library = sample_events(count, f"direct-{number}")
            for_ours = sample_events(count, f"sink-{number}")
            if number % 2:
                ours = _publish(sink, for_ours, size)
                library = _direct(contender, for_library)
            else:
                library = _direct(contender, for_library)
                ours = _publish(sink, for_ours, size)
            # The first round is there so that all is loaded and connected.
            if number:
                direct.append(count / library)
                ratios.append(library / ours)
    ratio, speed = median(ratios), median(direct)
    print(
        f"  {name:10} library {speed:8,.0f} events/s, sink {speed * ratio:8,.0f} events/s: "
        f"{ratio:.2f} of it ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def _direct(contender: Contender, events: list[Event]) -> float:
    began = time.perf_counter()
    contender.direct(events)
    return time.perf_counter() - began


def _publish(sink: Sink, events: list[Event], size: int) -> float:
    began = time.perf_counter()
    for begin in range(0, len(events), size):
        sink.publish(events[begin : begin + size])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
