"""`Projection`: which attributes of an entry are told, and by which names.

Attributes are named as `Entry` finds them: in any case and, if the schema is known, by any name or OID of the type.  A
name without options means the attribute with whatever options, one with options those descriptions that have them all;
``;binary`` makes no difference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import descriptions
from syncrepl_client.ldap.attributes import Attributes, Decoded
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.model.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Projection", "texts"]

# RFC 4512 sections 1.4 and 2.5, and the underscore that some servers allow.
_DESCRIPTION: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9_-]*|[0-9]+(?:\.[0-9]+)+)(?:;[A-Za-z0-9-]+)*")
_NEW_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MOST_KNOWN: Final = 4096
# What servers write by themselves with every change, in lower case.
_MARKS: Final = frozenset({"modifytimestamp", "modifiersname", "entrycsn", "entryusn", "usnchanged", "whenchanged"})
# What says when a change was made, and which one it was: of the change more than of the entry.
_STAMPS: Final = frozenset({"modifyTimestamp", "entryCSN"})


class _Rule(NamedTuple):
    """An attribute as it was named: its type, the options that it must have, and what it is to be called."""

    kind: str
    options: frozenset[str]
    name: str

    def covers(self, held: str, schema: Schema) -> bool:
        """Tell whether an attribute is meant."""
        return schema.key(descriptions.type_of(held)) == schema.key(self.kind) and self.options.issubset(_options(held))

    def new_name(self, held: str) -> str:
        """Return what an attribute is to be called, with the options that the rule does not name."""
        kept = (one for one in held.split(";")[1:] if one.lower() not in self.options)
        return ";".join((self.name, *kept))


class _Stamped(Entry):
    """An entry of which some attributes are told; when it was changed is still known to those who ask for that."""

    __slots__ = ("_whole",)

    def __init__(self, whole: Entry, attributes: Attributes, schema: Schema) -> None:
        super().__init__(whole.uuid_octets, whole.dn, attributes, schema)
        self._whole = whole

    def get(self, name: str, default: list[bytes] | None = None) -> list[bytes] | None:
        found = super().get(name)
        if found is None and name in _STAMPS:
            found = self._whole.get(name)
        return default if found is None else found


class Projection:
    """Makes entries with fewer attributes, or with other names of them.

    Args:
        keep: the attributes to tell; all if there are none.
        leave_out: the attributes not to tell.
        rename: new names by the attributes that get them; they are kept.  If there is an attribute of a new name, too,
            the values are joined.

    Raises:
        UsageError: a name is none, or comes twice; attributes to keep and to leave out; one that is left out and
            renamed.
    """

    def __init__(
        self, keep: Iterable[str] = (), leave_out: Iterable[str] = (), rename: Mapping[str, str] | None = None
    ) -> None:
        keep, leave_out = texts(keep, "attributes"), texts(leave_out, "attributes")
        if keep and leave_out:
            raise UsageError(
                "attributes to keep, and others to leave out",
                hint="name those to keep, or those to leave out: all others are the opposite",
            )
        renamed = _renamed(rename or {}, leave_out)
        self._keep = (*map(_rule, keep), *renamed) if keep else ()
        self._leave_out = tuple(map(_rule, leave_out))
        # The most particular first: cn;lang-de before cn.
        self._rename = sorted(renamed, key=lambda rule: -len(rule.options))
        self._new_names = {rule.name: rule.kind for rule in renamed}
        self._learn(NO_SCHEMA)

    def __bool__(self) -> bool:
        return bool(self._keep or self._leave_out or self._rename)

    @property
    def attributes(self) -> list[str]:
        """The types of attributes that are named, as they were given."""
        return [rule.kind for rule in (*self._keep, *self._leave_out, *self._rename)]

    def _learn(self, schema: Schema) -> None:
        self._schema = schema
        self._told_by = schema.renamed(self._new_names) if self._new_names else schema
        # What becomes of an attribute, by its description: its new name, or None.
        self._choices: dict[str, str | None] = {}

    def of(self, entry: Entry) -> Entry:
        """Return what is told of an entry.

        Where there are attributes to keep, `Entry.get` of the result still finds ``modifyTimestamp`` and ``entryCSN``,
        which say when the entry was changed; `Entry.attributes` does not have them unless they are kept.
        """
        choice = self._choices_of(entry.schema)
        values: dict[str, list[bytes]] = {}
        for held, found in entry.attributes.items():
            name = choice[held] if held in choice else self._choose(held)
            if name is not None:
                values[name] = values[name] + found if name in values else found
        attributes = Decoded(values)
        if self._keep:
            return _Stamped(entry, attributes, self._told_by)
        return Entry(entry.uuid_octets, entry.dn, attributes, self._told_by)

    def touches(self, before: Entry, after: Entry) -> bool:
        """Tell whether the attributes that are told differ.

        Servers mark an entry with every change, by ``modifyTimestamp`` and others.  Where something that is left out
        has changed, they do not count, unless they were named among those to keep.
        """
        if not (self._keep or self._leave_out):
            return True
        choice = self._choices_of(after.schema)
        changed = _differing(before.attributes, after.attributes)
        told = {held for held in changed if (choice[held] if held in choice else self._choose(held)) is not None}
        if self._keep or len(told) == len(changed):
            return bool(told)
        return any(descriptions.type_of(held).lower() not in _MARKS for held in told)

    def _choices_of(self, schema: Schema) -> dict[str, str | None]:
        if schema is not self._schema or len(self._choices) >= _MOST_KNOWN:
            self._learn(schema)
        return self._choices

    def _choose(self, held: str) -> str | None:
        """Decide what becomes of an attribute; this is done once for each description."""
        schema = self._schema
        name: str | None = None
        named = any(rule.covers(held, schema) for rule in self._keep or self._leave_out)
        if named == bool(self._keep):
            name = next((rule.new_name(held) for rule in self._rename if rule.covers(held, schema)), held)
        self._choices[held] = name
        return name


def texts(given: Iterable[str], what: str) -> tuple[str, ...]:
    """Return texts of which there may be several.

    Args:
        given: them.
        what: what they are, in the plural.

    Raises:
        UsageError: it is one text.
    """
    if isinstance(given, str):
        raise UsageError(f"the text {given!r} where {what} are expected", hint="give them as a list")
    return tuple(given)


def _rule(description: str, name: str = "") -> _Rule:
    if not _DESCRIPTION.fullmatch(description):
        raise UsageError(
            f"{description!r} is no attribute", hint="give a name or an OID, with options perhaps, as in cn;lang-de"
        )
    return _Rule(descriptions.type_of(description), _options(description), name)


def _options(description: str) -> frozenset[str]:
    return frozenset(descriptions.for_lookup(description).split(";")[1:])


def _renamed(rename: Mapping[str, str], leave_out: Iterable[str]) -> list[_Rule]:
    left_out = set(map(descriptions.for_lookup, leave_out))
    old_names: set[str] = set()
    new_names: set[str] = set()
    for old, new in rename.items():
        if not _NEW_NAME.fullmatch(new):
            raise UsageError(f"{new!r} is no name for {old}", hint="use letters, digits, '_', '-' and '.'")
        if descriptions.for_lookup(old) in old_names or new.lower() in new_names:
            raise UsageError(f"two attributes share a name in {old} = {new}", hint="rename each once, each to its own")
        if descriptions.for_lookup(old) in left_out:
            raise UsageError(f"{old} is left out, and renamed", hint="do one or the other")
        old_names.add(descriptions.for_lookup(old))
        new_names.add(new.lower())
    return [_rule(old, new) for old, new in rename.items()]


def _differing(before: Attributes, after: Attributes) -> set[str]:
    """Return the attributes that do not have the same values before and after, in whatever order."""
    if before.keys() != after.keys():
        # Each name as it is spelled now, or was last.
        spelled = {name.lower(): name for name in (*before, *after)}
    else:
        spelled = {name: name for name in after}
    return {name for name in spelled.values() if not _same(before.get(name, []), after.get(name, []))}


def _same(before: list[bytes], after: list[bytes]) -> bool:
    return before == after or (len(before) == len(after) and sorted(before) == sorted(after))
