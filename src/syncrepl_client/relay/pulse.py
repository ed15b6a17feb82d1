"""`Pulse`: when nothing was sent to a receiver for long, it is told that delivery works and how far it is.

What is sent is a heartbeat, an event that is about no change.  Nobody misses one: it is not set aside, not tried again
and not waited for, and no offset depends on it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import EventRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.sinks.base import Sink

__all__ = ["Pulse"]


class Pulse:
    """Sends heartbeats.

    Args:
        every: after how many seconds without an event one is sent.
        make: makes one, of the number of the last change that is delivered, which is None before the first.
        clock: returns seconds, never less than before.
    """

    def __init__(
        self, every: float, make: Callable[[int | None], Event], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every = every
        self._make = make
        self._clock = clock
        self._due = clock() + every

    @property
    def left(self) -> float:
        """In how many seconds one is due; 0 if one is."""
        return max(0.0, self._due - self._clock())

    def rest(self) -> None:
        """Begin to count anew: something was sent, or could not be."""
        self._due = self._clock() + self._every

    def beat(self, sink: Sink, offset: int | None) -> Event | None:
        """Send a heartbeat; returns it, or None if the receiver does not take such events.

        Raises:
            SinkUnavailable: it could not be sent.
        """
        event = self._make(offset)
        self.rest()
        try:
            sink.publish((event,))
        except EventRejected:
            return None
        return event
