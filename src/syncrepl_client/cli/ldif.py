"""The format of ``--ldif``: the records of `syncrepl_client.ldif`, one after the other, to apply to another server.

A rename moves the entries below along.  Whoever mirrors a directory is told so entry by entry, but a record for each
would name entries that are no longer there; so the format knows what was renamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client import ldif
from syncrepl_client.ldap import dn as names
from syncrepl_client.model import Attributes, Change, Deleted, Renamed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Ldif"]


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
        if isinstance(change, Renamed):
            return ldif.record(change, change.entry.schema, at=self._renamed(change.before.dn, change.after.dn))
        if not isinstance(change, Deleted):
            self._moved.clear()
        return ldif.record(change, change.entry.schema)

    def refresh_done(self, entries: Mapping[str, Attributes]) -> str:  # noqa: ARG002 - the data are all in the changes
        """Return what marks the end of a refresh: nothing."""
        self._moved.clear()
        self._live = True
        return ""

    def cookie(self, cookie: bytes) -> str:  # noqa: ARG002 - the same
        """Return what a cookie looks like: nothing."""
        self._moved.clear()
        return ""

    def transaction(self, *, live: bool) -> None:
        """Begin with the changes of another transaction.

        Args:
            live: whether each of its changes builds on the one before, as in the persist stage.
        """
        self._moved.clear()
        self._live = live

    def _renamed(self, old: str, new: str) -> str:
        """Remember a rename; returns where the ones before it have put the entry."""
        at = self._place(old)
        self._moved[old.lower()] = new
        if self._live:
            self._moved.pop(new.lower(), None)
        return at

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
