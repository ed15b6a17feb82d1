"""Preparing strings for comparison (RFC 4518): what does not count in them is taken away.

Left out is the step that refuses code points, unassigned and private ones among them: servers keep such values and
compare them.  What is unassigned would depend on the version of Python as well.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["joined", "piece", "text", "unspaced", "whole"]


def _characters(*ranges: str) -> str:
    """Return all characters from the first to the last one of each range."""
    return "".join(chr(code) for ends in ranges for code in range(ord(ends[0]), ord(ends[1]) + 1))


# RFC 4518 section 2.2: control and format characters, soft hyphens and variation selectors are mapped to nothing ...
_NOTHING: Final = "\xad\u1806\u034f\ufffc\u06dd\u070f\u180e\u200b\ufeff\U000e0001" + _characters(
    "\x00\x08",
    "\x0e\x1f",
    "\x7f\x84",
    "\x86\x9f",
    "\u180b\u180d",
    "\ufe00\ufe0f",
    "\u200c\u200f",
    "\u202a\u202e",
    "\u2060\u2063",
    "\u206a\u206f",
    "\ufff9\ufffb",
    "\U0001d173\U0001d17a",
    "\U000e0020\U000e007f",
)
# ... and what separates is mapped to SPACE.
_SPACES: Final = "\t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + _characters("\u2000\u200a")
_MAPPED: Final = {ord(letter): None for letter in _NOTHING} | {ord(letter): " " for letter in _SPACES}

# The same for octets that are ASCII, as most values are, with and without the change to small letters.
_ASCII_NOTHING: Final = bytes(code for code in range(128) if _MAPPED.get(code, "") is None)
_ASCII_KEPT: Final = bytes(32 if _MAPPED.get(code) == " " else code for code in range(256))
_ASCII_FOLDED: Final = _ASCII_KEPT.lower()

# RFC 4518 section 2.6.3.
_HYPHENS: Final = "-\u058a\u2010\u2011\u2212\ufe63\uff0d"
_UNHYPHENED: Final = {ord(letter): None for letter in _HYPHENS}


def text(value: bytes, *, fold: bool) -> str:
    """Map, fold and normalize (RFC 4518 sections 2.1 to 2.3); spaces stay as many as there are.

    Args:
        value: UTF-8.
        fold: whether case makes no difference.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    if value.isascii():
        return value.translate(_ASCII_FOLDED if fold else _ASCII_KEPT, _ASCII_NOTHING).decode("ascii")
    mapped = value.decode().translate(_MAPPED)
    if not fold:
        return unicodedata.normalize("NFKC", mapped)
    # What compatibility decomposition brings forth may have to be folded again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", mapped).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def joined(prepared: str) -> str:
    """Return what two values share that differ in insignificant spaces (RFC 4518 section 2.6.1)."""
    return " ".join(_words(prepared))


def whole(prepared: str) -> str:
    """Return a value in which a `piece` can be looked for: one space around it, two for each space inside.

    With two, a piece that ends with a space and another one that begins with one both have their own.
    """
    return f" {'  '.join(_words(prepared))} "


def piece(prepared: str, *, initial: bool = False, final: bool = False) -> str:
    """Return a substring as it can be found in a `whole` value."""
    words = _words(prepared)
    if not words:
        return " "
    before = " " if initial or not prepared.startswith(words[0]) else ""
    after = " " if final or not prepared.endswith(words[-1]) else ""
    return before + "  ".join(words) + after


def unspaced(prepared: str, *, hyphens: bool = False) -> str:
    """Take out all spaces (RFC 4518 section 2.6.2), and hyphens as well (section 2.6.3)."""
    kept = "".join(_words(prepared))
    return kept.translate(_UNHYPHENED) if hyphens else kept


def _words(prepared: str) -> list[str]:
    """Return what stands between spaces; a space that bears a combining mark is none (RFC 4518 section 2.6)."""
    if prepared.isascii():
        return prepared.split()
    words = [""]
    for word in prepared.split(" "):
        if word and unicodedata.category(word[0]).startswith("M") and len(words) > 1:
            words[-1] += " " + word
        else:
            words.append(word)
    return [word for word in words if word]
