"""The questions that are asked of every kind of server."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.events import RefreshEnded, RefreshRequired, SearchEnded
from syncrepl_client.contentsync.session import REFRESH_REQUIRED, Mode, Session, State
from syncrepl_client.diagnosis.facts import Base, Containers, Sample, Trial
from syncrepl_client.exceptions import ConnectionLost, LDAPError, LDAPResultError
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import messages, results
from syncrepl_client.ldap.connection import EntryRun
from syncrepl_client.ldap.messages import Control, Result, SearchResultDone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.connection.client import Client
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import Event
    from syncrepl_client.contentsync.search import Search

__all__ = [
    "EVERYTHING",
    "MOST_NAMES",
    "generalized_time",
    "look_at_base",
    "look_at_containers",
    "read",
    "take_sample",
    "try_sync",
]

EVERYTHING: Final = "(objectClass=*)"
MOST_NAMES: Final = 5000
"""How many names of the content are read: more than the limits that servers have by themselves."""
_NO_ATTRIBUTES: Final = ("1.1",)
_PATIENCE: Final = 10.0
_MOST_CONTAINERS: Final = 20
_BASE: Final = 0
_SUBTREE: Final = 2
# What says least of an entry; the class that a filter would ask for is another one.
_PLAIN_CLASSES: Final = frozenset({"top", "extensibleobject", "glue"})


def read(client: Client, dn: str, *attributes: str) -> dict[str, list[bytes]]:
    """Read some attributes, in lower case, of an entry that may be absent or hidden."""
    try:
        found = client.search(dn, _BASE, EVERYTHING, attributes)
    except LDAPResultError:
        return {}
    return {name.lower(): values for _, entry in found for name, values in entry.items()}


def generalized_time(value: bytes) -> datetime | None:
    """Read a time, such as ``20260101120000Z`` or the beginning of a CSN; None if it is none."""
    try:
        return datetime.strptime(value[:14].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def look_at_base(client: Client, search: Search) -> Base:
    """Find out whether the base is there."""
    # The empty name is that of the root DSE, which says nothing about a search below it.
    scope = _BASE if search.base else search.scope
    try:
        return Base(visible=bool(client.search(search.base, scope, EVERYTHING, _NO_ATTRIBUTES, size_limit=1)))
    except LDAPResultError as error:
        return Base(error)


def try_sync(client: Client, search: Search, dialect: Dialect | None) -> Trial:
    """Ask for synchronization of the base alone: one entry, on a directory of any size."""
    session = Session(Mode.REFRESH_ONLY, None, dialect)
    request = messages.search_request(search.base, _BASE, bytes((0x87, 11)) + b"objectClass", _NO_ATTRIBUTES)
    controls = [session.request_control(), Control(messages.MANAGE_DSA_IT, critical=True)]
    message_id = client.send(request, controls)
    events: list[Event] = []
    deadline = time.monotonic() + _PATIENCE
    try:
        while session.state is not State.ENDED and (left := deadline - time.monotonic()) > 0:
            for item in client.receive(left):
                if item.message_id == message_id:
                    events += session.receive(item)
    except (LDAPError, ConnectionLost) as error:
        # Also where the request ends the connection: that is the server's answer.
        return Trial(error)
    if session.state is not State.ENDED:
        return Trial(ConnectionLost(f"no answer within {_PATIENCE:g} s", hint="the server is overloaded or hangs"))
    return _outcome(events)


def _outcome(events: Sequence[Event]) -> Trial:
    cookie = None
    for event in events:
        if isinstance(event, RefreshEnded):
            cookie = event.cookie
        elif isinstance(event, RefreshRequired):
            return Trial(results.error_of("a sync request without a cookie", Result(REFRESH_REQUIRED)))
        elif isinstance(event, SearchEnded) and event.result.code:
            return Trial(results.error_of("sync request", event.result))
    return Trial(cookie=cookie)


# --- the content ------------------------------------------------------------------------------------------------------


def take_sample(client: Client, search: Search, *, most: int = MOST_NAMES) -> Sample:
    """Read names of the content until there are enough, or the time is up, and drop the rest.

    The server's own limits apply, as they do to the client's search: a size limit in the request would hide them.
    """
    request = messages.search_request(search.base, search.scope, search.filter_, _NO_ATTRIBUTES)
    message_id = client.send(request, [Control(messages.MANAGE_DSA_IT)])
    found: list[str] = []
    deadline = time.monotonic() + _PATIENCE
    while len(found) < most and (left := deadline - time.monotonic()) > 0:
        for item in client.receive(left):
            if item.message_id != message_id:
                continue
            if isinstance(item, EntryRun):
                found += (dn.decode(errors="replace") for dn, _, _ in item.rows)
            elif isinstance(item.operation, SearchResultDone):
                result = item.operation.result
                error = results.error_of("search", result) if result.code else None
                whole = error is None and len(found) <= most
                return Sample(tuple(found[:most]), error, whole=whole, most=most)
    client.send(messages.abandon_request(message_id))
    return Sample(tuple(found[:most]), most=most)


def look_at_containers(client: Client, search: Search, sample: Sample) -> Containers | None:
    """Find out whether the filter hides an entry above those of the sample; None where it makes no difference."""
    if search.scope != _SUBTREE:
        return None
    above = _above(sample.names, search.base)
    known = {names.normalize(name) for name in sample.names}
    looked_at = 0
    for name in above[:_MOST_CONTAINERS]:
        looked_at += 1
        if names.normalize(name) in known or _matches(client, name, search.filter_):
            continue
        # Only who may see the entry knows that it is the filter that hides it.
        kinds = [kind.decode(errors="replace") for kind in read(client, name, "objectClass").get("objectclass", ())]
        if kinds:
            telling = [kind for kind in kinds if kind.lower() not in _PLAIN_CLASSES]
            return Containers(looked_at, name, telling[-1] if telling else "")
    return Containers(looked_at)


def _above(found: Sequence[str], base: str) -> list[str]:
    """Return the names between some entries and the base, both left out, the higher first."""
    above: dict[str, str] = {}
    for name in found:
        parent = names.parent(name)
        while parent and names.is_under(parent, base) and not names.same(parent, base):
            if names.normalize(parent) in above:
                break
            above[names.normalize(parent)] = parent
            parent = names.parent(parent)
    return sorted(above.values(), key=names.depth)


def _matches(client: Client, name: str, filter_: bytes) -> bool:
    try:
        return bool(client.search(name, _BASE, filter_, _NO_ATTRIBUTES))
    except LDAPResultError:
        return True
