"""What a provider is told to say instead of what is true: steps, and the functions that make them.

An example::

    provider.script(
        script.entry("cn=a,dc=example,dc=com", {"cn": ["a"]}, uuid=b"only 15 octets."),
        script.search_done(0, script.sync_done(b"rid=000,csn=…", deletes=True)),
    )

A script says what it says and nothing else: where it ends without `search_done`, the search stays open.  Optional
members that are None are left out of a message; nothing is checked.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syncrepl_client.contentsync.controls import EntryState
from syncrepl_client.testing import wire
from syncrepl_client.testing.content import search_done
from syncrepl_client.testing.directory import octets_of
from syncrepl_client.testing.wire import Response, sync_done

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from syncrepl_client.testing.directory import Values

__all__ = [
    "Cut",
    "FromDirectory",
    "Pause",
    "Raw",
    "Replay",
    "Response",
    "Stall",
    "Step",
    "cut",
    "disconnection",
    "entry",
    "from_directory",
    "id_set",
    "new_cookie",
    "pause",
    "plain_entry",
    "raw",
    "reference",
    "refresh_delete",
    "refresh_present",
    "replay",
    "search_done",
    "stall",
    "sync_done",
]

# --- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Raw:
    """Send these octets."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """Send these messages, with the id of the request."""

    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection when so many more bytes were sent."""

    after: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FromDirectory:
    """Answer as if there were no script."""


class Stall:
    """Send nothing until `release` is called or the client is gone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reached = False
        self._released = False

    def wait_until_reached(self, timeout: float = 10.0) -> None:
        """Wait until the script has come here.

        Raises:
            TimeoutError: that did not happen in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._reached, timeout):
                raise TimeoutError("the script has not come to the stall")

    def release(self) -> None:
        """Let the script go on."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def hold(self, given_up: threading.Event) -> None:
        """Wait; for who plays the script."""
        with self._changed:
            self._reached = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._released or given_up.is_set())

    def wake(self) -> None:
        """Let `hold` look whether its client is gone."""
        with self._changed:
            self._changed.notify_all()


Step = Response | Raw | Replay | Cut | Pause | FromDirectory | Stall

# --- messages ---------------------------------------------------------------------------------------------------------


def entry(
    dn: str,
    attributes: Mapping[str, Values],
    uuid: UUID | bytes,
    state: int = EntryState.ADD,
    cookie: bytes | None = None,
) -> Response:
    """Send an entry with a Sync State control; `uuid` may be octets of any length, `state` any number."""
    return Response(_entry(dn, attributes), (wire.state(state, _uuid(uuid), cookie),))


def plain_entry(dn: str, attributes: Mapping[str, Values]) -> Response:
    """Send an entry without a Sync State control, as a server does that ignores the Sync Request."""
    return Response(_entry(dn, attributes))


def reference(*urls: str, uuid: UUID | bytes | None = None, state: int = EntryState.ADD) -> Response:
    """Send a continuation reference, with a Sync State control if a UUID is given."""
    return Response(wire.reference(*urls), () if uuid is None else (wire.state(state, _uuid(uuid)),))


def id_set(uuids: Iterable[UUID | bytes], *, deletes: bool | None = None, cookie: bytes | None = None) -> Response:
    """Send syncIdSet: entries that are gone (`deletes`) or present."""
    return Response(wire.sync_info(wire.id_set(*map(_uuid, uuids), deletes=deletes, cookie=cookie)))


def new_cookie(cookie: bytes) -> Response:
    """Send newcookie."""
    return Response(wire.sync_info(wire.new_cookie(cookie)))


def refresh_delete(cookie: bytes | None = None, *, done: bool | None = None) -> Response:
    """Send refreshDelete, the end of a delete phase; a refreshDone that is left out means TRUE."""
    return Response(wire.sync_info(wire.phase_end(deletes=True, done=done, cookie=cookie)))


def refresh_present(cookie: bytes | None = None, *, done: bool | None = None) -> Response:
    """Send refreshPresent, the end of a present phase; a refreshDone that is left out means TRUE."""
    return Response(wire.sync_info(wire.phase_end(deletes=False, done=done, cookie=cookie)))


def disconnection(code: int = 52, diagnostic: str = "") -> Raw:
    """Send a notice of disconnection (RFC 4511 section 4.4.1); the connection stays until a `cut` follows."""
    return Raw(wire.disconnection(code, diagnostic))


def raw(data: bytes) -> Raw:
    """Send octets as they are."""
    return Raw(data)


def replay(recorded: bytes | str | Path) -> Replay:
    """Send what a real server sent for one search, with the message id of the request.

    Args:
        recorded: the messages one behind the other, or the file that holds them.

    Raises:
        ProtocolError: they are not whole messages.
    """
    messages = wire.split(recorded if isinstance(recorded, bytes) else Path(recorded).read_bytes())
    for one in messages:
        wire.operation_tag(one)
    return Replay(messages)


# --- what happens besides ---------------------------------------------------------------------------------------------


def cut(after: int = 0) -> Cut:
    """Close the connection when `after` more bytes were sent on it, wherever in a message that is."""
    return Cut(after)


def pause(seconds: float) -> Pause:
    """Send nothing for some seconds."""
    return Pause(seconds)


def stall() -> Stall:
    """Send nothing more of this search until the step is released; other requests are answered meanwhile."""
    return Stall()


def from_directory() -> FromDirectory:
    """Answer as the directory would, from here on."""
    return FromDirectory()


def _entry(dn: str, attributes: Mapping[str, Values]) -> bytes:
    return wire.entry(dn, {name: octets_of(values) for name, values in attributes.items()})


def _uuid(uuid: UUID | bytes) -> bytes:
    return uuid if isinstance(uuid, bytes) else uuid.bytes
