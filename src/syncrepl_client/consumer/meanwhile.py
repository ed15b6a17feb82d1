"""Whether somebody wrote while questions were answered: then the copy has to be compared with the server once.

A refresh of everything is of many moments.  Of a container that is moved or renamed meanwhile the server tells
afterwards, as of an entry that is here already; what is below it may have been read before that, or not at all.  The
same goes for answers that contradict a refresh: what is below a container was asked for while that was away, or the
container was away when the refresh told of it, and nobody tells that it came back.

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
# How long a stream that never rests is waited for, in seconds.
_LONGEST: Final = 20.0


class Meanwhile:
    """Notices it."""

    def __init__(self) -> None:
        # When everything had been read, until it is clear whether somebody wrote; and since when it is.
        self._read_at = -math.inf
        self._doubtful_since = math.inf

    def refreshed(self, *, everything: bool, received: int) -> None:
        """Note the end of a refresh.

        Args:
            everything: whether it told of all that is there.
            received: of how many entries it told.
        """
        now = time.monotonic()
        if received and not everything and now < self._read_at + _LATE:
            self.doubt()
        self._read_at = now if everything else -math.inf

    def doubt(self) -> None:
        """Note that answers were of another moment than what was told."""
        self._doubtful_since = time.monotonic()

    def changed(self) -> None:
        """Note that the server has told of a change."""
        if time.monotonic() < self._read_at + _SOON:
            self.doubt()
            self._read_at = -math.inf

    def is_doubtful(self, *, quiet: bool) -> bool:
        """Tell that the copy has to be compared.

        Args:
            quiet: whether nothing waits to be read: that would pile up in memory while the copy is compared.
        """
        now = time.monotonic()
        return now >= self._doubtful_since and (quiet or now > self._doubtful_since + _LONGEST)

    def compared(self, began: float) -> bool:
        """Note that the copy was compared.

        Args:
            began: when that was begun, on the monotonic clock; of what came later the next comparison tells.

        Returns:
            Whether no doubt is left.
        """
        if self._doubtful_since <= began:
            self._doubtful_since = math.inf
        return self._doubtful_since == math.inf
