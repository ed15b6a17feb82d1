"""How long to wait between tries: exponential backoff with full jitter, as a pure generator.

The clock and the randomness are the caller's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a client waits before it tries again.

    The wait before try n is a random share of ``base * 2 ** (n - 1)`` seconds, or of `cap` where that is less: clients
    that lost their server together do not come back together.

    Args:
        base: the longest first wait, in seconds.
        cap: the longest wait of all, in seconds.

    Raises:
        UsageError: the waits would be none, or shrink.
    """

    base: float = 1.0
    cap: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.cap < math.inf:
            raise UsageError(
                f"{self} is no backoff", hint="the base is more than 0 s, the cap is not less than the base"
            )

    def delays(self, random: Callable[[], float]) -> Iterator[float]:
        """Yield the waits of a row of failures, in seconds; there is no last one.

        Args:
            random: returns a number from 0 up to, but not including, 1.
        """
        ceiling = self.base
        while True:
            yield ceiling * random()
            # Not the power itself: after some days of failures that is no number any more.
            ceiling = min(self.cap, 2 * ceiling)
