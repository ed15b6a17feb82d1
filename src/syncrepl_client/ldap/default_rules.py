"""How values compare where no schema says so.

All values are text, compared without regard to case and repeated spaces; ``>=`` and ``<=`` compare integers as numbers
and everything else as text.  Attributes go by their names alone, and any name may be one: an attribute that an entry
does not have makes a comparison False.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.ldap import clues, descriptions
from syncrepl_client.ldap.assertions import Assertion
from syncrepl_client.ldap.filter import Comparison, Extensible, Present, Substrings

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.assertions import Item, Test

__all__ = ["DefaultRules"]

_EXACT: Final = frozenset({"caseexactmatch", "2.5.13.5", "octetstringmatch", "2.5.13.17"})
_IGNORE: Final = frozenset({"caseignorematch", "2.5.13.2"})


class DefaultRules:
    """The rules without a schema."""

    def assertion(self, item: Item) -> Assertion | None:
        """Return what an item asserts; None for a rule other than the usual ones for text and octets."""
        match item:
            case Present(attribute):
                return _assertion(attribute, None)
            case Comparison(attribute, value, "=" | "~="):
                return _assertion(attribute, _equal(value))
            case Comparison(attribute, value, kind):
                return _assertion(attribute, _ordered(kind, value))
            case Substrings(attribute):
                return _assertion(attribute, _containing(item))
            case Extensible(attribute, rule, value, with_dn):
                test = _by_rule((rule or "caseIgnoreMatch").lower(), value)
                return None if test is None else _assertion(attribute, test, with_dn=with_dn)
            case _:
                assert_never(item)


def _assertion(attribute: str | None, test: Test | None, *, with_dn: bool = False) -> Assertion:
    if attribute is None:
        return Assertion(lambda _held: True, test, with_dn)
    return Assertion(_covering(attribute), test, with_dn, clues.named([descriptions.type_of(attribute)]))


def _covering(attribute: str) -> Callable[[str], bool]:
    """Return what tells whether an attribute is the one asked for, or that one with more options."""
    kind, options = descriptions.split(attribute)

    def applies(held: str) -> bool:
        held_kind, held_options = descriptions.split(held)
        return held_kind == kind and set(options) <= set(held_options)

    return applies


def _by_rule(rule: str, value: bytes) -> Test | None:
    if rule in _EXACT:
        return value.__eq__
    return _equal(value) if rule in _IGNORE else None


def _equal(value: bytes) -> Test:
    asserted = _folded(value)
    return lambda found: _folded(found) == asserted


def _ordered(kind: str, value: bytes) -> Test:
    def test(found: bytes) -> bool:
        try:
            difference = int(found) - int(value)
        except ValueError:
            ours, theirs = _folded(found), _folded(value)
            difference = (ours > theirs) - (ours < theirs)
        return difference >= 0 if kind == ">=" else difference <= 0

    return test


def _containing(item: Substrings) -> Test:
    initial, *middle, final = map(_folded_piece, (item.initial, *item.middle, item.final))

    def test(found: bytes) -> bool:
        whole = _folded_piece(found)
        if not whole.startswith(initial) or not whole[len(initial) :].endswith(final):
            return False
        at, end = len(initial), len(whole) - len(final)
        for piece in middle:
            at = whole.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return test


def _folded(value: bytes) -> str:
    """Return what two values have in common that a case-insensitive rule takes for equal."""
    return " ".join(_folded_piece(value).split())


def _folded_piece(piece: bytes) -> str:
    # Octets that are no text are compared as they are; spaces at the ends of a piece are inside of the value.
    return piece.decode(errors="surrogateescape").casefold()
