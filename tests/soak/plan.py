"""What will happen, made of a seed before anything does: in each round operations and troubles, at their moments.

The same arguments make the same plan.  How far a server has come at a moment, and whom the system lets run, is not in
it; so a seed does the same things again, and what comes of them is the same most of the time.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Final

import msgspec

from tests.soak.chapters import Operation, operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.soak.trouble import Trouble

__all__ = ["Due", "Happening", "Plan", "Round", "make_plan"]

# How long one round is written, and what coming to rest takes on top of it, in seconds.
_WRITTEN: Final = 12.0
_ROUND: Final = 17.0
# Troubles of a round, at most; fewer where they are of the same part.
_TROUBLES: Final = 14
# How much is written at full speed until there is a pause.
_BURST: Final = 150


class Due(msgspec.Struct, frozen=True):
    """An operation, not before its moment: seconds after the round began."""

    at: float
    operation: Operation


class Happening(msgspec.Struct, frozen=True):
    """A trouble by its name, from a moment on, for some seconds."""

    at: float
    lasts: float
    trouble: str


class Round(msgspec.Struct, frozen=True):
    """What happens until everything comes to rest: what is written to the pair and to the other, and the troubles."""

    pair: list[Due]
    other: list[Due]
    troubles: list[Happening]


class Plan(msgspec.Struct, frozen=True):
    """Everything."""

    seed: int
    rounds: list[Round]


def make_plan(seed: int, seconds: float, rate: float, troubles: Mapping[str, Trouble]) -> Plan:
    """Make a plan.

    Args:
        seed: of everything.
        seconds: how long it may take.
        rate: how many operations a second are written to the pair while something is written, on the average.
        troubles: what can go wrong, by its name.
    """
    count = max(2, round(seconds / _ROUND))
    pair, other = _paced("pair", seed, rate), _paced("other", seed, rate / 3)
    dealt = _deal(random.Random(f"troubles {seed}"), troubles, count)
    return Plan(seed, [Round(next(pair), next(other), happenings) for happenings in dealt])


def _paced(kind: str, seed: int, rate: float) -> Iterator[list[Due]]:
    """Yield what is written in each round: bursts and pauses."""
    chance, stream = random.Random(f"pace {kind} {seed}"), operations(kind, seed)
    while True:
        left, due, at = int(rate * _WRITTEN), list[Due](), 0.0
        while left > 0:
            burst = min(left, chance.randrange(1, _BURST))
            due += [Due(round(at, 3), operation) for operation in itertools.islice(stream, burst)]
            left -= burst
            at += burst / rate
        yield due


def _deal(chance: random.Random, troubles: Mapping[str, Trouble], rounds: int) -> Iterator[list[Happening]]:
    """Deal troubles to rounds, each in its turn; no two at a time are of the same part."""
    deck: list[str] = []
    for number in range(rounds):
        # What grows is seen in who lives long: nobody whose growth is measured is ended in the last third.
        peaceful = number >= rounds - max(1, rounds // 3)
        if len(deck) < len(troubles):
            deck += chance.sample(sorted(troubles), len(troubles))
        happenings, left = list[Happening](), list[str]()
        busy: dict[str, float] = {}
        for name in deck:
            trouble = troubles[name]
            when = None if peaceful and trouble.ends_program else _moment(chance, trouble, busy)
            if when is None or len(happenings) == _TROUBLES:
                left.append(name)
            else:
                happenings.append(Happening(when[0], when[1], name))
        deck = left
        yield sorted(happenings, key=lambda one: one.at)


def _moment(chance: random.Random, trouble: Trouble, busy: dict[str, float]) -> tuple[float, float] | None:
    """Find a moment when nothing else goes wrong with the same parts; None if there is none."""
    free = max((busy.get(part, 0.0) for part in trouble.parts), default=0.0)
    lasts = round(chance.uniform(*trouble.lasts), 3)
    latest = _WRITTEN - lasts
    if free > latest:
        return None
    at = round(chance.uniform(free, min(latest, free + _WRITTEN / 2)), 3)
    for part in trouble.parts:
        # To come back takes a while.
        busy[part] = at + lasts + 0.5
    return at, lasts
