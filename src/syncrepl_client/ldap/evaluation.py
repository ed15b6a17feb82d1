"""Filters evaluated on entries, away from any server (RFC 4511 section 4.5.1.7).

Each part of a filter is True, False or Undefined, here None: it cannot be determined, because the attribute is not
known, or has no rule for such a comparison, or what it is compared with breaks its syntax.  An entry is found if the
whole is True; the opposite of Undefined is Undefined.

A filter is compiled into functions once.  Most entries that it does not find are recognised by their octets alone and
stay encoded: see `syncrepl_client.ldap.clues`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DNError
from syncrepl_client.ldap import clues
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.ldap.default_rules import DefaultRules
from syncrepl_client.ldap.filter import And, Filter, Not, Or, parse
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.ldap.schema_rules import SchemaRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.ldap.assertions import Assertion, Item, Rules
    from syncrepl_client.ldap.clues import Clues

__all__ = ["Matcher", "compile", "evaluator"]

_MOST_KNOWN: Final = 4096

Values = Mapping[str, list[bytes]]
Matcher = Callable[[Values, str], bool]
"""Tells of an entry's attributes and DN whether a filter finds it."""
Evaluator = Callable[[Values, str], bool | None]
"""Tells of an entry's attributes and DN whether a filter is True, False or Undefined."""


def compile(filter_: str | bytes | Filter, schema: Schema = NO_SCHEMA) -> Matcher:  # noqa: A001 - as `re.compile`
    """Return the function that tells whether a filter finds an entry.

    Attributes are looked at as they are given: what a server calculates for an answer, such as ``hasSubordinates``, is
    not there, but for ``entryDN``.  ``~=`` is equality.

    Args:
        filter_: text (RFC 4515), encoded, or a tree.
        schema: of the directory; where it could not be read all values are text without regard to case, see
            `DefaultRules`.

    Raises:
        FilterError: the text is not a filter.
        ProtocolError: the octets are not one.
    """
    tree = parse(filter_) if isinstance(filter_, str | bytes) else filter_
    # Where not even objectClass is known, the schema could not be read.
    rules = SchemaRules(schema) if schema.attribute("objectClass") else DefaultRules()
    evaluate, found = _compiled(tree, rules)
    may_match = clues.searcher(found)

    def matches(attributes: Values, dn: str) -> bool:
        if may_match is not None and isinstance(attributes, Attributes) and not may_match(attributes.wire):
            return False
        return evaluate(attributes, dn) is True

    return matches


def evaluator(filter_: Filter, rules: Rules) -> Evaluator:
    """Return the function that evaluates a filter by rules, and looks at every entry in full."""
    return _compiled(filter_, rules)[0]


def _compiled(filter_: Filter, rules: Rules) -> tuple[Evaluator, Clues]:
    """Return what evaluates a filter, and the clues to entries for which it is True."""
    match filter_:
        case And(parts):
            compiled = [_compiled(part, rules) for part in parts]
            return _and([part for part, _ in compiled]), clues.all_of([found for _, found in compiled])
        case Or(parts):
            compiled = [_compiled(part, rules) for part in parts]
            return _or([part for part, _ in compiled]), clues.any_of([found for _, found in compiled])
        case Not(part):
            return _not(_compiled(part, rules)[0]), clues.NO_CLUES
        case _:
            return _item(filter_, rules)


# RFC 4511 section 4.5.1.7: AND is False if one part is, then Undefined if one part is; OR likewise with True.


def _and(parts: Sequence[Evaluator]) -> Evaluator:
    def evaluate(attributes: Values, dn: str) -> bool | None:
        result: bool | None = True
        for part in parts:
            verdict = part(attributes, dn)
            if verdict is False:
                return False
            if verdict is None:
                result = None
        return result

    return evaluate


def _or(parts: Sequence[Evaluator]) -> Evaluator:
    def evaluate(attributes: Values, dn: str) -> bool | None:
        result: bool | None = False
        for part in parts:
            verdict = part(attributes, dn)
            if verdict:
                return True
            if verdict is None:
                result = None
        return result

    return evaluate


def _not(part: Evaluator) -> Evaluator:
    def evaluate(attributes: Values, dn: str) -> bool | None:
        verdict = part(attributes, dn)
        return None if verdict is None else not verdict

    return evaluate


def _item(item: Item, rules: Rules) -> tuple[Evaluator, Clues]:
    assertion = rules.assertion(item)
    if assertion is None:
        return lambda _attributes, _dn: None, clues.NO_CLUES
    in_attributes = _in_attributes(assertion)
    # RFC 5020: the name as an attribute, which need not be stored.
    is_dn = bool(item.attribute) and assertion.applies("entryDN")
    if not assertion.with_dn and not is_dn:
        return in_attributes, assertion.clues
    test = assertion.test or _anything

    def evaluate(attributes: Values, dn: str) -> bool:
        if in_attributes(attributes, dn) or (is_dn and dn and test(dn.encode())):
            return True
        return assertion.with_dn and any(assertion.applies(name) and test(value) for name, value in _pairs(dn))

    return evaluate, clues.NO_CLUES


def _in_attributes(assertion: Assertion) -> Evaluator:
    applies, test = assertion.applies, assertion.test or _anything
    # A directory has few descriptions, and each is in many entries.
    known: dict[str, bool] = {}

    def evaluate(attributes: Values, _dn: str) -> bool:
        for name, values in attributes.items():
            wanted = known.get(name)
            if wanted is None:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                wanted = known[name] = applies(name)
            if wanted:
                for value in values:
                    if test(value):
                        return True
        return False

    return evaluate


def _anything(_value: bytes) -> bool:
    return True


def _pairs(dn: str) -> list[tuple[str, bytes]]:
    """Return the attributes and values of a name; none of a text that is no name."""
    try:
        rdns = names.parse(dn)
    except DNError:
        return []
    return [(name, value if isinstance(value, bytes) else value.encode()) for rdn in rdns for name, value in rdn]
