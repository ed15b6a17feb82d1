"""The subset of BER that LDAP uses (RFC 4511 section 5.1): definite lengths, one-octet tags.

Writers return octets; readers work on positions inside one ``bytes`` object, so that nothing is copied until it is
wanted. Whatever is malformed is a `ProtocolError`, never an `IndexError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "boolean",
    "children",
    "enumerated",
    "integer",
    "octet_string",
    "read",
    "read_boolean",
    "read_integer",
    "sequence",
    "set_of",
    "tlv",
]

_LONG_FORM: Final = 0x80
_HIGH_TAG: Final = 0x1F
_MAX_OCTETS: Final = 8


def tlv(tag: int, *contents: bytes) -> bytes:
    """Encode an element: tag, minimal length, contents."""
    body = b"".join(contents)
    size = len(body)
    if size < _LONG_FORM:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, _LONG_FORM | len(octets))) + octets + body


def integer(value: int, tag: int = 0x02) -> bytes:
    """Encode an INTEGER in two's complement, in as few octets as it takes (X.690 section 8.3.2)."""
    return tlv(tag, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, signed=True))


def enumerated(value: int) -> bytes:
    """Encode an ENUMERATED."""
    return integer(value, tag=0x0A)


def boolean(value: bool, tag: int = 0x01) -> bytes:  # noqa: FBT001 - what is encoded
    """Encode a BOOLEAN; TRUE is 0xFF (RFC 4511 section 5.1)."""
    return tlv(tag, b"\xff" if value else b"\x00")


def octet_string(value: bytes, tag: int = 0x04) -> bytes:
    """Encode an OCTET STRING."""
    return tlv(tag, value)


def sequence(*parts: bytes, tag: int = 0x30) -> bytes:
    """Encode a SEQUENCE of encoded elements."""
    return tlv(tag, *parts)


def set_of(*parts: bytes) -> bytes:
    """Encode a SET of encoded elements."""
    return tlv(0x31, *parts)


def read(data: bytes, pos: int, end: int) -> tuple[int, int, int]:
    """Read the element at `pos`.

    Returns:
        Its tag, and where its value starts and ends.

    Raises:
        ProtocolError: it is malformed or does not end before `end`.
    """
    if pos + 2 > end:
        raise ProtocolError("an element is cut off")
    tag, length = data[pos], data[pos + 1]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise ProtocolError(f"a tag of several octets: 0x{tag:02x}")
    start = pos + 2
    if length >= _LONG_FORM:
        octets = length - _LONG_FORM
        if not 0 < octets <= _MAX_OCTETS:
            raise ProtocolError(f"a length in {octets} octets")
        start += octets
        if start > end:
            raise ProtocolError("an element is cut off")
        length = int.from_bytes(data[pos + 2 : start])
    if start + length > end:
        raise ProtocolError(f"an element of {length} octets where {end - start} are left")
    return tag, start, start + length


def children(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Iterate over the elements between two positions, each as `read` returns it."""
    while start < end:
        element = read(data, start, end)
        yield element
        start = element[2]


def read_integer(data: bytes, start: int, end: int) -> int:
    """Decode the value of an INTEGER or ENUMERATED.

    Raises:
        ProtocolError: it is empty or has more than 8 octets.
    """
    if not 0 < end - start <= _MAX_OCTETS:
        raise ProtocolError(f"an integer of {end - start} octets")
    return int.from_bytes(data[start:end], signed=True)


def read_boolean(data: bytes, start: int, end: int) -> bool:
    """Decode the value of a BOOLEAN: any octet but zero is TRUE.

    Raises:
        ProtocolError: it has not one octet.
    """
    if end - start != 1:
        raise ProtocolError(f"a boolean of {end - start} octets")
    return data[start] != 0
