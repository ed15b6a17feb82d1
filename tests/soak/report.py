"""What was done how often, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.troubles import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.soak.run import Outcome

__all__ = ["report"]


def report(outcome: Outcome) -> str:
    """Write it."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.rounds} rounds in {outcome.seconds:.0f} s"
    for name, written in outcome.written.items():
        yield f"written to {name}: " + ", ".join(f"{count} {what}" for what, count in sorted(written.items()))
    for name, told in outcome.told.items():
        lost = f"; {told['lost']} times it was overtaken and began anew" if "lost" in told else ""
        yield f"told to {name}: {told['changes']} changes, {told['repeats']} of them again{lost}"
    for name, count in outcome.received.items():
        yield f"sink {name}: {count} events"
    decided = ", ".join(f"{count} {what}" for what, count in sorted(outcome.decided.items()))
    yield f"lies told: {outcome.lies}; decisions about refreshes that were held: {decided or 'none'}"
    for name, samples in outcome.vitals.items():
        yield f"{name}: {outcome.lives[name]} lives" + (
            f"; in the last one, in {len(samples)} moments of rest, from {samples[0]} to {samples[-1]}"
            if samples
            else ""
        )
    for void in outcome.void:
        yield f"a round says nothing, for the servers went wrong: {void}"
    yield f"troubles: {outcome.troubles.total()}, of {len(outcome.troubles)} kinds out of {len(TROUBLES)}"
    for name, count in sorted(outcome.troubles.items()):
        yield f"{count:6} {name}"
