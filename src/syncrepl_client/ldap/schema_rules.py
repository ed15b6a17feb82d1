"""How values compare by the schema of their directory (RFC 4511 section 4.5.1.7, RFC 4517 section 4).

What makes an item Undefined: an attribute or a rule that is not known, an attribute without rule for such a comparison,
a rule that is not for the attribute, and a value that breaks the attribute's syntax.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.exceptions import DNError
from syncrepl_client.ldap import clues, descriptions, matching
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.assertions import Assertion
from syncrepl_client.ldap.classes import ObjectClasses
from syncrepl_client.ldap.filter import Comparison, Extensible, Present, Substrings

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.assertions import Item, Test
    from syncrepl_client.ldap.clues import Clues
    from syncrepl_client.ldap.matching import Equality
    from syncrepl_client.ldap.schema import AttributeType, Schema

__all__ = ["SchemaRules"]

_SYNTAX: Final = "1.3.6.1.4.1.1466.115.121.1."
_IA5_STRING: Final = f"{_SYNTAX}26"
_INTEGER: Final = f"{_SYNTAX}27"
_LEADING_ZERO: Final = re.compile(rb"-?0+[0-9]|-0")
# Directory String, and those that RFC 4517 section 4.2 lets its rules be used for.
_STRINGS: Final = frozenset(f"{_SYNTAX}{number}" for number in (15, 44, 11, 50))
_OBJECT_CLASS: Final = "2.5.4.0"

_IGNORE, _EXACT, _IGNORE_IA5, _EXACT_IA5, _NAMES, _NAMES_AND_UIDS, _INTEGERS, _OCTETS, _TELEPHONE = (
    matching.equality(rule) or matching.octets
    for rule in (
        "caseIgnoreMatch",
        "caseExactMatch",
        "caseIgnoreIA5Match",
        "caseExactIA5Match",
        "distinguishedNameMatch",
        "uniqueMemberMatch",
        "integerMatch",
        "octetStringMatch",
        "telephoneNumberMatch",
    )
)
# Rules by which letters and digits that follow each other do so in each spelling of a value.
_OF_TEXT: Final = (_IGNORE, _EXACT, _IGNORE_IA5, _EXACT_IA5)
_PIECES_OF_TEXT: Final = tuple(
    matching.substrings(rule) for rule in ("caseIgnoreSubstringsMatch", "caseExactSubstringsMatch")
)
# The syntaxes whose values are never empty.
_NEVER_EMPTY: Final = (_IGNORE, _EXACT, _TELEPHONE)
# What rules are for, besides the attributes that have them.
_USED_FOR: Final[tuple[tuple[Equality, frozenset[str]], ...]] = (
    (_IGNORE, _STRINGS),
    (_EXACT, _STRINGS),
    (_IGNORE_IA5, frozenset({_IA5_STRING})),
    (_EXACT_IA5, frozenset({_IA5_STRING})),
    (_NAMES, frozenset({f"{_SYNTAX}12"})),
    (_INTEGERS, frozenset({_INTEGER})),
    (_OCTETS, frozenset({f"{_SYNTAX}40"})),
)
_ORDERINGS: Final = frozenset(
    {"2.5.13.3", "2.5.13.6", "2.5.13.9", "2.5.13.15", "2.5.13.18", "2.5.13.28", "1.3.6.1.1.16.3"}
)
# Microsoft's, which OpenLDAP has as well: all of these bits, one of these bits.
_ALL_BITS: Final = frozenset({"1.2.840.113556.1.4.803", "integerbitandmatch"})
_ONE_BIT: Final = frozenset({"1.2.840.113556.1.4.804", "integerbitormatch"})


class SchemaRules:
    """The rules of a schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def assertion(self, item: Item) -> Assertion | None:
        """Return what an item asserts; None if it is Undefined."""
        attribute = item.attribute
        if isinstance(item, Extensible) and item.rule is not None:
            return self._by_rule(attribute, item.rule.lower(), item.value, with_dn=item.with_dn)
        kind = None if attribute is None else self._schema.attribute(attribute)
        return None if attribute is None or kind is None else self._of_type(item, attribute, kind)

    def _of_type(self, item: Item, attribute: str, kind: AttributeType) -> Assertion | None:
        found: tuple[Test, Clues] | None
        with_dn = False
        match item:
            case Present():
                return self._about(attribute, None, clues.NO_CLUES)
            case Comparison(_, value, "=" | "~="):
                found = self._equal(attribute, kind, value)
            case Comparison(_, value, comparison):
                found = self._ordered(attribute, comparison, value)
            case Substrings():
                found = self._containing(attribute, kind, item)
            case Extensible(_, _, value, with_dn):
                found = self._equal(attribute, kind, value)
            case _:
                assert_never(item)
        return None if found is None else self._about(attribute, *found, with_dn=with_dn)

    def _about(self, attribute: str, test: Test | None, found: Clues, *, with_dn: bool = False) -> Assertion:
        """Make an assertion about the values of an attribute and its subtypes."""
        below = self._schema.types_below(attribute)
        called = clues.named([name for kind in below for name in (*kind.names, kind.oid)])
        return Assertion(self._covering(attribute), test, with_dn, (*called, *found))

    def _covering(self, attribute: str) -> Callable[[str], bool]:
        """Return what tells whether an attribute is the one asked for or a subtype (RFC 4512 section 2.5)."""
        oids = {kind.oid for kind in self._schema.types_below(attribute)}
        _, options = descriptions.split(descriptions.for_lookup(attribute))

        def applies(held: str) -> bool:
            kind = self._schema.attribute(held)
            _, held_options = descriptions.split(held)
            return kind is not None and kind.oid in oids and all(_has_option(held_options, one) for one in options)

        return applies

    # --- the items ----------------------------------------------------------------------------------------------------

    def _equal(self, attribute: str, kind: AttributeType, value: bytes) -> tuple[Test, Clues] | None:
        if kind.oid == _OBJECT_CLASS:
            return self._is_class(value)
        if kind.equality is None or not _is_legal(kind, value):
            return None
        form = self._schema.equality(attribute)
        if form is matching.octets and matching.equality(kind.equality) is None:
            return None
        return _equal(form, value)

    def _is_class(self, value: bytes) -> tuple[Test, Clues] | None:
        called = self._classes.names(value.decode(errors="replace"))
        if not called:
            return None
        return lambda found: found.decode(errors="replace").lower() in called, clues.identifiers(called)

    @cached_property
    def _classes(self) -> ObjectClasses:
        return ObjectClasses(self._schema.object_classes)

    def _ordered(self, attribute: str, comparison: str, value: bytes) -> tuple[Test, Clues] | None:
        key = self._schema.ordering(attribute)
        if key is None:
            return None
        asserted = key(value)
        # A key begins with 1 if the value breaks the rule.
        if asserted[0]:
            return None
        if comparison == ">=":
            return lambda found: (ours := key(found))[0] == 0 and ours >= asserted, clues.NO_CLUES
        return lambda found: (ours := key(found))[0] == 0 and ours <= asserted, clues.NO_CLUES

    def _containing(self, attribute: str, kind: AttributeType, item: Substrings) -> tuple[Test, Clues] | None:
        rule = self._schema.substrings(attribute)
        pieces = [piece for piece in (item.initial, *item.middle, item.final) if piece]
        if rule is None or not all(_is_legal(kind, piece) for piece in pieces):
            return None
        test = rule.matcher(item.initial, item.middle, item.final)
        if rule not in _PIECES_OF_TEXT:
            return test, clues.NO_CLUES
        return test, clues.in_value(*(text for text in map(_IGNORE, pieces) if isinstance(text, str)))

    # --- by a named rule ----------------------------------------------------------------------------------------------

    def _by_rule(self, attribute: str | None, rule: str, value: bytes, *, with_dn: bool) -> Assertion | None:
        if rule in _ALL_BITS | _ONE_BIT:
            form, found = _INTEGERS, _bits(value, every=rule in _ALL_BITS)
        else:
            known = matching.equality(rule)
            if known is None:
                return None
            form, found = known, _earlier(rule, value) if _is_ordering(rule) else _by_form(known, value)
        if found is None:
            return None
        if attribute is None:
            return Assertion(lambda held: _is_for(form, self._schema.attribute(held)), found[0], with_dn, found[1])
        if not _is_for(form, self._schema.attribute(attribute)):
            return None
        return self._about(attribute, *found, with_dn=with_dn)


