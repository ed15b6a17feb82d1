"""`smaller`: look for less that fails as well.

Everything is equal after each round but the last, so the last one is tried alone, on servers that are new.  Then
troubles are left out, half of them, a quarter, and so on, and in the same way what is written.  What happens is not the
same each time: what did not fail may fail the next time, so that less is found, never something that did not fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.soak.plan import Plan, Round

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["smaller"]

T = TypeVar("T")


def smaller(plan: Plan, failed: Round, fails: Callable[[Plan], bool], more: Callable[[], bool]) -> Plan:
    """Return the smallest plan that was found to fail.

    Args:
        plan: has failed.
        failed: in which round.
        fails: tries a plan.
        more: tells whether there is time for another try.
    """
    alone = Plan(plan.seed, [failed])
    if not more() or not fails(alone):
        return Plan(plan.seed, plan.rounds[: plan.rounds.index(failed) + 1])

    found = failed
    for part in ("troubles", "pair", "other"):
        found = _less(found, part, lambda one: more() and fails(Plan(plan.seed, [one])), more)
    return Plan(plan.seed, [found])


def _less(one: Round, part: str, fails: Callable[[Round], bool], more: Callable[[], bool]) -> Round:
    """Leave out what is not needed of one part of a round."""
    pieces = 2
    while more():
        all_of_it = getattr(one, part)
        for rest in _without(all_of_it, pieces):
            smaller_one = Round(**{name: getattr(one, name) for name in ("pair", "other", "troubles")} | {part: rest})
            if fails(smaller_one):
                one, pieces = smaller_one, max(2, pieces - 1)
                break
        else:
            if pieces >= len(all_of_it):
                break
            pieces = min(len(all_of_it), 2 * pieces)
    return one


def _without(sequence: list[T], pieces: int) -> Iterator[list[T]]:
    """Yield a sequence without each of so many pieces of it."""
    size = -(-len(sequence) // pieces)
    for begin in range(0, len(sequence), max(1, size)):
        yield [*sequence[:begin], *sequence[begin + size :]]
