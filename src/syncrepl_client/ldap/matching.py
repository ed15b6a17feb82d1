"""Matching rules (RFC 4517 section 4): which values are equal, which comes first, and what is found in one.

A rule is a function from a value's octets to its normal form: two values are equal if their normal forms are.  It never
raises: a value that breaks the rule is its own normal form, so that it equals the same octets and nothing else.  So is
each value by a rule that is not known.

Rules that compare a value with something of another kind (``integerFirstComponentMatch``, ``certificateExactMatch``)
are not known on purpose: two values are not equal because they agree in a part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import preparation, syntaxes
from syncrepl_client.ldap.times import instant

__all__ = ["Equality", "Ordering", "Substrings", "equality", "identifier", "octets", "ordering", "substrings"]

Equality = Callable[[bytes], Hashable]
"""From a value to its normal form."""
Ordering = Callable[[bytes], tuple[int, Any]]
"""From a value to a key to sort by.  It begins with 1 for values that break the rule, which come last, else with 0."""

_NUMERIC: Final = re.compile(rb"[0-9 ]*")
_IDENTIFIER: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._;-]*")
_OPTIONAL_UID: Final = re.compile(rb"#'([01]*)'B\Z")
# RFC 4517 section 3.3.28: in a list of lines "$" and "\" are escaped.
_LINE_ESCAPE: Final = re.compile(rb"\\(24|5[cC])")
_VALUE_IN_NAME: Final = r"(?:\#(?:[0-9a-f]{2})+(?=[,+]|\Z)|(?!\#)[^\\,+\";]*(?:\\.[^\\,+\";]*)*)"
_PAIR_IN_NAME: Final = rf"[^\s=,+\"\\]+={_VALUE_IN_NAME}"
# What `names.normalize` makes of a name.
_NAME: Final = re.compile(rf"(?:{_PAIR_IN_NAME}(?:[,+]{_PAIR_IN_NAME})*)?", re.DOTALL)


def octets(value: bytes) -> bytes:
    """Return the value itself: the normal form by octetStringMatch and by every rule that is not known."""
    return value


# --- normal forms, strictly: each raises ValueError for a value that breaks the rule ----------------------------------


def _case_ignore(value: bytes) -> str:
    return preparation.joined(preparation.text(value, fold=True))


def _case_exact(value: bytes) -> str:
    return preparation.joined(preparation.text(value, fold=False))


def _case_ignore_list(value: bytes) -> tuple[str, ...]:
    return tuple(_case_ignore(line) for line in _lines(value))


def _lines(value: bytes) -> Iterator[bytes]:
    """Take a list of lines apart (RFC 4517 section 3.3.28)."""
    for line in value.split(b"$"):
        yield _LINE_ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), line) if b"\\" in line else line


def _numeric(value: bytes) -> str:
    if not _NUMERIC.fullmatch(value):
        raise ValueError("not digits")
    return value.replace(b" ", b"").decode()


def _telephone(value: bytes) -> str:
    return preparation.unspaced(preparation.text(value, fold=True), hyphens=True)


def _name(value: bytes) -> str:
    normal = names.normalize(value.decode())
    if not _NAME.fullmatch(normal):
        raise ValueError("not a distinguished name")
    return normal


def _name_and_uid(value: bytes) -> tuple[str | bytes, ...]:
    match = _OPTIONAL_UID.search(value)
    return (_name(value[: match.start()]), match[1]) if match else (_name(value),)


def identifier(value: bytes) -> str:
    """Return the normal form of an OID or of the name of a schema element; who has a schema can look it up there.

    Raises:
        ValueError: it is neither.
    """
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError("neither an OID nor a name of one")
    return value.decode().lower()


# Numbers and names.  A rule for order has the number of its own but the form of the rule for equality; ApacheDS names
# either in the other's place.
_STRICT: Final[tuple[tuple[Callable[[bytes], Hashable], tuple[str, ...]], ...]] = (
    (identifier, ("2.5.13.0", "objectIdentifierMatch", "nameOrNumericIdMatch", "numericOidMatch")),
    (_name, ("2.5.13.1", "distinguishedNameMatch", "1.2.36.79672281.1.13.3", "rdnMatch")),
    (_case_ignore, ("2.5.13.2", "caseIgnoreMatch", "2.5.13.3", "caseIgnoreOrderingMatch")),
    (_case_ignore, ("1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match")),
    (_case_exact, ("2.5.13.5", "caseExactMatch", "2.5.13.6", "caseExactOrderingMatch")),
    (_case_exact, ("1.3.6.1.4.1.1466.109.114.1", "caseExactIA5Match")),
    (_numeric, ("2.5.13.8", "numericStringMatch", "2.5.13.9", "numericStringOrderingMatch")),
    (_case_ignore_list, ("2.5.13.11", "caseIgnoreListMatch")),
    (syntaxes.boolean, ("2.5.13.13", "booleanMatch")),
    (syntaxes.integer, ("2.5.13.14", "integerMatch", "2.5.13.15", "integerOrderingMatch", "bigIntegerMatch")),
    (octets, ("2.5.13.16", "bitStringMatch")),
    (octets, ("2.5.13.17", "octetStringMatch", "2.5.13.18", "octetStringOrderingMatch")),
    (_telephone, ("2.5.13.20", "telephoneNumberMatch")),
    (_name_and_uid, ("2.5.13.23", "uniqueMemberMatch")),
    (instant, ("2.5.13.27", "generalizedTimeMatch", "2.5.13.28", "generalizedTimeOrderingMatch")),
    (syntaxes.uuid, ("1.3.6.1.1.16.2", "uuidMatch", "1.3.6.1.1.16.3", "uuidOrderingMatch")),
    # A change number has one spelling: all its fields have a fixed width.
    (octets, ("1.3.6.1.4.1.4203.666.11.2.2", "CSNMatch", "1.3.6.1.4.1.4203.666.11.2.3", "CSNOrderingMatch")),
)


def _tolerant(strict: Callable[[bytes], Hashable]) -> Equality:
    if strict is octets:
        return octets

    def form(value: bytes) -> Hashable:
        try:
            return strict(value)
        except (ValueError, OverflowError):
            return value

    return form


def _sortable(strict: Callable[[bytes], Hashable]) -> Ordering:
    def key(value: bytes) -> tuple[int, Any]:
        try:
            return 0, strict(value)
        except (ValueError, OverflowError):
            return 1, value

    return key


_EQUALITIES: Final = {rule.lower(): form for strict, rules in _STRICT for form in [_tolerant(strict)] for rule in rules}
_ORDERINGS: Final = {rule.lower(): key for strict, rules in _STRICT for key in [_sortable(strict)] for rule in rules}


def equality(rule: str) -> Equality | None:
    """Return the normal form by a rule for equality, None if the rule is not known; `octets` would do then.

    Args:
        rule: its name, in any case, or its OID.
    """
    return _EQUALITIES.get(rule.lower())


def ordering(rule: str) -> Ordering | None:
    """Return the key to sort by a rule for order, None if the rule is not known.

    Args:
        rule: its name, in any case, or its OID.
    """
    return _ORDERINGS.get(rule.lower())


# --- pieces -----------------------------------------------------------------------------------------------------------


class Substrings:
    """A rule that looks for pieces in a value (RFC 4517 sections 4.2.5 and others).

    Args:
        whole: prepares a value.
        piece: prepares a piece; told whether it is the one at the beginning, and whether the one at the end.
    """

    __slots__ = ("_piece", "_whole")

    def __init__(self, whole: Callable[[bytes], str], piece: Callable[[bytes, bool, bool], str]) -> None:
        self._whole = whole
        self._piece = piece

    def matcher(self, initial: bytes, middle: Sequence[bytes], final: bytes) -> Callable[[bytes], bool]:
        """Return a function that tells whether a value has these pieces in this order without overlap.

        A value or a piece that breaks the rule is looked at as octets.

        Args:
            initial: what the value begins with; empty for nothing.
            middle: what comes in between.
            final: what the value ends with; empty for nothing.
        """
        as_octets = (_latin(initial), [_latin(piece) for piece in middle], _latin(final))
        try:
            first = self._piece(initial, True, False) if initial else ""  # noqa: FBT003 - as documented
            inner = [self._piece(piece, False, False) for piece in middle if piece]  # noqa: FBT003
            last = self._piece(final, False, True) if final else ""  # noqa: FBT003
        except ValueError:
            return lambda value: _in_order(_latin(value), *as_octets)

        def matches(value: bytes) -> bool:
            try:
                text = self._whole(value)
            except ValueError:
                return _in_order(_latin(value), *as_octets)
            return _in_order(text, first, inner, last)

        return matches


def _latin(value: bytes) -> str:
    """Return text in which each letter is one octet."""
    return value.decode("latin-1")


def _in_order(text: str, initial: str, middle: list[str], final: str) -> bool:
    pos, end = len(initial), len(text) - len(final)
    if end < pos or not text.startswith(initial) or not text.endswith(final):
        return False
    for piece in middle:
        at = text.find(piece, pos, end)
        if at < 0:
            return False
        pos = at + len(piece)
    return True


def _pieces_of_text(*, fold: bool, lines: bool = False) -> Substrings:
    def whole(value: bytes) -> str:
        # A line break is in no piece, so that none reaches over the end of a line.
        parts = _lines(value) if lines else (value,)
        return "\n".join(preparation.whole(preparation.text(part, fold=fold)) for part in parts)

    def piece(value: bytes, initial: bool, final: bool) -> str:  # noqa: FBT001 - as documented
        return preparation.piece(preparation.text(value, fold=fold), initial=initial, final=final)

    return Substrings(whole, piece)


def _pieces_of(whole: Callable[[bytes], str]) -> Substrings:
    return Substrings(whole, lambda value, _initial, _final: whole(value))


_SUBSTRINGS: Final = {
    rule.lower(): pieces
    for pieces, rules in (
        (
            _pieces_of_text(fold=True),
            ("2.5.13.4", "caseIgnoreSubstringsMatch", "1.3.6.1.4.1.1466.109.114.3", "caseIgnoreIA5SubstringsMatch"),
        ),
        (
            _pieces_of_text(fold=False),
            ("2.5.13.7", "caseExactSubstringsMatch", "1.3.6.1.4.1.4203.1.2.1", "caseExactIA5SubstringsMatch"),
        ),
        (_pieces_of(_numeric), ("2.5.13.10", "numericStringSubstringsMatch")),
        (_pieces_of_text(fold=True, lines=True), ("2.5.13.12", "caseIgnoreListSubstringsMatch")),
        (_pieces_of(_latin), ("2.5.13.19", "octetStringSubstringsMatch")),
        (_pieces_of(_telephone), ("2.5.13.21", "telephoneNumberSubstringsMatch")),
    )
    for rule in rules
}


def substrings(rule: str) -> Substrings | None:
    """Return a rule for substrings, None if it is not known.

    Args:
        rule: its name, in any case, or its OID.
    """
    return _SUBSTRINGS.get(rule.lower())
