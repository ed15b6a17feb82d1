"""The server's side of the codec: what a provider says, as octets.

Everything can be said here, the wrong things too: a UUID of any length, a state that does not exist, a member left out.
Optional members that are None are left out; FALSE is said where it is given.  Nothing here checks what it encodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap.attributes import encode_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BIND_RESPONSE",
    "EXTENDED_RESPONSE",
    "SEARCH_RESULT_DONE",
    "Response",
    "control",
    "disconnection",
    "done",
    "entry",
    "id_set",
    "info",
    "intermediate",
    "message",
    "message_id",
    "new_cookie",
    "operation_tag",
    "phase_end",
    "reference",
    "renumber",
    "result",
    "split",
    "state",
    "sync_done",
    "sync_info",
]

BIND_RESPONSE: Final = 0x61
SEARCH_RESULT_DONE: Final = 0x65
EXTENDED_RESPONSE: Final = 0x78


@dataclass(frozen=True, slots=True)
class Response:
    """A message without its id: an encoded operation, and encoded controls."""

    operation: bytes
    controls: tuple[bytes, ...] = ()

    @property
    def is_entry(self) -> bool:
        """Whether it is a SearchResultEntry."""
        return self.operation[0] == messages.SEARCH_RESULT_ENTRY

    @property
    def ends_search(self) -> bool:
        """Whether it is a SearchResultDone."""
        return self.operation[0] == SEARCH_RESULT_DONE

    def encode(self, message_id: int) -> bytes:
        """Encode the LDAPMessage that answers a request."""
        return message(message_id, self.operation, *self.controls)


# --- messages ---------------------------------------------------------------------------------------------------------


def message(message_id: int, operation: bytes, *controls_: bytes) -> bytes:
    """Encode an LDAPMessage."""
    tail = ber.tlv(0xA0, *controls_) if controls_ else b""
    return ber.sequence(ber.integer(message_id), operation, tail)


def control(oid: str, value: bytes | None = None, *, critical: bool | None = None) -> bytes:
    """Encode a control."""
    parts = [ber.octet_string(oid.encode())]
    if critical is not None:
        parts.append(ber.boolean(critical))
    if value is not None:
        parts.append(ber.octet_string(value))
    return ber.sequence(*parts)


def result(tag: int, code: int = 0, diagnostic: str = "", *rest: bytes, matched_dn: str = "") -> bytes:
    """Encode an operation that is an LDAPResult."""
    named = ber.octet_string(matched_dn.encode()), ber.octet_string(diagnostic.encode())
    return ber.tlv(tag, ber.enumerated(code), *named, *rest)


def entry(dn: str, attributes: Mapping[str, list[bytes]]) -> bytes:
    """Encode a SearchResultEntry."""
    return ber.tlv(messages.SEARCH_RESULT_ENTRY, ber.octet_string(dn.encode()), encode_attributes(attributes))


def reference(*urls: str) -> bytes:
    """Encode a SearchResultReference."""
    return ber.tlv(0x73, *(ber.octet_string(url.encode()) for url in urls))


def done(message_id: int, code: int = 0, *controls_: bytes) -> bytes:
    """Encode the end of a search."""
    return message(message_id, result(SEARCH_RESULT_DONE, code), *controls_)


def intermediate(message_id: int, name: str, value: bytes) -> bytes:
    """Encode an IntermediateResponse."""
    return message(message_id, _intermediate(name, value))


def disconnection(code: int, diagnostic: str = "") -> bytes:
    """Encode a notice of disconnection (RFC 4511 section 4.4.1)."""
    name = ber.octet_string(messages.NOTICE_OF_DISCONNECTION.encode(), tag=0x8A)
    return message(0, result(EXTENDED_RESPONSE, code, diagnostic, name))


def _intermediate(name: str, value: bytes) -> bytes:
    return ber.tlv(0x79, ber.octet_string(name.encode(), tag=0x80), ber.octet_string(value, tag=0x81))


# --- RFC 4533 ---------------------------------------------------------------------------------------------------------


def state(number: int, uuid: bytes, cookie: bytes | None = None) -> bytes:
    """Encode a Sync State control."""
    return control(
        controls.SYNC_STATE, ber.sequence(ber.enumerated(number), ber.octet_string(uuid), *_members(cookie, None))
    )


def sync_done(cookie: bytes | None = None, *, deletes: bool | None = None) -> bytes:
    """Encode a Sync Done control."""
    return control(controls.SYNC_DONE, ber.sequence(*_members(cookie, deletes)))


def info(message_id: int, value: bytes) -> bytes:
    """Encode a Sync Info message."""
    return message(message_id, sync_info(value))


def sync_info(value: bytes) -> bytes:
    """Encode the operation of a Sync Info message; its value is one of the three below."""
    return _intermediate(controls.SYNC_INFO, value)


def new_cookie(cookie: bytes) -> bytes:
    """Encode the syncInfoValue newcookie."""
    return ber.octet_string(cookie, tag=0x80)


def phase_end(*, deletes: bool, done: bool | None = None, cookie: bytes | None = None) -> bytes:
    """Encode the syncInfoValue refreshDelete (`deletes`) or refreshPresent."""
    return ber.tlv(0xA1 if deletes else 0xA2, *_members(cookie, done))


def id_set(*uuids: bytes, deletes: bool | None = None, cookie: bytes | None = None) -> bytes:
    """Encode the syncInfoValue syncIdSet."""
    return ber.tlv(0xA3, *_members(cookie, deletes), ber.set_of(*map(ber.octet_string, uuids)))


def _members(cookie: bytes | None, flag: bool | None) -> list[bytes]:  # noqa: FBT001 - what is encoded
    members = [] if cookie is None else [ber.octet_string(cookie)]
    return members if flag is None else [*members, ber.boolean(flag)]


# --- streams ----------------------------------------------------------------------------------------------------------


def split(stream: bytes) -> tuple[bytes, ...]:
    """Cut octets into the messages that they are.

    Raises:
        ProtocolError: they are not whole messages.
    """
    pieces = []
    pos = 0
    for tag, _, end in ber.children(stream, 0, len(stream)):
        if tag != 0x30:  # noqa: PLR2004 - RFC 4511 section 4.1.1: LDAPMessage is a SEQUENCE
            raise ProtocolError(f"expected an LDAP message, found tag 0x{tag:02x}")
        pieces.append(stream[pos:end])
        pos = end
    return tuple(pieces)


def message_id(data: bytes) -> int:
    """Return the id of a message.

    Raises:
        ProtocolError: it is malformed.
    """
    return _head(data)[0]


def operation_tag(data: bytes) -> int:
    """Return the tag of the operation in a message.

    Raises:
        ProtocolError: it is malformed.
    """
    _, start, end = _head(data)
    return ber.read(data, start, end)[0]


def renumber(data: bytes, message_id: int) -> bytes:
    """Give a message another id; one with the id 0 answers nothing and keeps it.

    Raises:
        ProtocolError: it is malformed.
    """
    number, start, end = _head(data)
    return ber.sequence(ber.integer(message_id), data[start:end]) if number else data


def _head(data: bytes) -> tuple[int, int, int]:
    """Return the id of a message, and where what follows it begins and ends."""
    _, start, end = ber.read(data, 0, len(data))
    _, id_start, id_end = ber.read(data, start, end)
    return ber.read_integer(data, id_start, id_end), id_end, end
