"""Syntaxes (RFC 4517 section 3.3): from the octets of a value to an object of Python's that says the same.

======================================== ====================================
Boolean                                  bool
INTEGER                                  int
Generalized Time, UTC Time               datetime, aware, in UTC
UUID                                     UUID
DN, OID, all kinds of strings            str
everything else, certificates among them bytes
======================================== ====================================

A value that breaks its syntax stays bytes, so that reading a stream of changes never ends with one of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

from syncrepl_client.ldap.times import generalized_time, utc_time

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["boolean", "decoder", "integer", "is_plain", "plain_text", "undecoded", "uuid"]

# Text may have lines and tabs; any other control character is a sign that octets happen to be UTF-8.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_RFC_4517: Final = "1.3.6.1.4.1.1466.115.121.1."
_INTEGER: Final = re.compile(rb"-?\d{1,4000}")
_BOOLEANS: Final = {b"TRUE": True, b"FALSE": False}
_UUID: Final = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# The last number of the syntaxes whose values are text for people or for programs.
_TEXTS: Final = (
    3,  # Attribute Type Description
    6,  # Bit String
    11,  # Country String
    12,  # DN
    14,  # Delivery Method
    15,  # Directory String
    16,  # DIT Content Rule Description
    17,  # DIT Structure Rule Description
    21,  # Enhanced Guide
    22,  # Facsimile Telephone Number
    25,  # Guide
    26,  # IA5 String
    30,  # Matching Rule Description
    31,  # Matching Rule Use Description
    34,  # Name And Optional UID
    35,  # Name Form Description
    36,  # Numeric String
    37,  # Object Class Description
    38,  # OID
    39,  # Other Mailbox
    41,  # Postal Address
    42,  # Protocol Information
    43,  # Presentation Address
    44,  # Printable String
    45,  # Subtree Specification
    50,  # Telephone Number
    52,  # Telex Number
    54,  # LDAP Syntax Description
    58,  # Substring Assertion
)
_OTHER_TEXTS: Final = (
    "1.2.36.79672281.1.5.0",  # RDN
    "1.3.6.1.1.1.0.0",  # NIS netgroup triple (RFC 2307)
    "1.3.6.1.1.1.0.1",  # boot parameter (RFC 2307)
    "1.3.6.1.4.1.4203.666.11.2.1",  # OpenLDAP's change sequence number
    "1.3.6.1.4.1.4203.666.11.2.4",  # its server ID
    "2.16.840.1.113730.3.7.1",  # 389's space-insensitive string
)


def undecoded(value: bytes) -> bytes:
    """Return the value itself."""
    return value


def boolean(value: bytes) -> bool:
    """Read a Boolean; some servers write it in small letters.

    Raises:
        ValueError: it is none.
    """
    found = _BOOLEANS.get(value.upper())
    if found is None:
        raise ValueError("neither TRUE nor FALSE")
    return found


def integer(value: bytes) -> int:
    """Read an INTEGER.

    Raises:
        ValueError: it is none, or one of thousands of digits, which would take long to calculate with.
    """
    if not _INTEGER.fullmatch(value):
        raise ValueError("not an integer, or not one to calculate with")
    return int(value)


def uuid(value: bytes) -> UUID:
    """Read a UUID (RFC 4530 section 2.1).

    Raises:
        ValueError: it is none.
    """
    if not _UUID.fullmatch(value):
        raise ValueError("not a UUID")
    return UUID(value.decode())


def _tolerant(strict: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def decode(value: bytes) -> object:
        try:
            return strict(value)
        except (ValueError, OverflowError):
            return value

    return decode


_TEXT: Final = _tolerant(bytes.decode)
_DECODERS: Final = {
    **{f"{_RFC_4517}{number}": _TEXT for number in _TEXTS},
    **dict.fromkeys(_OTHER_TEXTS, _TEXT),
    f"{_RFC_4517}7": _tolerant(boolean),
    f"{_RFC_4517}24": _tolerant(generalized_time),
    f"{_RFC_4517}27": _tolerant(integer),
    f"{_RFC_4517}53": _tolerant(utc_time),
    "1.3.6.1.1.16.1": _tolerant(uuid),
}


def is_plain(text: str) -> bool:
    """Tell whether text has no control characters but the ends of lines and tabs."""
    return text.isprintable() or not _CONTROL.search(text)


def plain_text(value: bytes) -> str | None:
    """Return a value of unknown syntax as text; None if it is none, or has control characters."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if is_plain(text) else None


def decoder(syntax: str) -> Callable[[bytes], object]:
    """Return what turns the values of a syntax into objects, or leaves them as they are.

    Args:
        syntax: its OID.
    """
    return _DECODERS.get(syntax, undecoded)
