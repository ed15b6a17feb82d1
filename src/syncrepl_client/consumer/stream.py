"""The content synchronization search on a connection, and the ones that take its place.

A `Stream` sends the request, keeps what belongs to the search apart from what answers something else, notices a server
that has gone silent, and ends the search.  What its events mean for the copy it does not know.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.session import Mode, Session, State
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap.messages import Control, ExtendedResponse, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncrepl_client.connection.client import Client
    from syncrepl_client.consumer.heartbeat import Watch
    from syncrepl_client.contentsync.events import Event
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.ldap.connection import EntryRun

__all__ = ["Stream"]

# How long the answer to Cancel is waited for, in seconds.
_CANCEL_PATIENCE: Final = 5.0


class Stream:
    """What one server says about one search.

    Args:
        client: the connection, bound.
        search: what to ask for.
        watch: notices when the server is silent for too long.
        cancels: whether the server can be asked to cancel a search.
        renew: puts another connection, bound as well, in place of the client's.
    """

    def __init__(
        self, client: Client, search: Search, *, watch: Watch, cancels: bool, renew: Callable[[], None]
    ) -> None:
        self._client = client
        self._search = search
        self._watch = watch
        self._cancels = cancels
        self._renew = renew
        self._message_id = 0
        # Messages of the search that arrived while something else was asked.
        self._backlog: deque[Message | EntryRun] = deque()
        self._cancel_id = 0
        # When the answer to Cancel is no longer waited for.
        self._cancel_until = 0.0
        self.session: Session
        # When something of the search came last, on the monotonic clock.
        self.heard = 0.0
        # Whether the search was abandoned and nothing more is to come.
        self.over = False

    @property
    def begun(self) -> bool:
        """Whether there is a search."""
        return self._message_id != 0

    @property
    def cancelling(self) -> bool:
        """Whether the server was asked to cancel the search."""
        return self._cancel_id != 0

    def begin(self, session: Session) -> None:
        """Send the search; whatever another one still has to say is dropped."""
        self.session = session
        self._backlog.clear()
        controls = [session.request_control(), Control(messages.MANAGE_DSA_IT, critical=True)]
        request = self._search.request(asterisk=not session.dialect.hides_operational)
        self._message_id = self._client.send(request, controls)
        self.heard = time.monotonic()

    # --- what it says -------------------------------------------------------------------------------------------------

    def events(self, timeout: float, *, refreshing: bool) -> Iterator[Event]:
        """Wait for what the server says of the search that runs now.

        Args:
            timeout: seconds.
            refreshing: whether a refresh is in progress, in which the server owes the next message.

        Raises:
            ConnectionLost: it has been silent for too long.
        """
        if self._cancel_id:
            left = self._cancel_until - time.monotonic()
            if left <= 0:
                # Some servers answer nothing.
                self._drop()
                return
            timeout = min(timeout, left)
        items = self._taken() or self._own(self._client.receive(timeout, patient=refreshing))
        if items:
            self.heard = time.monotonic()
        elif self._client.in_message:
            # A large message takes its time, as long as something of it comes.
            self.heard = max(self.heard, self._client.heard)
        if refreshing:
            self._watch.refreshing(self.heard)
        else:
            self._watch.listening()
        session = self.session
        for item in items:
            yield from session.receive(item)

    def set_aside(self, items: list[Message | EntryRun]) -> None:
        """Keep what came while something else was asked."""
        self._backlog.extend(self._own(items))

    def arrived(self) -> list[Event]:
        """Take what was set aside."""
        return [event for item in self._taken() for event in self.session.receive(item)]

    def pending(self) -> list[Event]:
        """Tell what was set aside, and leave it there."""
        probe = Session(Mode.REFRESH_AND_PERSIST, None, self.session.dialect)
        probe.state = State.PERSIST
        return [event for item in self._backlog for event in probe.receive(item)]

    def _taken(self) -> list[Message | EntryRun]:
        items = list(self._backlog)
        self._backlog.clear()
        return items

    def _own(self, items: Iterable[Message | EntryRun]) -> list[Message | EntryRun]:
        """Sort out what belongs to the search; the answer to Cancel is noted."""
        own: list[Message | EntryRun] = []
        for item in items:
            if item.message_id == self._message_id:
                own.append(item)
            elif item.message_id == self._cancel_id and isinstance(item, Message):
                self._cancelled(item)
        return own

    # --- its end ------------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask the server to end the search (RFC 3909); where it cannot, the search is abandoned."""
        if self._cancel_id:
            return
        if self._cancels:
            value = ber.sequence(ber.integer(self._message_id))
            self._cancel_id = self._client.send(messages.extended_request(messages.CANCEL, value))
            self._cancel_until = time.monotonic() + _CANCEL_PATIENCE
        else:
            self._drop()

    def _cancelled(self, answer: Message) -> None:
        if isinstance(answer.operation, ExtendedResponse) and answer.operation.result.code != 0:
            self._drop()

    def _drop(self) -> None:
        if not self.over:
            self.over = True
            self.abandon()

    def abandon(self) -> None:
        """Say that nobody listens any more (RFC 4511 section 4.11)."""
        if self.session.state is not State.ENDED and self.session.dialect.can_abandon:
            self._client.send(messages.abandon_request(self._message_id))

    def give_up(self) -> None:
        """End the search, so that another one can begin."""
        self.abandon()
        if self.session.state is not State.ENDED and not self.session.dialect.reusable:
            self._renew()
