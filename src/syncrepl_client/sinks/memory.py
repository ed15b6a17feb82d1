"""A sink that keeps events in memory, and fails when it is told to: for the tests of programs that relay changes."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from syncrepl_client.exceptions import EventRejected, SinkUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["MemorySink"]


class MemorySink:
    """Keeps what is published.

    Set `rejects` to a function that gives the reason why an event is not taken, or None; put errors into `failures`,
    each of which is raised by one `publish` before it takes anything; clear `answers` to let `publish` wait for it, as
    for a slow receiver, until `stop`.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches: list[int] = []
        self.failures: deque[Exception] = deque()
        self.rejects: Callable[[Event], str | None] = lambda _: None
        self.answers = threading.Event()
        self.answers.set()
        # How often it was opened, and whether it is.
        self.opened = 0
        self.is_open = False
        self._stopped = False

    def open(self) -> None:
        """Count that it was opened."""
        self.opened += 1
        self.is_open = True

    def publish(self, batch: Sequence[Event]) -> None:
        """Keep events; see `Sink.publish`."""
        if self._stopped or not self.is_open:
            raise SinkUnavailable("the sink was stopped" if self._stopped else "the sink is not open")
        if self.failures:
            raise self.failures.popleft()
        self.answers.wait()
        if self._stopped:
            raise SinkUnavailable("the sink was stopped")
        for at, event in enumerate(batch):
            reason = self.rejects(event)
            if reason is not None:
                self.batches += [at] if at else []
                raise EventRejected(event, reason)
            self.events.append(event)
        self.batches.append(len(batch))

    def close(self) -> None:
        """Note that it is closed; what it got, it keeps."""
        self.is_open = False

    def stop(self) -> None:
        """Let `publish` end."""
        self._stopped = True
        self.answers.set()
