"""Changes as LDIF change records (RFC 2849), such as ``ldapmodify`` applies to another server.

What shaped the records:

* A server refuses to add or delete single values of an attribute without equality rule, so these are replaced whole.
* A rename changes attributes by itself: it adds the values of the new RDN, and takes those of the old one if told so.
  The modify record after it therefore starts from what the rename leaves, and gives naming attributes whole.
* A rename moves the entries below along.  Whoever mirrors a directory is told so entry by entry, but a record for each
  would name entries that are no longer there.
* Servers keep some attributes themselves and let nobody write them.  They are comments, if somebody asked for them.
* An empty line between comment and record would make the comment a record of its own.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.exceptions import DNError
from syncrepl_client.ldap import dn as names
from syncrepl_client.model import Added, Attributes, Change, Deleted, Entry, Modified, Renamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Ldif", "attribute_line", "fold"]

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


class Ldif:
    """The format of ``--ldif``."""

    def __init__(self) -> None:
        # The renames since the last cookie or end of a refresh: the old name in lower case, the new one.
        self._moved: dict[str, str] = {}
        # In a refresh every old name is what it was before the refresh; afterwards one change builds on the other.
        self._live = False

    def begin(self) -> str:
        """Return the line that every LDIF file begins with."""
        return "version: 1\n\n"

    def change(self, change: Change) -> str:
        """Return the record of a change: two if a rename also changed attributes, none if there is nothing to apply."""
        match change:
            case Added(after):
                self._moved.clear()
                return _record(after, after.dn, "add", _added(after))
            case Deleted(before):
                return _record(before, before.dn, "delete", [], alone=True)
            case Modified(before, after):
                self._moved.clear()
                return _record(after, after.dn, "modify", _modified(_writable(before), _writable(after)))
            case Renamed(before, after):
                return self._renamed(before, after)
            case _:
                assert_never(change)

    def refresh_done(self, entries: Mapping[str, Attributes]) -> str:  # noqa: ARG002 - the data are all in the changes
        """Return what marks the end of a refresh: nothing."""
        self._moved.clear()
        self._live = True
        return ""

    def cookie(self, cookie: bytes) -> str:  # noqa: ARG002 - the same
        """Return what a cookie looks like: nothing."""
        self._moved.clear()
        return ""

    def _renamed(self, before: Entry, after: Entry) -> str:
        old, new = _writable(before), _writable(after)
        at = self._place(before.dn)
        self._moved[before.dn.lower()] = after.dn
        if self._live:
            self._moved.pop(after.dn.lower(), None)
        if at == after.dn:
            return _record(after, after.dn, "modify", _modified(old, new))
        lines, left, naming = _rename(at, after.dn, old, new)
        return _record(after, at, "modrdn", lines) + _record(after, after.dn, "modify", _modified(left, new, naming))

    def _place(self, dn: str) -> str:
        """Return where the renames so far have put an entry, along with one above it."""
        if not self._moved:
            return dn
        rdns: list[str] = []
        rest = dn
        while rest:
            moved = self._moved.get(rest.lower())
            if moved is not None:
                return ",".join([*rdns, moved])
            rdns.append(names.first_rdn(rest))
            rest = names.parent(rest)
        return dn


# Records


def _record(entry: Entry, dn: str, kind: str, lines: Sequence[str], *, alone: bool = False) -> str:
    """Join the lines of a record; one that needs lines but has none is not written, for it would not be legal."""
    if not lines and not alone:
        return ""
    # RFC 3296: without it the server would send the writer where the referral points.
    referral = b"referral" in (value.lower() for value in entry.attributes.get("objectClass", []))
    head = [
        f"# entryUUID: {entry.uuid}",
        attribute_line("dn", dn.encode()),
        *([_MANAGE_DSA_IT] if referral else []),
        f"changetype: {kind}",
    ]
    return "".join(fold(line) for line in (*head, *lines)) + "\n"


def _added(entry: Entry) -> list[str]:
    lines = [attribute_line(name, value) for name, values in _writable(entry).items() for value in values]
    return [*_kept_by_server(entry), *lines] if lines else []


def _kept_by_server(entry: Entry) -> Iterator[str]:
    for name, values in entry.attributes.items():
        if _base_name(name) in _KEPT_BY_SERVERS - {"entryuuid"}:
            yield from (f"# {attribute_line(name, value)}" for value in values)


def _modified(before: Values, after: Values, whole: Iterable[str] = ()) -> list[str]:
    """Return the lines that lead from one to the other, the attributes in `whole` by their new values altogether."""
    lines: list[str] = []
    old_names = {name.lower(): name for name in before}
    new_names = {name.lower(): name for name in after}
    for key, name in {**old_names, **new_names}.items():
        old = before.get(old_names.get(key, ""), [])
        new = after.get(new_names.get(key, ""), [])
        for kind, values in _steps(key, old, new, whole=key in whole):
            lines += [f"{kind}: {name}", *(attribute_line(name, value) for value in values), "-"]
    return lines


def _steps(name: str, old: list[bytes], new: list[bytes], *, whole: bool) -> list[tuple[str, list[bytes]]]:
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
    if _base_name(name) in _WITHOUT_EQUALITY or not all(map(_is_text, (*added, *removed))):
        return [("replace", new)]
    steps = [("delete", removed), ("add", added)]
    return [step for step in steps if step[1]]


# Renames


def _rename(at: str, dn: str, old: Values, new: Values) -> tuple[list[str], Values, set[str]]:
    """Return the lines of a rename, the attributes as it leaves them, and the names of those it may have changed."""
    new_rdn, new_parent = names.first_rdn(dn), names.parent(dn)
    gained = _pairs(new_rdn)
    lost = [pair for pair in _pairs(names.first_rdn(at)) if not _has_pair(gained, pair)]
    drop = not all(_has(new, pair) for pair in lost)
    lines = [attribute_line("newrdn", new_rdn.encode()), f"deleteoldrdn: {drop:d}"]
    if names.parent(at) != new_parent:
        lines.append(attribute_line("newsuperior", new_parent.encode()))
    return lines, _after_rename(old, lost if drop else [], gained), {name.lower() for name, _ in (*lost, *gained)}


def _after_rename(before: Values, lost: list[tuple[str, bytes]], gained: list[tuple[str, bytes]]) -> Values:
    """Return the attributes as the rename alone leaves them; those that were never seen stay unseen."""
    seen = {name.lower(): name for name in before}
    left = {name: list(values) for name, values in before.items()}
    for name, value in lost:
        if name.lower() in seen:
            values = left[seen[name.lower()]]
            values[:] = [known for known in values if not _alike(known, value)]
    for name, value in gained:
        if name.lower() in seen and not _has(left, (name, value)):
            left[seen[name.lower()]].append(value)
    return {name: values for name, values in left.items() if values}


def _pairs(rdn: str) -> list[tuple[str, bytes]]:
    """Return the attribute names and values of an RDN."""
    try:
        (pairs,) = names.parse(rdn)
    except (DNError, ValueError):
        # Then the modify record gives nothing whole, and the server that wrote the name may refuse it.
        return []
    return [(name, value if isinstance(value, bytes) else value.encode()) for name, value in pairs]


def _has_pair(pairs: list[tuple[str, bytes]], pair: tuple[str, bytes]) -> bool:
    return any(name.lower() == pair[0].lower() and _alike(value, pair[1]) for name, value in pairs)


def _has(attributes: Values, pair: tuple[str, bytes]) -> bool:
    return _has_pair([(name, value) for name, values in attributes.items() for value in values], pair)


def _alike(one: bytes, other: bytes) -> bool:
    """Return whether most rules would call two values equal; where they would not, `replace` puts it right."""
    return one == other or one.lower().split() == other.lower().split()


# Attributes and lines


def _writable(entry: Entry) -> Values:
    return {name: values for name, values in entry.attributes.items() if _base_name(name) not in _KEPT_BY_SERVERS}


def _base_name(name: str) -> str:
    """Return the name without options such as ``;binary``."""
    return name.partition(";")[0].lower()


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
