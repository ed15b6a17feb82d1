"""What becomes of events that a receiver will never take."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["DeadLetters", "Policy"]


class Policy(StrEnum):
    """What becomes of an event that the receiver will never take."""

    RETRY = "retry"
    """It is tried again, as if the receiver were away, and nothing overtakes it."""
    DEAD_LETTERS = "dead letters"
    """It is set aside."""
    SKIP = "skip"
    """It is left out, and counted."""
    PAUSE = "pause"
    """The relay pauses before it; `Relay.resume` tries it again."""


class DeadLetters(Protocol):
    """Where events are set aside, until somebody lets them be sent again; see `RelayLetters`.

    All of these may raise `SinkUnavailable`, after which the relay waits and tries again; nothing is lost by it.
    """

    def add(self, event: Event, reason: str) -> None:
        """Keep an event that was refused, for the first time or again; return when it cannot be lost."""

    def sift(self, events: Sequence[Event]) -> list[Event]:
        """Keep those that have to wait for one that is kept; return the others."""

    def due(self) -> Sequence[Event]:
        """Return the next ones that are to be sent again, in their order; none if there are none."""

    def confirmed(self, events: Sequence[Event]) -> None:
        """Forget what was sent again and confirmed."""
