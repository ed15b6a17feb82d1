"""Operational attributes that a server sends without being asked, and taking them out.

What they say changes with every write, so each would look like a change of something that nobody wants to know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.ldap.attributes import without

if TYPE_CHECKING:
    from syncrepl_client.contentsync.events import SentEntry

__all__ = ["Selection"]


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
