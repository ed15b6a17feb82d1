"""One content synchronization search, as a table of states (RFC 4533 section 3).

A session takes the messages of one search and tells what they mean.  It remembers where in the conversation it stands
and the cookie, nothing else: no entry outlives the call that brought it.

The conversation has these states:

REFRESH
    Entries are sent, named as present or named as deleted, in any order.  In this state everything may still be taken
    back: only the end of the refresh makes what came before it true.
DELETING
    A present phase ended with a separator (refreshPresent whose refreshDone is FALSE); a delete phase follows.
PERSIST
    The refresh is over (refreshDone TRUE) and each message is a change on its own.
ENDED
    SearchResultDone came; no message may follow.

`_TABLE` says which kind of message is allowed in which state of which mode, and where it leads.  A missing row is a
protocol error, and nothing of the refresh is kept.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.contentsync import controls
from syncrepl_client.contentsync.controls import EntryState, IdSet, NewCookie, PhaseEnd, SyncState
from syncrepl_client.contentsync.cookies import ChangeNumberCookie, OpenLDAPCookie
from syncrepl_client.contentsync.dialects import DS389, DS389_OPENLDAP, Sweep, dialect_of
from syncrepl_client.contentsync.events import (
    CookieReceived,
    EntriesDeleted,
    EntriesPresent,
    EntriesSent,
    Event,
    PresentPhaseEnded,
    RefreshEnded,
    RefreshRequired,
    SearchEnded,
)
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap.connection import EntryRun
from syncrepl_client.ldap.messages import (
    IntermediateResponse,
    Message,
    Result,
    SearchResultDone,
    SearchResultReference,
    decode_controls,
    decode_octets,
)

if TYPE_CHECKING:
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.contentsync.selection import Selection
    from syncrepl_client.ldap.connection import Row
    from syncrepl_client.ldap.messages import Control

__all__ = ["REFRESH_REQUIRED", "Mode", "Session", "State"]

REFRESH_REQUIRED: Final = 4096
"""The result code e-syncRefreshRequired (RFC 4533 section 2.6)."""


class Mode(IntEnum):
    """The mode of a sync request, as on the wire (RFC 4533 section 2.2)."""

    REFRESH_ONLY = 1
    REFRESH_AND_PERSIST = 3


class State(Enum):
    """Where a session stands; see the module's docstring."""

    REFRESH = auto()
    DELETING = auto()
    PERSIST = auto()
    ENDED = auto()


class _Said(Enum):
    """The kinds of messages that the table tells apart."""

    ENTRY = "an entry"
    PRESENT = "an entry named as present"
    GONE = "an entry named as deleted"
    COOKIE = "a new cookie"
    SEPARATOR = "the end of a phase that is not the last"
    REFRESH_DONE = "the end of the refresh"
    SUCCESS = "the end of the search"
    FAILURE = "the failure of the search"


_ANY_MODE: Final = {
    (State.REFRESH, _Said.ENTRY): State.REFRESH,
    (State.REFRESH, _Said.PRESENT): State.REFRESH,
    (State.REFRESH, _Said.GONE): State.REFRESH,
    (State.REFRESH, _Said.COOKIE): State.REFRESH,
    (State.REFRESH, _Said.SEPARATOR): State.DELETING,
    (State.REFRESH, _Said.FAILURE): State.ENDED,
    (State.DELETING, _Said.ENTRY): State.DELETING,
    (State.DELETING, _Said.GONE): State.DELETING,
    (State.DELETING, _Said.COOKIE): State.DELETING,
    (State.DELETING, _Said.FAILURE): State.ENDED,
}
_TABLE: Final[dict[Mode, dict[tuple[State, _Said], State]]] = {
    Mode.REFRESH_ONLY: {
        **_ANY_MODE,
        (State.REFRESH, _Said.SUCCESS): State.ENDED,
        (State.DELETING, _Said.SUCCESS): State.ENDED,
    },
    Mode.REFRESH_AND_PERSIST: {
        **_ANY_MODE,
        (State.REFRESH, _Said.REFRESH_DONE): State.PERSIST,
        (State.DELETING, _Said.REFRESH_DONE): State.PERSIST,
        (State.PERSIST, _Said.ENTRY): State.PERSIST,
        (State.PERSIST, _Said.GONE): State.PERSIST,
        (State.PERSIST, _Said.COOKIE): State.PERSIST,
        (State.PERSIST, _Said.SUCCESS): State.ENDED,
        (State.PERSIST, _Said.FAILURE): State.ENDED,
    },
}


