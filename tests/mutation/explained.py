"""Changes that no test can notice, since they make no difference, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["EXPLAINED", "Mutation"]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What was changed.

    Args:
        place: the function.
        was: the line, or lines, as they are.
        becomes: what they were changed to.
    """

    place: str
    was: str
    becomes: str


EXPLAINED: Final[dict[Mutation, str]] = {}
