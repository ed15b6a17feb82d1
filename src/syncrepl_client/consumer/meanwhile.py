"""Whether somebody wrote while questions were answered: then the copy has to be compared with the server once.

A refresh of everything is of many moments.  Of a container that is moved or renamed meanwhile the server tells
afterwards, as of an entry that is here already; what is below it may have been read before that, or not at all.  The
same goes for the answers that settle what a refresh leaves open, where it took more than a round: what is below a
container was asked for while that was away, and nobody tells that it came back.

A connection that breaks takes nothing of that away.
"""

from __future__ import annotations

import math
import time
from typing import Final

__all__ = ["Meanwhile"]

# What was changed while everything was read is told so soon after it, in seconds.
_SOON: Final = 1.0
# Where the connection broke meanwhile, it is told by the next refresh, so many seconds later at most.
_LATE: Final = 60.0
# From how many rounds on somebody writes: in the first it is seen who came along with others.
_ROUNDS: Final = 2
# How long a stream that never rests is waited for, in seconds.
_LONGEST: Final = 20.0


class Meanwhile:
    """Notices it."""

    def __init__(self) -> None:
        # When everything had been read, until it is clear whether somebody wrote; and since when it is.
        self._read_at = -math.inf
        self._doubtful_since = math.inf

    def refreshed(self, *, everything: bool, received: int, rounds: int) -> None:
        """Note the end of a refresh.

        Args:
            everything: whether it told of all that is there.
            received: of how many entries it told.
            rounds: how many before it left something open.
        """
        now = time.monotonic()
        told_late = received and not everything and now < self._read_at + _LATE
        if told_late or rounds >= _ROUNDS or (everything and rounds):
            self._doubtful_since = now
        self._read_at = now if everything else -math.inf

    def changed(self) -> None:
        """Note that the server has told of a change."""
        now = time.monotonic()
        if now < self._read_at + _SOON:
            self._doubtful_since = now
            self._read_at = -math.inf

    def is_doubtful(self, *, quiet: bool) -> bool:
        """Tell that the copy has to be compared.

        Args:
            quiet: whether nothing waits to be read: that would pile up in memory while the copy is compared.
        """
        now = time.monotonic()
        return now >= self._doubtful_since and (quiet or now > self._doubtful_since + _LONGEST)

    def compared(self) -> None:
        """Note that the copy was compared."""
        self._doubtful_since = math.inf
