"""Pump 1: from the connection through the session into the store.

A consumer owns one connection, one content synchronization search and the store of its copy.  `Consumer.step` reads
once and carries what came all the way: bytes become messages, messages become events, events become a staged refresh or
a transaction.  Who listens to the changes it does not know.

A step that fails ends the session; the only recovery is a new consumer that resumes from the stored cookie.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, assert_never
from uuid import UUID

from syncrepl_client.contentsync.events import (
    EntriesDeleted,
    EntriesPresent,
    EntriesSent,
    PresentPhaseEnded,
    RefreshEnded,
    RefreshRequired,
    SearchEnded,
)
from syncrepl_client.contentsync.session import Mode, Session, State
from syncrepl_client.exceptions import ConnectionLost, ProtocolError
from syncrepl_client.ldap import ber, messages, results
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.messages import Control, ExtendedResponse, Message
from syncrepl_client.store.database import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncrepl_client.client import Client
    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.ldap.connection import EntryRun
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.live import Doubts
    from syncrepl_client.store.loading import FirstLoad
    from syncrepl_client.store.refresh import Update
    from syncrepl_client.store.store import Store

__all__ = ["Consumer", "Search"]

_MOST_FULL_REFRESHES: Final = 2
_T = TypeVar("_T")

_SUBTREE: Final = 2
_MOST_SUBTREES: Final = 1000
_TRIES: Final = 3
_MOST_ENTRIES: Final = 5000
_UUIDS_A_FETCH: Final = 100
_PROGRESS_EVERY: Final = 0.2


@dataclass(frozen=True, slots=True)
class Search:
    """The parameters of a search: all that a cookie belongs to (RFC 4533 section 3.1).

    Args:
        base: DN of the base.
        scope: 0 base, 1 one level, 2 subtree.
        filter_: the filter, encoded.
        attributes: what to return; empty means all user attributes.
        identity: who asks.
    """

    base: str
    scope: int
    filter_: bytes
    attributes: tuple[str, ...]
    identity: str = ""

    @property
    def fingerprint(self) -> str:
        """A digest of all parameters: a cookie is never sent with others."""
        parts = (
            names.normalize(self.base),
            str(self.scope),
            self.filter_.hex(),
            " ".join(sorted({name.lower() for name in self.attributes})),
            names.normalize(self.identity),
            "manageDsaIT",
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def holds(self, dn: str) -> bool:
        """Tell whether a name lies within base and scope."""
        if self.scope == 0:
            return names.same(dn, self.base)
        if self.scope == 1:
            return names.same(names.parent(dn), self.base) and bool(dn)
        return names.is_under(dn, self.base)


class _NeedsEverything(Exception):
    """What is left open can only be answered by a refresh without a cookie."""


class Consumer:
    """Keeps a store in step with one search.

    Args:
        client: the connection, bound.
        store: the copy.
        search: what to ask for.
        mode: refresh only, or refresh and persist.
        listener: who is told of changes inside the transactions; None if nobody is.
        stopping: tells whether everything is to be dropped at once.
        progress: is called with the number of entries of a refresh so far, a few times each second.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        search: Search,
        mode: Mode,
        listener: Listener | None,
        *,
        stopping: Callable[[], bool],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._search = search
        self._mode = mode
        self._listener = listener
        self._stopping = stopping
        self._progress = progress
        self._progress_at = 0.0
        self._message_id = 0
        self._session: Session
        # What a refresh in progress has staged; None in the persist stage.
        self._staged: FirstLoad | Update | None = None
        # Messages of the search that arrived while something else was asked.
        self._backlog: deque[Message | EntryRun] = deque()
        self._full_refreshes = 0
        self._cancel_id = 0
        self._finishing = False
        self.finished = False

    @property
    def refreshing(self) -> bool:
        """Whether a refresh is in progress."""
        return self._staged is not None

    def start(self) -> None:
        """Start the search from the stored cookie."""
        self._start(self._store.state().cookie)

    def _start(self, cookie: bytes | None) -> None:
        self._session = Session(self._mode, cookie)
        self._backlog.clear()
        self._staged = self._store.begin_refresh(ordered=self._listener is not None)
        self._message_id = self._client.send(self._request(self._search), self._controls(self._session))

    def _request(self, search: Search) -> bytes:
        return messages.search_request(search.base, search.scope, search.filter_, search.attributes)

    def _controls(self, session: Session) -> list[Control]:
        return [session.request_control(), Control(messages.MANAGE_DSA_IT, critical=True)]

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, timeout: float) -> bool:
        """Handle what has arrived, waiting at most `timeout` seconds for something.

        Returns:
            Whether there is more to come; False when the search is over.

        Raises:
            Interrupted: a stop was asked for; nothing of what was in progress is kept.
            SyncreplError: the session is over; resume with a new consumer.
        """
        if self.finished:
            return False
        if self._stopping():
            raise Interrupted
        if self._backlog:
            items = list(self._backlog)
            self._backlog.clear()
        else:
            items = self._own(self._client.receive(timeout, patient=self.refreshing))
        live: list[Event] = []
        session = self._session
        for event in (event for item in items for event in session.receive(item)):
            if self.refreshing:
                self._stage(event)
            else:
                live.append(event)
            if self._session is not session or self.finished:
                # A new search began: what is left belongs to the old one.
                return not self.finished
        if live:
            self._live(live)
        return not self.finished

    def _own(self, items: Iterable[Message | EntryRun]) -> list[Message | EntryRun]:
        """Sort out what belongs to the search; answers to other requests are noted."""
        own: list[Message | EntryRun] = []
        for item in items:
            if item.message_id == self._message_id:
                own.append(item)
            elif item.message_id == self._cancel_id and isinstance(item, Message):
                self._cancelled(item)
        return own

    # --- refresh ------------------------------------------------------------------------------------------------------

    def _stage(self, event: Event) -> None:
        """Handle one event of a refresh."""
        staged = self._staged
        if staged is None:
            return
        match event:
            case EntriesSent() | EntriesPresent() | EntriesDeleted() | PresentPhaseEnded():
                _stage_content(staged, event)
            case RefreshEnded():
                self._end_refresh(staged, event)
            case RefreshRequired(cookie, diagnostic):
                self._refresh_again(cookie, diagnostic)
            case SearchEnded(result):
                raise results.error_of("sync search", result)
            case _:
                raise ProtocolError(f"{type(event).__name__} inside a refresh")
        self._tell_progress(staged.received)

    def _tell_progress(self, received: int) -> None:
        now = time.monotonic()
        if self._progress is not None and now >= self._progress_at:
            self._progress_at = now + _PROGRESS_EVERY
            self._progress(received)

    def _refresh_again(self, cookie: bytes | None, diagnostic: str) -> None:
        """Start over, as the server wants it (RFC 4533 section 3.8); the copy stays until the new refresh is whole."""
        self._full_refreshes += 1
        if self._full_refreshes > _MOST_FULL_REFRESHES:
            raise ProtocolError(
                f"the server asks for a refresh again and again: {diagnostic or 'it gives no reason'}",
                hint="the copy is as it was; look into the server's log",
            )
        self._start(cookie)

    def _end_refresh(self, staged: FirstLoad | Update, end: RefreshEnded) -> None:
        if end.sweep:
            staged.present_phase_ended()
        if self._session.sent_cookie is not None:
            try:
                fetched = self._settle_doubts(staged, swept=end.sweep)
                staged.settle()
                self._check_parents(staged, fetched)
            except _NeedsEverything:
                self._restart_from_nothing()
                return
        else:
            staged.settle()
        self._store.finish_refresh(staged, self._search.fingerprint, end.cookie, self._listener)
        self._staged = None
        self._full_refreshes = 0
        if self._progress is not None:
            self._progress(staged.received)
        if self._mode is Mode.REFRESH_ONLY or self._finishing:
            self._finish()

    def _restart_from_nothing(self) -> None:
        if self._session.state is not State.ENDED:
            self._client.send(messages.abandon_request(self._message_id))
        self._refresh_again(None, "")

    def _settle_doubts(self, staged: FirstLoad | Update, *, swept: bool) -> set[str]:
        """Ask for what the server did not say: subtrees that were moved in, and entries whose parent went away.

        Returns:
            The names of the parents of entries that were fetched by themselves.
        """
        if not swept and self._search.scope == _SUBTREE:
            # A present phase names what was moved in; a delete phase does not.
            below = dict(_at_most(staged.new_names(), _MOST_SUBTREES))
            rows, missing = self._moved_in(below)
            staged.sent(rows)
            staged.deleted(tuple(missing))
        asked: set[bytes] = set()
        parents: set[str] = set()
        while open_ones := (staged.unknown | set(_at_most(staged.orphans(), _MOST_ENTRIES))) - asked:
            asked |= open_ones
            if len(asked) > _MOST_ENTRIES:
                raise _NeedsEverything
            found = self._fetch_entries(open_ones)
            staged.sent(found)
            staged.deleted(tuple(open_ones - {uuid for uuid, _, _ in found}))
            parents |= {
                names.parent(dn) for dn in (row[1].decode() for row in found) if not names.same(dn, self._search.base)
            }
        return parents

    def _check_parents(self, staged: FirstLoad | Update, parents: set[str]) -> None:
        """Make sure that what was fetched by itself fits the rest, if no message of this session can tell more.

        It has the names of now, and the rest those of the refresh.  An entry whose parent had another name then would
        not follow the next renaming of its parent.
        """
        if self._mode is Mode.REFRESH_ONLY and not all(staged.will_hold(dn) for dn in parents):
            raise _NeedsEverything

    # --- persist ------------------------------------------------------------------------------------------------------

    def _live(self, events: list[Event]) -> None:
        """Apply what one read brought as one transaction."""
        ends = [event for event in events if isinstance(event, RefreshRequired | SearchEnded)]
        changes: list[Event] = [event for event in events if not isinstance(event, RefreshRequired | SearchEnded)]
        if changes:
            try:
                changes = self._answered(changes)
            except _NeedsEverything:
                self._restart_from_nothing()
                return
            self._store.apply(changes, self._listener, self._search.holds)
        for end in ends:
            self._search_ended(end)

    def _answered(self, events: list[Event]) -> list[Event]:
        """Ask the server for what each event of a batch leaves open, and put the answers behind the event."""
        doubts = self._store.doubts_about(events)
        if self._search.scope != _SUBTREE:
            # Only a subtree search has content below its entries.
            for doubt in doubts:
                doubt.below.clear()
        if (
            sum(len(doubt.below) for doubt in doubts) > _MOST_SUBTREES
            or sum(len(doubt.entries) for doubt in doubts) > _MOST_ENTRIES
        ):
            raise _NeedsEverything
        answers = [self._answer(doubt) if doubt else None for doubt in doubts]
        # The answers are of now, and later messages, in this batch or in those that have arrived since, have yet to be
        # applied.  What was found is one state of a whole subtree, which they lead to the same end; what was not found
        # may be what they bring.
        newer = self._mentioned_in_backlog()
        answered: list[Event] = []
        for event, answer in zip(reversed(events), reversed(answers), strict=True):
            if answer is not None:
                rows, gone = answer
                answered.append(EntriesDeleted(tuple(gone - newer)))
                answered.append(EntriesSent(rows))
            answered.append(event)
            newer.update(_uuids(event))
        return answered[::-1]

    def _answer(self, doubts: Doubts) -> tuple[list[SentEntry], set[bytes]]:
        """Fetch what is open: entries of the content, and UUIDs of entries that are not in it."""
        rows, gone = self._moved_in(doubts.below)
        found = self._fetch_entries(set(doubts.entries))
        gone |= set(doubts.entries) - {uuid for uuid, _, _ in found}
        return rows + found, gone

    def _mentioned_in_backlog(self) -> set[bytes]:
        probe = Session(self._mode, None, self._session.dialect)
        probe.state = State.PERSIST
        return {uuid for item in self._backlog for event in probe.receive(item) for uuid in _uuids(event)}

    def _search_ended(self, end: RefreshRequired | SearchEnded) -> None:
        if isinstance(end, RefreshRequired):
            self._refresh_again(end.cookie, end.diagnostic)
        elif self._finishing and end.result.code in {0, results.CANCELED}:
            self._finish()
        else:
            results.check("sync search", end.result)
            raise ConnectionLost("the server ended the search", hint="start again: the client resumes where it was")

    # --- asking -------------------------------------------------------------------------------------------------------

    def _moved_in(self, below: dict[bytes, str]) -> tuple[list[SentEntry], set[bytes]]:
        """Fetch the content below entries that are new here: it may have come with them (RFC 4533 section 4.1).

        An entry may have another name by now.  What is below it is returned by the name that it had, for the message
        that renames it is still to come.

        Args:
            below: UUIDs and names of the entries.

        Returns:
            What was found, and the UUIDs of those entries that are not below the base any more.
        """
        rows: list[SentEntry] = []
        gone: set[bytes] = set()
        for uuid, dn in below.items():
            now, found = self._below(uuid, dn)
            if now is None:
                gone.add(uuid)
                continue
            rows += (
                (row[0], names.rebase(row[1].decode(), now, dn).encode(), row[2]) for row in found if row[0] != uuid
            )
        return rows, gone

    def _below(self, uuid: bytes, dn: str) -> tuple[str | None, list[SentEntry]]:
        """Fetch the content below an entry that was told to have a name; returns the name it has by now, too."""
        for _ in range(_TRIES):
            found = self._fetch(Search(dn, _SUBTREE, self._search.filter_, self._search.attributes))
            if any(row[0] == uuid for row in found):
                return dn, found
            now = self._name_of(uuid)
            if now is None or names.same(now, dn):
                return now, found
            dn = now
        raise _NeedsEverything

    def _name_of(self, uuid: bytes) -> str | None:
        """Ask for the name of an entry, in the content or not; None if there is none below the base."""
        any_of = ber.tlv(0xA1, *(_uuid_filter(one) for one in (uuid, *self._store.some_uuids(exclude={uuid}))))
        found = self._fetch(Search(self._search.base, self._search.scope, any_of, ("1.1",)))
        if not found:
            # Whoever may not search by entryUUID finds nothing, see `_fetch_entries`.
            raise _NeedsEverything
        return next((row[1].decode() for row in found if row[0] == uuid), None)

    def _fetch_entries(self, uuids: set[bytes]) -> list[SentEntry]:
        """Fetch entries by UUID; those that are not among the answers are not in the content.

        An identity that may not search by entryUUID would find none at all, so each search asks for some entries
        besides that are known to be there; if none of those is found either, the answer means nothing.
        """
        found: list[SentEntry] = []
        wanted = sorted(uuids)
        for start in range(0, len(wanted), _UUIDS_A_FETCH):
            asked = wanted[start : start + _UUIDS_A_FETCH]
            witnesses = self._store.some_uuids(exclude=uuids)
            any_of = ber.tlv(0xA1, *(_uuid_filter(uuid) for uuid in (*asked, *witnesses)))
            filter_ = ber.tlv(0xA0, self._search.filter_, any_of)
            rows = self._fetch(Search(self._search.base, self._search.scope, filter_, self._search.attributes))
            if not rows:
                raise _NeedsEverything
            found += (row for row in rows if row[0] in uuids)
        return found

    def _fetch(self, search: Search) -> list[SentEntry]:
        """Ask for a part of the content by a second sync search without a cookie, beside the first."""
        session = Session(Mode.REFRESH_ONLY, None, self._session.dialect)
        message_id = self._client.send(self._request(search), self._controls(session))
        rows: list[SentEntry] = []
        while True:
            if self._stopping():
                raise Interrupted
            for item in self._client.receive(1.0):
                if item.message_id == message_id:
                    rows += _fetched(session, item)
                else:
                    self._backlog.extend(self._own([item]))
            if session.state is State.ENDED:
                return rows

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """End the search once a refresh in progress is complete; go on with `step` until it returns False."""
        self._finishing = True
        if self._mode is Mode.REFRESH_AND_PERSIST and not self.refreshing and not self._cancel_id and not self.finished:
            value = ber.sequence(ber.integer(self._message_id))
            self._cancel_id = self._client.send(messages.extended_request(messages.CANCEL, value))

    def _cancelled(self, answer: Message) -> None:
        """Handle the answer to Cancel: where the server cannot, the search is abandoned (RFC 3909, RFC 4511 §4.11)."""
        if isinstance(answer.operation, ExtendedResponse) and answer.operation.result.code != 0 and not self.finished:
            self._client.send(messages.abandon_request(self._message_id))
            self._finish()

    def _finish(self) -> None:
        self.finished = True


