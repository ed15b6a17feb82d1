"""Entries that came into the content below others, which alone the server tells of (RFC 4533 section 4.1).

They were fetched before the refresh began that they take part in, each subtree as it was at one moment.  So the refresh
tells all that happened to them since, as it does for entries of the copy: those that changed are sent, those that are
gone are named or left out, and the others follow those above them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.ldap import dn as names
from syncrepl_client.store.names import text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Iterator

    from syncrepl_client.contentsync.events import SentEntry

__all__ = ["Brought"]


class Brought:
    """What was fetched.

    Args:
        rows: the entries.
    """

    def __init__(self, rows: Iterable[SentEntry] = ()) -> None:
        self._rows = {uuid: (text(dn), attrs) for uuid, dn, attrs in rows}
        # The normalized names that those had who are gone again: nobody knows yet who went with them.
        self._gone: set[str] = set()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def deleted(self, uuids: Iterable[bytes]) -> None:
        """Forget entries that were named as deleted."""
        for uuid in uuids:
            row = self._rows.pop(uuid, None)
            if row is not None:
                self._gone.add(names.normalize(row[0]))

    def swept(self, present: Collection[bytes], sent: Callable[[bytes], str | None]) -> None:
        """Forget what was neither named as present nor sent."""
        self.deleted([uuid for uuid in self._rows if uuid not in present and sent(uuid) is None])

    def orphans(self, outcome: Callable[[bytes], str | None]) -> Iterator[bytes]:
        """Iterate over entries that nobody told of, and one of those above them is gone.

        Args:
            outcome: see `settled`.
        """
        return (uuid for uuid, (dn, _) in self._rows.items() if self._is_orphan(dn) and outcome(uuid) is None)

    def _is_orphan(self, dn: str) -> bool:
        above = names.split_first(names.normalize(dn))[1]
        while above and above not in self._gone:
            above = names.split_first(above)[1]
        return bool(above)

    def settled(
        self, outcome: Callable[[bytes], str | None], known: Container[bytes]
    ) -> list[tuple[bytes, str, bytes]]:
        """Return the entries that nobody told of, with the names that they have now.

        Args:
            outcome: tells which name an entry of the copy, or one that was sent, will have; None if none.
            known: the UUIDs of entries of the copy.
        """
        # By the name that each had when it was fetched, the one that it has now.
        now: dict[str, tuple[str, str]] = {}
        silent = []
        for uuid, (dn, attrs) in sorted(self._rows.items(), key=lambda row: names.depth(row[1][0])):
            name = outcome(uuid)
            if name is None and self._is_orphan(dn):
                continue
            if name is None:
                above = names.parent(dn)
                while above and names.normalize(above) not in now:
                    above = names.parent(above)
                if not above or uuid in known:
                    # It left again, by itself or with the one that it had come with.
                    continue
                name = names.rebase(dn, *now[names.normalize(above)])
                silent.append((uuid, name, attrs))
            now[names.normalize(dn)] = (dn, name)
        return silent
