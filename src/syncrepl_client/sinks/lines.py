"""JSON lines: events for whoever reads a line at a time.

A line is the body of the event, if that is JSON.  What else there is of an event, and a body that is something else, is
in a record around it::

    {"id": …, "key": …, "kind": …, "dn": …, "sequence": …, "headers": {…}, "data": …}

`data` is the body, null for a tombstone; a body that is not JSON is ``data_base64``.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.envelope.base import Event

__all__ = ["as_line", "as_lines"]


def as_lines(events: Sequence[Event], *, records: bool) -> bytes:
    """Return a line for each event, with its end.

    Args:
        events: what to write.
        records: whether each gets a record around it, also where its body would do.
    """
    lines = None if records else _joined(events)
    return b"".join(as_line(event, records=records) for event in events) if lines is None else lines


def _joined(events: Sequence[Event]) -> bytes | None:
    """Return the bodies as lines, if nothing else than those is to be written: a third of the time of one by one."""
    bodies = [event.body for event in events if event.body and not event.headers]
    if len(bodies) < len(events) or not all(map(_is_json, {event.content_type for event in events})):
        return None
    # To look into all of them at once takes a third of what counting the ends of lines does.
    together = b"".join(bodies)
    return None if b"\n" in together or b"\r" in together else b"\n".join([*bodies, b""])


def as_line(event: Event, *, records: bool) -> bytes:
    """Return the line of one event; see `as_lines`."""
    if event.body is None:
        return _record(event, {"data": None})
    body = _one_line(event.body) if _is_json(event.content_type) else None
    if body is None:
        return _record(event, {"data_base64": base64.b64encode(event.body).decode()})
    if records or event.headers:
        return _record(event, {"data": msgspec.Raw(body)})
    return body + b"\n"


# There are few, and each comes with every event.
@lru_cache(16)
def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _one_line(body: bytes) -> bytes | None:
    """Return JSON as one line; None for what is none, and would be read as something else."""
    if body and b"\n" not in body and b"\r" not in body:
        return body
    try:
        return msgspec.json.format(body, indent=-1)
    except msgspec.DecodeError:
        return None


def _record(event: Event, data: dict[str, Any]) -> bytes:
    record = {
        "id": event.id,
        "key": event.key,
        "kind": event.kind,
        "dn": event.dn,
        "sequence": event.sequence,
        "content_type": event.content_type,
        "headers": dict(event.headers),
    }
    return msgspec.json.encode(record | data) + b"\n"
