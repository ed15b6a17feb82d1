"""`Sink`: what every receiver of events looks like to the relay.

A sink belongs to one thread, but for `stop`.  It never drops an event: it confirms, or it raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["Sink"]


class Sink(Protocol):
    """Delivers events to a receiver, at least once and in the order in which they come.

    After `SinkUnavailable` the relay closes it, and opens it anew for the next try.

    One that cannot share what it writes to with another sink, or with another source, may have an attribute `alone_at`:
    a text that says what that is, or None.
    """

    def open(self) -> None:
        """Get ready, which may be done again after `close`.

        Raises:
            SinkUnavailable: the receiver cannot be had now.
            UsageError: it never can, the way this sink was made.
        """

    def publish(self, batch: Sequence[Event]) -> None:
        """Deliver events; return when the receiver has confirmed that none of them can be lost.

        Args:
            batch: at least one event, in their order.

        Raises:
            SinkUnavailable: it is not known to have all of them; they are all published again.
            EventRejected: it will never take this one.  Those before it in the batch are confirmed, and what comes
                after it is published again.
        """

    def close(self) -> None:
        """Let go of everything that `open` has got; harmless when nothing is open."""

    def stop(self) -> None:
        """Let a `publish` that waits end soon by raising `SinkUnavailable`; for any thread and for signal handlers.

        Nothing more is published after it.
        """
