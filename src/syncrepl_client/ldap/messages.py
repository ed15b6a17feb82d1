"""LDAP messages: requests as bytes, responses as values (RFC 4511).

Here live the encoders of the requests that a consumer sends and the decoder of every response that a client can
receive. Nothing here keeps state; which bytes form a message is decided in `connection`.  Optional members are told
apart by their tags, never by their position, and members that we do not know are skipped (RFC 4511 section 4:
extensibility).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.secret import Hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "CANCEL",
    "MANAGE_DSA_IT",
    "NOTICE_OF_DISCONNECTION",
    "PROXIED_AUTHORIZATION",
    "SEARCH_RESULT_ENTRY",
    "START_TLS",
    "WHO_AM_I",
    "BindResponse",
    "Control",
    "ExtendedResponse",
    "IntermediateResponse",
    "Message",
    "Operation",
    "Result",
    "SearchResultDone",
    "SearchResultEntry",
    "SearchResultReference",
    "UpdateResponse",
    "abandon_request",
    "bind_request",
    "decode_controls",
    "decode_message",
    "decode_octets",
    "encode_message",
    "extended_request",
    "sasl_bind_request",
    "search_request",
    "unbind_request",
]

START_TLS: Final = "1.3.6.1.4.1.1466.20037"
"""The StartTLS extended operation (RFC 4511 section 4.14)."""
NOTICE_OF_DISCONNECTION: Final = "1.3.6.1.4.1.1466.20036"
"""The unsolicited notification before a server closes (RFC 4511 section 4.4.1)."""
WHO_AM_I: Final = "1.3.6.1.4.1.4203.1.11.3"
"""The Who am I? extended operation (RFC 4532)."""
CANCEL: Final = "1.3.6.1.1.8"
"""The Cancel extended operation (RFC 3909)."""
MANAGE_DSA_IT: Final = "2.16.840.1.113730.3.4.2"
"""The control by which referral objects are entries like any other (RFC 3296)."""
PROXIED_AUTHORIZATION: Final = "2.16.840.1.113730.3.4.18"
"""The control by which a request is done in somebody else's name (RFC 4370)."""

SEARCH_RESULT_ENTRY: Final = 0x64
_CONTROLS: Final = 0xA0
_RESULT_REFERRAL: Final = 0xA3


@dataclass(frozen=True, slots=True)
class Control:
    """A control on a message (RFC 4511 section 4.1.11)."""

    oid: str
    critical: bool = False
    value: bytes | None = None

    def encode(self) -> bytes:
        """Encode the control as its SEQUENCE."""
        parts = [ber.octet_string(self.oid.encode())]
        if self.critical:
            parts.append(ber.boolean(value=True))
        if self.value is not None:
            parts.append(ber.octet_string(self.value))
        return ber.sequence(*parts)


@dataclass(frozen=True, slots=True)
class Result:
    """An LDAPResult (RFC 4511 section 4.1.9)."""

    code: int
    matched_dn: str = ""
    diagnostic: str = ""
    referrals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BindResponse:
    """The answer to a bind; `credentials` belongs to SASL."""

    result: Result
    # No log shows them.
    credentials: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SearchResultEntry:
    """One entry; `attributes` is the PartialAttributeList exactly as it arrived, its own tag and length included."""

    dn: bytes
    attributes: bytes


@dataclass(frozen=True, slots=True)
class SearchResultReference:
    """A continuation reference."""

    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchResultDone:
    """The end of a search."""

    result: Result


@dataclass(frozen=True, slots=True)
class UpdateResponse:
    """The end of an add, delete, modify, modify DN or compare; `tag` tells which."""

    tag: int
    result: Result


@dataclass(frozen=True, slots=True)
class ExtendedResponse:
    """The answer to an extended operation, or an unsolicited notification."""

    result: Result
    name: str | None = None
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class IntermediateResponse:
    """Something said in the middle of an operation (RFC 4511 section 4.13)."""

    name: str | None = None
    value: bytes | None = None


Operation = (
    BindResponse
    | SearchResultEntry
    | SearchResultReference
    | SearchResultDone
    | UpdateResponse
    | ExtendedResponse
    | IntermediateResponse
)


