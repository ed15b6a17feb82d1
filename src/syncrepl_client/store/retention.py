"""How long the changelog is kept, and who wins where a reader is slower than that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from syncrepl_client.exceptions import UsageError

__all__ = ["Retention"]

_NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the changelog is kept.

    What is older than `age`, or too much for `octets`, is taken away, but not before each subscription has read it.  A
    subscription that nobody reads would let the changelog grow for ever, so there is a limit behind which it loses: it
    is told so when it is read next (`ChangesLost`).

    Args:
        age: how old changes get; None for any age.
        octets: how large the changelog gets, in bytes; None for any size.
        longest: how old changes get that a subscription has not read, if that is more; None for any age.
        largest: how large the changelog gets by them, in bytes, if that is more; None for any size.

    Raises:
        UsageError: an age or a size is negative.
    """

    age: timedelta | None = timedelta(days=7)
    octets: int | None = 256 << 20
    longest: timedelta | None = timedelta(days=30)
    largest: int | None = 4 << 30

    def __post_init__(self) -> None:
        if (self.age is not None and self.age < _NO_TIME) or (self.octets is not None and self.octets < 0):
            raise UsageError("the changelog cannot be kept for less than nothing", hint="give a positive age and size")

    def exceeded(self, age: timedelta, octets: int, *, unread: bool) -> bool:
        """Tell whether a change is taken away.

        Args:
            age: how old it is.
            octets: how large the changelog is with it and all that came later.
            unread: whether a subscription has not read it.
        """
        too_old = self.age is not None and age > self.age
        too_large = self.octets is not None and octets > self.octets
        if not unread:
            return too_old or too_large
        return (too_old and self.longest is not None and age > self.longest) or (
            too_large and self.largest is not None and octets > self.largest
        )
