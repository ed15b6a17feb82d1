"""Finding the one event in a batch that a receiver does not take, where it takes or refuses whole batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.exceptions import EventRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["BatchRejected", "send_in_halves"]


class BatchRejected(Exception):
    """The receiver will not take a batch as it is.

    Args:
        reason: what it says.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def send_in_halves(batch: Sequence[Event], send: Callable[[Sequence[Event]], None]) -> None:
    """Send a batch; if it is rejected, its first half and then the other one, down to single events.

    Args:
        batch: what to send.
        send: returns when all is confirmed, or raises `BatchRejected`.

    Raises:
        EventRejected: an event is rejected by itself; those before it are confirmed.
    """
    try:
        send(batch)
    except BatchRejected as rejected:
        if len(batch) == 1:
            raise EventRejected(batch[0], rejected.reason) from None
        middle = len(batch) // 2
        send_in_halves(batch[:middle], send)
        send_in_halves(batch[middle:], send)
