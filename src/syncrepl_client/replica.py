"""`Replica`: a durable local copy of one search, as programs use it.

It lets a link to a provider work on the data file, once or for ever, and closes both when something goes wrong that
does not get better.  Nothing of the protocol and no SQL is here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from syncrepl_client import journal
from syncrepl_client.access import Timeouts
from syncrepl_client.backoff import Backoff
from syncrepl_client.exceptions import CallbackError, ClosedError, Interrupted, LDAPUrlConflict
from syncrepl_client.guard import MaxDeletes
from syncrepl_client.heartbeat import Heartbeat
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.connection import DEFAULT_MAX_MESSAGE
from syncrepl_client.link import Terms
from syncrepl_client.listener import AnyListener
from syncrepl_client.model import SyncreplMode
from syncrepl_client.opening import Settings
from syncrepl_client.secret import Secret
from syncrepl_client.store.database import data_file
from syncrepl_client.transport.reservoir import Buffers
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from syncrepl_client.credentials import Credentials
    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.model import Report
    from syncrepl_client.opening import Opened
    from syncrepl_client.redaction import Redaction
    from syncrepl_client.store.entries import Entries
    from syncrepl_client.store.store import Store

__all__ = ["Replica"]


class Replica:
    """A durable local copy of one LDAP search that stays in step with the server.

    Use it as a context manager, or call `open`, or `follow`, and `close`.  All calls but `stop`, `finish` and `wake`
    belong to one thread.

    Args:
        url: the server and the search, as text or parsed (also by python-ldap's ``ldapurl``); None means the one
            stored in the data file.
        path: the data file; a folder gets a ``syncrepl.db`` in it.
        mode: whether to end when the refresh is complete or to go on listening.
        listener: an object with any of the methods ``bound(connection)``, ``change(change, *, origin, cursor)``,
            ``refresh_done(entries, cursor)`` and ``cookie(cookie)``, of which all but the first are called inside the
            transaction that makes the change durable, and raising in them undoes it; ``debug(message)``; and, while it
            follows, ``disconnected(error, *, url, delay, attempt)`` and ``connected(url)``.
        starttls: whether to encrypt an ``ldap://`` connection before binding.
        password: for a simple bind as the URL's ``bindname``; overrides the URL's own.
        credentials: who to be; overrides the URL's ``bindname``.
        tls: how to encrypt, as `TLS` or an ``ssl.SSLContext``; the default verifies by the system's authorities.
        cleartext_password: whether a password may go over the network in clear; to this machine it always may.
        timeouts: how long connecting and binding may take.
        on_behalf_of: in whose name to search, ``dn:DN`` or ``u:NAME`` (proxied authorization, RFC 4370).
        progress: is called with the number of entries received, a few times each second of a refresh.
        trace: is called with one line for each protocol message, without credentials.
        max_message: the largest message that is accepted, in bytes.
        verify_every: seconds between comparisons of the copy with the server; None (the default) where the stream alone
            cannot be right (389 Directory Server, FreeIPA, ApacheDS), after resumptions and each ten minutes; 0 never.
        patience: seconds that the server may be silent in the middle of a refresh before the connection counts as lost.
        heartbeat: when a server that says nothing in the persist stage is asked whether it is still there; None for
            never.
        buffers: how much of what the server sends is taken from it while the program is busy in a callback; None for
            nothing. The file of it is made in the folder of the data file, if no other is named.
        max_deletes: how much a refresh may delete without being held; None holds nothing.  In any case what it would
            delete beyond the default is confirmed by an independent search first.
        providers: URLs of further servers that hold the same content, tried in this order after the first; they differ
            in host and port only, and the search may be left out of them.
        srv: a domain such as ``example.com``, in whose DNS the servers are looked up (RFC 2782) each time that one is
            needed; the URL has no host then, as in ``ldap:///dc=example,dc=com``.
        backoff: how long `follow` waits between tries.
        redaction: which attributes are dropped, masked or hashed before anything is stored, told or traced.
    """

    def __init__(
        self,
        url: str | LDAPUrl | SupportsUnparse | None,
        path: str | os.PathLike[str],
        *,
        mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
        listener: object | None = None,
        starttls: bool = False,
        password: Secret | bytes | str | None = None,
        credentials: Credentials | None = None,
        tls: TLS | ssl.SSLContext | None = None,
        cleartext_password: bool = False,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
        on_behalf_of: str = "",
        progress: Callable[[int], None] | None = None,
        trace: Callable[[str], None] | None = None,
        max_message: int = DEFAULT_MAX_MESSAGE,
        verify_every: float | None = None,
        patience: float = 300.0,
        heartbeat: Heartbeat | None = Heartbeat(),  # noqa: B008 - a frozen value
        buffers: Buffers | None = Buffers(),  # noqa: B008 - a frozen value
        max_deletes: MaxDeletes | None = MaxDeletes(),  # noqa: B008 - a frozen value
        providers: Iterable[str | LDAPUrl | SupportsUnparse] = (),
        srv: str | None = None,
        backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
        redaction: Redaction | None = None,
    ) -> None:
        try:
            self._url = None if url is None else urls.of(url)
            others = tuple(urls.of(provider) for provider in providers)
            secret = password if password is None or isinstance(password, Secret) else Secret(password)
        finally:
            # Tools print the variables of a traceback: no password may be among them.
            del url, password, providers
        self.path = data_file(path)
        self.mode = SyncreplMode(mode)
        self._listener = None if listener is None else AnyListener(listener)
        self._settings = Settings(
            terms=Terms(
                mode=self.mode,
                max_message=max_message,
                max_deletes=max_deletes,
                verify_every=verify_every,
                patience=patience,
                heartbeat=heartbeat,
                progress=progress,
                trace=trace,
                redaction=redaction or None,
            ),
            others=others,
            srv=srv,
            backoff=backoff,
            credentials=credentials,
            password=secret,
            starttls=starttls,
            tls=TLS.of(tls),
            cleartext_password=cleartext_password,
            timeouts=timeouts,
            on_behalf_of=on_behalf_of,
            buffers=buffers,
        )
        self._opened: Opened | None = None
        # Whether it was ever told to connect.
        self._begun = False
        self._stop_asked = False
        self._finish_asked = False
        self._closed = False
        # What ended the session, if anything did.
        self._failure = ""

    # --- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> Self:
        """Open the data file, connect, bind and start the search.

        Raises:
            DBError: the data file cannot be used.
            CleartextPassword: the password would go over the network in clear.
            ConnectionFailed: no connection can be made, or it cannot be encrypted.
            LDAPResultError: the server refuses.
        """
        if self._closed:
            raise ClosedError
        try:
            self.open_store()
            self._begun = True
            with self.store.working():
                self.opened.follower.open(self.opened.link.connect)
        except Interrupted:
            # Stopped already: `step` will say so.
            pass
        except BaseException as error:
            journal.failed(self._url, error)
            self.close()
            raise
        return self

    def open_store(self) -> None:
        """Open the data file alone, and find out which search it is for."""
        if self._opened is None:
            self._opened = self._settings.open(
                self._url,
                self.path,
                self._listener,
                stopping=lambda: self._stop_asked,
                leaving=lambda: self._finish_asked,
            )
            self._url = self._opened.url

    def refuse_another_search(self) -> None:
        """Refuse a data file that holds another search than the URL names; by itself a replica reads it anew.

        Raises:
            LDAPUrlConflict: base, scope, filter or attributes differ.
        """
        stored = self.store.state().url
        if stored is not None and urls.parse(stored).search_url() != self.url.search_url():
            raise LDAPUrlConflict(stored, str(self.url))

    def close(self) -> None:
        """Disconnect and close the data file.  A refresh in progress is dropped."""
        self._refuse_in_callback("closed")
        self._closed = True
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- work ---------------------------------------------------------------------------------------------------------

    def step(self, timeout: float = 3.0) -> bool:
        """Handle what has arrived, waiting at most `timeout` seconds for something.

        Returns:
            Whether to go on calling; not so when the refresh is complete (refresh only), or the client was stopped.

        Raises:
            SyncreplError: the session is over.  Whatever a step raises, also what a callback raised, closes the
                replica; a new one resumes where it was.
        """
        return self._step(lambda: self.opened.link.listen(timeout))

    def _step(self, work: Callable[[], bool]) -> bool:
        """Do a part of the work; tells whether to go on."""
        if self._closed:
            raise ClosedError(self._failure or "the client is closed")
        if self._stop_asked:
            return False
        if not self._begun:
            raise ClosedError("the replica was not opened yet")
        if self._finish_asked and not self.opened.link.connected:
            return False
        try:
            with self._session():
                return work()
        except Interrupted:
            return False

    @contextmanager
    def _session(self) -> Iterator[None]:
        """Run a part of the session.  One that fails ends it, or a later cookie would cover what was undone."""
        self._refuse_in_callback("used")
        try:
            with self.store.working():
                yield
        except Interrupted:
            raise
        except BaseException as error:
            self._failure = f"the replica was closed when a step failed: {type(error).__name__}: {error}"
            journal.failed(self._url, error)
            self.close()
            raise

    def _refuse_in_callback(self, done: str) -> None:
        if self._opened is not None and self._opened.store.in_callback:
            raise CallbackError(
                f"the client was {done} inside one of its own callbacks",
                hint="a callback may ask for a stop; everything else has to wait until it has returned",
            )

    def refresh(self) -> int:
        """Call `step` until the refresh is complete.

        Returns:
            The number of entries in the copy.
        """
        while not self._begun or self.refreshing:
            if not self.step():
                break
        return len(self.entries)

    def verify(self, *, repair: bool = False) -> Report:
        """Compare the copy with what the server holds, without relying on the cookie; tells what was found.

        A difference counts only if it is still there after the stream has passed it.  A replica that is open completes
        a refresh in progress first; one that is not connects for this alone, and neither searches nor applies what the
        stream has to tell.

        Args:
            repair: whether to make the copy equal, in one transaction; the listener is told of each change with
                `Origin.VERIFICATION`.  Nothing is repaired while a refresh is held.

        Raises:
            UsageError: there is no copy yet, or it is of another search or identity.
            MassDeletionHeld: the repair would delete too much.
        """
        if self._closed:
            raise ClosedError(self._failure or "the client is closed")
        self.open_store()
        link = self.opened.link
        alone = not link.connected
        if not alone:
            self.refresh()
        try:
            with self._session():
                if alone:
                    self.opened.follower.open(link.enter)
                return link.verify(repair=repair)
        except Interrupted:
            raise ClosedError("the replica was stopped") from None
        finally:
            if alone:
                link.disconnect()

    def run(self) -> None:
        """Call `step` until it returns False."""
        while self.step():
            pass

    def follow(self) -> None:
        """Stay in step until `stop` or `finish`, whatever servers and networks do; also opens what is not open yet.

        A connection that cannot be made or breaks is made again, with a provider that was not tried yet at once, or
        else after a wait; see `Backoff`.  In between the copy stays as it was, and the data file open.  With refresh
        only it is one refresh that is not given up.

        Raises:
            InvalidCredentials: a wrong password does not get better, and trying it again may lock the account.
            SyncreplError: something else that does not get better by itself; the replica is closed.
        """
        while self.follow_step():
            pass

    def follow_step(self, timeout: float = 3.0) -> bool:
        """Do a part of `follow`: handle what has arrived, or get connected again.

        Args:
            timeout: how many seconds to wait at most; connecting takes as long as the timeouts of the replica let it.

        Returns:
            Whether to go on calling.
        """
        if not self._closed:
            self.open_store()
            self._begun = True
        return self._step(lambda: self.opened.follower.step(timeout))

    def finish(self) -> None:
        """End once a refresh in progress is complete: go on with `step` until it returns False.

        For any thread and for signal handlers.
        """
        self._finish_asked = True
        self.wake()

    def stop(self) -> None:
        """Make `step` return False at once and drop a refresh in progress; for any thread and for signal handlers."""
        self._stop_asked = True
        self.wake()

    def wake(self) -> None:
        """Make a `step` that waits return; for any thread and for signal handlers."""
        opened = self._opened
        if opened is not None:
            opened.link.wake()

    # --- what is here -------------------------------------------------------------------------------------------------

    @property
    def url(self) -> LDAPUrl:
        """The search that the copy is of."""
        if self._url is None:
            raise ClosedError("the replica was not opened yet")
        return self._url

    @property
    def opened(self) -> Opened:
        """What stands behind it; for the fronts."""
        if self._opened is None:
            raise ClosedError("the replica is not open")
        return self._opened

    @property
    def store(self) -> Store:
        """The store; for the fronts."""
        return self.opened.store

    @property
    def entries(self) -> Entries:
        """The copy as a read-only mapping of DN, in any spelling, to attributes."""
        return self.store.entries

    @property
    def refreshing(self) -> bool:
        """Whether a refresh is in progress."""
        return self._opened is not None and self._opened.link.refreshing
