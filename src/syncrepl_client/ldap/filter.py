"""Search filters: from their text (RFC 4515) to their encoding (RFC 4511 section 4.5.1.7)."""

from __future__ import annotations

import re
from typing import Final

from syncrepl_client.exceptions import FilterError
from syncrepl_client.ldap import ber

__all__ = ["encode", "escape"]

_MAX_DEPTH: Final = 100
_ATTRIBUTE: Final = r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*"
_SIMPLE: Final = re.compile(rf"({_ATTRIBUTE})\s*(~=|>=|<=|=)")
_EXTENSIBLE: Final = re.compile(rf"({_ATTRIBUTE})?(:dn)?(?::({_ATTRIBUTE}))?:=", re.IGNORECASE)
_ESCAPE: Final = re.compile(rb"\\([0-9a-fA-F]{2})?")
_MUST_ESCAPE: Final = re.compile(rb"[\x00()*\\]|[\x80-\xff]")
_TAGS: Final = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}


def escape(value: str | bytes) -> str:
    """Escape a value so that it can stand in a filter (RFC 4515 section 3)."""
    octets = value.encode() if isinstance(value, str) else value
    return _MUST_ESCAPE.sub(lambda match: b"\\%02x" % match[0][0], octets).decode("ascii")


def encode(text: str) -> bytes:
    """Encode a filter.

    Args:
        text: the filter; parentheses around a single comparison may be left out.

    Raises:
        FilterError: it is not a filter, or nested more than 100 levels deep.
    """
    stripped = text.strip()
    if stripped and not stripped.startswith("("):
        stripped = f"({stripped})"
    encoded, pos = _filter(stripped, 0, 0)
    if pos != len(stripped):
        raise FilterError(text, pos, "nothing should follow the filter")
    return encoded


def _filter(text: str, pos: int, level: int) -> tuple[bytes, int]:
    if level > _MAX_DEPTH:
        raise FilterError(text, pos, f"nested more than {_MAX_DEPTH} levels deep")
    if not text.startswith("(", pos):
        raise FilterError(text, pos, "expected '('")
    pos += 1
    kind = text[pos : pos + 1]
    if kind in {"&", "|"}:
        parts, pos = _list(text, pos + 1, level + 1)
        encoded = ber.tlv(0xA0 if kind == "&" else 0xA1, *parts)
    elif kind == "!":
        inner, pos = _filter(text, _skip(text, pos + 1), level + 1)
        encoded = ber.tlv(0xA2, inner)
        pos = _skip(text, pos)
    else:
        end = text.find(")", pos)
        if end < 0:
            raise FilterError(text, len(text), "expected ')'")
        encoded = _comparison(text, pos, end)
        pos = end
    if not text.startswith(")", pos):
        raise FilterError(text, pos, "expected ')'")
    return encoded, pos + 1


def _skip(text: str, pos: int) -> int:
    while text.startswith(" ", pos):
        pos += 1
    return pos


def _list(text: str, pos: int, level: int) -> tuple[list[bytes], int]:
    parts = []
    pos = _skip(text, pos)
    while text.startswith("(", pos):
        part, pos = _filter(text, pos, level)
        parts.append(part)
        pos = _skip(text, pos)
    return parts, pos


def _comparison(text: str, pos: int, end: int) -> bytes:
    extensible = _EXTENSIBLE.match(text, pos, end)
    if extensible is not None:
        return _matching_rule(text, extensible, end)
    simple = _SIMPLE.match(text, pos, end)
    if simple is None:
        raise FilterError(text, pos, "expected an attribute and a comparison")
    attribute = ber.octet_string(simple[1].encode())
    value = text[simple.end() : end]
    if "(" in value:
        raise FilterError(text, simple.end() + value.index("("), "a parenthesis in a value is written \\28")
    if simple[2] == "=" and value == "*":
        return ber.octet_string(simple[1].encode(), tag=0x87)
    if simple[2] == "=" and "*" in value:
        return _substrings(text, attribute, simple.end(), value)
    return ber.tlv(_TAGS[simple[2]], attribute, ber.octet_string(_unescape(text, simple.end(), value)))


def _substrings(text: str, attribute: bytes, pos: int, value: str) -> bytes:
    pieces = value.split("*")
    parts = []
    for index, piece in enumerate(pieces):
        if piece:
            tag = 0x80 if index == 0 else 0x82 if index == len(pieces) - 1 else 0x81
            parts.append(ber.octet_string(_unescape(text, pos, piece), tag=tag))
    if not parts:
        raise FilterError(text, pos, "expected a value between the stars")
    return ber.tlv(0xA4, attribute, ber.sequence(*parts))


def _matching_rule(text: str, match: re.Match[str], end: int) -> bytes:
    attribute, with_dn, rule = match[1], match[2], match[3]
    if attribute is None and rule is None:
        raise FilterError(text, match.start(), "expected an attribute or a matching rule")
    parts = []
    if rule is not None:
        parts.append(ber.octet_string(rule.encode(), tag=0x81))
    if attribute is not None:
        parts.append(ber.octet_string(attribute.encode(), tag=0x82))
    parts.append(ber.octet_string(_unescape(text, match.end(), text[match.end() : end]), tag=0x83))
    if with_dn:
        parts.append(ber.boolean(True, tag=0x84))  # noqa: FBT003 - what is encoded
    return ber.tlv(0xA9, *parts)


def _unescape(text: str, pos: int, value: str) -> bytes:
    def octet(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise FilterError(text, pos, "a backslash is followed by two hexadecimal digits")
        return bytes.fromhex(match[1].decode())

    return _ESCAPE.sub(octet, value.encode())
