"""For how long a copy has lacked what its provider has.

A provider that is asked beside the stream, now and then, says how far it is; the copy's cookie says how far that is.
`Lag` remembers the answers while connections come and go, `Question` asks on one connection.

Facts that shaped it:

* slapd shows at its suffix the newest change of each server that writes, as ``contextCSN``.  It may show one a moment
  before it tells of it.
* It tells clients of changes that do not concern them, by a new cookie; not so if the change was a deletion.  So a copy
  that lacks nothing may be behind by its cookie for as long as nothing else happens.  Whether it is, the content tells:
  the newest change is missing only if an entry of it carries its number.
* After a quiet night the newest change that the copy has is hours older than the one that is on its way.  So it is not
  behind for longer than since it was known to be in step.
* 389 Directory Server numbers the changes of all that it holds, and tells of those in the content alone; ApacheDS does
  not number them in a way that can be compared.  What they lack is not known.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.cookies import OpenLDAPCookie
from syncrepl_client.contentsync.dialects import OPENLDAP
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap.attributes import decode_attributes
from syncrepl_client.ldap.connection import EntryRun
from syncrepl_client.ldap.messages import Control, SearchResultDone

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.connection.client import Client
    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.ldap.messages import Message

__all__ = ["Lag", "Question"]

_ANYTHING: Final = filters.encode("(objectClass=*)")
_NOBODY: Final = ("1.1",)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last answer said.

    Args:
        behind: how many seconds of changes the copy lacked; infinite if that cannot be told.
        answered: when that was.
        in_step: when the copy was known to lack nothing; None if it never was.
    """

    behind: float
    answered: float
    in_step: float | None


class Lag:
    """Knows how far a copy is behind.

    Args:
        every: how many seconds are between two questions; None if none are asked.
        clock: returns seconds, never less than before.
    """

    def __init__(self, every: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.every = every
        self._clock = clock
        self._seen: _Seen | None = None

    def in_step(self) -> None:
        """Remember that the copy lacks nothing."""
        now = self._clock()
        self._seen = _Seen(0.0, now, now)

    def behind(self, seconds: float) -> None:
        """Remember that the copy lacks changes of so many seconds; infinite if that cannot be told."""
        self._seen = _Seen(seconds, self._clock(), None if self._seen is None else self._seen.in_step)

    @property
    def seconds(self) -> float | None:
        """For how many seconds, at the most, the copy has lacked something; None if that is not known.

        Without an answer for longer than usual, it is taken to lack something since it was last known to lack nothing.
        For any thread.
        """
        seen = self._seen
        if seen is None or self.every is None:
            return None
        now = self._clock()
        silent = now > seen.answered + 2 * self.every
        if seen.in_step is None:
            seconds = seen.behind + (now - seen.answered if silent else 0.0)
            return None if math.isinf(seconds) else seconds
        return now - seen.in_step if silent else min(seen.behind, now - seen.in_step)


class Question:
    """Asks the provider how far it is, on one connection.

    Args:
        client: the connection.
        search: what the copy is of.
        suffix: where the provider shows how far it is; None if that is not known.
        cookie: returns the cookie of the copy.
        lag: is told.
    """

    def __init__(
        self, client: Client, search: Search, suffix: str | None, cookie: Callable[[], bytes | None], lag: Lag
    ) -> None:
        self._client = client
        self._search = search
        self._suffix = suffix
        self._cookie = cookie
        self._lag = lag
        # When to ask next, on the monotonic clock, and what was asked.
        self._next = 0.0
        self._asked: _Asked | None = None

    def look(self, dialect: Dialect) -> None:
        """Ask if it is time, and handle an answer; call it when all that came before has been applied."""
        if self._lag.every is None or self._suffix is None or dialect is not OPENLDAP:
            return
        asked = self._asked
        if asked is not None and asked.answered:
            self._asked = None
            self._handle(asked)
        now = time.monotonic()
        if now >= self._next:
            # One that was not answered until now is forgotten.
            self._next = now + self._lag.every
            self._ask(_Asked(None), messages.search_request(self._suffix, 0, _ANYTHING, ("contextCSN",)))

    def _ask(self, asked: _Asked, request: bytes) -> None:
        self._asked = asked
        self._client.ask_aside(request, asked.take, [Control(messages.MANAGE_DSA_IT, critical=True)])

    def _handle(self, asked: _Asked) -> None:
        provider, ours = asked.provider, OpenLDAPCookie.parse(self._cookie())
        confirmed = provider is not None
        if provider is None:
            provider = OpenLDAPCookie.of(csn for values in asked.found for csn in values.get("contextCSN", ()))
        if provider is None or ours is None:
            # It shows that to others.
            return
        if not provider.newer_than(ours) or (confirmed and not asked.found):
            self._lag.in_step()
        elif confirmed:
            self._lag.behind(ours.seconds_to(provider))
        else:
            self._ask(_Asked(provider), self._whether_there(provider, ours))

    def _whether_there(self, provider: OpenLDAPCookie, ours: OpenLDAPCookie) -> bytes:
        """Make a search for an entry of the content that was changed last, by one of the servers that are ahead."""
        carries = [
            ber.tlv(0xA3, ber.octet_string(b"entryCSN"), ber.octet_string(csn)) for csn in provider.ahead_of(ours)
        ]
        search = self._search
        filter_ = ber.tlv(0xA0, search.filter_, ber.tlv(0xA1, *carries))
        return messages.search_request(search.base, search.scope, filter_, _NOBODY, 1)


class _Asked:
    """A search and its answer.

    Args:
        provider: how far the provider is, if its content was asked for that; None if it was asked how far it is.
    """

    def __init__(self, provider: OpenLDAPCookie | None) -> None:
        self.provider = provider
        self.found: list[dict[str, list[bytes]]] = []
        self.answered = False

    def take(self, item: Message | EntryRun) -> None:
        """Note a part of the answer."""
        if isinstance(item, EntryRun):
            self.found += (decode_attributes(attrs) for _, attrs, _ in item.rows)
        elif isinstance(item.operation, SearchResultDone):
            self.answered = True
