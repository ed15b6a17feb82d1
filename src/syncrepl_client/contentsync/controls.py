"""The controls and messages of RFC 4533 section 2, between octets and values.

Every optional member is found by its tag: servers leave members out in each possible combination, and a decoder that
goes by position takes a BOOLEAN for a cookie.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.messages import Control

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "SYNC_DONE",
    "SYNC_INFO",
    "SYNC_REQUEST",
    "SYNC_STATE",
    "UUID_SIZE",
    "EntryState",
    "IdSet",
    "NewCookie",
    "PhaseEnd",
    "SyncDone",
    "SyncInfo",
    "SyncState",
    "decode_done",
    "decode_info",
    "decode_state",
    "find",
    "request_control",
]

SYNC_REQUEST: Final = "1.3.6.1.4.1.4203.1.9.1.1"
SYNC_STATE: Final = "1.3.6.1.4.1.4203.1.9.1.2"
SYNC_DONE: Final = "1.3.6.1.4.1.4203.1.9.1.3"
SYNC_INFO: Final = "1.3.6.1.4.1.4203.1.9.1.4"

UUID_SIZE: Final = 16


class EntryState(IntEnum):
    """What a Sync State control says of its entry (RFC 4533 section 2.3); MODDN is sent by ApacheDS alone."""

    PRESENT = 0
    ADD = 1
    MODIFY = 2
    DELETE = 3
    MODDN = 4


@dataclass(frozen=True, slots=True)
class SyncState:
    """The Sync State control of an entry."""

    state: EntryState
    uuid: bytes
    cookie: bytes | None = None


@dataclass(frozen=True, slots=True)
class SyncDone:
    """The Sync Done control at the end of a search."""

    cookie: bytes | None = None
    refresh_deletes: bool = False


@dataclass(frozen=True, slots=True)
class NewCookie:
    """Sync Info newcookie."""

    cookie: bytes


@dataclass(frozen=True, slots=True)
class PhaseEnd:
    """Sync Info refreshDelete (`deletes`) or refreshPresent."""

    deletes: bool
    done: bool = True
    cookie: bytes | None = None


@dataclass(frozen=True, slots=True)
class IdSet:
    """Sync Info syncIdSet: entries that are gone (`deletes`) or unchanged."""

    deletes: bool
    uuids: tuple[bytes, ...]
    cookie: bytes | None = None


SyncInfo = NewCookie | PhaseEnd | IdSet


def request_control(mode: int, cookie: bytes | None) -> Control:
    """Make the Sync Request control (RFC 4533 section 2.2).

    It is critical always: a server that ignored it would answer with a plain result, which looks like an empty refresh.

    Args:
        mode: 1 refreshOnly, 3 refreshAndPersist.
        cookie: what the server gave last; None for a refresh from nothing.
    """
    parts = [ber.enumerated(mode)]
    if cookie:
        parts.append(ber.octet_string(cookie))
    return Control(SYNC_REQUEST, critical=True, value=ber.sequence(*parts))


def find(controls: Iterable[Control], oid: str) -> bytes | None:
    """Find the value of a control among all that a message carries; None if it is not there.

    Raises:
        ProtocolError: the control is there without a value.
    """
    for control in controls:
        if control.oid == oid:
            if control.value is None:
                raise ProtocolError(f"control {oid} without a value")
            return control.value
    return None


def _sequence(value: bytes, what: str) -> list[tuple[int, int, int]]:
    if not value:
        raise ProtocolError(f"{what} is empty")
    tag, start, end = ber.read(value, 0, len(value))
    if tag != 0x30:  # noqa: PLR2004 - SEQUENCE
        raise ProtocolError(f"{what} has tag 0x{tag:02x}, expected a SEQUENCE")
    return list(ber.children(value, start, end))


def _uuid(data: bytes) -> bytes:
    if len(data) != UUID_SIZE:
        # RFC 4533 section 2.1: syncUUID is an OCTET STRING of 16 octets.
        raise ProtocolError(f"a syncUUID of {len(data)} octets: {data.hex()}")
    return data


def decode_state(value: bytes) -> SyncState:
    """Decode a syncStateValue (RFC 4533 section 2.3).

    Raises:
        ProtocolError: it is malformed, its UUID has not 16 octets, or its state is none that exists.
    """
    state: EntryState | None = None
    strings: list[bytes] = []
    for tag, start, end in _sequence(value, "syncStateValue"):
        if tag == 0x0A:  # noqa: PLR2004 - ENUMERATED
            number = ber.read_integer(value, start, end)
            try:
                state = EntryState(number)
            except ValueError as error:
                raise ProtocolError(f"unknown sync state {number}") from error
        elif tag == 0x04:  # noqa: PLR2004 - OCTET STRING: the UUID comes first, the cookie second
            strings.append(value[start:end])
    if state is None or not strings:
        raise ProtocolError("syncStateValue without state or UUID")
    return SyncState(state, _uuid(strings[0]), strings[1] if len(strings) > 1 else None)


def _cookie_and_flag(data: bytes, members: Iterable[tuple[int, int, int]]) -> tuple[bytes | None, bool | None]:
    cookie: bytes | None = None
    flag: bool | None = None
    for tag, start, end in members:
        if tag == 0x04:  # noqa: PLR2004 - OCTET STRING
            cookie = data[start:end]
        elif tag == 0x01:
            flag = ber.read_boolean(data, start, end)
    return cookie, flag


def decode_done(value: bytes) -> SyncDone:
    """Decode a syncDoneValue (RFC 4533 section 2.4).

    Raises:
        ProtocolError: it is malformed.
    """
    cookie, deletes = _cookie_and_flag(value, _sequence(value, "syncDoneValue"))
    return SyncDone(cookie, bool(deletes))


def decode_info(value: bytes) -> SyncInfo:
    """Decode a syncInfoValue (RFC 4533 section 2.5).

    Raises:
        ProtocolError: it is malformed, or a choice that does not exist.
    """
    if not value:
        raise ProtocolError("syncInfoValue is empty")
    tag, start, end = ber.read(value, 0, len(value))
    if tag == 0x80:  # noqa: PLR2004 - newcookie [0], primitive
        return NewCookie(value[start:end])
    members = list(ber.children(value, start, end))
    cookie, flag = _cookie_and_flag(value, members)
    if tag in {0xA1, 0xA2}:
        return PhaseEnd(tag == 0xA1, True if flag is None else flag, cookie)  # noqa: PLR2004 - refreshDelete [1]
    if tag == 0xA3:  # noqa: PLR2004 - syncIdSet [3]
        sets = [(inner, stop) for found, inner, stop in members if found == 0x31]  # noqa: PLR2004 - SET
        if len(sets) != 1:
            raise ProtocolError(f"syncIdSet with {len(sets)} sets of UUIDs")
        uuids = tuple(_uuid(value[inner:stop]) for _, inner, stop in ber.children(value, *sets[0]))
        return IdSet(bool(flag), uuids, cookie)
    raise ProtocolError(f"unknown syncInfoValue 0x{tag:02x}")
