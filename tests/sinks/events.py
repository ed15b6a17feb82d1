"""Events for the tests of sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.envelope.cloudevents import CloudEvents
from syncrepl_client.model import Added, Attributes, Entry, Origin, Provenance

if TYPE_CHECKING:
    from syncrepl_client.envelope.cloudevents import Mode

__all__ = ["event", "record", "sample"]


def event(number: int, body: bytes | None = None, content_type: str = "application/json", **headers: str) -> Event:
    """Make an event; without a body it has one with its id."""
    text = b'{"id":"e%d"}' % number if body is None else body
    return Event(f"e{number}", f"k{number}", Kind.UPDATED, f"cn={number}", number, content_type, headers, text)


def record(number: int) -> Event:
    """Make an event whose body is LDIF."""
    return event(
        number, b"version: 1\n\n# id: e%d\ndn: cn=%d,dc=x\nchangetype: delete\n\n" % (number, number), "text/x-ldif"
    )


def sample(mode: Mode) -> Event:
    """Make an event of an entry that was added, as CloudEvents has it."""
    entry = Entry(b"\xc3" * 16, "cn=\u00e4,dc=x", Attributes.of({"cn": ["\u00e4".encode()], "photo": [b"\xff\x00"]}))
    change = Added(entry, Provenance(Origin.PERSIST, 42, 1_800_000_000_000_000))
    (made,) = CloudEvents("file-1", "ldap://ldap.example.com/dc=x", mode=mode).events(change)
    return made
