"""Definitions of schema elements as servers print them (RFC 4512 section 4.1): an OID, and words with their values.

Servers print more than the grammar allows, and who reads them must not be the one to insist:

* 389 Directory Server has descriptors where OIDs belong (``nsAdminDomainName-oid``), and two spaces where one is due;
  its forebears put OIDs and syntaxes in quotes, and leave an apostrophe in a description as it is.
* OpenLDAP keeps what an administrator wrote, with missing spaces.
* ApacheDS writes what is the default anyway, and has lists of its own (``X-SCHEMA``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Definition", "parse"]

_QUOTED: Final = r"'[^']*'"
# A quote inside a text, as in DESC 'the user's name', is one behind which nothing ends.
_LOOSELY_QUOTED: Final = r"'(?:[^']|'(?=[^\s)']))*'"
_OTHER: Final = r"""|"[^"]*"|[^\s()'"${]+(?:\{\d{0,20}\})?|[()]"""
_STRICT: Final = re.compile(_QUOTED + _OTHER)
_LOOSE: Final = re.compile(_LOOSELY_QUOTED + _OTHER)
_ESCAPE: Final = re.compile(r"\\(27|5[cC])")

_FLAGS: Final = frozenset({"COLLECTIVE", "NO-USER-MODIFICATION", "OBSOLETE", "SINGLE-VALUE"})
_VALUED: Final = frozenset({"DESC", "EQUALITY", "NAME", "ORDERING", "SUBSTR", "SUP", "SYNTAX", "USAGE"})
_WORDS: Final = _FLAGS | _VALUED
_SHORTEST: Final = 3
# What a quote ends must be looked for behind each, so this is not done in a text made of quotes alone.
_LONGEST_LOOSE: Final = 8192


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition.

    Args:
        oid: what stands in the OID's place, which is not always a number.
        fields: the values of each word, none for words such as ``SINGLE-VALUE``; words in upper case.
    """

    oid: str
    fields: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, which may be none."""
        return self.fields.get("NAME", ())

    def first(self, word: str) -> str | None:
        """Return the value of a word that has one."""
        values = self.fields.get(word, ())
        return values[0] if values else None


def parse(text: str) -> Definition | None:
    """Read a definition; None if it is none."""
    definition = _read(_STRICT.findall(text))
    if definition is None and len(text) <= _LONGEST_LOOSE:
        definition = _read(_LOOSE.findall(text))
    return definition


def _read(tokens: list[str]) -> Definition | None:
    if len(tokens) < _SHORTEST or tokens[0] != "(" or tokens[-1] != ")":
        return None
    fields: dict[str, tuple[str, ...]] = {}
    end = len(tokens) - 1
    # An element without OID is one that nobody may refer to by it; its name will do.
    nameless = tokens[1] in _WORDS
    pos = 1 if nameless else 2
    while pos < end:
        word = tokens[pos].upper()
        if word in _FLAGS:
            fields[word] = ()
            pos += 1
            continue
        # What is in small letters and no word is a piece of a text that was taken apart.
        known = word in _VALUED
        if not known and (word != tokens[pos] or not word[0].isalpha()):
            return None
        values, pos = _values(tokens, pos + 1, end, needed=known)
        if known and not values:
            return None
        fields.setdefault(word, values)
    oid = fields.get("NAME", ("",))[0] if nameless else _plain(tokens[1])
    return Definition(oid, fields) if oid and oid not in "()" else None


def _values(tokens: list[str], pos: int, end: int, *, needed: bool) -> tuple[tuple[str, ...], int]:
    """Read the values at `pos`: one, or some in brackets; a word that is not known may have none.

    Returns:
        The values, and where they end.
    """
    first = tokens[pos]
    if pos == end or (not needed and (first in _WORDS or first.startswith("X-"))):
        return (), pos
    if first != "(":
        return (_plain(first),), pos + 1
    try:
        close = tokens.index(")", pos, end)
    except ValueError:
        return (), pos
    return tuple(_plain(value) for value in tokens[pos + 1 : close]), close + 1


def _plain(token: str) -> str:
    """Take off quotes and escapes."""
    if token[0] not in "'\"":
        return token
    text = token[1:-1]
    return _ESCAPE.sub(lambda match: "'" if match[1] == "27" else "\\", text) if "\\" in text else text
