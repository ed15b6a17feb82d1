"""Questions beside the stream: content synchronization searches without a cookie, on the same connection.

Plain searches where those do not tell all (`Dialect.omits_entries`).

What such a search returns is the content of *now*, while the stream may still have to tell what led to it.  Who asks
must know what that means; see `doubts`.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from syncrepl_client.contentsync.dialects import OPENLDAP
from syncrepl_client.contentsync.events import EntriesSent, RefreshRequired, SearchEnded
from syncrepl_client.contentsync.plain import PlainSearch
from syncrepl_client.contentsync.search import BASE
from syncrepl_client.contentsync.selection import Selection
from syncrepl_client.contentsync.session import REFRESH_REQUIRED, Mode, Session, State
from syncrepl_client.exceptions import ConnectionLost, Interrupted
from syncrepl_client.ldap import ber, messages, results
from syncrepl_client.ldap.messages import Control, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from syncrepl_client.connection.client import Client
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.ldap.connection import EntryRun
    from syncrepl_client.ldap.messages import Message

__all__ = ["Inquiry", "TooMuchToAsk"]

# slapd closes the connection of an anonymous client that has more than 100 requests pending.
_PENDING: Final = 32
_UUIDS_A_SEARCH: Final = 100
_MOST_ENTRIES: Final = 5000
_MOST_BYTES: Final = 16 << 20
_PATIENCE: Final = 60.0
# No attributes (RFC 4511 section 4.5.1.8).
_NO_ATTRIBUTES: Final = ("1.1",)


def _nameless(_uuid: bytes) -> str | None:
    return None


class TooMuchToAsk(Exception):
    """So much is open that a refresh of everything is the better question."""


class Inquiry:
    """Asks for parts of the content of a search.

    Args:
        client: the connection.
        search: what the stream is about.
        stopping: tells whether everything is to be dropped at once.
        set_aside: takes messages that came meanwhile and are no answer.
        notice: is called when nothing came for a while; it may ask whether the server is still there.
    """

    def __init__(
        self,
        client: Client,
        search: Search,
        *,
        stopping: Callable[[], bool],
        set_aside: Callable[[list[Message | EntryRun]], None],
        notice: Callable[[], None],
    ) -> None:
        self._client = client
        self._search = search
        self._stopping = stopping
        self._set_aside = set_aside
        self._notice = notice
        self._heard = 0.0
        self.dialect: Dialect | None = None
        # The operational attributes of a server that sends them without being asked, in lower case.
        self.operational: frozenset[str] = frozenset()

    def below(self, bases: Iterable[str]) -> list[list[SentEntry]]:
        """Fetch subtrees, each as it is at one moment; one whose base is gone is empty.

        Raises:
            TooMuchToAsk: they are too large to be kept in memory.
        """
        return self._fetch([replace(self._search, base=base) for base in bases])

    def exists(self, dn: str) -> bool:
        """Tell whether there is an entry of a name, in the content or not."""
        anything = ber.octet_string(b"objectClass", tag=0x87)
        search = replace(self._search, base=dn, scope=BASE, filter_=anything, attributes=_NO_ATTRIBUTES)
        return any(self._fetch([search]))

    def named(self, dns: Iterable[str]) -> list[SentEntry]:
        """Fetch those entries of the content that have one of these names."""
        found = self._fetch([replace(self._search, base=dn, scope=BASE) for dn in dns])
        return [row for rows in found for row in rows]

    def entries(
        self,
        uuids: set[bytes],
        *,
        witnesses: Iterable[bytes],
        attributes: tuple[str, ...] | None = None,
        name_of: Callable[[bytes], str | None] = _nameless,
    ) -> list[SentEntry]:
        """Fetch entries by UUID; those that are not among the answers are not in the content.

        Args:
            uuids: whom to ask for.
            attributes: which to fetch; None for those of the search.
            witnesses: entries that are known to be there.  An identity that may not search by entryUUID would find
                nobody at all; if not even a witness is found, the answer means nothing.
            name_of: tells the last known name of an entry.  An identity that may not search for some entries by
                entryUUID finds them by that, if it still is their name.

        Raises:
            TooMuchToAsk: there are too many, or nobody was found.
        """
        if len(uuids) > _MOST_ENTRIES:
            raise TooMuchToAsk
        found = self._fetch(self._by_uuid(uuids, attributes, witnesses))
        if not all(found):
            raise TooMuchToAsk
        there = {row[0]: row for rows in found for row in rows if row[0] in uuids}
        there.update((row[0], row) for row in self.withheld(uuids - there.keys(), attributes=attributes))
        return [*there.values(), *self._still_so_called(uuids - there.keys(), attributes, name_of)]

    def _still_so_called(
        self, uuids: set[bytes], attributes: tuple[str, ...] | None, name_of: Callable[[bytes], str | None]
    ) -> list[SentEntry]:
        """Fetch those entries that are found under the names that they had."""
        search = self._search if attributes is None else replace(self._search, attributes=attributes)
        names = [name for uuid in sorted(uuids) if (name := name_of(uuid))]
        found = self._fetch([replace(search, base=name, scope=BASE) for name in names])
        return [row for rows in found for row in rows if row[0] in uuids]

    def withheld(self, uuids: set[bytes], *, attributes: tuple[str, ...] | None = None) -> list[SentEntry]:
        """Fetch entries that content synchronization may have left out; nobody where it leaves out nobody."""
        if not (self.dialect or OPENLDAP).withholds:
            return []
        return [row for rows in self._fetch(self._by_uuid(uuids, attributes), plain=True) for row in rows]

    def _by_uuid(
        self, uuids: set[bytes], attributes: tuple[str, ...] | None, witnesses: Iterable[bytes] = ()
    ) -> list[Search]:
        """Make searches for entries; each finds the witnesses, too."""
        wanted = sorted(uuids)
        known = [self._uuid_filter(uuid) for uuid in witnesses]
        search = self._search if attributes is None else replace(self._search, attributes=attributes)
        searches = []
        for start in range(0, len(wanted), _UUIDS_A_SEARCH):
            asked = [self._uuid_filter(uuid) for uuid in wanted[start : start + _UUIDS_A_SEARCH]]
            any_of = ber.tlv(0xA1, *asked, *known)
            searches.append(replace(search, filter_=ber.tlv(0xA0, search.filter_, any_of)))
        return searches

    def listing(self) -> Iterator[list[bytes]]:
        """Iterate over the UUIDs of the whole content, as they come."""
        for rows in self.everything(_NO_ATTRIBUTES):
            yield [row[0] for row in rows]

    def listing_of_withheld(self) -> Iterator[list[bytes]]:
        """Iterate over the UUIDs that `listing` may have left out; nothing where it leaves out nothing."""
        if (self.dialect or OPENLDAP).withholds:
            for events in self._followed(self._start_plain(replace(self._search, attributes=_NO_ATTRIBUTES))):
                yield [row[0] for event in events if isinstance(event, EntriesSent) for row in event.rows]

    def everything(self, attributes: tuple[str, ...]) -> Iterator[list[SentEntry]]:
        """Iterate over the whole content, as it comes.

        Raises:
            LDAPResultError: the search failed, also because its base is not there: that is no empty content.
        """
        for events in self._stream(replace(self._search, attributes=attributes), None):
            _check_answered(events)
            yield [row for event in events if isinstance(event, EntriesSent) for row in event.rows]

    def refresh(self, cookie: bytes) -> Iterator[list[Event]]:
        """Iterate over the events of a refresh from a cookie, as they come.

        Raises:
            LDAPResultError: the search failed.
        """
        return self._stream(self._search, cookie)

    def _stream(self, search: Search, cookie: bytes | None) -> Iterator[list[Event]]:
        return self._followed(self._start(search, cookie))

    def _followed(self, pending: _Pending) -> Iterator[list[Event]]:
        while pending.session.state is not State.ENDED:
            self._receive({pending.message_id: pending})
            for event in pending.events:
                if isinstance(event, SearchEnded):
                    results.check("search beside the stream", event.result)
            yield pending.events
            pending.events = []

    def wait(self, seconds: float) -> None:
        """Give the stream time to go on."""
        if self._stopping():
            raise Interrupted
        self._set_aside(self._client.receive(seconds))

    def pause(self, seconds: float) -> None:
        """Let time pass, whatever arrives meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.wait(left)

    def _uuid_filter(self, uuid: bytes) -> bytes:
        name, value = (self.dialect or OPENLDAP).uuid_assertion(UUID(bytes=uuid))
        return ber.tlv(0xA3, ber.octet_string(name), ber.octet_string(value))

    # --- searches -----------------------------------------------------------------------------------------------------

    def _fetch(self, searches: Sequence[Search], *, plain: bool = False) -> list[list[SentEntry]]:
        """Do searches, some at a time; returns the entries that each found."""
        waiting = deque(searches)
        pending: dict[int, _Pending] = {}
        started: list[_Pending] = []
        while waiting or pending:
            while waiting and len(pending) < _PENDING:
                search = waiting.popleft()
                one = self._start_plain(search) if plain else self._start(search)
                pending[one.message_id] = one
                started.append(one)
            self._receive(pending)
            for one in [one for one in pending.values() if one.session.state is State.ENDED]:
                one.check()
                del pending[one.message_id]
            rows = [row for one in started for row in one.rows]
            if len(rows) > _MOST_ENTRIES or sum(len(row[2]) for row in rows) > _MOST_BYTES:
                self._abandon(pending)
                raise TooMuchToAsk
        return [one.rows for one in started]

    def _abandon(self, pending: Iterable[int]) -> None:
        if self.dialect is None or self.dialect.can_abandon:
            for message_id in pending:
                self._client.send(messages.abandon_request(message_id))

    def _start(self, search: Search, cookie: bytes | None = None) -> _Pending:
        if self.dialect is not None and self.dialect.omits_entries:
            return self._start_plain(search, lenient=False)
        selection = Selection(search.attributes, self.operational) if self.operational else None
        session = Session(Mode.REFRESH_ONLY, cookie, self.dialect, selection)
        self._heard = time.monotonic()
        controls = [session.request_control(), Control(messages.MANAGE_DSA_IT, critical=True)]
        return _Pending(self._client.send(search.request(), controls), session)

    def _start_plain(self, search: Search, *, lenient: bool = True) -> _Pending:
        plain = PlainSearch(search, lenient=lenient)
        self._heard = time.monotonic()
        return _Pending(self._client.send(plain.request(), [Control(messages.MANAGE_DSA_IT, critical=True)]), plain)

    def _receive(self, pending: dict[int, _Pending]) -> None:
        if self._stopping():
            raise Interrupted
        others: list[Message | EntryRun] = []
        items = self._client.receive(1.0)
        if items:
            self._heard = time.monotonic()
        elif time.monotonic() > self._heard + _PATIENCE:
            raise ConnectionLost(f"no answer within {_PATIENCE:g} s", hint="the server is overloaded or hangs")
        else:
            self._notice()
        for item in items:
            if item.message_id in pending:
                pending[item.message_id].take(item)
            else:
                others.append(item)
        self._set_aside(others)


class _Pending:
    """A search that was sent."""

    def __init__(self, message_id: int, session: Session | PlainSearch) -> None:
        self.message_id = message_id
        self.session = session
        self.events: list[Event] = []

    def take(self, item: Message | EntryRun) -> None:
        self.events += self.session.receive(item)

    @property
    def rows(self) -> list[SentEntry]:
        return [row for event in self.events if isinstance(event, EntriesSent) for row in event.rows]

    def check(self) -> None:
        """Raise an error if the search failed; where its base is not there, nothing is."""
        _check_answered(self.events)
        for event in self.events:
            if isinstance(event, SearchEnded) and event.result.code != results.NO_SUCH_OBJECT:
                results.check("search beside the stream", event.result)


def _check_answered(events: Iterable[Event]) -> None:
    """Raise an error if a search without a cookie was refused as if it had one: what came before it is no content."""
    for event in events:
        if isinstance(event, RefreshRequired):
            results.check("search beside the stream", Result(REFRESH_REQUIRED, diagnostic=event.diagnostic))
