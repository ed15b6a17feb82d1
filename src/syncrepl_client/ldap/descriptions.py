"""Attribute descriptions (RFC 4512 section 2.5): an attribute type and options, such as ``cn;lang-de``.

Neither the case of anything nor the order of the options makes a difference.
"""

from __future__ import annotations

__all__ = ["for_lookup", "normalize", "same", "split", "type_of"]


def split(description: str) -> tuple[str, tuple[str, ...]]:
    """Split a description into its type and its options, all in lower case, the options each once and in order."""
    kind, separator, options = description.strip(" ").lower().partition(";")
    if not separator:
        return kind, ()
    return kind, tuple(sorted({option for option in options.split(";") if option}))


def type_of(description: str) -> str:
    """Return the type alone, as it is spelled."""
    return description.partition(";")[0]


def normalize(description: str) -> str:
    """Return the form that all spellings of a description share, such as ``cn;lang-de;x-a``."""
    kind, options = split(description)
    return ";".join((kind, *options))


def for_lookup(description: str) -> str:
    """Return the normal form without ``;binary``: that option says how values travel, not which they are.

    RFC 4522 section 3 makes it no tagging option, so there is no second set of values that bears it.
    """
    kind, options = split(description)
    return ";".join((kind, *(option for option in options if option != "binary")))


def same(first: str, second: str) -> bool:
    """Tell whether two texts are one description."""
    return first == second or normalize(first) == normalize(second)
