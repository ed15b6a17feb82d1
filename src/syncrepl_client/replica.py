"""`Replica`: a durable local copy of one search, as programs use it.

It lets a link to a provider work on the data file, once or for ever, and closes both when something goes wrong that
does not get better.  Nothing of the protocol and no SQL is here.

This module is longer than others: it is the one face that the package has for programs, and each method of it is a few
lines that lead to what does the work.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, Unpack

from syncrepl_client.connection.listener import AnyListener
from syncrepl_client.exceptions import (
    CallbackError,
    ClosedError,
    ConnectionLost,
    Interrupted,
    LDAPUrlConflict,
    UsageError,
)
from syncrepl_client.model import Refreshed, SyncreplMode
from syncrepl_client.subscription import Subscription, begin, checked

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from types import TracebackType
    from uuid import UUID

    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.model import Change, Report
    from syncrepl_client.opening import Opened
    from syncrepl_client.options import Options
    from syncrepl_client.reader import Reader, Status
    from syncrepl_client.store.entries import Entries
    from syncrepl_client.store.past import Past
    from syncrepl_client.store.position import Position, Start
    from syncrepl_client.store.store import Store
    from syncrepl_client.subscription import Wait

__all__ = ["Replica"]


class Replica:
    """A durable local copy of one LDAP search that stays in step with the server.

    Use it as a context manager, or call `connect`, or `follow`, and `close`.  All calls but `stop`, `finish`, `retry`
    and `wake` belong to one thread.

    Args:
        url: the server and the search, as text or parsed (also by python-ldap's ``ldapurl``); None means the one
            stored in the data file.
        path: the data file; a folder gets a ``syncrepl.db`` in it.
        mode: whether to end when the refresh is complete or to go on listening.
        listener: an object with any of the methods ``bound(connection)``, ``change(change, cursor)``,
            ``refresh_done(entries, cursor)`` and ``cookie(cookie)``, of which all but the first are called inside the
            transaction that makes the change durable, and raising in them undoes it; ``debug(message)``; and, while it
            follows, ``disconnected(error, *, url, delay, attempt)`` and ``connected(url)``.  If it has a true
            attribute ``by_name`` it is told so that it can follow entries by the spelling of their names alone.
        options: everything else; see `Options`.
    """

    def __init__(
        self,
        url: str | LDAPUrl | SupportsUnparse | None,
        path: str | os.PathLike[str],
        *,
        mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
        listener: object | None = None,
        **options: Unpack[Options],
    ) -> None:
        from syncrepl_client.ldap import url as urls
        from syncrepl_client.opening import settings_of
        from syncrepl_client.store.files import data_file

        try:
            self._url = None if url is None else urls.of(url)
            self.path = data_file(path)
            self.mode = SyncreplMode(mode)
            self._settings = settings_of(self.mode, **options)
        finally:
            # Tools print the variables of a traceback: no password may be among them.
            del url, options
        self._listener = None if listener is None else AnyListener(listener)
        self._opened: Opened | None = None
        # Whether it was ever told to connect.
        self._begun = False
        self._stop_asked = False
        self._finish_asked = False
        self._closed = False
        # Held while a thread works with the connection and the file, which two at once would break.
        self._busy = threading.RLock()
        # What ended the session, if anything did.
        self._failure = ""
        # Where `changes` begins.
        self._since: Position | None = None

    @classmethod
    def open(
        cls,
        url: str | LDAPUrl | SupportsUnparse | None,
        path: str | os.PathLike[str],
        *,
        mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
        listener: object | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Make a replica and connect it; see `Replica` and `connect`."""
        try:
            replica = cls(url, path, mode=mode, listener=listener, **options)
        finally:
            del url, options
        return replica.connect()

    # --- life ---------------------------------------------------------------------------------------------------------

    def connect(self) -> Self:
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
            self._tell_failure(error)
            self.close()
            raise
        return self

    def check(self) -> None:
        """Find out whether what was said can be, as far as that is known before anything is opened.

        Raises:
            UsageError: it contradicts itself.
            CleartextPassword: a password would go over the network in clear.
        """
        if self._url is not None:
            self._settings.check(self._url, self.path)

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
            store = self._opened.store
            # What is loaded first comes as a snapshot.
            self._since = store.end_of_log() if store.whole else None

    def refuse_another_search(self) -> None:
        """Refuse a data file that holds a copy of another search than the URL names; by itself a replica reads it anew.

        Raises:
            LDAPUrlConflict: base, scope, filter or attributes differ.
        """
        from syncrepl_client.ldap import url as urls

        state = self.store.state()
        # Where there is no copy yet the former URL was mistyped, perhaps.
        if state.whole and state.url is not None and urls.parse(state.url).search_url() != self.url.search_url():
            raise LDAPUrlConflict(state.url, str(self.url))

    def close(self) -> None:
        """Disconnect and close the data file.  A refresh in progress is dropped."""
        self._refuse_in_callback("closed")
        if not self._busy.acquire(blocking=False):
            # Another thread is in the middle of a step; it ends there.
            self.stop()
            self._busy.acquire()
        try:
            self._closed = True
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()
        finally:
            self._busy.release()

    def __enter__(self) -> Self:
        return self if self.begun else self.connect()

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
        if not self._busy.acquire(blocking=False):
            raise UsageError(
                "another thread uses the replica", hint="one thread keeps it in step; others use Reader and subscribe"
            )
        try:
            self._refuse_in_callback("used")
            try:
                with self.store.working():
                    yield
            except Interrupted:
                raise
            except BaseException as error:
                self._failure = f"the replica was closed when a step failed: {type(error).__name__}: {error}"
                self._tell_failure(error)
                self.close()
                raise
        finally:
            self._busy.release()

    def _tell_failure(self, error: BaseException) -> None:
        from syncrepl_client.consumer import journal

        journal.failed(self._url, error)

    def _refuse_in_callback(self, done: str) -> None:
        if self._opened is not None and self._opened.store.in_callback:
            raise CallbackError(
                f"the client was {done} inside one of its own callbacks",
                hint="a callback may ask for a stop; everything else has to wait until it has returned",
            )

    def refresh(self) -> Refreshed:
        """Call `step` until the refresh is complete; with refresh only, each call after the first makes another one.

        Returns:
            How many entries there are now, and what the refresh that was completed last has changed.
        """
        self.begin_refresh()
        while not self._begun or self.refreshing:
            if not self.step():
                break
        return self.refreshed()

    def begin_refresh(self) -> None:
        """Search again if the last search has ended, as one with refresh only does; for the fronts."""
        link = self.opened.link if self._begun and not self._closed else None
        if link is not None and link.finished and self.mode is SyncreplMode.REFRESH_ONLY:
            # One that is interrupted was stopped: `step` will say so.
            with suppress(Interrupted), self._session():
                try:
                    link.again()
                except ConnectionLost:
                    # Servers close connections that nobody uses.
                    link.disconnect()
                    self.opened.follower.open(link.connect)

    def refreshed(self) -> Refreshed:
        """Tell what `refresh` does, when it is complete; for the fronts."""
        return Refreshed(len(self.entries), **self.opened.link.counts)

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

    def retry(self) -> None:
        """Let `follow` and `follow_step` connect at once if they wait before another try; otherwise nothing happens.

        For any thread and for signal handlers.
        """
        opened = self._opened
        if opened is not None:
            opened.follower.hurry()
            opened.link.wake()

    def wake(self) -> None:
        """Make a `step` that waits return; for any thread and for signal handlers."""
        opened = self._opened
        if opened is not None:
            opened.link.wake()

    # --- changes ------------------------------------------------------------------------------------------------------

    def changes(
        self, *, kinds: Iterable[type[Change]] = (), reconnect: bool = False, snapshot: bool = True
    ) -> Subscription:
        """Iterate over the changes from the opening of the replica on, each after its commit, once.

        A copy that is loaded the first time comes as a snapshot, each entry as `Added`.  The iteration synchronizes
        while nothing is new; it ends when there is nothing more to do, as `step` does.

        Args:
            kinds: the kinds of change to tell of, such as ``(Added, Deleted)``; all if there are none.
            reconnect: whether to stay in step whatever servers and networks do, as `follow` does.
            snapshot: whether to tell of the entries of a first load.

        Raises:
            UsageError: the replica keeps no changelog, or there is no such kind of change.
        """
        kinds = checked(kinds)
        self._open_for_changes(reconnect=reconnect)
        since = self._since
        if since is None and not snapshot:
            since = self.store.end_of_log()
        return Subscription(self.store.log.feed(since), None, kinds, self._waiting(reconnect=reconnect), self.wake)

    def subscribe(
        self,
        name: str,
        *,
        start: Start = "snapshot",
        restart: bool = False,
        kinds: Iterable[type[Change]] = (),
        reconnect: bool = False,
    ) -> Subscription:
        """Iterate over the changes from where the last reader of that name has stopped, each at least once, in order.

        The iteration synchronizes while nothing is new; in another thread or process use `syncrepl_client.subscribe`.

        Args:
            name: under which the position is stored; each name has one reader at a time.
            start: where it begins the first time: ``"snapshot"``, with each entry of the copy as `Added`; ``"now"``;
                or after the change of a number.
            restart: whether to begin there again although the name is known.
            kinds: the kinds of change to tell of, such as ``(Added, Deleted)``; all if there are none.
            reconnect: whether to stay in step whatever servers and networks do, as `follow` does.

        Raises:
            UsageError: the replica keeps no changelog, or there is no such kind of change.
            ChangesLost: changes that it has not read are not in the changelog any more.
        """
        kinds = checked(kinds)
        self._open_for_changes(reconnect=reconnect)
        wait = self._waiting(reconnect=reconnect)
        return begin(self.path, name, start, wait, self.wake, restart=restart, kinds=kinds)

    def _open_for_changes(self, *, reconnect: bool) -> None:
        if self._closed:
            raise ClosedError(self._failure or "the client is closed")
        if self._settings.changelog is None:
            raise UsageError("this replica keeps no changelog", hint="leave changelog=None out")
        self.open_store()
        if not self._begun and not reconnect:
            self.connect()

    def _waiting(self, *, reconnect: bool) -> Wait:
        """Return what a reader does while nothing is new: synchronize."""

        def wait(seconds: float, stopped: threading.Event) -> bool:
            if self._closed and not self._failure:
                # Whoever closed it has read enough.
                return False
            return (self.follow_step if reconnect else self.step)(seconds) and not stopped.is_set()

        return wait

    def status(self) -> Status:
        """Tell what the data file says of itself, its changelog and who reads that."""
        return self._reader().status()

    def history(self, which: str | UUID) -> Iterator[Change]:
        """Iterate over the logged changes of an entry, by its UUID or a name that it has or had; see `Reader`."""
        return self._reader().history(which)

    def at(self, when: datetime | int) -> Past:
        """Return the copy as it was at a time, or after the change of a number; see `Reader`."""
        return self._reader().at(when)

    def _reader(self) -> Reader:
        self.open_store()
        return self.opened.reader

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
    def begun(self) -> bool:
        """Whether it was ever told to connect; for the fronts."""
        return self._begun

    @property
    def lag(self) -> float | None:
        """For how many seconds, at the most, the copy has lacked what the provider has; None if that is not known.

        It is known of OpenLDAP alone, and with the option ``lag_every``, from the first answer on.  For any thread.
        """
        opened = self._opened
        return None if opened is None else opened.link.lag.seconds

    @property
    def refreshing(self) -> bool:
        """Whether a refresh is in progress; for any thread."""
        opened = self._opened
        return opened is not None and opened.link.refreshing
