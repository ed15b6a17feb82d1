"""What is compared: a sink, and its library without it; and the events that both publish."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final
from uuid import UUID

from syncrepl_client.envelope.cloudevents import CloudEvents
from syncrepl_client.model import Added, Attributes, Entry, Origin, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.sinks.base import Sink

__all__ = ["BATCH", "Contender", "sample_events"]

BATCH: Final = 500
"""How many events the service publishes at once unless it is told otherwise, where a change is one event."""

_URL: Final = "ldap://ldap.example.com/dc=example,dc=com"


@dataclass(frozen=True, slots=True)
class Contender:
    """A sink with its receiver, which runs.

    Args:
        direct: publishes events with the library alone, in the fastest way in which it learns that all of them are
            confirmed; over a connection that it has already.  Same receiver, same bodies, same headers, same names.
        sink: makes the sink; whoever calls it opens and closes that.
    """

    direct: Callable[[Sequence[Event]], None]
    sink: Callable[[], Sink]


def sample_events(count: int, origin_id: str) -> list[Event]:
    """Make events of people, a kilobyte each.

    Args:
        count: how many.
        origin_id: part of their ids, so that a receiver which knows repeats does not take them for such.
    """
    envelope = CloudEvents(origin_id, _URL)
    random = Random(4533)
    return [event for number in range(1, count + 1) for event in envelope.events(_added(number, random))]


def _added(number: int, random: Random) -> Added:
    phone = random.randrange(10**7)
    values = {
        "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson"],
        "uid": [b"u%06d" % number],
        "cn": [b"Given Surname %d" % number],
        "sn": [b"Surname"],
        "mail": [b"u%06d@example.com" % number, b"person.%d@mail.example.com" % number],
        "telephoneNumber": [b"+41 44 %07d" % phone],
        "employeeNumber": [b"%d" % (100_000 + number)],
        "title": [b"Librarian"],
        "street": [b"Bahnhofstrasse %d" % random.randrange(200)],
        "description": [random.randbytes(60).hex().encode()],
    }
    uuid = UUID(int=random.getrandbits(128), version=4)
    entry = Entry(uuid.bytes, f"uid=u{number:06},ou=people,dc=example,dc=com", Attributes.of(values))
    return Added(entry, Provenance(Origin.PERSIST, number, 1_800_000_000_000_000 + number))
