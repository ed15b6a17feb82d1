"""How far a reader has come, and where one begins."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["BEGINNING", "Place", "Position", "Start"]

Place = tuple[int, bytes]
"""Where an entry stands in the order of a snapshot: its depth and its UUID."""

BEGINNING: Final[Place] = (-1, b"")
"""Before every entry."""

Start = Literal["snapshot", "now"] | int
"""Where a reader begins: with a snapshot of the copy, with the next change, or after the change of a number."""


class Position(NamedTuple):
    """How far a reader has come.

    Args:
        sequence: the number of the last change it has, or of the one that its snapshot ends with.
        place: the last entry of the snapshot that it has; None if it has all of it.
    """

    sequence: int
    place: Place | None = None
