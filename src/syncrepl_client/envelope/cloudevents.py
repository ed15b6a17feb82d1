"""CloudEvents 1.0 (CNCF), the form that most tools know something about.

``type``
    ``org.syncrepl.entry.`` with ``created``, ``updated``, ``renamed``, ``deleted`` or ``read``, which is an entry of a
    snapshot.
``source``
    The server and the base of the search, as a URL without anything else that stood in it.
``id``
    The number of the change, with the name of the file that it was read from: the same each time it is sent.
``subject``, ``partitionkey``
    The entryUUID.  The DN of an entry changes, and may be personal data, so it is in no attribute.
``time``
    When the server says that the change was made; if it does not, when it was stored.
``recordedtime``
    When it was stored.
``sequence``
    The number of the change, in 20 digits, so that the order of the strings is that of the changes.
``data``
    ``{"entryUUID", "before", "after"}``, the entry as it was and is: ``{"dn", "attributes"}`` or null.

A heartbeat is of the type ``org.syncrepl.heartbeat``.  It has no subject, the ``time`` at which it was sent, and as
``sequence`` and in its data the number of the last change that is delivered.

In structured mode an event is one JSON document.  In binary mode the body is the data, and the attributes travel beside
it: how they are named there says `syncrepl_client.envelope.bindings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from syncrepl_client.envelope.base import JSON, Batch, head_of, heartbeat_head, modified_when, origin
from syncrepl_client.envelope.values import State, Values, encode
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.url import LDAPUrl
from syncrepl_client.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from syncrepl_client.envelope.base import Event, Head
    from syncrepl_client.model import Change

__all__ = ["BATCH", "HEARTBEAT", "STRUCTURED", "TYPE", "CloudEvents", "Mode", "source_of"]

Mode = Literal["structured", "binary"]

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
TYPE: Final = "org.syncrepl.entry."
"""What the types of events about entries begin with."""
HEARTBEAT: Final = "org.syncrepl.heartbeat"
"""The type of those about none."""


class _Data(msgspec.Struct, frozen=True, rename={"uuid": "entryUUID"}):
    """A change."""

    uuid: str
    before: State | None
    after: State | None


class _Beat(msgspec.Struct, frozen=True):
    """The data of a heartbeat."""

    sequence: int


class CloudEvents:
    """CloudEvents.

    Args:
        origin_id: names the data file that changes come from.
        url: the server and the search.
        mode: whether the attributes are in the body (``structured``) or beside it (``binary``).

    Raises:
        UsageError: the file's name is none.
        LDAPUrlParseError: the URL is none.
    """

    def __init__(self, origin_id: str, url: str | LDAPUrl, *, mode: Mode = "structured") -> None:
        self._origin_id = origin(origin_id)
        self._source = source_of(url)
        self._binary = mode == "binary"
        self._values = Values()

    def events(self, change: Change) -> list[Event]:
        """Return what to send for a change.

        Raises:
            UsageError: the change has no number.
        """
        head = head_of(self._origin_id, change)
        data = _Data(head.key, *self._values.states(change))
        return [self._event(head, self._attributes(head, change), data)]

    def heartbeat(self, sequence: int | None, time: int) -> Event:
        """Return a heartbeat; see `Envelope.heartbeat`."""
        head = heartbeat_head(self._origin_id, sequence, time)
        attributes = {**self._named(head, HEARTBEAT), "time": _rfc3339(moment(time))}
        return self._event(head, attributes, _Beat(head.sequence))

    def _event(self, head: Head, attributes: dict[str, str], data: object) -> Event:
        if self._binary:
            return head.event(JSON, encode(data), attributes)
        return head.event(STRUCTURED, encode({**attributes, "datacontenttype": JSON, "data": data}))

    def batch(self, events: Iterable[Event]) -> Batch:
        """Join events that this envelope has made, in either mode, as the JSON batch format has it."""
        documents = [_structured(event, event.body) for event in events if event.body is not None]
        return Batch(BATCH, b"[" + b",".join(documents) + b"]")

    def _attributes(self, head: Head, change: Change) -> dict[str, str]:
        stored = change.stored_at
        recorded = None if stored is None else _rfc3339(stored)
        modified = modified_when(change)
        time = recorded if modified is None else _rfc3339(modified)
        attributes = self._named(head, TYPE + head.kind, head.key)
        if time is not None:
            attributes["time"] = time
        if recorded is not None:
            attributes["recordedtime"] = recorded
        return attributes

    def _named(self, head: Head, kind: str, subject: str | None = None) -> dict[str, str]:
        """Return the attributes that all have, and the one of those that are about something."""
        named = {"specversion": "1.0", "id": head.id, "source": self._source, "type": kind}
        if subject is not None:
            named["subject"] = subject
        named["partitionkey"] = head.key
        named["sequence"] = f"{head.sequence:020d}"
        return named


def source_of(url: str | LDAPUrl) -> str:
    """Return the server and the base of a URL: no search, and nothing of who asks.

    Raises:
        LDAPUrlParseError: it is not an LDAP URL.
    """
    given = urls.of(url)
    # In a base a question mark is escaped.
    return str(LDAPUrl(given.scheme, given.host, given.port, given.base)).partition("?")[0]


def _structured(event: Event, body: bytes) -> bytes:
    if not event.headers:
        return body
    return encode({**event.headers, "datacontenttype": event.content_type, "data": msgspec.Raw(body)})


def _rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
