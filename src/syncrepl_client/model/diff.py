"""What is different between two states of one entry, attribute by attribute and member by member."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap import matching
from syncrepl_client.ldap.schema import NO_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from uuid import UUID

    from syncrepl_client.ldap.schema import Schema
    from syncrepl_client.model.entry import Entry

__all__ = ["Member", "Membership", "Values", "diff", "membership"]

# The part of a Name And Optional UID that is not the name (RFC 4517 section 3.3.21).
_OPTIONAL_UID: Final = re.compile(r"#'[01]*'B\Z")


@dataclass(frozen=True, slots=True)
class Values:
    """How the values of an attribute differ.

    Args:
        added: the values that are new, in the server's order.
        removed: the values that are gone, in the server's order.
    """

    added: list[bytes]
    removed: list[bytes]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group.

    Args:
        name: the value that says who it is: a distinguished name, or a user's name in ``memberUid``.
        uuid: the UUID of the member's own entry, None if that is not known.
    """

    name: str
    uuid: UUID | None


@dataclass(frozen=True, slots=True)
class Membership:
    """How the members of a group differ.

    Args:
        added: who is new.
        removed: who is gone.
    """

    added: list[Member]
    removed: list[Member]


def diff(before: Entry | None, after: Entry | None, *, operational: bool = False) -> dict[str, Values]:
    """Compare the attributes of an entry; values that are equal by the attribute's matching rule do not differ.

    A value that is only spelled in another way is no difference then, such as another case of letters in ``mail``.
    Without schema, or a rule that is known, octets are compared.  So are values that break their rule.

    Args:
        before: the entry as it was; None if there was none, and every value is added.
        after: the entry as it is; None if there is none, and every value is removed.
        operational: whether to look at attributes that the server alone writes (NO-USER-MODIFICATION) as well.

    Returns:
        What differs, by the name that the server gives to the attribute.
    """
    if before is not None and after is not None and before.attributes.wire == after.attributes.wire:
        return {}
    schema = _schema(before, after)
    old, new = _by_key(before, schema), _by_key(after, schema)
    differences = {}
    for key in [*new, *(key for key in old if key not in new)]:
        name = (new.get(key) or old[key])[0]
        kind = schema.attribute(name)
        if kind is not None and kind.no_user_modification and not operational:
            continue
        values = _compare(_values(old, key), _values(new, key), schema.equality(name))
        if values is not None:
            differences[name] = values
    return differences


def membership(
    before: Entry | None,
    after: Entry | None,
    find: Callable[[str], UUID | None] | None = None,
    attributes: Iterable[str] = ("member", "uniqueMember", "memberUid"),
) -> Membership:
    """Compare the members of a group.

    Args:
        before: the group as it was; None if there was none.
        after: the group as it is; None if there is none.
        find: finds the UUID of an entry by what names it as a member, None if there is no such entry.  It is asked
            about those who differ only.
        attributes: the attributes that name members.
    """
    schema = _schema(before, after)
    old, new = _by_key(before, schema), _by_key(after, schema)
    added: list[Member] = []
    removed: list[Member] = []
    for key in dict.fromkeys(schema.key(attribute) for attribute in attributes):
        values = _compare(_values(old, key), _values(new, key), schema.equality(key))
        if values is not None:
            added += [_member(value, find) for value in values.added]
            removed += [_member(value, find) for value in values.removed]
    return Membership(added, removed)


def _member(value: bytes, find: Callable[[str], UUID | None] | None) -> Member:
    name = _OPTIONAL_UID.sub("", value.decode(errors="replace"))
    return Member(name, find(name) if find else None)


def _schema(before: Entry | None, after: Entry | None) -> Schema:
    """Return the schema of whichever of both has one, the later one first."""
    known = (entry.schema for entry in (after, before) if entry is not None and entry.schema is not NO_SCHEMA)
    return next(known, NO_SCHEMA)


def _by_key(entry: Entry | None, schema: Schema) -> dict[str, tuple[str, list[bytes]]]:
    """Index attributes by what all their names share, with the server's name."""
    index: dict[str, tuple[str, list[bytes]]] = {}
    for name, values in entry.attributes.items() if entry is not None else ():
        key = schema.key(name)
        if key in index:
            # One attribute by two names; the lists are the entry's own.
            index[key] = (index[key][0], index[key][1] + values)
        else:
            index[key] = (name, values)
    return index


def _values(index: dict[str, tuple[str, list[bytes]]], key: str) -> list[bytes]:
    return index[key][1] if key in index else []


def _compare(old: list[bytes], new: list[bytes], form: Callable[[bytes], Hashable]) -> Values | None:
    """Compare values; None if they do not differ.

    What is there in the same octets is set aside first: a group may have a hundred thousand members, and normal forms
    are needed of those alone that are left.
    """
    if old == new:
        return None
    there, here = set(old), set(new)
    removed = [value for value in old if value not in here]
    added = [value for value in new if value not in there]
    if removed and added and form is not matching.octets:
        added, removed = _without_pairs(added, removed, form)
    return Values(added, removed) if added or removed else None


def _without_pairs(
    added: list[bytes], removed: list[bytes], form: Callable[[bytes], Hashable]
) -> tuple[list[bytes], list[bytes]]:
    """Take out what is spelled in another way: pairs of an added and a removed value with one normal form."""
    waiting: dict[Hashable, list[int]] = {}
    for index in reversed(range(len(removed))):
        waiting.setdefault(form(removed[index]), []).append(index)
    left = []
    paired = set()
    for value in added:
        same = waiting.get(form(value))
        if same:
            paired.add(same.pop())
        else:
            left.append(value)
    return left, [value for index, value in enumerate(removed) if index not in paired]
