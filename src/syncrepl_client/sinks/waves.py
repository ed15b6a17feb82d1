"""Sending many events at once without letting one overtake another of the same entry.

A receiver that answers each message by itself may refuse one and take the next.  What was refused comes again later, so
of each key one event at most may be on its way: the next one goes out once that is confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["one_per_key", "until_repeated"]


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


def until_repeated(batch: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Part a batch where an entry comes again, each part to be confirmed before the next is sent.

    There are more parts than `one_per_key` makes, and all events before one of them are confirmed when that one goes
    out, those of other entries too.

    Args:
        batch: events in their order.

    Returns:
        Stretches of it.
    """
    begin = 0
    keys: set[str] = set()
    for at, event in enumerate(batch):
        if event.key in keys:
            yield batch[begin:at]
            begin = at
            keys.clear()
        keys.add(event.key)
    yield batch[begin:]
