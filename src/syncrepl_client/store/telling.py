"""Whoever has to know of a change, in the transaction that applies it: the changelog, then the program.

There are two ways to tell of names.  The changelog, and who asks for typed changes, know an entry by its UUID: two
entries that swap their names are two renames, and a name that is spelled otherwise is a modification.  Who knows
entries by the spelling of their names alone is told of a rename then, and of a circle of names as something that can be
followed: one of them leaves, the others move up, and it comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.attributes import is_rewritten
from syncrepl_client.model import Added, Deleted, Modified, Provenance, Renamed
from syncrepl_client.store import changelog
from syncrepl_client.store.differences import LARGE

if TYPE_CHECKING:
    from syncrepl_client.model import Change, Entry, Origin
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.changelog import Appending
    from syncrepl_client.store.database import Database
    from syncrepl_client.store.vocabulary import Vocabulary

__all__ = ["Telling"]


class Telling:
    """Tells of the changes of one transaction.

    Args:
        database: the data file, in the transaction.
        listener: the program's; None if it hears of no changes.
        log: the changelog; None if none is kept.
        origin: where the changes were found.
        vocabulary: makes the entries that they are about.
    """

    def __init__(
        self,
        database: Database,
        listener: Listener | None,
        log: Appending | None,
        origin: Origin,
        vocabulary: Vocabulary,
    ) -> None:
        self._database = database
        self._listener = listener
        self._by_name = listener is not None and listener.by_name
        self._log = log
        self.entry = vocabulary.entry
        self._origin = origin
        self._unlogged = Provenance(origin)
        self._cursor = database.connection.cursor()
        # How many entries have other octets and no other values.
        self.silent = 0

    @property
    def heard(self) -> bool:
        """Whether anybody is told."""
        return self._listener is not None or self._log is not None

    def added(self, after: Entry) -> None:
        """Tell of an entry that is new."""
        place = self._noted(changelog.ADDED, None, after)
        self._tell(Added(after, place))

    def deleted(self, before: Entry) -> None:
        """Tell of an entry that is gone."""
        place = self._noted(changelog.DELETED, before, None)
        self._tell(Deleted(before, place))

    def modified(self, before: Entry, after: Entry) -> None:
        """Tell of attributes that changed."""
        place = self._noted(changelog.MODIFIED, before, after)
        if self._listener is not None:
            self._tell(Modified(before, after, place))

    def changed(self, uuid: bytes, dn: str, old: bytes, new: bytes) -> None:
        """Tell of other octets of attributes, if they stand for other values.

        Servers repeat values in another order and send changes that change nothing.
        """
        if is_rewritten(old, new):
            self.rewritten(self.entry(uuid, dn, old))
        else:
            self.modified(self.entry(uuid, dn, old), self.entry(uuid, dn, new))

    def changed_together(self) -> int | None:
        """Log what a refresh has staged for entries that are not large, if nobody is to be told one by one.

        Returns:
            How many were logged, and the others are still to be told of; None if that was not done.
        """
        if self._listener is not None or self._log is None:
            return None
        return self._log.append_staged(self._origin)

    def renamed(self, before: Entry, after: Entry) -> None:
        """Tell of a name that changed by at least one octet."""
        same = names.same(before.dn, after.dn)
        place = self._noted(changelog.MODIFIED if same else changelog.RENAMED, before, after)
        kind = Modified if same and not self._by_name else Renamed
        self._tell(kind(before, after, place))

    def left_a_circle(self, before: Entry) -> None:
        """Tell of the entry at which a circle of names is cut."""
        if self._by_name:
            self._tell(Deleted(before, self._unlogged))

    def closed_a_circle(self, before: Entry, after: Entry) -> None:
        """Tell that this entry has its new name now."""
        place = self._noted(changelog.RENAMED, before, after)
        self._tell(Added(after, place) if self._by_name else Renamed(before, after, place))

    def rewritten(self, before: Entry) -> None:
        """Take notice of octets that changed although the values they stand for did not; that is no change."""
        self.silent += 1
        # Of two versions that are large together, the later one may be the smaller one, but not by much.
        if self._log is not None and len(before.attributes.wire) > LARGE // 3:
            self._log.anchor(before.uuid_octets, before.attributes.wire)

    def _noted(self, kind: str, before: Entry | None, after: Entry | None) -> Provenance:
        return self._unlogged if self._log is None else self._log.append(kind, self._origin, before, after)

    def _tell(self, change: Change) -> None:
        if self._listener is not None:
            with self._database.guarded():
                self._listener.change(change, cursor=self._cursor)
