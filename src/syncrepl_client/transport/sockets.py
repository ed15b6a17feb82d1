"""Blocking sockets: ``ldap://``, ``ldaps://``, ``ldapi://`` and StartTLS.

Reading is paced during a refresh: taking what arrives in large pieces leaves the server more of the machine than taking
each packet at once, and is faster on the whole.  Certificates are verified against the system's authorities.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from syncrepl_client.exceptions import ConnectionFailed, ConnectionLost, Interrupted
from syncrepl_client.transport.waking import woken_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.url import LDAPUrl

__all__ = ["SocketTransport", "connect"]

_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
_BATCH: Final = 1024 * 1024
_SMALL: Final = 256 * 1024
_PAUSE: Final = 0.003
# How long a stop may go unnoticed while connecting, in seconds.
_SLICE: Final = 0.05
# Seconds of silence until the first question, and between questions; how many; milliseconds for what was sent.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6, "TCP_USER_TIMEOUT": 120_000}

_T = TypeVar("_T")


def connect(
    url: LDAPUrl,
    *,
    timeout: float = 30.0,
    context: ssl.SSLContext | None = None,
    stopping: Callable[[], bool] = bool,
) -> SocketTransport:
    """Connect to the server that a URL names.

    Args:
        url: where to; a scheme ``ldaps`` encrypts from the first byte.
        timeout: seconds for the connection and for the TLS handshake, each.
        context: how to verify certificates; the default verifies name and chain.
        stopping: tells whether a stop was asked for.

    Raises:
        ConnectionFailed: the host is unknown, refuses, does not answer, or its certificate is not right.
        Interrupted: a stop was asked for.
    """
    where = url.socket_path if url.scheme == "ldapi" else f"{url.host}:{url.port}"
    try:
        sock = _first_connected(_addresses(url), _Patience(timeout, stopping))
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", "") or error
        raise ConnectionFailed(f"cannot find the host {url.host!r}: {reason}", hint="check its name") from error
    except OSError as error:
        raise ConnectionFailed(
            f"cannot connect to {where}: {error.strerror or error}",
            hint="check that the server runs, its port, and that no firewall is in between",
        ) from error
    transport = SocketTransport(sock, where, timeout, context, stopping)
    if url.scheme == "ldaps":
        transport.start_tls(url.host or "localhost")
    return transport


_Address = tuple[int, object]
"""An address family and an address of it."""


def _addresses(url: LDAPUrl) -> list[_Address]:
    if url.scheme == "ldapi":
        return [(socket.AF_UNIX, url.socket_path)]
    found = socket.getaddrinfo(url.host or "localhost", url.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def _first_connected(addresses: list[_Address], patience: _Patience) -> socket.socket:
    """Connect to the first address that accepts."""
    for number, (family, address) in enumerate(addresses, 1):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(0)
            if family != socket.AF_UNIX:
                _prepare(sock)
            _connect(sock, address, patience)
        except OSError:
            sock.close()
            if number == len(addresses):
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise OSError("the name has no address")


def _prepare(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if _may_have(_RECEIVE_BUFFER):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    # The kernel asks whether the peer is still there: who only listens would never know.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system has all of them.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _connect(sock: socket.socket, address: object, patience: _Patience) -> None:
    code = sock.connect_ex(address)  # type: ignore[arg-type]  # of the family's own form
    if code in {errno.EINPROGRESS, errno.EAGAIN}:
        patience.wait(sock, select.POLLOUT)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


class _Patience:
    """Waits for a socket, a little at a time, so that a stop is noticed.

    Args:
        timeout: seconds in all.
        stopping: tells whether a stop was asked for.
    """

    def __init__(self, timeout: float, stopping: Callable[[], bool]) -> None:
        self._deadline = time.monotonic() + timeout
        self._stopping = stopping

    def wait(self, sock: socket.socket, event: int) -> None:
        """Wait for an event.

        Raises:
            TimeoutError: it took too long.
            Interrupted: a stop was asked for.
        """
        poller = select.poll()
        poller.register(sock, event)
        while not poller.poll(_SLICE * 1000):
            if self._stopping():
                raise Interrupted
            if time.monotonic() > self._deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _may_have(size: int) -> bool:
    """Tell whether a socket may have a receive buffer of a size.

    Linux grants less without a word, and from then on the buffer does not grow by itself: better left alone.
    """
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii")) >= size
    except (OSError, ValueError):
        return False


class SocketTransport:
    """A connected socket.

    Args:
        sock: the socket.
        where: its peer, for messages.
        timeout: seconds that sending, or the TLS handshake, may take.
        context: how to verify certificates.
        stopping: tells whether a stop was asked for.
    """

    def __init__(
        self,
        sock: socket.socket,
        where: str,
        timeout: float,
        context: ssl.SSLContext | None = None,
        stopping: Callable[[], bool] = bool,
    ) -> None:
        self._sock = sock
        self._where = where
        self._timeout = timeout
        self._context = context
        self._stopping = stopping
        sock.settimeout(0)
        # Sockets rather than a pipe: written to by other threads, they cannot be mistaken for another file once closed.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.settimeout(0)
        self._wake_writer.settimeout(0)

    def start_tls(self, hostname: str) -> None:
        """Encrypt the stream from here on; see `Transport.start_tls`."""
        context = self._context or ssl.create_default_context()
        hint = "the certificate must be for the name in the URL, from an authority that this system knows"
        try:
            self._sock = context.wrap_socket(self._sock, server_hostname=hostname, do_handshake_on_connect=False)
            self._patiently(self._sock.do_handshake)
        except OSError as error:
            self.close()
            if isinstance(error, TimeoutError):
                hint = "the server does not answer; perhaps the port is not one for TLS"
            raise ConnectionFailed(
                f"no encrypted connection to {self._where}: {getattr(error, 'verify_message', '') or error}", hint=hint
            ) from error
        except BaseException:
            self.close()
            raise

    def _patiently(self, step: Callable[[], _T]) -> _T:
        """Do something again until the socket is ready for it."""
        patience = _Patience(self._timeout, self._stopping)
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                patience.wait(self._sock, select.POLLIN)
            except (ssl.SSLWantWriteError, BlockingIOError):
                patience.wait(self._sock, select.POLLOUT)

    def send(self, data: bytes) -> None:
        """Send all of `data`; see `Transport.send`."""
        rest = memoryview(data)
        try:
            while rest:
                piece = rest
                rest = rest[self._patiently(lambda: self._sock.send(piece)) :]  # noqa: B023 - called at once
        except OSError as error:
            raise self._lost(error) from error

    def read(self, timeout: float, *, patient: bool = False) -> bytes | None:
        """Wait for bytes; see `Transport.read`."""
        pieces: list[bytes] = []
        size = 0
        paused = False
        while size < _BATCH:
            piece = self._receive(_BATCH - size)
            if piece is None:
                if not pieces:
                    if not self._wait(timeout):
                        return None
                    timeout = 0
                elif patient and not paused and size < _SMALL:
                    # More is coming: let it gather.
                    time.sleep(_PAUSE)
                    paused = True
                else:
                    break
            elif piece:
                pieces.append(piece)
                size += len(piece)
            elif pieces:
                break
            else:
                raise ConnectionLost(
                    f"{self._where} closed the connection", hint="the server stopped, or ended an idle connection"
                )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _receive(self, size: int) -> bytes | None:
        """Take what is there; None if nothing is, empty at the end of the stream."""
        try:
            return self._sock.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            raise self._lost(error) from error

    def _wait(self, timeout: float) -> bool:
        """Wait until the socket may be read; False after the time, or when woken."""
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        poller.register(self._wake_reader, select.POLLIN)
        with woken_by_signals(self._wake_writer.fileno()):
            ready = [fd for fd, _ in poller.poll(max(0.0, timeout) * 1000)]
        if self._wake_reader.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_reader.recv(4096)
            return False
        return bool(ready)

    def wake(self) -> None:
        """End a `read` that waits; see `Transport.wake`."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def close(self) -> None:
        """Close the socket."""
        for sock in (self._sock, self._wake_reader, self._wake_writer):
            sock.close()

    def _lost(self, error: OSError) -> ConnectionLost:
        return ConnectionLost(
            f"the connection to {self._where} broke: {error.strerror or error}",
            hint="start again: the client resumes where it was",
        )