def _stage_content(
    staged: FirstLoad | Update, event: EntriesSent | EntriesPresent | EntriesDeleted | PresentPhaseEnded
) -> None:
    match event:
        case EntriesSent(rows):
            staged.sent(rows)
        case EntriesPresent(uuids):
            staged.present(uuids)
        case EntriesDeleted(uuids):
            staged.deleted(uuids)
        case PresentPhaseEnded():
            staged.present_phase_ended()
        case _:
            assert_never(event)


def _uuids(event: Event) -> Iterator[bytes]:
    if isinstance(event, EntriesSent):
        yield from (row[0] for row in event.rows)
    elif isinstance(event, EntriesDeleted):
        yield from event.uuids


def _at_most(items: Iterator[_T], limit: int) -> Iterator[_T]:
    for count, item in enumerate(items):
        if count > limit:
            raise _NeedsEverything
        yield item


def _uuid_filter(uuid: bytes) -> bytes:
    return ber.tlv(0xA3, ber.octet_string(b"entryUUID"), ber.octet_string(str(UUID(bytes=uuid)).encode()))


def _fetched(session: Session, item: Message | EntryRun) -> list[SentEntry]:
    """Return the entries that a message of a fetch brings; a base that is gone has none."""
    rows: list[SentEntry] = []
    for event in session.receive(item):
        if isinstance(event, EntriesSent):
            rows += event.rows
        elif isinstance(event, SearchEnded) and event.result.code != results.NO_SUCH_OBJECT:
            results.check("search for moved entries", event.result)
    return rows
