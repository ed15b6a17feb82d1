"""Search filters: from their text (RFC 4515) to their encoding (RFC 4511 section 4.5.1.7) and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import FilterError, ProtocolError
from syncrepl_client.ldap import ber

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decode", "encode", "escape"]

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


# --- from the encoding to the text ------------------------------------------------------------------------------------

_OPERATORS: Final = {tag: operator for operator, tag in _TAGS.items()}
_SETS: Final = {0xA0: "&", 0xA1: "|", 0xA2: "!"}
_NOT: Final = 0xA2
_SUBSTRINGS: Final = 0xA4
_PRESENT: Final = 0x87
_EXTENSIBLE_MATCH: Final = 0xA9
_INITIAL: Final = 0x80
_FINAL: Final = 0x82
_RULE: Final = 0x81


def _as_it_is(_attribute: str, escaped: str) -> str:
    return escaped


def decode(encoded: bytes, show: Callable[[str, str], str] = _as_it_is) -> str:
    """Write an encoded filter as text.

    Args:
        encoded: the filter.
        show: is given the attribute and the escaped text of each value, and returns what to write of it.

    Raises:
        ProtocolError: it is not a filter, or nested more than 100 levels deep.
    """
    tag, start, end = ber.read(encoded, 0, len(encoded))
    if end != len(encoded):
        raise ProtocolError("something follows the filter")
    return _text(encoded, (tag, start, end), show, 0)


def _text(data: bytes, element: tuple[int, int, int], show: Callable[[str, str], str], level: int) -> str:
    if level > _MAX_DEPTH:
        raise ProtocolError(f"a filter nested more than {_MAX_DEPTH} levels deep")
    tag, start, end = element
    if tag in _SETS:
        parts = [_text(data, inner, show, level + 1) for inner in ber.children(data, start, end)]
        if tag == _NOT and len(parts) != 1:
            raise ProtocolError(f"a filter that denies {len(parts)} others")
        return f"({_SETS[tag]}{''.join(parts)})"
    if tag == _PRESENT:
        return f"({_ascii(data[start:end])}=*)"
    if tag == _EXTENSIBLE_MATCH:
        return _extensible_text(data, start, end, show)
    return _comparison_text(data, element, show)


def _comparison_text(data: bytes, element: tuple[int, int, int], show: Callable[[str, str], str]) -> str:
    tag, start, end = element
    members = list(ber.children(data, start, end))
    if len(members) != 2:  # noqa: PLR2004 - an attribute and what is asserted of it
        raise ProtocolError(f"a comparison 0x{tag:02x} with {len(members)} members")
    (_, first, last), (_, value_start, value_end) = members
    attribute = _ascii(data[first:last])
    if tag == _SUBSTRINGS:
        return f"({attribute}={_substrings_text(data, value_start, value_end, attribute, show)})"
    if tag not in _OPERATORS:
        raise ProtocolError(f"unknown filter 0x{tag:02x}")
    return f"({attribute}{_OPERATORS[tag]}{show(attribute, escape(data[value_start:value_end]))})"


def _substrings_text(data: bytes, start: int, end: int, attribute: str, show: Callable[[str, str], str]) -> str:
    pieces = [(tag, show(attribute, escape(data[first:last]))) for tag, first, last in ber.children(data, start, end)]
    if not pieces:
        raise ProtocolError("a comparison of substrings without any")
    before = "" if pieces[0][0] == _INITIAL else "*"
    after = "" if pieces[-1][0] == _FINAL else "*"
    return before + "*".join(text for _, text in pieces) + after


def _extensible_text(data: bytes, start: int, end: int, show: Callable[[str, str], str]) -> str:
    parts = {tag: data[first:last] for tag, first, last in ber.children(data, start, end)}
    attribute = _ascii(parts.get(0x82, b""))
    with_dn = ":dn" if any(parts.get(0x84, b"")) else ""
    rule = f":{_ascii(parts[_RULE])}" if _RULE in parts else ""
    return f"({attribute}{with_dn}{rule}:={show(attribute, escape(parts.get(0x83, b'')))})"


def _ascii(octets: bytes) -> str:
    """Write the name of an attribute or a matching rule."""
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError as error:
        raise ProtocolError("a name in a filter that is not ASCII") from error
