"""The schema of a directory (RFC 4512 section 4): what kind of values an attribute has and how they compare.

A schema is made from the subschema subentry as it was read; nothing here asks a server.  It is read once and used for
every entry, so definitions are taken apart at once and put together when an attribute is first asked for.  What is
found is remembered; a schema may be used from several threads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from syncrepl_client.ldap import descriptions, matching, syntaxes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from syncrepl_client.ldap.definitions import Definition
    from syncrepl_client.ldap.matching import Equality, Ordering, Substrings

__all__ = ["NO_SCHEMA", "AttributeType", "Schema"]

Found = TypeVar("Found")

_USER_APPLICATIONS: Final = "userApplications"
_OBJECT_IDENTIFIER_MATCH: Final = matching.equality("objectIdentifierMatch")
# An object class, as far as its OID and names go.
_CLASS: Final = re.compile(r"\(\s*'?([^\s'()]+)'?\s*NAME\s*(?:'([^']*)'|\(([^)]*)\))", re.IGNORECASE)
_MOST_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class AttributeType:
    """An attribute type, with what it inherits from the type it is derived from (RFC 4512 section 2.5.1).

    Args:
        oid: its OID, or the word that stands in its place.
        names: its names, the first of which is the usual one; there may be none.
        superior: the type it is derived from, as it is named there.
        equality: the rule by which its values are equal.
        ordering: the rule by which one comes before the other.
        substring: the rule by which a piece is found in one.
        syntax: the OID of the syntax of its values.
        single_valued: whether it has at most one value.
        no_user_modification: whether it is the server alone that writes it.
        usage: ``userApplications``, ``directoryOperation``, ``distributedOperation`` or ``dSAOperation``.
    """

    oid: str
    names: tuple[str, ...]
    superior: str | None
    equality: str | None
    ordering: str | None
    substring: str | None
    syntax: str | None
    single_valued: bool
    no_user_modification: bool
    usage: str

    @property
    def name(self) -> str:
        """The usual name, or the OID if there is no name."""
        return self.names[0] if self.names else self.oid

    @property
    def operational(self) -> bool:
        """Whether it is about how the directory works, so that it is sent only to those who ask for it."""
        return self.usage.lower() != _USER_APPLICATIONS.lower()


class Schema:
    """What a directory says about its attributes; `parse` makes one.

    Attributes are asked for by description: by any name or OID of the type, in any case, with or without options.

    Args:
        types: definitions of attribute types.
        rules: definitions of matching rules.
        values: definitions of syntaxes.
        classes: definitions of object classes, as text.
        broken: definitions that could not be read.
    """

    __slots__ = ("_classes", "_identifiers", "_keys", "_remembered", "_rules", "_syntaxes", "_types", "broken")

    def __init__(
        self,
        types: Sequence[Definition] = (),
        rules: Sequence[Definition] = (),
        values: Sequence[Definition] = (),
        classes: Sequence[str] = (),
        broken: tuple[str, ...] = (),
    ) -> None:
        self._types = _by_name(types)
        self._rules = _by_name(rules)
        # A syntax has no name, but there are servers on which others refer to its description.
        self._syntaxes = {(syntax.first("DESC") or "").replace(" ", "").lower(): syntax.oid for syntax in values}
        self._classes = classes
        self._keys: dict[str, str] = {}
        self._remembered: dict[str, AttributeType | None] = {}
        self._identifiers: dict[str, str] | None = None
        self.broken = broken
        """The definitions that could not be read; what they define is unknown."""

    @classmethod
    def parse(cls, attributes: Mapping[str, Sequence[bytes]]) -> Schema:
        """Make a schema from what a subschema subentry holds.

        Args:
            attributes: its ``attributeTypes``, ``matchingRules``, ``ldapSyntaxes`` and ``objectClasses``, as many of
                them as could be read.
        """
        texts = {
            name.lower(): [value.decode(errors="replace") for value in values] for name, values in attributes.items()
        }
        broken: list[str] = []
        types, rules, values = (
            _read(texts.get(name, ()), broken) for name in ("attributetypes", "matchingrules", "ldapsyntaxes")
        )
        return cls(types, rules, values, texts.get("objectclasses", ()), tuple(broken))

    def attribute(self, description: str) -> AttributeType | None:
        """Find the type of an attribute; None if the schema does not have it."""
        try:
            return self._remembered[description]
        except KeyError:
            found = self._types.get(descriptions.split(description)[0].removeprefix("oid."))
            kind = self._attribute_type(found) if found else None
            self._remember(self._remembered, description, kind)
            return kind

    def types_below(self, description: str) -> list[AttributeType]:
        """Return the type of an attribute and all that are derived from it; none if the schema does not have it."""
        top = self.attribute(description)
        if top is None:
            return []
        kinds = {one.oid: one for one in self._types.values()}
        below = [one for one in kinds.values() if any(above.oid == top.oid for above in self._line(one))]
        return [kind for one in below if (kind := self.attribute(one.oid)) is not None]

    def renamed(self, names: Mapping[str, str]) -> Schema:
        """Return the same schema with further names of attributes.

        Args:
            names: the types by their further names, which count in place of others that are the same.
        """
        return _Renamed(self, names)

    @property
    def operational(self) -> frozenset[str]:
        """The names, in lower case, of all attributes that are for the server's use (RFC 4512 section 3.4)."""
        return frozenset(
            name
            for name, one in self._types.items()
            if (one.first("USAGE") or _USER_APPLICATIONS).lower() != _USER_APPLICATIONS.lower()
        )

    @property
    def object_classes(self) -> Sequence[str]:
        """The definitions of object classes, as text."""
        return self._classes

    def key(self, description: str) -> str:
        """Return what all descriptions of one attribute share, whatever name they call it by.

        ``cn``, ``CommonName`` and ``2.5.4.3`` are one attribute, ``cn;lang-de`` is another one, and ``;binary`` makes
        no difference.
        """
        try:
            return self._keys[description]
        except KeyError:
            kind = self.attribute(description)
            normal = descriptions.for_lookup(description)
            key = normal if kind is None else ";".join((kind.oid.lower(), *normal.split(";")[1:]))
            self._remember(self._keys, description, key)
            return key

    def equality(self, description: str) -> Equality:
        """Return the function from a value of an attribute to its normal form.

        Without a rule, or one that is known here, that is the value itself.
        """
        kind = self.attribute(description)
        if kind is None or kind.equality is None:
            return matching.octets
        form = self._rule(kind.equality, matching.equality)
        if form is _OBJECT_IDENTIFIER_MATCH:
            return self._identify
        return form or matching.octets

    def ordering(self, description: str) -> Ordering | None:
        """Return the function from a value of an attribute to a key to sort by; None without a rule."""
        kind = self.attribute(description)
        return self._rule(kind.ordering, matching.ordering) if kind and kind.ordering else None

    def substrings(self, description: str) -> Substrings | None:
        """Return the rule by which pieces are found in values of an attribute; None without one."""
        kind = self.attribute(description)
        return self._rule(kind.substring, matching.substrings) if kind and kind.substring else None

    def decode(self, description: str, value: bytes) -> object:
        """Return a value as an object of the type that fits its syntax: see `syncrepl_client.ldap.syntaxes`.

        A value that breaks its syntax, or of an attribute that is not known, is returned as it is.
        """
        return self.decoder(description)(value)

    def decoder(self, description: str) -> Callable[[bytes], object]:
        """Return what `decode` does with the values of an attribute."""
        kind = self.attribute(description)
        return syntaxes.decoder(kind.syntax) if kind and kind.syntax else syntaxes.undecoded

    def _attribute_type(self, definition: Definition) -> AttributeType:
        def inherited(word: str) -> str | None:
            return next((value for one in line if (value := one.first(word)) is not None), None)

        line = list(self._line(definition))
        syntax = inherited("SYNTAX")
        return AttributeType(
            oid=definition.oid,
            names=definition.names,
            superior=definition.first("SUP"),
            equality=inherited("EQUALITY"),
            ordering=inherited("ORDERING"),
            substring=inherited("SUBSTR"),
            syntax=self._syntax(syntax) if syntax else None,
            single_valued="SINGLE-VALUE" in definition.fields,
            no_user_modification="NO-USER-MODIFICATION" in definition.fields,
            usage=definition.first("USAGE") or _USER_APPLICATIONS,
        )

    def _line(self, definition: Definition) -> Iterator[Definition]:
        """Iterate over a type and those it is derived from, the nearest first; a circle ends where it began."""
        seen: set[str] = set()
        current: Definition | None = definition
        while current is not None and current.oid not in seen:
            yield current
            seen.add(current.oid)
            current = self._types.get((current.first("SUP") or "").lower())

    def _syntax(self, named: str) -> str:
        """Return the OID of a syntax, without the length that values should not exceed."""
        name = named.partition("{")[0]
        return self._syntaxes.get(name.lower(), name)

    def _rule(self, name: str, find: Callable[[str], Found | None]) -> Found | None:
        """Find a rule by its name or OID, or else by what the schema says that its name stands for."""
        rule = find(name)
        definition = self._rules.get(name.lower()) if rule is None else None
        return find(definition.oid) if definition else rule

    def _identify(self, value: bytes) -> Hashable:
        """Return the OID of the schema element that a value names (RFC 4517 section 4.2.26)."""
        try:
            identifier = matching.identifier(value)
        except ValueError:
            return value
        if self._identifiers is None:
            self._identifiers = self._all_identifiers()
        return self._identifiers.get(identifier, identifier)

    def _all_identifiers(self) -> dict[str, str]:
        found = {name: one.oid.lower() for elements in (self._rules, self._types) for name, one in elements.items()}
        for text in self._classes:
            match = _CLASS.match(text)
            if match:
                for name in [match[2]] if match[2] else re.findall("'([^']*)'", match[3] or ""):
                    found[name.lower()] = match[1].lower()
        return found

    @staticmethod
    def _remember(where: dict[str, Found], description: str, value: Found) -> None:
        # Who asks for what is not in the schema may ask for anything.
        if len(where) >= _MOST_REMEMBERED:
            where.clear()
        where[description] = value


