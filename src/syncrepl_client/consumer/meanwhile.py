"""Whether somebody wrote while everything was read: then the copy has to be compared with the server once.

A refresh of everything is of many moments.  Of a container that is moved or renamed meanwhile the server tells
afterwards, as of an entry that is here already; what is below it may have been read before that, or not at all.
"""

from __future__ import annotations

import math
import time
from typing import Final

__all__ = ["Meanwhile"]

# What was changed while everything was read is told so soon after it, in seconds.
_SOON: Final = 1.0
# How long a stream that never rests is waited for, in seconds.
_LONGEST: Final = 20.0


class Meanwhile:
    """Notices it."""

    def __init__(self) -> None:
        # When everything had been read, until it is clear whether somebody wrote; and since when it is.
        self._read_at = -math.inf
        self._doubtful_since = math.inf

    def refreshed(self, *, everything: bool) -> None:
        """Note the end of a refresh."""
        self._read_at = time.monotonic() if everything else -math.inf

    def changed(self) -> None:
        """Note that the server has told of a change."""
        now = time.monotonic()
        if now < self._read_at + _SOON:
            self._doubtful_since = now
            self._read_at = -math.inf

    def is_doubtful(self, *, quiet: bool) -> bool:
        """Tell, once, that the copy has to be compared.

        Args:
            quiet: whether nothing waits to be read: that would pile up in memory while the copy is compared.
        """
        now = time.monotonic()
        if now < self._doubtful_since or not (quiet or now > self._doubtful_since + _LONGEST):
            return False
        self._doubtful_since = math.inf
        return True
