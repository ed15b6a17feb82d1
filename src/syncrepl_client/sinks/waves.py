"""Sending many events at once without letting one overtake another of the same entry.

A receiver that answers each message by itself may refuse one and take the next.  What was refused comes again later, so
of each key one event at most may be on its way: the next one goes out once that is confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["one_per_key"]


def one_per_key(batch: Sequence[Event]) -> list[list[Event]]:
    """Part a batch into waves, each to be confirmed before the next is sent.

    Args:
        batch: events in their order.

    Returns:
        The first event of each key, then the second of each key that has one, and so on.
    """
    waves: list[list[Event]] = []
    seen: dict[str, int] = {}
    for event in batch:
        wave = seen.get(event.key, 0)
        seen[event.key] = wave + 1
        if wave == len(waves):
            waves.append([])
        waves[wave].append(event)
    return waves