class _Renamed(Schema):
    """A schema with further names of attributes."""

    __slots__ = ("_names", "_original")

    def __init__(self, original: Schema, names: Mapping[str, str]) -> None:
        for slot in Schema.__slots__:
            setattr(self, slot, getattr(original, slot))
        self._original = original
        self._names = {name.lower(): kind for name, kind in names.items()}
        self._keys = {}

    def attribute(self, description: str) -> AttributeType | None:
        kind = descriptions.type_of(description)
        return self._original.attribute(self._names.get(kind.lower(), kind))


def _read(texts: Sequence[str], broken: list[str]) -> list[Definition]:
    # Only who has a schema needs it.
    from syncrepl_client.ldap import definitions  # noqa: PLC0415

    found = []
    for text in texts:
        definition = definitions.parse(text)
        if definition is None:
            broken.append(text)
        else:
            found.append(definition)
    return found


def _by_name(elements: Sequence[Definition]) -> dict[str, Definition]:
    """Index definitions by OID and names in lower case; of two that share one, the first has it."""
    index: dict[str, Definition] = {}
    for element in elements:
        for name in (element.oid, *element.names):
            index.setdefault(name.lower(), element)
    return index


NO_SCHEMA: Final = Schema()
"""The schema of a directory of which nothing is known: values are octets."""
