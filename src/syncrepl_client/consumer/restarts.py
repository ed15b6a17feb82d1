"""How often a search may begin again: a server that is never content is given up.

A search begins again where the server asks for it, and where what it told and what it answered do not fit together.
Both are settled by a round or two.  With a server that goes on like that the client would ask as fast as the network
carries it.
"""

from __future__ import annotations

import math
import time
from typing import Final

from syncrepl_client.exceptions import ProtocolError

__all__ = ["Restarts"]

_MOST_REQUIRED: Final = 2
# Seconds without being asked for a refresh after which another one is none of a row.
_CALM: Final = 60.0
_MOST_ROUNDS: Final = 5
_MOST_FULL_ROUNDS: Final = 5


class Restarts:
    """Counts the beginnings of a search."""

    def __init__(self) -> None:
        self._required = 0
        self._required_at = -math.inf
        self._rounds = 0

    def required(self, diagnostic: str) -> None:
        """Count a refresh that the server asked for.

        Raises:
            ProtocolError: that was one too many in a row.
        """
        now = time.monotonic()
        if now > self._required_at + _CALM:
            self._required = 0
        self._required_at = now
        self._required += 1
        if self._required > _MOST_REQUIRED:
            raise ProtocolError(
                f"the server asks for a refresh again and again: {diagnostic or 'it gives no reason'}",
                hint="the copy is as it was; look into the server's log",
            )

    def unsettled(self) -> bool:
        """Count a round that left something open; tells whether only a refresh of everything can settle it.

        Raises:
            ProtocolError: some of those did not either.
        """
        self._rounds += 1
        if self._rounds > _MOST_ROUNDS + _MOST_FULL_ROUNDS:
            raise ProtocolError(
                "what the server tells does not fit what it answers, again and again",
                hint="the copy is as the last refresh left it; look whether two entries have one name",
            )
        return self._rounds > _MOST_ROUNDS

    @property
    def rounds(self) -> int:
        """How many rounds left something open since the copy came further."""
        return self._rounds

    def progressed(self) -> None:
        """Note that the copy came further."""
        self._rounds = 0