def _has_option(held: tuple[str, ...], wanted: str) -> bool:
    """Tell whether there is an option, or one of a range of languages such as ``lang-en-`` (RFC 3866 section 3)."""
    if wanted in held:
        return True
    return wanted.endswith("-") and any(one == wanted[:-1] or one.startswith(wanted) for one in held)


def _is_legal(kind: AttributeType, value: bytes) -> bool:
    """Tell whether an attribute may have such a value, as far as it makes a difference to comparisons."""
    if kind.syntax == _IA5_STRING and not value.isascii():
        return False
    # RFC 4517 section 3.3.16: a number has one spelling.
    if kind.syntax == _INTEGER and _LEADING_ZERO.match(value):
        return False
    return kind.equality is None or _obeys(kind.equality, value)


def _obeys(rule: str, value: bytes) -> bool:
    # The key to sort by tells what the form for equality does not.
    key = matching.ordering(rule)
    if key is not None and key(value)[0]:
        return False
    return bool(value) or matching.equality(rule) not in _NEVER_EMPTY


def _is_for(form: Equality, kind: AttributeType | None) -> bool:
    """Tell whether a rule may be used for an attribute, which is not known for None."""
    if kind is None:
        return False
    own = [rule for rule in (kind.equality, kind.ordering) if rule is not None]
    if any(matching.equality(rule) is form for rule in own):
        return True
    return any(rule is form and kind.syntax in syntaxes for rule, syntaxes in _USED_FOR)


