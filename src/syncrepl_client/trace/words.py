"""How octets are shown in a line, and which are not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HIDDEN", "assertion", "listed", "printable", "quoted", "uuid"]

HIDDEN: Final = "***"
"""Stands for a secret; not even its size is told."""

_MOST: Final = 1000
_SECRET: Final = re.compile(r"passw|pwd|secret|pin\b|key|totp|credential", re.IGNORECASE)


def printable(text: str) -> str:
    """Replace what a terminal would obey, or not show, by escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def quoted(value: bytes | str) -> str:
    """Return text in quotation marks, the beginning of a long one."""
    # Cut before it is decoded: a cookie may be as large as a message.
    text = value[:_MOST].decode(errors="backslashreplace") if isinstance(value, bytes) else value[:_MOST]
    shown = text.replace('"', r"\"")
    more = len(value) - _MOST
    return f'"{shown}"' + (f" and {more} more" if more > 0 else "")


def assertion(attribute: str, escaped: str) -> str:
    """Return a value of a filter as it may be shown: none of an attribute that holds secrets."""
    return HIDDEN if _SECRET.search(attribute) else escaped


def uuid(octets: bytes) -> str:
    """Return a UUID, or whatever has not its size, as text."""
    return str(UUID(bytes=octets)) if len(octets) == 16 else octets[:_MOST].hex()  # noqa: PLR2004 - RFC 4122


def listed(names: Iterable[str], most: int = 50) -> str:
    """Return names with commas between them, the first of many."""
    all_of_them = list(names)
    more = len(all_of_them) - most
    return ", ".join(all_of_them[:most]) + (f" and {more} more" if more > 0 else "")
