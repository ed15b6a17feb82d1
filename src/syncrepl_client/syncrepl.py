"""`Syncrepl`: the class that the project was started from, a thin front on `Replica`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from syncrepl_client.callbacks import CallbackListener
from syncrepl_client.exceptions import ClosedError
from syncrepl_client.log_fields import fields
from syncrepl_client.model import SyncreplMode
from syncrepl_client.replica import Replica

if TYPE_CHECKING:
    import os
    import sqlite3
    from types import TracebackType
    from typing import Any

    from syncrepl_client.db import DBInterface
    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse

__all__ = ["Syncrepl"]

_log = logging.getLogger("syncrepl_client.access")


class Syncrepl:
    """A client for one search: it connects, binds and starts the search at once.

    Args:
        data_path: the local data file; a folder gets a ``syncrepl.db`` in it.
        callback: a class or an instance with any of the methods of `callbacks.BaseCallback`.
        mode: whether to end when the refresh is complete or to go on listening.
        ldap_url: the server and the search; None means the one stored in the data file.
        starttls: whether to encrypt an ``ldap://`` connection before binding.
        reconnect: whether a connection that cannot be made, or breaks, is made again; see `Replica.follow`.
        kwargs: options of `Replica`: ``password``, ``credentials``, ``on_behalf_of``, ``timeouts``, ``tls``,
            ``cleartext_password``, ``progress``, ``trace``, ``max_message``, ``max_deletes``, ``verify_every``,
            ``patience``, ``heartbeat``, ``buffers``, ``providers``, ``srv``, ``backoff``, ``redaction``, and
            ``changelog``, which is None here unless it is given.

    A password that goes over the network in clear is logged as a warning, for older programs rely on it; with
    ``cleartext_password=False`` it is refused, with ``True`` nothing is said.

    Raises:
        LDAPUrlConflict: the data file holds another search.
        SyncreplError: the data file, the connection or the bind failed.
    """

    def __init__(
        self,
        data_path: str | os.PathLike[str],
        callback: object,
        mode: SyncreplMode | str,
        ldap_url: str | LDAPUrl | SupportsUnparse | None = None,
        starttls: bool = False,  # noqa: FBT001, FBT002 - the seed's signature
        *,
        reconnect: bool = False,
        **kwargs: Any,  # noqa: ANN401 - passed on to Replica as they are
    ) -> None:
        self._listener = CallbackListener(callback, self._cursor)
        self._closed = False
        self._reconnect = reconnect
        decided = "cleartext_password" in kwargs
        options = {"cleartext_password": True, "changelog": None, **kwargs}
        try:
            self._replica = Replica(
                ldap_url, data_path, mode=SyncreplMode(mode), listener=self._listener, starttls=starttls, **options
            )
        finally:
            # Tools print the variables of a traceback: no password may be among them.
            del ldap_url
            kwargs.clear()
            options.clear()
        try:
            self._replica.open_store()
            self._replica.refuse_another_search()
            if not decided:
                self._warn_of_clear_text()
            if reconnect:
                self._replica.follow_step(0)
            else:
                self._replica.connect()
        except BaseException:
            self._replica.close()
            raise

    def _warn_of_clear_text(self) -> None:
        for access in self._replica.opened.accesses:
            if access.gives_password_away:
                _log.warning(
                    "the password for %s goes over the network in clear; use StartTLS or ldaps://",
                    access.url.address,
                    extra=fields(what="password-in-clear", url=str(access.url)),
                )

    def _cursor(self) -> sqlite3.Cursor:
        return self._replica.store.database.connection.cursor()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError

    def poll(self, timeout: float = 3.0) -> bool:
        """Handle what has arrived, waiting at most `timeout` seconds for something.

        Without a connection, where it is to be made again, that is waited for; a try may take longer than `timeout`.

        Returns:
            Whether to go on calling; not so when the refresh (refresh only) or the stop (persist) is complete.

        Raises:
            ClosedError: after `unbind`.
            SyncreplError: the session is over.  Whatever `poll` raises, also what a callback raised, closes the client;
                make a new one, which resumes where this one was.
        """
        self._check_open()
        return self._replica.follow_step(timeout) if self._reconnect else self._replica.step(timeout)

    def run(self) -> None:
        """Poll until there is nothing more to do; the target for a thread."""
        self.db_reconnect()
        while self.poll():
            pass

    def please_stop(self) -> None:
        """Ask for a clean end; the only call that is safe from other threads and from signal handlers.

        A refresh in progress is finished first; go on polling until `poll` returns False.
        """
        self._check_open()
        self._replica.finish()

    def sync(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - the seed's signature
        """Do nothing: whatever was called back is durable already."""
        del force
        self._check_open()

    def unbind(self) -> None:
        """Disconnect and close the data file; every later call raises `ClosedError`."""
        self._check_open()
        self._closed = True
        self._replica.close()

    def db(self) -> DBInterface:
        """Return a database handle of the caller's own on the data file."""
        from syncrepl_client.db import DBInterface

        self._check_open()
        return DBInterface(self._replica.path)

    def db_reconnect(self) -> None:
        """Let the calling thread be the one that polls from here on.

        The connection to the data file may be used by one thread after another, so nothing needs to be opened again.
        """
        self._check_open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._closed:
            self.unbind()