class Session:
    """Follows one search.

    Args:
        mode: refresh only, or refresh and persist.
        cookie: the cookie as stored, None for the first time.
        dialect: how this server differs; None lets the shape of its cookies decide.
        selection: takes out attributes that were not asked for; None where none come.
    """

    def __init__(
        self, mode: Mode, cookie: bytes | None, dialect: Dialect | None = None, selection: Selection | None = None
    ) -> None:
        self.mode = mode
        self.state = State.REFRESH
        self.dialect = dialect or dialect_of(cookie)
        self._dialect_is_known = dialect is not None or cookie is not None
        self._cookie = cookie
        self._selection = selection
        self.sent_cookie = self.dialect.cookies.to_send(cookie)
        # Whether the server has shown that its cookies lead nowhere: then none that follows is kept.
        self._lost = False
        # Whether an entry was named as present: the evidence that a present phase took place.
        self._presents = False
        # The controls of a sent entry up to its UUID: see `_entries`.
        self._usual = b""

    def request_control(self) -> Control:
        """Make the control that starts the search."""
        return controls.request_control(self.mode, self.sent_cookie)

    def receive(self, item: Message | EntryRun) -> list[Event]:
        """Tell what a message, or a run of entries, of this search means.

        Raises:
            ProtocolError: it is malformed, or not allowed now (RFC 4533 section 3).
        """
        if isinstance(item, EntryRun):
            return self._entries(item.rows)
        operation = item.operation
        if isinstance(operation, IntermediateResponse):
            return self._info(operation)
        if isinstance(operation, SearchResultDone):
            return self._done(operation.result, controls.find(item.controls, controls.SYNC_DONE))
        if isinstance(operation, SearchResultReference):
            # ManageDsaIT is sent, so referral objects come as entries; what comes here is a continuation into another
            # server's content, which is not ours to follow (RFC 4533 section 3.1).
            return []
        raise ProtocolError(f"{type(operation).__name__} in the middle of a search")

    def _move(self, said: _Said) -> None:
        following = _TABLE[self.mode].get((self.state, said))
        if following is None:
            raise ProtocolError(f"{said.value} is not allowed in the state {self.state.name} of {self.mode.name}")
        self.state = following

    # --- entries ------------------------------------------------------------------------------------------------------

    def _entries(self, rows: list[Row]) -> list[Event]:
        """Turn a run into events; in a refresh, usually into one.

        Servers put the UUID last, so the controls of most entries differ in their last 16 octets alone: once decoded in
        full, that beginning is a template, and an entry that has it needs no decoding.
        """
        events: list[Event] = []
        sent: list[SentEntry] = []
        usual = self._usual
        for dn, attributes, raw in rows:
            if usual and raw[:-16] == usual:
                sent.append((raw[-16:], dn, attributes))
                continue
            state = self._decode_state(dn, raw)
            if state.state in {EntryState.ADD, EntryState.MODIFY, EntryState.MODDN}:
                self._move(_Said.ENTRY)
                sent.append((state.uuid, dn, attributes))
                if state.cookie is None and raw.endswith(b"\x04\x10" + state.uuid):
                    usual = self._usual = raw[:-16]
                if state.cookie is None or self.state is not State.PERSIST:
                    continue
            if sent:
                events.append(self._sent(sent))
                sent = []
            events += self._unsent(state, dn)
        if sent:
            self._move(_Said.ENTRY)
            events.append(self._sent(sent))
        return events

    def _sent(self, rows: list[SentEntry]) -> EntriesSent:
        return EntriesSent(rows if self._selection is None else self._selection.of(rows))

    def _decode_state(self, dn: bytes, raw: bytes) -> SyncState:
        value = controls.find(decode_controls(raw), controls.SYNC_STATE)
        if value is None:
            raise ProtocolError(
                f"the entry {decode_octets(dn, 'entry DN')!r} came without a Sync State control",
                hint="the server answered a sync request with a plain search; its sync provider is not working",
            )
        return controls.decode_state(value)

    def _unsent(self, state: SyncState, dn: bytes) -> list[Event]:
        """Tell what an entry message means beside the entry itself: present, deleted, and its cookie."""
        events: list[Event] = []
        if state.state is EntryState.PRESENT:
            self._move(_Said.PRESENT)
            self._presents = True
            events.append(EntriesPresent((state.uuid,)))
        elif state.state is EntryState.DELETE:
            self._move(_Said.GONE)
            events.append(EntriesDeleted((state.uuid,), dn or None))
        return events + self._cookie_events(state.cookie)

    # --- Sync Info ----------------------------------------------------------------------------------------------------

    def _info(self, response: IntermediateResponse) -> list[Event]:
        if response.name != controls.SYNC_INFO:
            return []
        info = controls.decode_info(response.value or b"")
        match info:
            case NewCookie(cookie):
                if self._cookie_ends_refresh():
                    self._move(_Said.REFRESH_DONE)
                    return [self._refresh_end(cookie, deletes=False)]
                self._move(_Said.COOKIE)
                return self._cookie_events(cookie)
            case IdSet(deletes, uuids, cookie):
                self._move(_Said.GONE if deletes else _Said.PRESENT)
                self._presents = self._presents or bool(uuids and not deletes)
                named: Event = EntriesDeleted(uuids) if deletes else EntriesPresent(uuids)
                return [named, *self._cookie_events(cookie)]
            case PhaseEnd():
                return self._phase_end(info)
        assert_never(info)

    def _cookie_ends_refresh(self) -> bool:
        persists = self.mode is Mode.REFRESH_AND_PERSIST
        return self.dialect.cookie_ends_refresh and persists and self.state is State.REFRESH

    def _phase_end(self, info: PhaseEnd) -> list[Event]:
        if not info.done:
            if info.deletes:
                # A delete phase that is not the last has no meaning of its own (RFC 4533 section 3.3.1).
                return []
            self._move(_Said.SEPARATOR)
            swept = self._sweep(deletes=False) is Sweep.EVERYTHING
            return [PresentPhaseEnded()] if self.sent_cookie and swept else []
        deletes = info.deletes or self.state is State.DELETING
        self._move(_Said.REFRESH_DONE)
        return [self._refresh_end(info.cookie, deletes=deletes)]

    def _cookie_events(self, cookie: bytes | None) -> list[Event]:
        # A cookie inside a refresh covers what has not come yet: only the one at its end counts.
        if not cookie or self._lost or self.state is not State.PERSIST:
            return []
        kept = self.dialect.cookies.in_persist(self._cookie, cookie)
        if kept is None or kept == self._cookie:
            return []
        self._lost = not kept
        self._cookie = kept or None
        return [CookieReceived(self._cookie)]

    # --- the end ------------------------------------------------------------------------------------------------------

    def _refresh_end(self, cookie: bytes | None, *, deletes: bool) -> RefreshEnded:
        if cookie and self.dialect in {DS389, DS389_OPENLDAP}:
            # Only the cookie tells in which of its two modes the server answered.
            if OpenLDAPCookie.parse(cookie):
                self.dialect = DS389_OPENLDAP
            elif ChangeNumberCookie.parse(cookie):
                self.dialect = DS389
        elif cookie and not self._dialect_is_known:
            self.dialect = dialect_of(cookie)
        kept = self.dialect.cookies.after_refresh(cookie)
        if kept is not None:
            self._cookie = kept
        return RefreshEnded(self._sweep(deletes=deletes), kept)

    def _sweep(self, *, deletes: bool) -> Sweep:
        sent = self.sent_cookie is not None
        return self.dialect.sweep(cookie_sent=sent, deletes=deletes, presents=self._presents)

    def _done(self, result: Result, value: bytes | None) -> list[Event]:
        done = None if value is None else controls.decode_done(value)
        if result.code == REFRESH_REQUIRED:
            self._move(_Said.FAILURE)
            return [RefreshRequired(self.dialect.cookies.to_send(done.cookie) if done else None, result.diagnostic)]
        if result.code != 0:
            self._move(_Said.FAILURE)
            return [SearchEnded(result)]
        deleting = self.state is State.DELETING
        self._move(_Said.SUCCESS)
        if self.mode is Mode.REFRESH_AND_PERSIST:
            return [SearchEnded(result)]
        if done is None:
            # Without its Sync Done nobody knows whether the refresh is whole.
            raise ProtocolError("the search ended with success but without a Sync Done control")
        return [self._refresh_end(done.cookie, deletes=done.refresh_deletes or deleting), SearchEnded(result)]
