"""Entries and changes as LDIF (RFC 2849), such as ``ldapmodify`` applies to a server.

`record` leads from the entry as it was to the entry as it is, `undo` back; `content` is an entry by itself.  A file is
made of them by whoever writes it, after a line ``version: 1`` and an empty one.

What shaped the records:

* A server refuses to add or delete single values of an attribute without equality rule, so these are replaced whole.
* A rename changes attributes by itself: it adds the values of the new RDN, and takes those of the old one if told so.
  The modify record after it therefore starts from what the rename leaves, and gives naming attributes whole.
* Between the two the entry must obey the schema: a rename takes nothing that would leave an attribute without values
  which has some in the end.
* Servers keep some attributes themselves and let nobody write them.  They are comments, if somebody asked for them.
* An empty line between comment and record would make the comment a record of its own.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.exceptions import DNError
from syncrepl_client.ldap import descriptions
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.schema import NO_SCHEMA
from syncrepl_client.model import Added, Change, Deleted, Entry, Modified, Renamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from syncrepl_client.ldap.schema import Schema

__all__ = ["attribute_line", "content", "fold", "record", "undo"]

_WIDTH: Final = 76

# RFC 2849: SAFE-STRING, and no space at its end (note 8).
# Other control characters than NUL and line ends would be legal, but who looks at the file has a terminal.
_SAFE: Final = re.compile(rb"(?![ :<])[ -~]*(?<! )")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")

_MANAGE_DSA_IT: Final = "control: 2.16.840.1.113730.3.4.2 true"

# RFC 4512 section 3.4, RFC 5020, RFC 4530 and the usual servers' own.
_KEPT_BY_SERVERS: Final = frozenset(
    {
        "contextcsn",
        "createtimestamp",
        "creatorsname",
        "entrycsn",
        "entrydn",
        "entryuuid",
        "governingstructurerule",
        "hassubordinates",
        "modifiersname",
        "modifytimestamp",
        "nsuniqueid",
        "numsubordinates",
        "structuralobjectclass",
        "subschemasubentry",
    }
)

# The attributes with text values that RFC 4517 and 4519, 4524 and 2307 define without equality rule.
_WITHOUT_EQUALITY: Final = frozenset(
    {
        "bootparameter",
        "enhancedsearchguide",
        "facsimiletelephonenumber",
        "fax",
        "mailpreferenceoption",
        "nisnetgrouptriple",
        "othermailbox",
        "preferreddeliverymethod",
        "searchguide",
        "teletexterminalidentifier",
        "telexnumber",
    }
)

Values = dict[str, list[bytes]]
Pairs = list[tuple[str, bytes]]


def content(entry: Entry, schema: Schema = NO_SCHEMA) -> str:
    """Return the content record of an entry, as ``ldapadd`` reads it.

    Args:
        entry: one without attributes is a line with its name, which is more than LDIF allows and all there is to say.
        schema: the types of its attributes; of others the usual ones are known.
    """
    return _record(entry.dn, entry, None, _added(entry, schema), alone=True)


def record(change: Change, schema: Schema = NO_SCHEMA, *, at: str | None = None) -> str:
    """Return the change record of a change: two if a rename also changed attributes, none if nothing is to apply.

    Args:
        change: what happened to an entry.
        schema: the types of its attributes; of others the usual ones are known.
        at: where the entry is if a rename above it has moved it since; without it that is its name before.
    """
    match change:
        case Added(after):
            return _record(after.dn, after, "add", _added(after, schema))
        case Deleted(before):
            return _record(before.dn, before, "delete", [], alone=True)
        case Modified(before, after):
            lines = _modified(_writable(before, schema), _writable(after, schema), schema)
            return _record(after.dn, after, "modify", lines)
        case Renamed(before, after):
            return _renamed(before, after, before.dn if at is None else at, schema)
        case _:
            assert_never(change)


def undo(change: Change, schema: Schema = NO_SCHEMA) -> str:
    """Return the change record that takes a change back: two for a rename that also changed attributes.

    Whoever undoes several changes begins with the last of them.  A rename that only followed one above it is undone
    with that one.  An entry that is added again has another UUID than it had.

    Args:
        change: what happened to an entry, which is now as the change left it.
        schema: the types of its attributes; of others the usual ones are known.
    """
    match change:
        case Added(after):
            return record(Deleted(after), schema)
        case Deleted(before):
            return record(Added(before), schema)
        case Modified(before, after):
            return record(Modified(after, before), schema)
        case Renamed(before, after):
            return record(Renamed(after, before), schema)
        case _:
            assert_never(change)


# Records


def _record(dn: str, entry: Entry, kind: str | None, lines: Sequence[str], *, alone: bool = False) -> str:
    """Join the lines of a record; one that needs lines but has none is not written, for it would not be legal."""
    if not lines and not alone:
        return ""
    # RFC 3296: without it the server would send the writer where the referral points.
    referral = kind and b"referral" in (value.lower() for value in entry.attributes.get("objectClass", []))
    head = [
        f"# entryUUID: {entry.uuid}",
        attribute_line("dn", dn.encode()),
        *([_MANAGE_DSA_IT] if referral else []),
        *([f"changetype: {kind}"] if kind else []),
    ]
    return "".join(fold(line) for line in (*head, *lines)) + "\n"


def _added(entry: Entry, schema: Schema) -> list[str]:
    lines = [attribute_line(name, value) for name, values in _writable(entry, schema).items() for value in values]
    return [*_kept_by_server(entry, schema), *lines] if lines else []


def _kept_by_server(entry: Entry, schema: Schema) -> Iterator[str]:
    for name, values in entry.attributes.items():
        if _is_kept(name, schema) and _base_name(name) != "entryuuid":
            yield from (f"# {attribute_line(name, value)}" for value in values)


def _modified(before: Values, after: Values, schema: Schema, whole: Iterable[str] = ()) -> list[str]:
    """Return the lines that lead from one to the other, the attributes in `whole` by their new values altogether."""
    lines: list[str] = []
    old_names = {schema.key(name): name for name in before}
    new_names = {schema.key(name): name for name in after}
    for key, name in {**old_names, **new_names}.items():
        old = before.get(old_names.get(key, ""), [])
        new = after.get(new_names.get(key, ""), [])
        for kind, values in _steps(name, old, new, schema, whole=key in whole):
            lines += [f"{kind}: {name}", *(attribute_line(name, value) for value in values), "-"]
    return lines


def _steps(
    name: str, old: list[bytes], new: list[bytes], schema: Schema, *, whole: bool
) -> list[tuple[str, list[bytes]]]:
    """Return how to change the values of one attribute: the kinds of modification with their values."""
    had, has = set(old), set(new)
    if had == has:
        return []
    if not new:
        return [("replace", [])] if whole else [("delete", [])]
    added = [value for value in new if value not in had]
    removed = [value for value in old if value not in has]
    if whole or (added and removed and len(new) <= len(added) + len(removed)):
        return [("replace", new)]
    if not old:
        return [("add", new)]
    if _lacks_equality(name, (*added, *removed), schema):
        return [("replace", new)]
    steps = [("delete", removed), ("add", added)]
    return [step for step in steps if step[1]]


# Renames


def _renamed(before: Entry, after: Entry, at: str, schema: Schema) -> str:
    old, new = _writable(before, schema), _writable(after, schema)
    if at == after.dn:
        return _record(at, after, "modify", _modified(old, new, schema))
    lines, left, naming = _rename(at, after.dn, old, new, schema)
    modifications = _modified(left, new, schema, naming)
    return _record(at, after, "modrdn", lines) + _record(after.dn, after, "modify", modifications)


def _rename(at: str, dn: str, old: Values, new: Values, schema: Schema) -> tuple[list[str], Values, set[str]]:
    """Return the lines of a rename, the attributes as it leaves them, and the keys of those it may have changed."""
    new_rdn, new_parent = names.first_rdn(dn), names.parent(dn)
    gained = _pairs(new_rdn, schema)
    lost = [pair for pair in _pairs(names.first_rdn(at), schema) if not _has_pair(gained, pair)]
    found = [(schema.key(name), value) for name, values in new.items() for value in values]
    left = _after_rename(old, lost, gained, schema)
    drop = not all(_has_pair(found, pair) for pair in lost) and not _lacks(left, new, lost, schema)
    lines = [attribute_line("newrdn", new_rdn.encode()), f"deleteoldrdn: {drop:d}"]
    if names.parent(at) != new_parent:
        lines.append(attribute_line("newsuperior", new_parent.encode()))
    if not drop:
        left = _after_rename(old, [], gained, schema)
    return lines, left, {key for key, _ in (*lost, *gained)}


def _after_rename(before: Values, lost: Pairs, gained: Pairs, schema: Schema) -> Values:
    """Return the attributes as the rename alone leaves them; those that were never seen stay unseen."""
    seen = {schema.key(name): name for name in before}
    left = {name: list(values) for name, values in before.items()}
    for key, value in lost:
        if key in seen:
            values = left[seen[key]]
            values[:] = [known for known in values if not _alike(known, value)]
    for key, value in gained:
        if key in seen and not any(_alike(known, value) for known in left[seen[key]]):
            left[seen[key]].append(value)
    return {name: values for name, values in left.items() if values}


def _lacks(left: Values, new: Values, lost: Pairs, schema: Schema) -> bool:
    """Tell whether an attribute of these pairs has values in the end and none before: the entry may have to have it."""
    missing = set(map(schema.key, new)) - set(map(schema.key, left))
    return any(key in missing for key, _ in lost)


def _pairs(rdn: str, schema: Schema) -> Pairs:
    """Return the keys of the attributes of an RDN, and its values."""
    try:
        (pairs,) = names.parse(rdn)
    except (DNError, ValueError):
        # Then the modify record gives nothing whole, and the server that wrote the name may refuse it.
        return []
    return [(schema.key(name), value if isinstance(value, bytes) else value.encode()) for name, value in pairs]


def _has_pair(pairs: Pairs, pair: tuple[str, bytes]) -> bool:
    return any(key == pair[0] and _alike(value, pair[1]) for key, value in pairs)


def _alike(one: bytes, other: bytes) -> bool:
    """Return whether most rules would call two values equal; where they would not, `replace` puts it right."""
    return one == other or one.lower().split() == other.lower().split()


# Attributes and lines


def _writable(entry: Entry, schema: Schema) -> Values:
    """Return the attributes that a client may write."""
    return {name: values for name, values in entry.attributes.items() if not _is_kept(name, schema)}


def _is_kept(name: str, schema: Schema) -> bool:
    known = schema.attribute(name)
    return _base_name(name) in _KEPT_BY_SERVERS if known is None else known.no_user_modification


def _lacks_equality(name: str, values: Iterable[bytes], schema: Schema) -> bool:
    """Tell whether the server cannot find single values; where the type is unknown octets are a sign of it."""
    known = schema.attribute(name)
    if known is not None:
        return known.equality is None
    return _base_name(name) in _WITHOUT_EQUALITY or not all(map(_is_text, values))


def _base_name(name: str) -> str:
    return descriptions.type_of(name).lower()


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(value)


def attribute_line(name: str, value: bytes) -> str:
    """Return a name and a value, the value in base64 if LDIF asks for it; without end of line."""
    if _SAFE.fullmatch(value):
        return f"{name}: {value.decode('ascii')}" if value else f"{name}:"
    return f"{name}:: {base64.b64encode(value).decode('ascii')}"


def fold(line: str) -> str:
    """Break a line where it would be too long, and end it."""
    if len(line) <= _WIDTH:
        return line + "\n"
    step = _WIDTH - 1
    rest = (line[at : at + step] for at in range(_WIDTH, len(line), step))
    return "\n ".join([line[:_WIDTH], *rest]) + "\n"
