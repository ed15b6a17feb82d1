"""Search filters as a server reads them (RFC 4511 section 4.5.1.7): decoded, shown as text, applied to an entry.

There is no schema.  Values are compared without regard to case and repeated spaces; ``>=`` and ``<=`` compare integers
as numbers and everything else as text; ``~=`` is equality.  An attribute that an entry does not have makes a comparison
false, as it does on a server that knows the attribute's type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, assert_never

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap.filter import escape

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
    "Target",
    "decode",
    "matches",
    "text",
]

_COMPARISONS: Final = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}
_INITIAL: Final = 0x80
_FINAL: Final = 0x82
_EXACT: Final = frozenset({"caseexactmatch", "2.5.13.5", "octetstringmatch", "2.5.13.17"})
_IGNORE: Final = frozenset({"caseignorematch", "2.5.13.2"})


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
    """A comparison by a named rule."""

    attribute: str | None
    rule: str | None
    value: bytes
    with_dn: bool


Filter = And | Or | Not | Comparison | Present | Substrings | Extensible

# --- from octets ------------------------------------------------------------------------------------------------------


def decode(data: bytes, pos: int, end: int) -> tuple[Filter, int]:
    """Decode the filter at a position.

    Returns:
        The filter, and where it ends.

    Raises:
        ProtocolError: it is malformed.
    """
    tag, start, stop = ber.read(data, pos, end)
    if tag in _COMPARISONS:
        return Comparison(*_attribute_and_value(data, start, stop), _COMPARISONS[tag]), stop
    decoder = _DECODERS.get(tag)
    if decoder is None:
        raise ProtocolError(f"unknown filter 0x{tag:02x}")
    return decoder(data, start, stop), stop


def _parts(data: bytes, pos: int, end: int) -> tuple[Filter, ...]:
    parts = []
    while pos < end:
        part, pos = decode(data, pos, end)
        parts.append(part)
    return tuple(parts)


def _attribute_and_value(data: bytes, start: int, end: int) -> tuple[str, bytes]:
    pieces = [data[first:stop] for _, first, stop in ber.children(data, start, end)]
    if len(pieces) != 2:  # noqa: PLR2004 - an attribute and a value
        raise ProtocolError(f"a comparison of {len(pieces)} parts")
    return _text(pieces[0]), pieces[1]


def _text(octets: bytes) -> str:
    return messages.decode_octets(octets, "filter")


def _decode_substrings(data: bytes, start: int, end: int) -> Substrings:
    attribute, sequence = _attribute_and_value(data, start, end)
    pieces = [(tag, sequence[first:stop]) for tag, first, stop in ber.children(sequence, 0, len(sequence))]
    initial = pieces.pop(0)[1] if pieces and pieces[0][0] == _INITIAL else b""
    final = pieces.pop()[1] if pieces and pieces[-1][0] == _FINAL else b""
    return Substrings(attribute, initial, tuple(piece for _, piece in pieces), final)


def _decode_extensible(data: bytes, start: int, end: int) -> Extensible:
    members = {tag: data[first:stop] for tag, first, stop in ber.children(data, start, end)}
    rule, attribute = members.get(0x81), members.get(0x82)
    return Extensible(
        None if attribute is None else _text(attribute),
        None if rule is None else _text(rule),
        members.get(0x83, b""),
        members.get(0x84, b"\0") != b"\0",
    )


_DECODERS: Final[dict[int, Callable[[bytes, int, int], Filter]]] = {
    0xA0: lambda data, start, end: And(_parts(data, start, end)),
    0xA1: lambda data, start, end: Or(_parts(data, start, end)),
    0xA2: lambda data, start, end: Not(decode(data, start, end)[0]),
    0xA4: _decode_substrings,
    0x87: lambda data, start, end: Present(_text(data[start:end])),
    0xA9: _decode_extensible,
}

# --- as text ----------------------------------------------------------------------------------------------------------


def text(filter_: Filter) -> str:
    """Return the filter as text (RFC 4515)."""
    match filter_:
        case And(parts):
            inner = f"&{''.join(map(text, parts))}"
        case Or(parts):
            inner = f"|{''.join(map(text, parts))}"
        case Not(part):
            inner = f"!{text(part)}"
        case Comparison(attribute, value, kind):
            inner = f"{attribute}{kind}{escape(value)}"
        case Present(attribute):
            inner = f"{attribute}=*"
        case Substrings(attribute, initial, middle, final):
            inner = f"{attribute}={'*'.join(map(escape, (initial, *middle, final)))}"
        case Extensible(attribute, rule, value, with_dn):
            inner = f"{attribute or ''}{':dn' * with_dn}{f':{rule}' if rule else ''}:={escape(value)}"
        case _:
            assert_never(filter_)
    return f"({inner})"


# --- applied to an entry ----------------------------------------------------------------------------------------------


class Target(Protocol):
    """What a filter is applied to."""

    def values(self, attribute: str | None) -> list[bytes]:
        """Return the values of an attribute; of every attribute for None."""

    def named(self, attribute: str | None) -> list[bytes]:
        """Return the values of an attribute that stand in the entry's DN; all for None."""


