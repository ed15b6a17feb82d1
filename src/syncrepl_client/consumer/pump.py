"""Pump 1: from the connection through the session into the store.

A consumer owns one connection, one content synchronization search and the store of its copy.  `Consumer.step` reads
once and carries what came all the way: bytes become messages, messages become events, events become a staged refresh or
a transaction.  Who listens to the changes it does not know.

A step that fails ends the session; the only recovery is a new consumer that resumes from the stored cookie.

This module is longer than others: the refresh and the persist stage hand over to each other in the middle of a batch,
and what one of them leaves undone the next must know.  What could be told apart from that stands in `stream`, `doubts`,
`guard`, `journal`, `meanwhile`, `restarts`, `resumption` and `upkeep`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.connection.inquiry import Inquiry, TooMuchToAsk
from syncrepl_client.consumer import doubts, guard
from syncrepl_client.consumer.heartbeat import Watch
from syncrepl_client.consumer.journal import Journal
from syncrepl_client.consumer.lag import Lag, Question
from syncrepl_client.consumer.meanwhile import Meanwhile
from syncrepl_client.consumer.restarts import Restarts
from syncrepl_client.consumer.resumption import catch_up, decide
from syncrepl_client.consumer.stream import Stream
from syncrepl_client.consumer.upkeep import Upkeep
from syncrepl_client.contentsync.dialects import OPENLDAP, Sweep, dialect_of
from syncrepl_client.contentsync.events import (
    CookieReceived,
    EntriesDeleted,
    EntriesPresent,
    EntriesSent,
    PresentPhaseEnded,
    RefreshEnded,
    RefreshRequired,
    SearchEnded,
)
from syncrepl_client.contentsync.search import SUBTREE
from syncrepl_client.contentsync.selection import Selection
from syncrepl_client.contentsync.session import Mode, Session
from syncrepl_client.exceptions import ConnectionLost, Interrupted
from syncrepl_client.ldap import results
from syncrepl_client.ldap.messages import Result
from syncrepl_client.store.base import NOTHING
from syncrepl_client.store.names import text
from syncrepl_client.store.refresh import Update
from syncrepl_client.store.store import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from syncrepl_client.connection.client import Client
    from syncrepl_client.consumer.guard import Confirmed, MaxDeletes
    from syncrepl_client.consumer.heartbeat import Heartbeat
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.contentsync.server import Server
    from syncrepl_client.model import Report
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.loading import FirstLoad
    from syncrepl_client.store.store import Store

__all__ = ["Consumer"]

_PROGRESS_EVERY: Final = 0.2
# A stream that says nothing for so long has nothing to say, and one is not waited for longer than this; in seconds.
_QUIET: Final = 2.0
_MOST_LIVE: Final = 20.0


class Consumer:
    """Keeps a store in step with one search.

    Args:
        client: the connection, bound.
        store: the copy.
        search: what to ask for.
        mode: refresh only, or refresh and persist.
        listener: who is told of changes inside the transactions; None if nobody is.
        server: what the server says of itself.
        max_deletes: what a refresh may delete without being held; None for anything.
        verify_every: seconds between comparisons with the server; None where the stream alone cannot be right, each
            ten minutes, 0 never.
        patience: seconds that the server may be silent in the middle of a refresh.
        heartbeat: when it is asked in the persist stage whether it is still there; None for never.
        lag: is told how far the copy is behind; None if nobody wants to know.
        meanwhile: knows whether the copy has to be compared, from one connection to the next; None if there is one.
        renew: puts another connection, bound as well, in place of the client's.
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
        server: Server,
        max_deletes: MaxDeletes | None,
        verify_every: float | None = None,
        patience: float = 300.0,
        heartbeat: Heartbeat | None = None,
        lag: Lag | None = None,
        meanwhile: Meanwhile | None = None,
        renew: Callable[[], None],
        stopping: Callable[[], bool],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._search = search
        self._mode = mode
        self._listener = listener
        self._server = server
        self._max_deletes = max_deletes
        # None until the server has shown what it speaks.
        self._dialect: Dialect | None = None
        self._stopping = stopping
        self._progress = progress
        self._progress_at = 0.0
        # What a refresh in progress has staged; None in the persist stage.
        self._staged: FirstLoad | Update | None = None
        self._restarts = Restarts()
        self._journal = Journal(store.state().url or "")
        watch = Watch(client, patience=patience, heartbeat=heartbeat)
        cancels = server.offers_cancel or not server.known
        self._stream = Stream(client, search, watch=watch, cancels=cancels, renew=renew)
        self._inquiry = Inquiry(
            client, search, stopping=stopping, set_aside=self._stream.set_aside, notice=watch.listening
        )
        self._upkeep = Upkeep(
            store, search, self._inquiry, listener, max_deletes=max_deletes, verify_every=verify_every
        )
        suffix = server.suffix_of(search.base)
        self._question = Question(client, search, suffix, lambda: store.state().cookie, lag or Lag(None))
        self._meanwhile = meanwhile or Meanwhile()
        # For errors: who has mistyped the base sees it.
        self._operation = f"sync search of {search.base!r}"
        # Whether the copy is ahead of what its cookie covers, by answers that were of now; then it gets none.
        self._ahead = False
        self._finishing = False
        self.finished = False
        # What the refresh that was completed last has changed.
        self.counts = NOTHING

    @property
    def _session(self) -> Session:
        return self._stream.session

    @property
    def refreshing(self) -> bool:
        """Whether a refresh is in progress."""
        return self._staged is not None

    def start(self) -> None:
        """Start the search from the stored cookie, if the server can go on from it.

        Raises:
            ProviderBehind: the server has not seen changes yet that the copy holds.
        """
        self._upkeep.look()
        state = self._store.state()
        resumption = decide(self._client, self._server, self._search, state, self._stopping)
        if resumption.reason:
            self._read_everything(resumption.reason)
        self._meet(resumption.dialect)
        self._start(resumption.cookie)

    def _read_everything(self, reason: str) -> None:
        """Tell people why a refresh reads everything."""
        self._journal.reads_everything(reason)
        if self._listener is not None:
            self._listener.debug(f"the refresh reads everything: {reason}")

    def _meet(self, dialect: Dialect | None) -> None:
        """Get ready for a server that speaks a dialect."""
        self._dialect = dialect
        self._journal.recognised(self._server, dialect)
        if dialect is not None and not dialect.hides_operational:
            self._inquiry.operational = self._store.schema.operational

    def _start(self, cookie: bytes | None, brought: Sequence[SentEntry] = ()) -> None:
        operational = self._inquiry.operational
        session = Session(
            self._mode,
            cookie if self._store.state().whole else None,
            self._dialect,
            Selection(self._search.attributes, operational) if operational else None,
        )
        self._staged = self._store.begin_refresh(self._listener, brought)
        self._stream.begin(session)
        self._journal.refresh_begins(session)

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
        if not self.refreshing and not self._stream.cancelling:
            if self._upkeep.wanted:
                self.verify(repair=True)
            self._question.look(self._session.dialect)
            timeout = min(timeout, self._upkeep.look_in)
        heard = self._stream.heard
        more = self._listen(timeout)
        if self._meanwhile.is_doubtful(quiet=self._stream.heard == heard):
            self._upkeep.doubt()
        return more

    def _listen(self, timeout: float) -> bool:
        live: list[Event] = []
        session = self._session
        for event in self._stream.events(timeout, refreshing=self.refreshing):
            staged = self._staged
            if staged is not None:
                try:
                    self._stage(staged, event)
                except TooMuchToAsk:
                    self._again_from_nothing()
            else:
                live.append(event)
            if self._session is not session or self.finished:
                # A new search began: what is left belongs to the old one.
                return not self.finished
        if live:
            self._live(live)
        if self._stream.over and not self.finished:
            self._finish()
        return not self.finished

    # --- refresh ------------------------------------------------------------------------------------------------------

    def _stage(self, staged: FirstLoad | Update, event: Event) -> None:
        """Handle one event of a refresh."""
        # The session gives no cookie before the refresh is over.
        assert not isinstance(event, CookieReceived)  # noqa: S101 - our own guarantee
        match event:
            case EntriesSent() if self._session.dialect.omits_entries:
                # See `_stage_what_was_left_out`.
                pass
            case EntriesSent(rows) if self._session.sent_cookie is not None:
                staged.sent(self._as_asked(rows))
            case EntriesSent() | EntriesPresent() | EntriesDeleted() | PresentPhaseEnded():
                _stage_content(staged, event)
            case RefreshEnded():
                self._end_refresh(staged, event)
            case RefreshRequired(cookie, diagnostic):
                self._refresh_again(cookie, diagnostic)
            case SearchEnded(result):
                self._refresh_failed(result)
            case _:
                assert_never(event)
        if self.refreshing:
            self._tell_progress(staged.received)

    def _tell_progress(self, received: int) -> None:
        now = time.monotonic()
        if self._progress is not None and now >= self._progress_at:
            self._progress_at = now + _PROGRESS_EVERY
            self._progress(received)

    def _refresh_again(self, cookie: bytes | None, diagnostic: str) -> None:
        """Start over, as the server wants it (RFC 4533 section 3.8); the copy stays until the new refresh is whole."""
        self._restarts.required(diagnostic)
        self._journal.begins_again(diagnostic)
        # Who asked for everything knows nothing of what the server's cookie takes to be known.
        from_nothing = self.refreshing and self._session.sent_cookie is None
        self._start(None if from_nothing else cookie)

    def _refresh_failed(self, result: Result) -> None:
        """Handle the failure of a refresh; whatever it brought is dropped."""
        sent = self._session.sent_cookie is not None
        if sent and result.code == results.UNWILLING_TO_PERFORM and self._session.dialect is OPENLDAP:
            # slapd after a crash or a restore: the copy is newer than it is, and what it holds is the truth.
            self._read_everything(result.diagnostic)
            self._refresh_again(None, result.diagnostic)
        else:
            raise results.error_of(self._operation, result)

    def _end_refresh(self, staged: FirstLoad | Update, end: RefreshEnded) -> None:
        swept = end.sweep is not Sweep.NOTHING
        self._stage_what_was_left_out(staged)
        if swept:
            staged.present_phase_ended()
        self._ahead = False
        forget = False
        if isinstance(staged, Update):
            confirmed = self._confirmed(staged, end.sweep)
            if confirmed is None:
                return
            # A provider that lags sweeps what it has not got yet and gives no cookie: all will have to be read again.
            lags = swept and end.cookie is None and self._session.sent_cookie is not None and staged.gone_count() > 0
            forget = lags or not confirmed.known
        if self._progress is not None:
            self._progress(staged.received)
        staged.settle()
        if not isinstance(staged, Update):
            self._settle_names(staged)
        counts = staged.counts()
        self._dialect = self._session.dialect
        if end.cookie not in {None, self._store.state().cookie}:
            self._restarts.progressed()
        ending = Ending(self._search.fingerprint, end.cookie, self._dialect.name, forget or self._ahead)
        counts["modified"] -= self._store.finish_refresh(staged, ending, self._listener)
        self.counts = counts
        self._journal.refresh_ended(self._dialect, staged.received, counts)
        self._staged = None
        self._upkeep.plan(self._dialect, resumed=self._session.sent_cookie is not None)
        self._meanwhile.refreshed(everything=swept, received=staged.received)
        if self._mode is Mode.REFRESH_ONLY or self._finishing:
            # What comes after it is for the next run, also while the copy is compared.
            self._stream.abandon()
            self._finish()
            self._finish_upkeep()

    def _confirmed(self, staged: Update, sweep: Sweep) -> Confirmed | None:
        """Settle a refresh over a copy and confirm what it would delete; None if another search has begun instead."""
        swept = sweep is not Sweep.NOTHING
        if not self._settled(staged, swept=swept):
            return None
        doubtful = sweep is Sweep.DOUBTFUL or self._may_have_left_out
        confirmed = guard.check(staged, self._store, self._asking(), self._max_deletes, doubtful=doubtful)
        if confirmed.found:
            if self._search.scope == SUBTREE:
                # Below who was away nobody is looked for; see `doubts.settle_found` for what is known at once.
                self._meanwhile.doubt()
            if not self._settled_found(staged, confirmed.found, swept=swept):
                return None
        return confirmed

    def _finish_upkeep(self) -> None:
        """Do what would be done later on: nobody looks again before the next refresh."""
        if self._meanwhile.is_doubtful(quiet=True):
            self._upkeep.doubt(at_once=True)
        if self._upkeep.wanted:
            self.verify(repair=True)
        while self._store.log.tidy() and not self._stopping():
            pass

    @property
    def _may_have_left_out(self) -> bool:
        """Whether who was not sent by a refresh of everything may still be there: slapd withholds what changed."""
        last_word = self._mode is Mode.REFRESH_ONLY
        return self._session.sent_cookie is None and (last_word or self._session.dialect.withholds)

    def _stage_what_was_left_out(self, staged: FirstLoad | Update) -> None:
        """Ask for all that is there, where a refresh does not tell; nothing of the refresh itself is staged then."""
        if self._session.dialect.omits_entries:
            for rows in self._asking().everything(self._search.attributes):
                staged.sent(rows)
                self._tell_progress(staged.received)

    def _settled(self, staged: Update, *, swept: bool) -> bool:
        """Settle what a refresh over a copy leaves open; tells whether it may be kept."""
        if self._session.sent_cookie is None:
            self._settle_names(staged)
            return True
        # In the first round it is seen who came along with others; if that does not settle it, somebody writes.
        if self._restarts.rounds > (0 if swept else 1):
            self._meanwhile.doubt()
        inquiry = self._asking()
        return self._keeps(lambda: doubts.settle_refresh(staged, self._store, self._search, inquiry, swept=swept))

    def _settled_found(self, staged: Update, found: Iterable[bytes], *, swept: bool) -> bool:
        """Settle what is open about entries that were found again; tells whether the refresh may be kept."""
        self._settle_names(staged)
        inquiry = self._asking()
        return self._keeps(lambda: doubts.settle_found(staged, found, self._search, inquiry, swept=swept))

    def _settle_names(self, staged: FirstLoad | Update) -> None:
        """Settle who has a name that two were told with, for programs that know entries by their names alone."""
        if self._listener is None or not self._listener.by_name:
            return
        if doubts.settle_names(staged, self._store, self._asking()):
            self._ahead = True
            self._meanwhile.doubt()

    def _keeps(self, settle: Callable[[], None]) -> bool:
        """Settle something; tells whether the refresh may be kept, or else another search has begun."""
        try:
            settle()
        except doubts.Unsettled as unsettled:
            self._again(unsettled.brought)
            return False
        except TooMuchToAsk:
            self._again_from_nothing()
            return False
        return True

    def _again(self, brought: Sequence[SentEntry]) -> None:
        """Give this search up and begin another one from the stored cookie."""
        if self._restarts.unsettled():
            self._give_up()
            self._start(None)
        else:
            self._give_up()
            self._start(self._store.state().cookie, brought)

    def _again_from_nothing(self) -> None:
        self._restarts.unsettled()
        self._give_up()
        self._start(None)

    def _give_up(self) -> None:
        """End this search, so that another one can begin."""
        self._journal.begins_again("what the server told and what it answered do not fit together yet")
        self._stream.give_up()

    def _asking(self) -> Inquiry:
        self._inquiry.dialect = self._session.dialect
        return self._inquiry

    # --- verification -------------------------------------------------------------------------------------------------

    def verify(self, *, repair: bool) -> Report:
        """Compare the copy with the server, and make it equal if asked to; see `Upkeep.verify`."""
        if not self._stream.begun:
            self._meet(self._server.dialect(self._search.base))
            if self._dialect is OPENLDAP:
                # What another provider has not got yet is not gone.
                catch_up(self._client, self._server, self._search, self._store.state().cookie, self._stopping)
        dialect = self._dialect or dialect_of(self._store.state().cookie)
        self._inquiry.dialect = dialect
        persisting = self._mode is Mode.REFRESH_AND_PERSIST and self._stream.begun and not self.finished
        began = time.monotonic()
        report = self._upkeep.verify(dialect, repair=repair, live=self._let_live if persisting else None)
        if repair and self._meanwhile.compared(began) and (report.repaired or not report.drift):
            self._ahead = False
        if persisting:
            self._upkeep.plan(dialect, resumed=False)
        return report

    def _let_live(self, passed: Callable[[], bool]) -> None:
        """Apply what the stream brings until it has come far enough, or nothing more comes."""
        started = time.monotonic()
        while not self.finished and (self.refreshing or not passed()):
            now = time.monotonic()
            heard = max(started, self._stream.heard)
            if not self.refreshing and (now > heard + _QUIET or now > started + _MOST_LIVE):
                return
            if self._stopping():
                raise Interrupted
            self._listen(_QUIET / 4)

    # --- persist ------------------------------------------------------------------------------------------------------

    def _live(self, events: list[Event]) -> None:
        """Apply what one read brought as one transaction, with more where that cannot be told apart."""
        while True:
            try:
                return self._apply_batch(events)
            except doubts.Unfinished:
                events += self._stream.arrived()

    def _apply_batch(self, events: list[Event]) -> None:
        ends = [event for event in events if isinstance(event, RefreshRequired | SearchEnded)]
        changes: list[Event] = [event for event in events if not isinstance(event, RefreshRequired | SearchEnded)]
        if changes and not self._apply(changes):
            return
        for end in ends:
            self._search_ended(end)

    def _apply(self, changes: list[Event]) -> bool:
        """Apply changes; tells whether the search goes on."""
        self._check_base(changes)
        try:
            changes = [EntriesSent(self._as_asked(e.rows)) if isinstance(e, EntriesSent) else e for e in changes]
            settled = doubts.settle_batch(changes, self._stream.pending, self._store, self._search, self._asking())
            if self._ahead:
                settled = [event for event in settled if not isinstance(event, CookieReceived)]
        except doubts.Unsettled as unsettled:
            self._resume(unsettled.brought)
        except TooMuchToAsk:
            self._again_from_nothing()
        else:
            if guard.is_bulk(settled, self._store, self._max_deletes, self._search.holds):
                self._resume()
            elif self._store.apply(settled, self._listener, self._search.holds):
                self._journal.applied(settled)
                self._restarts.progressed()
                self._meanwhile.changed()
                if self._session.dialect.omits_entries:
                    self._upkeep.hurry()
                return True
            else:
                self._resume()
        return False

    def _check_base(self, changes: Iterable[Event]) -> None:
        """Raise an error if the base itself is gone: one message for it would empty the copy.

        Some servers go silent then, others end the search at the next write.  A refresh would be refused, which is no
        empty content either.
        """
        gone = {uuid for event in changes if isinstance(event, EntriesDeleted) for uuid in event.uuids}
        base = self._store.entries.entry(self._search.base) if gone and self._search.base else None
        if base is not None and base.uuid_octets in gone and not self._asking().exists(self._search.base):
            raise results.error_of(self._operation, Result(results.NO_SUCH_OBJECT, diagnostic="the base is gone"))

    def _as_asked(self, rows: list[SentEntry]) -> list[SentEntry]:
        """Fetch entries of an update again where a server sends other attributes than were asked for."""
        if not self._search.attributes or self._session.dialect.keeps_attributes:
            return rows
        names = {uuid: text(dn) for uuid, dn, _ in rows}
        witnesses = self._store.some_uuids(exclude=set(names))
        return self._asking().entries(set(names), witnesses=witnesses, name_of=names.get)

    def _resume(self, brought: Sequence[SentEntry] = ()) -> None:
        """Go on from the stored cookie, unless it is time to end: then the next run does."""
        if self._finishing:
            self._stream.abandon()
            self._finish()
        else:
            self._again(brought)

    def _search_ended(self, end: RefreshRequired | SearchEnded) -> None:
        if isinstance(end, RefreshRequired):
            self._refresh_again(end.cookie, end.diagnostic)
        elif self._finishing and end.result.code in {0, results.CANCELED}:
            self._finish()
        else:
            results.check(self._operation, end.result)
            raise ConnectionLost("the server ended the search", hint="start again: the client resumes where it was")

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """End the search once a refresh in progress is complete; go on with `step` until it returns False."""
        self._finishing = True
        if self._mode is not Mode.REFRESH_AND_PERSIST or self.refreshing or self.finished:
            return
        self._stream.cancel()
        if self._stream.over:
            self._finish()

    def _finish(self) -> None:
        self._journal.search_ended()
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
