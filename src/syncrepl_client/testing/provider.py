"""`Provider`: a small LDAP directory that speaks RFC 4533, for tests.

It lives in the test's own process, keeps its entries in memory and listens on a port of the loopback interface.  It
shares the codec with the client and none of its logic.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages
from syncrepl_client.testing import script, wire
from syncrepl_client.testing.backend import Backend
from syncrepl_client.testing.connection import Connection
from syncrepl_client.testing.directory import Directory, octets_of
from syncrepl_client.testing.requests import Search
from syncrepl_client.testing.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from uuid import UUID

    from syncrepl_client.testing.directory import Values
    from syncrepl_client.testing.requests import SyncRequest
    from syncrepl_client.testing.script import Step

__all__ = ["Provider"]

_LOOPBACK: Final = "127.0.0.1"
_ALL_OPERATIONAL: Final = "1.3.6.1.4.1.4203.1.5.1"
_SUBTREE: Final = 2


class Provider:
    """A directory server; ``with`` starts and stops it.

    The entry at the suffix is there from the beginning.  Writes may come from any thread, before and while it serves,
    and clients that listen hear of them at once.  There is no schema and no access control.

    Args:
        suffix: DN of the top entry.
        bind_dn: who a client must bind as; without it everybody is welcome, by any name and password.
        password: the password of `bind_dn`.
        root_dse: attributes of the root DSE that differ from those of an OpenLDAP server; no values remove one.  What
            ``supportedControl`` and ``supportedExtension`` do not name is not done either.
        session_log: whether a client that comes back is told who was deleted, as by ``syncprov-sessionlog``, rather
            than who is still present.  It may be changed at any time.
        server_id: the provider's number, which stands in its cookies and CSNs.
        cancel_result: what Cancel is answered with: 0 ends the search, with another result code it goes on, and None is
            no answer at all.
    """

    def __init__(
        self,
        suffix: str = "dc=example,dc=com",
        *,
        bind_dn: str | None = None,
        password: str = "",
        root_dse: Mapping[str, Values] | None = None,
        session_log: bool = False,
        server_id: int = 0,
        cancel_result: int | None = 0,
    ) -> None:
        self.suffix = suffix
        self._backend = Backend(
            Directory(suffix, server_id=server_id),
            root_dse=_root_dse(suffix, root_dse or {}),
            credentials=None if bind_dn is None else (bind_dn, password.encode()),
            session_log=session_log,
            server_id=server_id,
            cancel_result=cancel_result,
        )
        # The port stays the same when the provider is started again.
        self._port = 0
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._lock = threading.Lock()
        self._connections: list[Connection] = []

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; the first time on any free port, later on the same one.

        Raises:
            UsageError: it listens already.
        """
        if self._listener is not None:
            raise UsageError("the provider runs already")
        self._listener = socket.create_server((_LOOPBACK, self._port))
        self._port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()
        return self

    def stop(self) -> None:
        """Close all connections and stop listening; what it holds stays."""
        listener, self._listener = self._listener, None
        if listener is None or self._acceptor is None:
            return
        with contextlib.suppress(OSError):
            # Not every system ends an accept that waits when its socket is shut.
            socket.create_connection((_LOOPBACK, self._port)).close()
        self._acceptor.join()
        listener.close()
        self.disconnect()

    def disconnect(self, *, notice: int | None = None, diagnostic: str = "") -> None:
        """Close all connections.

        Args:
            notice: the result code of a notice of disconnection to send before.
            diagnostic: the text in it.
        """
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            if notice is not None:
                connection.send(wire.disconnection(notice, diagnostic))
                connection.finish()
            else:
                connection.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            if self._listener is None:
                sock.close()
                return
            self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        service = Service(self._backend, connection)
        with self._lock:
            # Whoever is gone is kept until here, so that `stop` can wait for each thread to its very end.
            self._connections = [*(one for one in self._connections if one.is_open), connection]
        connection.start(service.received, service.closed)

    @property
    def url(self) -> str:
        """The address, without a search.

        Raises:
            UsageError: the provider was never started, so it has no port yet.
        """
        if not self._port:
            raise UsageError("the provider was not started", hint="use it in a with statement, or call start")
        return f"ldap://{_LOOPBACK}:{self._port}"

    # --- the directory ------------------------------------------------------------------------------------------------

    def add(self, dn: str, attributes: Mapping[str, Values], *, uuid: UUID | None = None) -> UUID:
        """Add an entry; an objectClass and the values of its RDN are added where they are not given.

        Returns:
            Its entryUUID.

        Raises:
            UsageError: the name is taken, or its parent is missing.
        """
        return self._backend.write(lambda directory: directory.add(dn, attributes, uuid)).uuid

    def modify(self, dn: str, changes: Mapping[str, Values]) -> None:
        """Give attributes other values, in one operation; no values remove an attribute.

        Raises:
            UsageError: there is no such entry.
        """
        self._backend.write(lambda directory: directory.modify(dn, changes))

    def replace(self, dn: str, attribute: str, values: Values) -> None:
        """Give one attribute other values; see `modify`."""
        self.modify(dn, {attribute: values})

    def rename(self, dn: str, new_dn: str, *, delete_old: bool = True) -> None:
        """Give an entry another name, and what is below it with it; clients hear of the entry alone.

        Raises:
            UsageError: there is no such entry, or the new name cannot be had.
        """
        self._backend.write(lambda directory: directory.rename(dn, new_dn, delete_old=delete_old))

    def delete(self, dn: str) -> None:
        """Delete an entry that has none below it.

        Raises:
            UsageError: there is no such entry, or there are entries below it.
        """
        self._backend.write(lambda directory: directory.delete(dn))

    def search(
        self,
        base: str | None = None,
        scope: int = _SUBTREE,
        filter: str = "(objectClass=*)",  # noqa: A002 - LDAP's word
        attributes: Iterable[str] = (),
    ) -> dict[str, dict[str, list[bytes]]]:
        """Return what a client would find, by DN; what a copy is compared with."""
        base = self.suffix if base is None else base
        return self._backend.found(Search(base, scope, filters.parse(filter), tuple(attributes)))

    @property
    def session_log(self) -> bool:
        """Whether a client that comes back is told who was deleted."""
        return self._backend.session_log

    @session_log.setter
    def session_log(self, kept: bool) -> None:
        self._backend.session_log = kept

    @property
    def cookie(self) -> bytes:
        """The cookie that a client has that is up to date and sent none."""
        return self._backend.cookie()

    # --- scripts ------------------------------------------------------------------------------------------------------

    def script(self, *steps: Step, times: int = 1) -> None:
        """Let steps answer the next sync searches, after those that scripts wait for already; see `testing.script`."""
        self._backend.script(steps, times)

    def replay(self, recorded: bytes | str | Path, *, times: int = 1) -> None:
        """Let what a real server once sent answer the next sync searches; see `script.replay`."""
        self.script(script.replay(recorded), times=times)

    # --- what clients sent --------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[SyncRequest]:
        """The sync requests so far, oldest first."""
        return self._backend.requests(0, 0)

    def wait_for_requests(self, count: int, *, timeout: float = 10.0) -> list[SyncRequest]:
        """Wait until there are so many sync requests, and return them.

        Raises:
            TimeoutError: there are not enough in time.
        """
        return self._backend.requests(count, timeout)


def _root_dse(suffix: str, changes: Mapping[str, Values]) -> dict[str, list[bytes]]:
    attributes: dict[str, Values] = {
        "objectClass": ["top", "OpenLDAProotDSE"],
        "namingContexts": suffix,
        "supportedControl": [controls.SYNC_REQUEST, messages.MANAGE_DSA_IT],
        "supportedExtension": [messages.WHO_AM_I, messages.CANCEL],
        "supportedFeatures": _ALL_OPERATIONAL,
        "supportedLDAPVersion": "3",
    }
    attributes.update(changes)
    encoded = {name: octets_of(values) for name, values in attributes.items()}
    return {name: values for name, values in encoded.items() if values}
