"""Operational attributes that a server sends without being asked, and taking them out.

What they say changes with every write, so each would look like a change of something that nobody wants to know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap.attributes import without

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.contentsync.events import SentEntry

__all__ = ["Selection", "operational"]

_NAMES: Final = re.compile(r"\bNAME\s+(?:'([^']*)'|\(([^)]*)\))")
_USAGE: Final = re.compile(r"\bUSAGE\s+(?:directoryOperation|distributedOperation|dSAOperation)\b", re.IGNORECASE)


def operational(attribute_types: Iterable[bytes]) -> frozenset[str]:
    """Find the operational attributes in a schema.

    Args:
        attribute_types: values of ``attributeTypes`` (RFC 4512 section 4.1.2).

    Returns:
        Their names in lower case.
    """
    names: set[str] = set()
    for value in attribute_types:
        text = value.decode(errors="replace")
        match = _NAMES.search(text)
        if match and _USAGE.search(text):
            names.update(name.lower() for name in ([match[1]] if match[1] else re.findall(r"'([^']*)'", match[2])))
    return frozenset(names)


class Selection:
    """Takes out the operational attributes that were not asked for.

    Args:
        requested: the attributes of the search; empty means all user attributes.
        operational: the operational attributes of the server, in lower case.
    """

    def __init__(self, requested: tuple[str, ...], operational: frozenset[str]) -> None:
        asked = {name.lower() for name in requested}
        self._unwanted = frozenset() if "+" in asked else operational - asked

    def of(self, rows: list[SentEntry]) -> list[SentEntry]:
        """Return entries without what was not asked for."""
        return [(uuid, dn, without(attrs, self._unwanted)[0]) for uuid, dn, attrs in rows]
