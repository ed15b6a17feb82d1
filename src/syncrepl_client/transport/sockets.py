"""Blocking sockets: ``ldap://``, ``ldaps://``, ``ldapi://`` and StartTLS.

Reading is paced during a refresh: taking what arrives in large pieces leaves the server more of the machine than taking
each packet at once, and is faster on the whole.  Certificates are verified against the system's authorities.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ConnectionFailed, ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.ldap.url import LDAPUrl

__all__ = ["SocketTransport", "connect"]

_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
_BATCH: Final = 1024 * 1024
_SMALL: Final = 256 * 1024
_PAUSE: Final = 0.003
# Seconds of silence until the first question, and between questions; how many; milliseconds for what was sent.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6, "TCP_USER_TIMEOUT": 120_000}


def connect(url: LDAPUrl, *, timeout: float = 30.0, context: ssl.SSLContext | None = None) -> SocketTransport:
    """Connect to the server that a URL names.

    Args:
        url: where to; a scheme ``ldaps`` encrypts from the first byte.
        timeout: seconds for the connection and for the TLS handshake, each.
        context: how to verify certificates; the default verifies name and chain.

    Raises:
        ConnectionFailed: the host is unknown, refuses, does not answer, or its certificate is not right.
    """
    where = url.socket_path if url.scheme == "ldapi" else f"{url.host}:{url.port}"
    try:
        if url.scheme == "ldapi":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(timeout)
                sock.connect(url.socket_path)
            except BaseException:
                sock.close()
                raise
        else:
            sock = socket.create_connection((url.host or "localhost", url.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(sock)
    except socket.gaierror as error:
        raise ConnectionFailed(f"cannot find the host {url.host!r}: {error.strerror}", hint="check its name") from error
    except OSError as error:
        raise ConnectionFailed(
            f"cannot connect to {where}: {error.strerror or error}",
            hint="check that the server runs, its port, and that no firewall is in between",
        ) from error
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    transport = SocketTransport(sock, where, timeout, context)
    if url.scheme == "ldaps":
        transport.start_tls(url.host or "localhost")
    return transport


def _keep_alive(sock: socket.socket) -> None:
    """Let the kernel ask whether the peer is still there: who only listens would never know."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # Not every system has all of them.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class SocketTransport:
    """A connected socket.

    Args:
        sock: the socket.
        where: its peer, for messages.
        timeout: seconds that sending, or the TLS handshake, may take.
        context: how to verify certificates.
    """

    def __init__(self, sock: socket.socket, where: str, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self._sock = sock
        self._where = where
        self._timeout = timeout
        self._context = context
        sock.settimeout(0)
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)

    def start_tls(self, hostname: str) -> None:
        """Encrypt the stream from here on; see `Transport.start_tls`."""
        context = self._context or ssl.create_default_context()
        try:
            self._sock.settimeout(self._timeout)
            self._sock = context.wrap_socket(self._sock, server_hostname=hostname)
            self._sock.settimeout(0)
        except OSError as error:
            self.close()
            raise ConnectionFailed(
                f"no encrypted connection to {self._where}: {getattr(error, 'verify_message', '') or error}",
                hint="the certificate must be for the name in the URL, from an authority that this system knows",
            ) from error

    def send(self, data: bytes) -> None:
        """Send all of `data`; see `Transport.send`."""
        try:
            self._sock.settimeout(self._timeout)
            self._sock.sendall(data)
            self._sock.settimeout(0)
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
        with _woken_by_signals(self._wake_writer):
            ready = [fd for fd, _ in poller.poll(max(0.0, timeout) * 1000)]
        if self._wake_reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)
            return False
        return bool(ready)

    def wake(self) -> None:
        """End a `read` that waits; see `Transport.wake`."""
        with contextlib.suppress(OSError):
            os.write(self._wake_writer, b"\0")

    def close(self) -> None:
        """Close the socket."""
        if self._sock.fileno() < 0:
            return
        self._sock.close()
        for pipe in (self._wake_reader, self._wake_writer):
            os.close(pipe)

    def _lost(self, error: OSError) -> ConnectionLost:
        return ConnectionLost(
            f"the connection to {self._where} broke: {error.strerror or error}",
            hint="start again: the client resumes where it was",
        )


@contextlib.contextmanager
def _woken_by_signals(pipe: int) -> Iterator[None]:
    """Let a signal write to a pipe.

    A signal that comes right before the process begins to wait does not end the waiting, and its handler runs after it.
    """
    if threading.current_thread() is not threading.main_thread():
        # Handlers run in the main thread alone.
        yield
        return
    former = signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)
    try:
        if former >= 0:
            # An event loop waits for signals by its own pipe.
            signal.set_wakeup_fd(former)
        yield
    finally:
        signal.set_wakeup_fd(former)