def matches(filter_: Filter, entry: Target) -> bool | None:
    """Apply a filter to an entry.

    Returns:
        None for Undefined (RFC 4511 section 4.5.1.7), which is no match, and whose opposite is none either.
    """
    result: bool | None
    match filter_:
        case And(parts):
            result = _least([matches(part, entry) for part in parts])
        case Or(parts):
            result = _negated(_least([_negated(matches(part, entry)) for part in parts]))
        case Not(part):
            result = _negated(matches(part, entry))
        case Comparison(attribute, value, kind):
            result = any(_compares(kind, found, value) for found in entry.values(attribute))
        case Present(attribute):
            result = bool(entry.values(attribute))
        case Substrings(attribute):
            result = any(_contains(filter_, found) for found in entry.values(attribute))
        case Extensible():
            result = _obeys(filter_, entry)
        case _:
            assert_never(filter_)
    return result


def _least(results: list[bool | None]) -> bool | None:
    if False in results:
        return False
    return None if None in results else True


def _negated(result: bool | None) -> bool | None:  # noqa: FBT001 - what is negated
    return None if result is None else not result


def _folded(value: bytes) -> str:
    """Return what two values have in common that a case-insensitive rule takes for equal."""
    # Octets that are no text are compared as they are.
    return " ".join(value.decode(errors="surrogateescape").casefold().split())


def _compares(kind: str, found: bytes, value: bytes) -> bool:
    if kind in {"=", "~="}:
        return _folded(found) == _folded(value)
    try:
        difference = int(found) - int(value)
    except ValueError:
        ours, theirs = _folded(found), _folded(value)
        difference = (ours > theirs) - (ours < theirs)
    return difference >= 0 if kind == ">=" else difference <= 0


def _contains(filter_: Substrings, found: bytes) -> bool:
    initial, *middle, final = map(_folded_piece, (filter_.initial, *filter_.middle, filter_.final))
    whole = _folded_piece(found)
    if not whole.startswith(initial) or not whole[len(initial) :].endswith(final):
        return False
    rest = whole[len(initial) : len(whole) - len(final)]
    for piece in middle:
        _, separator, rest = rest.partition(piece)
        if not separator:
            return False
    return True


def _folded_piece(piece: bytes) -> str:
    # Spaces at its ends are inside of the value.
    return piece.decode(errors="surrogateescape").casefold()


def _obeys(filter_: Extensible, entry: Target) -> bool | None:
    rule = (filter_.rule or "caseIgnoreMatch").lower()
    found = entry.values(filter_.attribute) + (entry.named(filter_.attribute) if filter_.with_dn else [])
    if rule in _EXACT:
        return filter_.value in found
    if rule in _IGNORE:
        return any(_compares("=", one, filter_.value) for one in found)
    return None
