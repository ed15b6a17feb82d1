"""Change records of one change after the other; where a rename moves entries along, they are not renamed again.

A rename moves the entries below along.  Whoever mirrors a directory is told so entry by entry, but a record for each
would name entries that are no longer there; so what was renamed in a transaction is remembered to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client import ldif
from syncrepl_client.ldap import dn as names
from syncrepl_client.model import Deleted, Origin, Renamed

if TYPE_CHECKING:
    from syncrepl_client.model import Change

__all__ = ["Records"]


class Records:
    """Makes the records of changes that are given in their order."""

    def __init__(self) -> None:
        # The renames of this transaction: the old name in lower case, the new one.
        self._moved: dict[str, str] = {}
        # In a refresh every old name is what it was before the refresh; afterwards one change builds on the other.
        self._live = False
        self._transaction: tuple[int | None, Origin] | None = None

    def begin(self, *, live: bool) -> None:
        """Begin with the changes of another transaction.

        Args:
            live: whether each of its changes builds on the one before, as in the persist stage.
        """
        self._moved.clear()
        self._live = live

    def end(self) -> None:
        """End the transaction: what it has renamed is not remembered."""
        self._moved.clear()

    def record(self, change: Change) -> str:
        """Return the record of a change: two if a rename also changed attributes, none if there is nothing to apply."""
        if isinstance(change, Renamed):
            return ldif.record(change, change.entry.schema, at=self._renamed(change.before.dn, change.after.dn))
        if not isinstance(change, Deleted):
            self._moved.clear()
        return ldif.record(change, change.entry.schema)

    def logged(self, change: Change) -> str:
        """Return the record of a change of a changelog; a transaction is known by the time at which it was stored."""
        transaction = (change.provenance.stored, change.origin)
        if transaction != self._transaction:
            self._transaction = transaction
            self.begin(live=change.origin is Origin.PERSIST)
        return self.record(change)

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
