"""Search filters: text (RFC 4515), encoding (RFC 4511 section 4.5.1.7) and tree, and from each to the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.exceptions import FilterError, ProtocolError
from syncrepl_client.ldap import ber

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "And",
    "Comparison",
    "Extensible",
    "Filter",
    "Not",
    "Or",
    "Present",
    "Substrings",
    "decode",
    "encode",
    "escape",
    "parse",
    "read",
    "text_of",
]

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


# --- the tree ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class And:
    """Every one of these."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Comparison:
    """An attribute compared with a value; `kind` is ``=``, ``>=``, ``<=`` or ``~=``."""

    attribute: str
    value: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Present:
    """An attribute that is there."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Substrings:
    """An attribute with these pieces in this order; `initial` and `final` may be empty."""

    attribute: str
    initial: bytes
    middle: tuple[bytes, ...]
    final: bytes


@dataclass(frozen=True, slots=True)
class Extensible:
    """A comparison by a named rule; `with_dn` if the values in the entry's name count as well."""

    attribute: str | None
    rule: str | None
    value: bytes
    with_dn: bool


Filter = And | Or | Not | Comparison | Present | Substrings | Extensible

# --- from the encoding to the tree ------------------------------------------------------------------------------------

_OPERATORS: Final = {tag: operator for operator, tag in _TAGS.items()}
_INITIAL: Final = 0x80
_FINAL: Final = 0x82


def parse(filter_: str | bytes) -> Filter:
    """Return the tree of a filter that is text or encoded.

    Raises:
        FilterError: the text is not a filter, or nested more than 100 levels deep.
        ProtocolError: the octets are not, or nested more than 100 levels deep.
    """
    encoded = encode(filter_) if isinstance(filter_, str) else filter_
    tree, end = read(encoded, 0, len(encoded))
    if end != len(encoded):
        raise ProtocolError("something follows the filter")
    return tree


def read(data: bytes, pos: int, end: int) -> tuple[Filter, int]:
    """Decode the filter at a position.

    Returns:
        The filter, and where it ends.

    Raises:
        ProtocolError: it is malformed, or nested more than 100 levels deep.
    """
    return _read(data, pos, end, 0)


def _read(data: bytes, pos: int, end: int, level: int) -> tuple[Filter, int]:
    if level > _MAX_DEPTH:
        raise ProtocolError(f"a filter nested more than {_MAX_DEPTH} levels deep")
    tag, start, stop = ber.read(data, pos, end)
    found: Filter
    if tag in _OPERATORS:
        found = Comparison(*_members(data, start, stop), _OPERATORS[tag])
    elif tag in _LISTS:
        found = _LISTS[tag](_parts(data, start, stop, level + 1))
    elif tag in _DECODERS:
        found = _DECODERS[tag](data, start, stop)
    else:
        raise ProtocolError(f"unknown filter 0x{tag:02x}")
    return found, stop


def _parts(data: bytes, pos: int, end: int, level: int) -> tuple[Filter, ...]:
    parts = []
    while pos < end:
        part, pos = _read(data, pos, end, level)
        parts.append(part)
    return tuple(parts)


def _not(parts: tuple[Filter, ...]) -> Not:
    if len(parts) != 1:
        raise ProtocolError(f"a filter that denies {len(parts)} others")
    return Not(parts[0])


def _members(data: bytes, start: int, end: int) -> tuple[str, bytes]:
    """Read an attribute and what is asserted of it."""
    pieces = [data[first:last] for _, first, last in ber.children(data, start, end)]
    if len(pieces) != 2:  # noqa: PLR2004 - these two
        raise ProtocolError(f"a comparison with {len(pieces)} members")
    return _ascii(pieces[0]), pieces[1]


def _decode_present(data: bytes, start: int, end: int) -> Present:
    return Present(_ascii(data[start:end]))


def _decode_substrings(data: bytes, start: int, end: int) -> Substrings:
    attribute, pieces = _members(data, start, end)
    found = [(tag, pieces[first:last]) for tag, first, last in ber.children(pieces, 0, len(pieces))]
    if not any(piece for _, piece in found):
        raise ProtocolError("a comparison of substrings without any")
    initial = found.pop(0)[1] if found[0][0] == _INITIAL else b""
    final = found.pop()[1] if found and found[-1][0] == _FINAL else b""
    return Substrings(attribute, initial, tuple(piece for _, piece in found), final)


def _decode_extensible(data: bytes, start: int, end: int) -> Extensible:
    members = {tag: data[first:last] for tag, first, last in ber.children(data, start, end)}
    rule, attribute = members.get(0x81), members.get(0x82)
    return Extensible(
        None if attribute is None else _ascii(attribute),
        None if rule is None else _ascii(rule),
        members.get(0x83, b""),
        any(members.get(0x84, b"")),
    )


_LISTS: Final[dict[int, Callable[[tuple[Filter, ...]], Filter]]] = {0xA0: And, 0xA1: Or, 0xA2: _not}
_DECODERS: Final[dict[int, Callable[[bytes, int, int], Filter]]] = {
    0xA4: _decode_substrings,
    0x87: _decode_present,
    0xA9: _decode_extensible,
}


def _ascii(octets: bytes) -> str:
    """Decode the name of an attribute or a matching rule."""
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError as error:
        raise ProtocolError("a name in a filter that is not ASCII") from error


# --- from the tree to the text ----------------------------------------------------------------------------------------


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
    return text_of(parse(encoded), show)


def text_of(filter_: Filter, show: Callable[[str, str], str] = _as_it_is) -> str:
    """Write a filter as text.

    Args:
        filter_: the tree.
        show: is given the attribute and the escaped text of each value, and returns what to write of it.
    """
    match filter_:
        case And(parts):
            inner = f"&{''.join(text_of(part, show) for part in parts)}"
        case Or(parts):
            inner = f"|{''.join(text_of(part, show) for part in parts)}"
        case Not(part):
            inner = f"!{text_of(part, show)}"
        case Comparison(attribute, value, kind):
            inner = f"{attribute}{kind}{show(attribute, escape(value))}"
        case Present(attribute):
            inner = f"{attribute}=*"
        case Substrings(attribute, initial, middle, final):
            pieces = [show(attribute, escape(piece)) if piece else "" for piece in (initial, *middle, final)]
            inner = f"{attribute}={'*'.join(pieces)}"
        case Extensible(attribute, rule, value, with_dn):
            asserted = show(attribute or "", escape(value))
            inner = f"{attribute or ''}{':dn' * with_dn}{f':{rule}' if rule else ''}:={asserted}"
        case _:
            assert_never(filter_)
    return f"({inner})"