@dataclass(frozen=True, slots=True)
class Message:
    """One LDAPMessage from the server.  `raw_controls` is the whole ``[0]`` element as it arrived, or empty."""

    message_id: int
    operation: Operation
    raw_controls: bytes = b""

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls, decoded.

        Raises:
            ProtocolError: they are malformed.
        """
        return decode_controls(self.raw_controls)


# --- requests ---------------------------------------------------------------------------------------------------------


def encode_message(message_id: int, operation: bytes, controls: Iterable[Control] = ()) -> bytes:
    """Wrap an encoded operation into an LDAPMessage (RFC 4511 section 4.1.1); one that is hidden stays so."""
    encoded = b"".join(control.encode() for control in controls)
    tail = ber.tlv(_CONTROLS, encoded) if encoded else b""
    return Hidden.like(operation, ber.sequence(ber.integer(message_id), operation, tail))


def bind_request(name: str, password: bytes) -> Hidden:
    """Encode a simple bind (RFC 4511 section 4.2)."""
    return Hidden(ber.tlv(0x60, ber.integer(3), ber.octet_string(name.encode()), ber.octet_string(password, tag=0x80)))


def sasl_bind_request(mechanism: str, credentials: bytes | None) -> Hidden:
    """Encode a step of a SASL bind (RFC 4511 section 4.2).

    Args:
        mechanism: its registered name.
        credentials: what the mechanism has to say; None says nothing, which is not the same as saying it with no octet.
    """
    said = b"" if credentials is None else ber.octet_string(credentials)
    sasl = Hidden(ber.sequence(ber.octet_string(mechanism.encode()), Hidden(said), tag=0xA3))
    return Hidden(ber.tlv(0x60, ber.integer(3), ber.octet_string(b""), sasl))


def unbind_request() -> bytes:
    """Encode an unbind (RFC 4511 section 4.3)."""
    return ber.tlv(0x42)


def search_request(base: str, scope: int, filter_: bytes, attributes: Iterable[str], size_limit: int = 0) -> bytes:
    """Encode a search that dereferences no alias (RFC 4511 section 4.5.1).

    Args:
        base: DN of the search base.
        scope: 0 base, 1 one level, 2 subtree.
        filter_: the filter, encoded.
        attributes: what to return; empty means all user attributes.
        size_limit: how many entries at most; 0 for all.
    """
    return ber.tlv(
        0x63,
        ber.octet_string(base.encode()),
        ber.enumerated(scope),
        ber.enumerated(0),
        ber.integer(size_limit),
        ber.integer(0),
        ber.boolean(value=False),
        filter_,
        ber.sequence(*(ber.octet_string(name.encode()) for name in attributes)),
    )


def abandon_request(message_id: int) -> bytes:
    """Encode the request to abandon an operation (RFC 4511 section 4.11)."""
    return ber.integer(message_id, tag=0x50)


def extended_request(oid: str, value: bytes | None = None) -> bytes:
    """Encode an extended operation (RFC 4511 section 4.12)."""
    tail = b"" if value is None else ber.octet_string(value, tag=0x81)
    return ber.tlv(0x77, ber.octet_string(oid.encode(), tag=0x80), tail)


# --- responses --------------------------------------------------------------------------------------------------------


def decode_octets(data: bytes, what: str) -> str:
    """Decode an LDAPString.

    Raises:
        ProtocolError: it is not UTF-8 (RFC 4511 section 4.1.2).
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{what} is not UTF-8: {data[:60]!r}") from error


def _expect(data: bytes, pos: int, end: int, tag: int, what: str) -> tuple[int, int]:
    if pos >= end:
        raise ProtocolError(f"{what} is missing")
    found, start, stop = ber.read(data, pos, end)
    if found != tag:
        raise ProtocolError(f"{what} has tag 0x{found:02x}, expected 0x{tag:02x}")
    return start, stop


def _decode_result(data: bytes, start: int, end: int) -> tuple[Result, dict[int, tuple[int, int]]]:
    """Decode the components of an LDAPResult; what follows them is returned by tag."""
    first, code_end = _expect(data, start, end, 0x0A, "result code")
    code = ber.read_integer(data, first, code_end)
    dn_start, dn_end = _expect(data, code_end, end, 0x04, "matched DN")
    text_start, text_end = _expect(data, dn_end, end, 0x04, "diagnostic message")
    rest = {tag: (inner, stop) for tag, inner, stop in ber.children(data, text_end, end)}
    referrals: tuple[str, ...] = ()
    if _RESULT_REFERRAL in rest:
        referrals = _strings(data, *rest[_RESULT_REFERRAL], "referral")
    # Servers put other charsets into diagnostics now and then; that is no reason to lose the result.
    diagnostic = data[text_start:text_end].decode(errors="replace")
    return Result(code, decode_octets(data[dn_start:dn_end], "matched DN"), diagnostic, referrals), rest


