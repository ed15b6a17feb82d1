"""Clues to values in the octets of an entry: what is not among its octets need not be decoded to be missed.

Case and much else make no difference to most matching rules, so a value cannot be looked for as it is.  But its longest
run of ASCII characters without a space is found in every other spelling as well, once capital letters are small and
control characters are gone, unless there is a character in the entry that may be mapped to such ones or to nothing
(RFC 4518): a ligature, a full-width letter, a soft hyphen.  Then the entry is decoded.

What comes between values, tags and lengths, is among the octets as well.  It makes entries be decoded in vain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["NO_CLUES", "Clue", "Clues", "all_of", "any_of", "identifiers", "in_name", "in_value", "named", "searcher"]

# Control characters that are mapped to nothing.
_DELETED: Final = bytes((*range(0x09), *range(0x0E, 0x20), 0x7F))
_SMALL: Final = bytes(range(256)).lower()
_ASCII: Final = bytes(range(0x80))
# The characters that are mapped to ASCII or to nothing, and many more.  The others are the rest of Latin-1
# and of Latin Extended-A, where those are sharp s, dotted I, the ligature ij, l with a dot, n with an apostrophe and
# long s; Greek and basic Cyrillic; and the ideographs from U+4000 on.
_ODD: Final = re.compile(
    rb"[\xc2\xc6-\xcd\xd2-\xe3\xea-\xf4][\x80-\xbf]|\xc3\x9f|\xc4[\xb0-\xb3\xbf]|\xc5[\x80\x89\xbf]"
)
_RUN: Final = re.compile(r"[!-~]{2,}")
_RUN_IN_NAME: Final = re.compile(r"[a-z0-9._@-]{2,}")
_MOST_WORDS: Final = 16


@dataclass(frozen=True, slots=True)
class Clue:
    """One of these is among the octets of each entry that matters.

    Args:
        words: in small letters.
        spelled: whether they are there in just these letters, so that nothing else can stand for them.
        escaped: whether letters may be escaped, as in a DN.
    """

    words: tuple[bytes, ...]
    spelled: bool = False
    escaped: bool = False

    def is_in(self, octets: bytes) -> bool:
        """Tell whether octets may hold what the clue is to."""
        small = octets.translate(_SMALL, _DELETED)
        return any(word in small for word in self.words) or _may_stand_for(octets, self)


Clues = tuple[Clue, ...]
"""Each of these is true of an entry that matters."""
NO_CLUES: Final[Clues] = ()


def _may_stand_for(octets: bytes, clue: Clue) -> bool:
    """Tell whether there is something that a rule may take for what is looked for."""
    if clue.spelled:
        return False
    # Of tags and lengths ASCII alone is left, for none of them is followed by an octet that continues a character.
    text = octets.decode(errors="ignore")
    if not text.isascii() and _ODD.search(text.encode().translate(None, _ASCII)):
        return True
    return clue.escaped and (b"\\" in octets or b"=#" in octets)


def named(names: Sequence[str]) -> Clues:
    """Return the clue to attributes with one of these names, with or without options."""
    # After the name comes the tag of the set of values, or there are options.
    words = [f"{name.lower()}{end}".encode() for end in ("1", ";") for name in names]
    return (Clue(tuple(words), spelled=True),) if 0 < len(words) <= 2 * _MOST_WORDS else NO_CLUES


def identifiers(names: Iterable[str]) -> Clues:
    """Return the clue to a value that is one of these names or OIDs."""
    words = tuple(name.lower().encode() for name in names)
    return (Clue(words, spelled=True),) if 0 < len(words) <= _MOST_WORDS else NO_CLUES


def in_value(*prepared: str) -> Clues:
    """Return the clues to a value in which each of these is found.

    Args:
        prepared: by the matching rule; case makes no difference.
    """
    runs = [max(_RUN.findall(text.lower()), key=len, default="") for text in prepared]
    return tuple(Clue((run.encode(),)) for run in runs if run)


def in_name(values: Iterable[str]) -> Clues:
    """Return the clue to a DN in which these values are, prepared likewise."""
    run = max((run for value in values for run in _RUN_IN_NAME.findall(value.lower())), key=len, default="")
    return (Clue((run.encode(),), escaped=True),) if run else NO_CLUES


def all_of(parts: Sequence[Clues]) -> Clues:
    """Return the clues to entries in which all of these are."""
    return tuple(clue for part in parts for clue in part)


def any_of(parts: Sequence[Clues]) -> Clues:
    """Return the clues to entries in which one of these is; none if one of them has none."""
    if not parts or not all(parts):
        return NO_CLUES
    chosen = [min(part, key=_order) for part in parts]
    words = tuple(word for clue in chosen for word in clue.words)
    if len(words) > 2 * _MOST_WORDS:
        return NO_CLUES
    spelled, escaped = all(clue.spelled for clue in chosen), any(clue.escaped for clue in chosen)
    return (Clue(words, spelled=spelled, escaped=escaped),)


def _order(clue: Clue) -> tuple[bool, int]:
    """Return a key by which those come first that fewer entries have: values before attributes, and long words."""
    return clue.spelled, -min(map(len, clue.words))


def searcher(clues: Clues) -> Callable[[bytes], bool] | None:
    """Return what tells whether an attribute list may be of an entry that matters; None if it cannot be told."""
    if not clues:
        return None
    ordered = sorted(clues, key=_order)

    def may_match(wire: bytes) -> bool:
        small = wire.translate(_SMALL, _DELETED)
        for clue in ordered:
            for word in clue.words:
                if word in small:
                    break
            else:
                if not _may_stand_for(wire, clue):
                    return False
        return True

    return may_match