def _is_ordering(rule: str) -> bool:
    return rule in _ORDERINGS or rule.endswith("orderingmatch")


def _by_form(form: Equality, value: bytes) -> tuple[Test, Clues] | None:
    return _equal(form, value)


def _earlier(rule: str, value: bytes) -> tuple[Test, Clues] | None:
    """RFC 4517 section 4.2: a rule for order matches values that come before the asserted one."""
    key = matching.ordering(rule)
    if key is None or key(value)[0]:
        return None
    asserted = key(value)
    return lambda found: (ours := key(found))[0] == 0 and ours < asserted, clues.NO_CLUES


def _bits(value: bytes, *, every: bool) -> tuple[Test, Clues] | None:
    mask = _INTEGERS(value)
    if not isinstance(mask, int):
        return None

    def test(found: bytes) -> bool:
        number = _INTEGERS(found)
        return isinstance(number, int) and (number & mask == mask if every else number & mask != 0)

    return test, clues.NO_CLUES


def _equal(form: Equality, value: bytes) -> tuple[Test, Clues]:
    """Return the test of equality, and clues where a rule leaves letters and digits in their places."""
    asserted = form(value)
    if form in _OF_TEXT and isinstance(asserted, str):
        return lambda found: form(found) == asserted, clues.in_value(asserted)
    if form not in (_NAMES, _NAMES_AND_UIDS):
        return lambda found: form(found) == asserted, clues.NO_CLUES
    hints = clues.in_name(_values(value))
    if not hints:
        return lambda found: form(found) == asserted, hints
    (hint,) = hints
    # A group may have more members than there are entries.
    return lambda found: hint.is_in(found) and form(found) == asserted, hints


def _values(dn: bytes) -> list[str]:
    """Return the values of a name, in small letters; none of what is no name."""
    try:
        rdns = names.parse(names.normalize(dn.decode()))
    except (DNError, UnicodeDecodeError):
        return []
    return [value for rdn in rdns for _, value in rdn if isinstance(value, str)]