def _strings(data: bytes, start: int, end: int, what: str) -> tuple[str, ...]:
    return tuple(decode_octets(data[inner:stop], what) for _, inner, stop in ber.children(data, start, end))


def _slice(data: bytes, rest: dict[int, tuple[int, int]], tag: int) -> bytes | None:
    span = rest.get(tag)
    return None if span is None else data[span[0] : span[1]]


def _oid(value: bytes | None) -> str | None:
    return None if value is None else decode_octets(value, "object identifier")


def _bind_response(data: bytes, start: int, end: int) -> BindResponse:
    result, rest = _decode_result(data, start, end)
    return BindResponse(result, _slice(data, rest, 0x87))


def _search_entry(data: bytes, start: int, end: int) -> SearchResultEntry:
    dn_start, dn_end = _expect(data, start, end, 0x04, "entry DN")
    _, list_end = _expect(data, dn_end, end, 0x30, "attribute list")
    if list_end != end:
        # RFC 4511 section 4: what follows and is not known is skipped, if it is an element.
        list(ber.children(data, list_end, end))
    return SearchResultEntry(data[dn_start:dn_end], data[dn_end:list_end])


def _search_reference(data: bytes, start: int, end: int) -> SearchResultReference:
    return SearchResultReference(_strings(data, start, end, "reference"))


def _search_done(data: bytes, start: int, end: int) -> SearchResultDone:
    return SearchResultDone(_decode_result(data, start, end)[0])


def _extended_response(data: bytes, start: int, end: int) -> ExtendedResponse:
    result, rest = _decode_result(data, start, end)
    return ExtendedResponse(result, _oid(_slice(data, rest, 0x8A)), _slice(data, rest, 0x8B))


def _intermediate(data: bytes, start: int, end: int) -> IntermediateResponse:
    rest = {tag: (inner, stop) for tag, inner, stop in ber.children(data, start, end)}
    return IntermediateResponse(_oid(_slice(data, rest, 0x80)), _slice(data, rest, 0x81))


_DECODERS: Final[dict[int, Callable[[bytes, int, int], Operation]]] = {
    0x61: _bind_response,
    SEARCH_RESULT_ENTRY: _search_entry,
    0x65: _search_done,
    0x73: _search_reference,
    0x78: _extended_response,
    0x79: _intermediate,
}
_UPDATES: Final = frozenset({0x67, 0x69, 0x6B, 0x6D, 0x6F})


def decode_message(data: bytes) -> Message:
    """Decode one whole LDAPMessage.

    Args:
        data: exactly one message, its outer SEQUENCE included.

    Raises:
        ProtocolError: it is malformed, or an operation that no client receives.
    """
    start, end = _expect(data, 0, len(data), 0x30, "message")
    id_start, id_end = _expect(data, start, end, 0x02, "message id")
    message_id = ber.read_integer(data, id_start, id_end)
    if message_id < 0:
        raise ProtocolError(f"message id {message_id} is negative")
    if id_end >= end:
        raise ProtocolError("a message without an operation")
    tag, op_start, op_end = ber.read(data, id_end, end)
    raw_controls = b""
    pos = op_end
    for found, _, stop in ber.children(data, op_end, end):
        if found == _CONTROLS:
            raw_controls = data[pos:stop]
        pos = stop
    if tag in _UPDATES:
        return Message(message_id, UpdateResponse(tag, _decode_result(data, op_start, op_end)[0]), raw_controls)
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise ProtocolError(f"operation 0x{tag:02x} is none that a client receives")
    return Message(message_id, decoder(data, op_start, op_end), raw_controls)


def decode_controls(raw: bytes) -> tuple[Control, ...]:
    """Decode the ``[0]`` element that holds a message's controls (RFC 4511 section 4.1.11).

    Raises:
        ProtocolError: it is malformed.
    """
    if not raw:
        return ()
    start, end = _expect(raw, 0, len(raw), _CONTROLS, "controls")
    return tuple(_control(raw, inner, stop) for _, inner, stop in ber.children(raw, start, end))


def _control(data: bytes, start: int, end: int) -> Control:
    oid_start, oid_end = _expect(data, start, end, 0x04, "control type")
    rest = {tag: (inner, stop) for tag, inner, stop in ber.children(data, oid_end, end)}
    critical = ber.read_boolean(data, *rest[0x01]) if 0x01 in rest else False
    return Control(decode_octets(data[oid_start:oid_end], "control type"), critical, _slice(data, rest, 0x04))
