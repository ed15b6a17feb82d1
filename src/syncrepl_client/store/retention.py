"""How long the changelog is kept, and who wins where a reader is slower than that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from syncrepl_client.exceptions import UsageError

__all__ = ["Retention"]

_NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the changelog is kept.

    What is older than `age`, or too much for `octets`, is taken away, but not before each subscription has read it.  A
    subscription that nobody reads would let the changelog grow for ever, so there is a limit behind which it loses: it
    is told so when it is read next (`ChangesLost`).

    Args:
        age: how old changes get; None for any age.
        octets: how large the changelog gets, in bytes; None for any size.
        longest: how old changes get that a subscription has not read.
        largest: how large the changelog gets by them, in bytes.

    Raises:
        UsageError: a limit is negative, or smaller than what it is the limit of.
    """

    age: timedelta | None = timedelta(days=7)
    octets: int | None = 256 << 20
    longest: timedelta | None = timedelta(days=30)
    largest: int | None = 4 << 30

    def __post_init__(self) -> None:
        if (self.age is not None and self.age < _NO_TIME) or (self.octets is not None and self.octets < 0):
            raise UsageError("the changelog cannot be kept for less than nothing", hint="give a positive age and size")
        short = self.longest is not None and (self.age is None or self.longest < self.age)
        small = self.largest is not None and (self.octets is None or self.largest < self.octets)
        if short or small:
            raise UsageError(
                "the changelog would be taken from its subscriptions earlier than from anybody else",
                hint="longest is at least age, and largest at least octets; None is more than any number",
            )
