"""Events for the tests of sinks."""

from __future__ import annotations

from syncrepl_client.envelope.base import Event, Kind

__all__ = ["event"]


def event(number: int, body: bytes | None = None, content_type: str = "application/json", **headers: str) -> Event:
    """Make an event; without a body it has one with its id."""
    text = b'{"id":"e%d"}' % number if body is None else body
    return Event(f"e{number}", f"k{number}", Kind.UPDATED, f"cn={number}", number, content_type, headers, text)
