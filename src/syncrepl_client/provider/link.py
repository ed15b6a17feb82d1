"""What comes between a replica and one of its providers: the connection and the consumer on it.

A link is made anew as often as needed, while the data file stays open: no other process takes it, and readers go on.
Nothing passes from one connection to the next but what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncrepl_client.connection import subschema
from syncrepl_client.consumer import journal
from syncrepl_client.consumer.lag import Lag
from syncrepl_client.consumer.meanwhile import Meanwhile
from syncrepl_client.consumer.pump import Consumer
from syncrepl_client.consumer.resumption import read_server
from syncrepl_client.contentsync.search import Search
from syncrepl_client.contentsync.session import Mode
from syncrepl_client.exceptions import ClosedError, UsageError
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import url as urls
from syncrepl_client.model import SyncreplMode
from syncrepl_client.retry import Verdict, verdict
from syncrepl_client.store.base import NOTHING
from syncrepl_client.transport.waking import Waker

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.connection.access import Access
    from syncrepl_client.connection.client import Client
    from syncrepl_client.connection.listener import AnyListener
    from syncrepl_client.consumer.guard import MaxDeletes
    from syncrepl_client.consumer.heartbeat import Heartbeat
    from syncrepl_client.contentsync.server import Server
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.model import Report
    from syncrepl_client.redaction import Redaction
    from syncrepl_client.store.base import Counts
    from syncrepl_client.store.store import Store

__all__ = ["Link", "Terms"]

_MODES = {SyncreplMode.REFRESH_ONLY: Mode.REFRESH_ONLY, SyncreplMode.REFRESH_AND_PERSIST: Mode.REFRESH_AND_PERSIST}


@dataclass(frozen=True, slots=True)
class Terms:
    """How to synchronize, whichever provider it is with; see `Replica`.

    Raises:
        UsageError: there is no time between two questions.
    """

    mode: SyncreplMode
    max_message: int
    max_deletes: MaxDeletes | None
    verify_every: float | None
    patience: float
    heartbeat: Heartbeat | None
    lag_every: float | None
    progress: Callable[[int], None] | None
    trace: Callable[[str], None] | None
    redaction: Redaction | None

    def __post_init__(self) -> None:
        if self.lag_every is not None and not self.lag_every > 0:
            raise UsageError(
                f"the provider is asked each {self.lag_every:g} s how far it is", hint="give None to ask nothing"
            )


class Link:
    """The connection to one of the providers.

    Args:
        access: the way into a provider.
        url: the search as the program named it.
        store: the copy, which stays open.
        listener: the program's; None if it has none.
        terms: how to synchronize.
        stopping: tells whether everything is to be dropped at once.
        leaving: tells whether a connection that is still being made is not wanted any more.
    """

    def __init__(
        self,
        access: Access,
        url: LDAPUrl,
        store: Store,
        listener: AnyListener | None,
        terms: Terms,
        *,
        stopping: Callable[[], bool],
        leaving: Callable[[], bool],
    ) -> None:
        self._access = access
        self._url = url
        self._store = store
        self._listener = listener
        self._terms = terms
        self._stopping = stopping
        self._leaving = leaving
        self._waker = Waker()
        self.lag = Lag(terms.lag_every)
        self._meanwhile = Meanwhile()
        # The way into the provider that was chosen last.
        self._there = access
        self._client: Client | None = None
        self._consumer: Consumer | None = None
        # What is searched for on this connection.
        self._search: Search | None = None
        # Whether the copy was in step before, with this very search: in an earlier run perhaps.
        state = store.state()
        self._worked = state.whole and state.url is not None and urls.parse(state.url).search_url() == url.search_url()

    # --- making and ending it -----------------------------------------------------------------------------------------

    def connect(self, url: LDAPUrl) -> None:
        """Connect to a provider, bind and start the search.

        Raises:
            ConnectionFailed: no connection can be made.
            LDAPResultError: the server refuses.
            ProviderBehind: the server has not seen changes yet that the copy holds.
            Interrupted: it is not wanted any more.
        """
        client, search = self._enter(url)
        store, listener = self._store, self._listener
        if store.state().fingerprint != search.fingerprint:
            # That was another search, or somebody else.
            self._worked = False
        # Whichever provider it is, the copy is of the search that the program named.
        store.set_search(str(self._url), search.fingerprint)
        server = self._look(client, search)
        if listener is not None:
            store.set_listener(listener.name)
            listener.bound(client)
        self._search = search
        self._start(client, search, server)

    def again(self) -> None:
        """Search again, on the same connection, after a search that has ended.

        Raises:
            ConnectionLost: it was of no use for too long, perhaps.
        """
        client, search = self._client, self._search
        if client is None or search is None:
            raise ClosedError("there is no connection")
        # What the server said of itself when it was connected to may have changed: 389's changelog moves on.
        self._start(client, search, self._look(client, search))

    def _look(self, client: Client, search: Search) -> Server:
        """Read what a server says of itself now, and its schema."""
        server = read_server(client)
        subschema.learn(client, self._store, server, search.base)
        return server

    def _start(self, client: Client, search: Search, server: Server) -> None:
        consumer = self._make_consumer(client, search, server)
        consumer.start()
        self._consumer = consumer

    def enter(self, url: LDAPUrl) -> None:
        """Connect to a provider for a verification alone; see `connect`.

        Raises:
            UsageError: the copy is of another search or identity, or was redacted in another way.
        """
        client, search = self._enter(url)
        state = self._store.state()
        if state.fingerprint not in {None, search.fingerprint}:
            # What another identity sees is another content.
            raise UsageError(
                f"the copy was made by another search or identity, or with another redaction: {state.url}",
                hint="verify it with the URL, and the redaction, that it was made with",
            )
        server = read_server(client)
        if self._store.subschema() is None:
            # Some servers send what only their schema tells from what was asked for.
            subschema.learn(client, self._store, server, search.base)
        self._consumer = self._make_consumer(client, search, server)

    def _enter(self, url: LDAPUrl) -> tuple[Client, Search]:
        """Connect and bind."""
        self._there = access = replace(self._access, url=url)
        terms = self._terms
        # It is known before it binds, or a stop would not wake it.
        self._client = client = access.connect(
            max_message=terms.max_message, trace=terms.trace, stopping=self._dropping, redaction=terms.redaction
        )
        access.identify(client)
        journal.connected(access)
        # Whom the server takes us for decides what is to be seen.
        rules = terms.redaction.fingerprint if terms.redaction else ""
        filter_ = filters.encode(url.filter)
        return client, Search(url.base, int(url.scope), filter_, url.attributes, client.identity, rules)

    def _make_consumer(self, client: Client, search: Search, server: Server) -> Consumer:
        access, terms = self._there, self._terms
        return Consumer(
            client,
            self._store,
            search,
            _MODES[terms.mode],
            self._listener,
            server=server,
            max_deletes=terms.max_deletes,
            renew=lambda: access.renew(client, self._dropping),
            stopping=self._dropping,
            verify_every=terms.verify_every,
            patience=terms.patience,
            heartbeat=terms.heartbeat,
            lag=self.lag,
            meanwhile=self._meanwhile,
            progress=terms.progress,
        )

    def _dropping(self) -> bool:
        return self._stopping() or (self._consumer is None and self._leaving())

    def disconnect(self) -> None:
        """End the connection; a refresh in progress is dropped."""
        self._consumer = None
        client, self._client = self._client, None
        if client is not None:
            client.close()
            journal.disconnected(self._there.url)

    def close(self) -> None:
        """End the connection for good."""
        try:
            self.disconnect()
        finally:
            self._waker.close()

    # --- work ---------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a consumer at work."""
        return self._consumer is not None

    @property
    def refreshing(self) -> bool:
        """Whether a refresh is in progress."""
        return self._consumer is not None and self._consumer.refreshing

    @property
    def finished(self) -> bool:
        """Whether the search has ended as it should."""
        return self._consumer is not None and self._consumer.finished

    @property
    def counts(self) -> Counts:
        """What the refresh that was completed last on this connection has changed."""
        return NOTHING if self._consumer is None else self._consumer.counts

    @property
    def consumer(self) -> Consumer:
        """The consumer.

        Raises:
            ClosedError: there is no connection.
        """
        if self._consumer is None:
            raise ClosedError("there is no connection")
        return self._consumer

    def listen(self, timeout: float) -> bool:
        """Handle what has arrived; see `Consumer.step`."""
        consumer = self.consumer
        if self._leaving():
            consumer.finish()
        more = consumer.step(timeout)
        self._worked = self._worked or not consumer.refreshing
        return more

    def verify(self, *, repair: bool) -> Report:
        """Compare the copy with the server; see `Consumer.verify`."""
        return self.consumer.verify(repair=repair)

    # --- waiting between two connections ------------------------------------------------------------------------------

    def worth_another_try(self, error: Exception) -> bool:
        """Tell whether to connect again after an error."""
        if self._store.database.callback_failed:
            # Whatever it looks like, it is the program's own.
            return False
        what = verdict(error)
        if what is Verdict.DECISION:
            # Who wants one refresh is told at once; a later run finds what was decided.
            return self._terms.mode is SyncreplMode.REFRESH_AND_PERSIST
        return what is Verdict.AGAIN or (what is Verdict.IF_IT_WORKED and self._worked)

    @property
    def decided(self) -> bool:
        """Whether somebody has decided about a refresh that is held."""
        return self._store.decided()

    def pause(self, seconds: float) -> None:
        """Wait, at most until woken or a signal comes."""
        self._waker.wait(seconds)

    def wake(self) -> None:
        """Let whatever waits return at once; for any thread and for signal handlers."""
        client = self._client
        if client is not None:
            client.wake()
        self._waker.wake()
