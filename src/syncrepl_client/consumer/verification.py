"""The copy compared with the server, without trusting the cookie.

The server lists its content, and what differs from the copy is looked at closer, for the copy may merely be behind: a
difference counts only if it is still there after the stream has passed it.  An entry that was the same on the server
before and after a refresh from the stored cookie did not change in between, so that refresh knows how it is; if it says
something else, or nothing, the stream has lost something.  That refresh is never applied.


Where a stream runs, that refresh only tells how far the stream has to come before the entry is compared with the copy
once more.  Where nothing can be resumed from, it is given time until it is quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from syncrepl_client.connection.inquiry import TooMuchToAsk
from syncrepl_client.contentsync.dialects import Sweep
from syncrepl_client.contentsync.events import (
    EntriesDeleted,
    EntriesPresent,
    EntriesSent,
    PresentPhaseEnded,
    RefreshEnded,
    RefreshRequired,
)
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.attributes import decode_attributes, same_values, without
from syncrepl_client.model import Difference, Report
from syncrepl_client.store.comparison import Comparison
from syncrepl_client.store.names import text
from syncrepl_client.store.refresh import Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncrepl_client.connection.inquiry import Inquiry
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.store.store import Store

__all__ = ["Verification"]

_EXACT: Final = "entrycsn"
_TIME: Final = "modifytimestamp"
_MARKERS: Final = {_EXACT: "entryCSN", _TIME: "modifyTimestamp"}
_MOST_DIFFERENCES: Final = 5000
_MOST_ROUNDS: Final = 5
# Seconds after which a change would have another time.
_CLOCK_TICK: Final = 1.1

_Result = tuple[str, bytes] | None
"""Name and attributes of an entry, None if it is not there."""


class _Told(NamedTuple):
    """What the stream has to tell, and the cookie at its end."""

    staged: Update
    end: bytes


class Verification:
    """Compares the copy with the content of a search.

    Args:
        store: the copy; nothing in it changes but its markers.
        search: what it is a copy of.
        inquiry: asks the server.
        dialect: what the server speaks.
        live: lets the stream go on and applies what it brings, until it has come as far as a function says, or nothing
            comes any more; None where no stream runs.
    """

    def __init__(
        self,
        store: Store,
        search: Search,
        inquiry: Inquiry,
        dialect: Dialect,
        live: Callable[[Callable[[], bool]], None] | None = None,
    ) -> None:
        self._store = store
        self._search = search
        self._inquiry = inquiry
        self._dialect = dialect
        self._live = live
        self._markers = _Markers(search.attributes)
        self._compared = 0
        # Entries that the stream tells of, but not with the attributes that were asked for.
        self._resent: set[bytes] = set()
        # What the server holds of the entries that differ, to repair them by.
        self.found: dict[bytes, SentEntry] = {}

    def run(self) -> Report:
        """Compare.

        Raises:
            UsageError: there is no whole copy yet.
            LDAPResultError: the server refuses a search.
        """
        if not self._store.state().whole:
            raise UsageError("there is no copy to verify yet", hint="let the first refresh come to its end")
        self._compared = 0
        try:
            return self._settled(self._candidates())
        except TooMuchToAsk:
            return Report(self._compared, complete=False)

    # --- the listing --------------------------------------------------------------------------------------------------

    def _candidates(self) -> set[bytes]:
        """List the content; returns the UUIDs of entries that may differ."""
        comparison = Comparison(self._store.database)
        if not comparison.has_markers():
            return self._listed(comparison, whole=True)
        try:
            changed = self._listed(comparison, whole=False)
        except TooMuchToAsk:
            return self._listed(Comparison(self._store.database), whole=True)
        fetched = self._fetch(changed)
        gone = changed - fetched.keys()
        return gone.union(comparison.differing(map(self._markers.split, fetched.values()), whole=True))

    def _listed(self, comparison: Comparison, *, whole: bool) -> set[bytes]:
        """Compare the listing, of whole entries or of markers, with the copy."""
        candidates: set[bytes] = set()
        newest, exact = b"", True
        self._compared = 0
        for rows in self._inquiry.everything(self._markers.attributes if whole else self._markers.alone):
            listed = [self._markers.split(row, whole=whole) for row in rows]
            self._compared += len(listed)
            candidates.update(comparison.differing(listed, whole=whole))
            _limit(candidates)
            for _, marker in listed:
                if marker is not None:
                    exact = exact and _is_exact(marker)
                    newest = max(newest, marker)
        # In a second that is not over yet another change may get the same time.
        comparison.forget_markers(None if exact else newest)
        for uuid in comparison.unmentioned():
            candidates.add(uuid)
            _limit(candidates)
        return candidates

    # --- what is still there after the stream has passed --------------------------------------------------------------

    def _settled(self, candidates: set[bytes]) -> Report:
        differences: list[Difference] = []
        # What was the same twice, but by a time that leaves a second open.
        seen: dict[bytes, SentEntry] = {}
        for _ in range(_MOST_ROUNDS):
            if not candidates:
                break
            before = self._fetch(candidates)
            copy = self._after_the_stream(candidates)
            after = self._fetch(candidates)
            undecided = {uuid for uuid in candidates if before.get(uuid) != after.get(uuid)}
            for uuid in candidates - undecided:
                now = after.get(uuid)
                kind = self._kind(uuid, copy[uuid], now)
                if kind and now is not None and not self._is_certain(now) and seen.get(uuid) != now:
                    seen[uuid] = now
                    undecided.add(uuid)
                elif kind:
                    differences.append(self._difference(kind, uuid, copy[uuid], now))
            if not seen.keys().isdisjoint(undecided):
                self._inquiry.pause(_CLOCK_TICK)
            candidates = undecided
        return Report(self._compared, tuple(differences), undecided=len(candidates))

    def _fetch(self, uuids: set[bytes]) -> dict[bytes, SentEntry]:
        witnesses = self._store.some_uuids(exclude=uuids)
        rows = self._inquiry.entries(
            uuids, witnesses=witnesses, attributes=self._markers.attributes, name_of=self._store.name_of
        )
        return {row[0]: row for row in rows}

    def _is_certain(self, row: SentEntry) -> bool:
        """Tell whether an entry that looks the same twice did not change in between.

        Where markers are times it may have changed and changed back within a second.
        """
        return _is_exact(self._markers.split(row)[1] or b"")

    def _after_the_stream(self, uuids: Iterable[bytes]) -> dict[bytes, _Result]:
        """Tell how entries are in the copy, once all is in it that the stream has to tell."""
        cookie = self._dialect.cookies.to_send(self._store.state().cookie)
        told = self._refresh(cookie) if cookie else None
        if told is not None and self._live is None:
            return {uuid: told.staged.result(uuid) for uuid in uuids}
        if self._live is not None:
            # The end of that refresh says how far the stream has to come.
            end = told.end if told else None
            self._live(lambda: end is not None and self._has_come(end))
        return {uuid: self._store.row(uuid) for uuid in uuids}

    def _has_come(self, end: bytes) -> bool:
        return self._dialect.cookies.covers(self._store.state().cookie, end)

    def _refresh(self, cookie: bytes) -> _Told | None:
        """Stage a refresh from a cookie; None if the server cannot go on from it."""
        staged = Update(self._store.database)
        end = cookie
        self._resent.clear()
        for events in self._inquiry.refresh(cookie):
            for event in events:
                match event:
                    case RefreshRequired():
                        return None
                    case RefreshEnded(_, newer):
                        end = newer or cookie
                    case EntriesSent(rows) if self._search.attributes and not self._dialect.keeps_attributes:
                        self._resent.update(row[0] for row in rows)
                _stage(staged, event)
        staged.settle()
        return _Told(staged, end)

    # --- differences --------------------------------------------------------------------------------------------------

    def _kind(self, uuid: bytes, copy: _Result, server: SentEntry | None) -> str:
        """Name the difference between the copy and the server; empty if there is none."""
        if copy is None:
            return "" if server is None else "missing"
        if server is None:
            return "extra"
        (_, dn, attrs), _ = self._markers.split(server)
        if not names.same(copy[0], text(dn)):
            return "misnamed"
        return "" if uuid in self._resent or same_values(copy[1], attrs) else "different"

    def _difference(self, kind: str, uuid: bytes, copy: _Result, server: SentEntry | None) -> Difference:
        if server is not None:
            self.found[uuid] = self._markers.split(server)[0]
        return Difference(kind, uuid, copy[0] if copy else None, text(server[1]) if server else None)


def _limit(candidates: set[bytes]) -> None:
    if len(candidates) > _MOST_DIFFERENCES:
        raise TooMuchToAsk


def _is_exact(marker: bytes) -> bool:
    """Tell a change sequence number, which is given once, from a time."""
    return b"#" in marker


def _stage(staged: Update, event: Event) -> None:
    match event:
        case EntriesSent(rows):
            staged.sent(rows)
        case EntriesPresent(uuids):
            staged.present(uuids)
        case EntriesDeleted(uuids):
            staged.deleted(uuids)
        case PresentPhaseEnded():
            staged.present_phase_ended()
        case RefreshEnded(sweep) if sweep is not Sweep.NOTHING:
            staged.present_phase_ended()
        case _:
            pass


class _Markers:
    """Asks for change markers besides the attributes of a search, and takes them out again.

    Args:
        requested: the attributes of the search.
    """

    def __init__(self, requested: tuple[str, ...]) -> None:
        asked = {name.lower() for name in requested}
        added = {} if "+" in asked else {name: _MARKERS[name] for name in _MARKERS if name not in asked}
        self._added = frozenset(added)
        own = tuple(name for name in requested if name != "1.1") if requested else ("*",)
        self.attributes = (*own, *added.values())
        self.alone = tuple(_MARKERS.values())

    def split(self, row: SentEntry, *, whole: bool = True) -> tuple[SentEntry, bytes | None]:
        """Part an entry from its marker; where it was not fetched `whole` it has nothing else."""
        uuid, dn, attrs = row
        own, taken = without(attrs, self._added if whole else frozenset(_MARKERS))
        if len(taken) < len(_MARKERS):
            taken.update((name.lower(), values) for name, values in _known(own))
        values = taken.get(_EXACT) or taken.get(_TIME)
        return (uuid, dn, own), values[0] if values else None


def _known(attrs: bytes) -> Iterator[tuple[str, list[bytes]]]:
    return ((name, values) for name, values in decode_attributes(attrs).items() if name.lower() in _MARKERS)
