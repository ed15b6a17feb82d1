"""`Endpoint`: answers who watches the service, over HTTP, in a thread of its own.

It knows no page: it is given them.  Whoever can reach the port may ask, so it is made for the worst of them: it only
reads, takes small requests, gives each connection its seconds and no more, and holds few of them.  If there are too
many, the oldest is closed, so that those who are slow on purpose do not keep the others out.

One thread does it all without ever waiting for one client; what it calls must be quick.

Facts that shaped it:

* ``http.server`` counts its seconds anew with each octet, so to it a client that sends one at a time is never too slow;
  and it starts a thread for each that comes.
* A connection that is closed while something is unread is reset, and the client may lose the answer; so it is read to
  its end first.
"""

from __future__ import annotations

import select
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import UsageError
from syncrepl_client.service.exchange import complete, respond

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from syncrepl_client.service.exchange import Page

__all__ = ["Endpoint"]

_MOST_CONNECTIONS: Final = 32
# How many seconds a connection lasts at most.
_PATIENCE: Final = 5.0
_CHUNK: Final = 65536
_LAST_PORT: Final = 65535
# Milliseconds to wait for files to be closed.
_REST: Final = 100


class Endpoint:
    """Answers at one address.

    Use it as a context manager, or call `open` and `close`.

    Args:
        host: the address or name to listen at, without brackets; the default is for this machine alone.
        port: the port; 0 for one that is free.
        pages: what there is, by path; each is called in the thread of the endpoint.
        patience: how many seconds a connection lasts at most.
    """

    def __init__(
        self,
        host: str,
        port: int,
        pages: Mapping[str, Page],
        *,
        patience: float = _PATIENCE,
    ) -> None:
        self._host = host
        self._port = port
        self._pages = pages
        self._patience = patience
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        # Written to by `close`; read by the thread.
        self._stop: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it listens, while it is open."""
        if self._listener is None:
            raise UsageError("the endpoint is not open")
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def open(self) -> Self:
        """Listen, and answer from here on.

        Raises:
            UsageError: it cannot listen there.
        """
        self._listener = _listen(self._host, self._port)
        self._stop, stopped = socket.socketpair()
        serving = _Serving(self._listener, stopped, self._pages, self._patience)
        self._thread = threading.Thread(target=serving.run, name="endpoint", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop at once; harmless if it is not open."""
        if self._stop is not None and self._thread is not None and self._listener is not None:
            self._stop.close()
            self._thread.join()
            self._listener.close()
            self._stop = self._thread = self._listener = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _listen(host: str, port: int) -> socket.socket:
    """Listen at the first address of a host that can be."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    hint = "another program listens there, or it is no address of this machine: choose another one"
    if not 0 <= port <= _LAST_PORT:
        raise UsageError(f"cannot listen at {where}: there is no such port", hint=f"the last one is {_LAST_PORT}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot listen at {where}: {error}", hint=hint) from error
    reasons = []
    for family, _, _, _, address in found:
        try:
            # The unspecified address of IPv6 means both kinds of them, as other servers have it.
            both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
            return socket.create_server(address, family=family, backlog=128, dualstack_ipv6=both)
        except OSError as error:
            reasons.append(error)
    raise UsageError(f"cannot listen at {where}: {reasons[0].strerror or reasons[0]}", hint=hint) from reasons[0]


class _Connection:
    """One client: its request comes in, the answer goes out, the rest is read and forgotten.

    Args:
        sock: the connection.
        until: when it ends at the latest, on the monotonic clock.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until
        self._request = b""
        self._answer: memoryview | None = None

    def step(self, pages: Mapping[str, Page]) -> int | None:
        """Go on as far as it goes; returns what to wait for, None at the end."""
        if self._answer is None:
            part = self.sock.recv(_CHUNK)
            self._request += part
            if not part:
                return None
            if not complete(self._request):
                return selectors.EVENT_READ
            self._answer = memoryview(respond(self._request, pages))
        if self._answer:
            self._answer = self._answer[self.sock.send(self._answer) :]
            if self._answer:
                return selectors.EVENT_WRITE
            self.sock.shutdown(socket.SHUT_WR)
            return selectors.EVENT_READ
        return selectors.EVENT_READ if self.sock.recv(_CHUNK) else None


class _Serving:
    """The thread of an endpoint."""

    def __init__(
        self,
        listener: socket.socket,
        stopped: socket.socket,
        pages: Mapping[str, Page],
        patience: float,
    ) -> None:
        self._listener = listener
        self._stopped = stopped
        self._pages = pages
        self._patience = patience
        # The oldest first.
        self._connections: dict[_Connection, None] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Answer until it is stopped."""
        self._listener.setblocking(False)  # noqa: FBT003 - the standard library's
        self._selector.register(self._stopped, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        try:
            while self._round():
                pass
        finally:
            for one in list(self._connections):
                self._end(one)
            self._selector.close()
            self._stopped.close()

    def _round(self) -> bool:
        """Do what can be done; returns whether to go on."""
        first = next(iter(self._connections), None)
        wait = None if first is None else max(0.0, first.until - time.monotonic())
        for key, _ in self._selector.select(wait):
            if key.fileobj is self._stopped:
                return False
            if key.fileobj is self._listener:
                self._accept()
            elif key.data in self._connections:
                self._step(key.data)
        now = time.monotonic()
        for one in [one for one in self._connections if one.until <= now]:
            self._end(one)
        return True

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            # The client has gone, or there are too many open files; the others go on.
            self._make_room()
            return
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._make_room()
        sock.setblocking(False)  # noqa: FBT003 - the standard library's
        one = _Connection(sock, time.monotonic() + self._patience)
        self._connections[one] = None
        self._selector.register(sock, selectors.EVENT_READ, one)

    def _make_room(self) -> None:
        oldest = next(iter(self._connections), None)
        if oldest is not None:
            self._end(oldest)
        else:
            # It would be tried again at once.
            poller = select.poll()
            poller.register(self._stopped, select.POLLIN)
            poller.poll(_REST)

    def _step(self, one: _Connection) -> None:
        try:
            event = one.step(self._pages)
        except OSError:
            event = None
        if event is None:
            self._end(one)
        else:
            self._selector.modify(one.sock, event, one)

    def _end(self, one: _Connection) -> None:
        del self._connections[one]
        self._selector.unregister(one.sock)
        one.sock.close()
