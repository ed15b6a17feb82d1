"""What clients ask, from octets to values: the requests of RFC 4511 as a server reads them.

Only what a directory can be asked without being changed is decoded; the rest is known by its tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import controls as sync
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.filter import Filter
    from syncrepl_client.ldap.messages import Control

__all__ = [
    "REFRESH_AND_PERSIST",
    "REFRESH_ONLY",
    "Abandon",
    "Bind",
    "Extended",
    "Other",
    "Request",
    "Search",
    "SyncRequest",
    "Unbind",
    "decode_request",
    "sync_request",
]

REFRESH_ONLY: Final = 1
REFRESH_AND_PERSIST: Final = 3
_CONTROLS: Final = 0xA0


@dataclass(frozen=True, slots=True)
class Bind:
    """A bind; `password` is None where SASL is wanted."""

    name: str
    password: bytes | None


@dataclass(frozen=True, slots=True)
class Unbind:
    """The client goes."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """The client does not want to hear more of an operation."""

    message_id: int


@dataclass(frozen=True, slots=True)
class Extended:
    """An extended operation."""

    oid: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Search:
    """A search (RFC 4511 section 4.5.1)."""

    base: str
    scope: int
    filter_: Filter
    attributes: tuple[str, ...]
    dereference: int = 0
    size_limit: int = 0
    types_only: bool = False


@dataclass(frozen=True, slots=True)
class Other:
    """An operation that this server does not do."""

    tag: int


Operation = Bind | Unbind | Abandon | Extended | Search | Other


@dataclass(frozen=True, slots=True)
class Request:
    """One LDAPMessage from a client."""

    message_id: int
    operation: Operation
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A content synchronization search as it arrived.

    Args:
        mode: 1 refreshOnly, 3 refreshAndPersist.
        cookie: the octets sent; None where there were none.
        reload_hint: whether all entries are welcome if the cookie is of no use.
        base: DN of the base.
        scope: 0 base, 1 one level, 2 subtree.
        filter: as text (RFC 4515).
        attributes: as they were asked for.
        controls: all of them, the Sync Request control included.
        identity: the name that the client bound with; empty if anonymous.
    """

    mode: int
    cookie: bytes | None
    reload_hint: bool
    base: str
    scope: int
    filter: str
    attributes: tuple[str, ...]
    controls: tuple[Control, ...] = ()
    identity: str = ""

    @property
    def persist(self) -> bool:
        """Whether the client wants to go on listening."""
        return self.mode == REFRESH_AND_PERSIST


def _take(data: bytes, pos: int, end: int, tag: int, what: str) -> tuple[int, int]:
    found, start, stop = ber.read(data, pos, end)
    if found != tag:
        raise ProtocolError(f"{what} has tag 0x{found:02x}, expected 0x{tag:02x}")
    return start, stop


def _text(data: bytes, pos: int, end: int, what: str) -> tuple[str, int]:
    start, stop = _take(data, pos, end, 0x04, what)
    return messages.decode_octets(data[start:stop], what), stop


def _number(data: bytes, pos: int, end: int, tag: int, what: str) -> tuple[int, int]:
    start, stop = _take(data, pos, end, tag, what)
    return ber.read_integer(data, start, stop), stop


def _bind(data: bytes, start: int, end: int) -> Bind:
    _, pos = _number(data, start, end, 0x02, "version")
    name, pos = _text(data, pos, end, "name")
    tag, first, stop = ber.read(data, pos, end)
    return Bind(name, data[first:stop] if tag == 0x80 else None)  # noqa: PLR2004 - simple [0]


def _unbind(_data: bytes, _start: int, _end: int) -> Unbind:
    return Unbind()


def _abandon(data: bytes, start: int, end: int) -> Abandon:
    return Abandon(ber.read_integer(data, start, end))


def _extended(data: bytes, start: int, end: int) -> Extended:
    members = {tag: data[first:stop] for tag, first, stop in ber.children(data, start, end)}
    return Extended(messages.decode_octets(members.get(0x80, b""), "request name"), members.get(0x81))


def _search(data: bytes, start: int, end: int) -> Search:
    base, pos = _text(data, start, end, "base")
    scope, pos = _number(data, pos, end, 0x0A, "scope")
    dereference, pos = _number(data, pos, end, 0x0A, "derefAliases")
    size_limit, pos = _number(data, pos, end, 0x02, "sizeLimit")
    _, pos = _number(data, pos, end, 0x02, "timeLimit")
    first, pos = _take(data, pos, end, 0x01, "typesOnly")
    types_only = ber.read_boolean(data, first, pos)
    filter_, pos = filters.read(data, pos, end)
    first, stop = _take(data, pos, end, 0x30, "attributes")
    attributes = tuple(
        messages.decode_octets(data[inner:last], "attribute") for _, inner, last in ber.children(data, first, stop)
    )
    return Search(base, scope, filter_, attributes, dereference, size_limit, types_only)


_DECODERS: Final[dict[int, Callable[[bytes, int, int], Operation]]] = {
    0x60: _bind,
    0x42: _unbind,
    0x63: _search,
    0x50: _abandon,
    0x77: _extended,
}


def decode_request(data: bytes) -> Request:
    """Decode one whole LDAPMessage from a client.

    Raises:
        ProtocolError: it is malformed.
    """
    start, end = _take(data, 0, len(data), 0x30, "message")
    message_id, pos = _number(data, start, end, 0x02, "message id")
    tag, first, stop = ber.read(data, pos, end)
    controls: tuple[Control, ...] = ()
    if stop < end and data[stop] == _CONTROLS:
        controls = messages.decode_controls(data[stop:end])
    decoder = _DECODERS.get(tag)
    return Request(message_id, Other(tag) if decoder is None else decoder(data, first, stop), controls)


def sync_request(search: Search, controls: tuple[Control, ...], identity: str) -> SyncRequest | None:
    """Decode what a search says about synchronization; None for a plain search.

    Raises:
        ProtocolError: its Sync Request control is malformed (RFC 4533 section 2.2).
    """
    value = sync.find(controls, sync.SYNC_REQUEST)
    if value is None:
        return None
    start, end = _take(value, 0, len(value), 0x30, "syncRequestValue")
    mode, pos = _number(value, start, end, 0x0A, "mode")
    members = {tag: value[first:stop] for tag, first, stop in ber.children(value, pos, end)}
    cookie = members.get(0x04)
    hint = members.get(0x01, b"\0") != b"\0"
    if mode not in {REFRESH_ONLY, REFRESH_AND_PERSIST}:
        raise ProtocolError(f"mode {mode} of a sync request")
    text = filters.text_of(search.filter_)
    return SyncRequest(
        mode, cookie, hint, search.base, search.scope, text, search.attributes, controls, identity=identity
    )
