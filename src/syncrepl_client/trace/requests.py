"""Requests as text, read from the octets that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.trace.words import HIDDEN, assertion, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXTENDED", "extended_name", "request"]

EXTENDED: Final = 0x77
_SCOPES: Final = {0: "base", 1: "one", 2: "sub"}
_SASL: Final = 0xA3
_NAMES: Final = {
    messages.START_TLS: "StartTLS",
    messages.WHO_AM_I: "Who am I?",
    messages.CANCEL: "Cancel",
}


def request(operation: bytes) -> str:
    """Describe an encoded request; one that cannot be read is named by its tag and size."""
    try:
        tag, start, end = ber.read(operation, 0, len(operation))
        describe = _REQUESTS.get(tag)
        if describe is not None:
            return describe(operation, start, end)
    except (ProtocolError, ValueError):
        # Too few members for its kind.  What is in it nobody knows, so nothing of it is shown.
        pass
    return f"request 0x{operation[0]:02x}" if operation else "nothing"


def extended_name(operation: bytes) -> str:
    """Return the object identifier of an extended request; empty if it has none."""
    try:
        _, start, end = ber.read(operation, 0, len(operation))
        return next((operation[first:last].decode() for _, first, last in ber.children(operation, start, end)), "")
    except (ProtocolError, ValueError):
        return ""


def _bind(data: bytes, start: int, end: int) -> str:
    _, name, proof = ber.children(data, start, end)
    kind, first, last = proof
    who = quoted(data[name[1] : name[2]])
    if kind == _SASL:
        mechanism, *_ = ber.children(data, first, last)
        return f"bind {who} SASL {quoted(data[mechanism[1] : mechanism[2]])} {HIDDEN}"
    return f"bind {who} {f'simple {HIDDEN}' if last > first else 'without a password'}"


def _unbind(_data: bytes, _start: int, _end: int) -> str:
    return "unbind"


def _search(data: bytes, start: int, end: int) -> str:
    base, scope, _, size, time, types, filter_, names = ber.children(data, start, end)
    number = ber.read_integer(data, *scope[1:])
    size_limit, time_limit = ber.read_integer(data, *size[1:]), ber.read_integer(data, *time[1:])
    wanted = listed(data[first:last].decode() for _, first, last in ber.children(data, *names[1:]))
    said = [
        f"search {quoted(data[base[1] : base[2]])} {_SCOPES.get(number, number)}",
        filters.decode(data[types[2] : filter_[2]], assertion),
        f"attributes {wanted or 'all'}",
        *([f"size limit {size_limit}"] if size_limit else []),
        *([f"time limit {time_limit}"] if time_limit else []),
    ]
    return " ".join(said)


def _abandon(data: bytes, start: int, end: int) -> str:
    return f"abandon {ber.read_integer(data, start, end)}"


def _extended(data: bytes, start: int, end: int) -> str:
    oid, *rest = ((data[first:last], last) for _, first, last in ber.children(data, start, end))
    name = oid[0].decode()
    value = rest[0][0] if rest else b""
    if name == messages.CANCEL:
        _, first, last = ber.read(value, 0, len(value))
        _, number, stop = ber.read(value, first, last)
        return f"Cancel {ber.read_integer(value, number, stop)}"
    return _NAMES.get(name) or f"extended operation {quoted(name)}"


_REQUESTS: Final[dict[int, Callable[[bytes, int, int], str]]] = {
    0x60: _bind,
    0x42: _unbind,
    0x63: _search,
    0x50: _abandon,
    EXTENDED: _extended,
}
