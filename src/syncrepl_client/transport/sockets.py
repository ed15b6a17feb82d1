"""Blocking sockets: ``ldap://``, ``ldaps://``, ``ldapi://`` and StartTLS.

Reading is paced during a refresh: taking what arrives in large pieces leaves the server more of the machine than taking
each packet at once, and is faster on the whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from syncrepl_client.exceptions import ConnectionFailed, ConnectionLost, Interrupted
from syncrepl_client.transport.drain import Drain
from syncrepl_client.transport.encrypted import TLSStream, failure
from syncrepl_client.transport.tls import TLS
from syncrepl_client.transport.waking import woken_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.exceptions import EncryptionFailed
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.transport.base import Encryption
    from syncrepl_client.transport.reservoir import Buffers

__all__ = ["SocketTransport", "connect"]

_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
_BATCH: Final = 1024 * 1024
_SMALL: Final = 256 * 1024
_PAUSE: Final = 0.003
# How long a stop may go unnoticed while connecting, in seconds.
_SLICE: Final = 0.05
# How often the kernel asks whether the peer is still there.
_QUESTIONS: Final = 6

_T = TypeVar("_T")


def connect(
    url: LDAPUrl,
    *,
    timeout: float = 30.0,
    tls_timeout: float = 30.0,
    keepalive: float = 60.0,
    context: ssl.SSLContext | None = None,
    stopping: Callable[[], bool] = bool,
) -> SocketTransport:
    """Connect to the server that a URL names.

    Args:
        url: where to; a scheme ``ldaps`` encrypts from the first byte.
        timeout: seconds for the connection.
        tls_timeout: seconds for the TLS handshake.
        keepalive: seconds of silence until the kernel asks whether the peer is there, and again until it counts as
            gone; 0 leaves it to the system.
        context: how to verify certificates; the default verifies name and chain.
        stopping: tells whether a stop was asked for.

    Raises:
        ConnectionFailed: the host is unknown, refuses or does not answer.
        EncryptionFailed: TLS failed, or its certificate is not right.
        Interrupted: a stop was asked for.
    """
    where = url.address
    try:
        sock = _first_connected(_addresses(url), _Patience(timeout, stopping), keepalive)
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", "") or error
        raise ConnectionFailed(f"cannot find the host {url.host!r}: {reason}", hint="check its name") from error
    except OSError as error:
        raise ConnectionFailed(
            f"cannot connect to {where}: {error.strerror or error}",
            hint="check that the server runs, its port, and that no firewall is in between",
        ) from error
    transport = SocketTransport(sock, where, timeout, context, stopping, tls_timeout=tls_timeout)
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


def _first_connected(addresses: list[_Address], patience: _Patience, keepalive: float) -> socket.socket:
    """Connect to the first address that accepts."""
    for number, (family, address) in enumerate(addresses, 1):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(0)
            if family != socket.AF_UNIX:
                _prepare(sock)
                _keep_alive(sock, keepalive)
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


def _keep_alive(sock: socket.socket, seconds: float) -> None:
    """Let the kernel ask whether the peer is still there: who only listens would never know."""
    if not seconds:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": max(1, round(seconds)),
        "TCP_KEEPINTVL": max(1, round(seconds / _QUESTIONS)),
        "TCP_KEEPCNT": _QUESTIONS,
        # Milliseconds until what was sent must have arrived.
        "TCP_USER_TIMEOUT": round(2000 * seconds),
    }
    for name, value in options.items():
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
        timeout: seconds that sending may take.
        context: how to verify certificates.
        stopping: tells whether a stop was asked for.
        tls_timeout: seconds that the TLS handshake may take.
    """

    def __init__(
        self,
        sock: socket.socket,
        where: str,
        timeout: float,
        context: ssl.SSLContext | None = None,
        stopping: Callable[[], bool] = bool,
        *,
        tls_timeout: float = 30.0,
    ) -> None:
        self._sock = sock
        self._where = where
        self._timeout = timeout
        self._context = context
        self._stopping = stopping
        self._tls_timeout = tls_timeout
        # Takes what arrived from the socket, or from what was taken from it before.
        self._recv: Callable[[int], bytes] = sock.recv
        self._drain: Drain | None = None
        # How the connection broke, if it did.
        self._broken: ConnectionLost | None = None
        # Set once the stream is encrypted.
        self._tls: TLSStream | None = None
        # What was decrypted before anybody asked for it.
        self._early = b""
        # What is encrypted first must be sent first.
        self._sending = threading.Lock()
        sock.settimeout(0)
        # Sockets rather than a pipe: written to by other threads, they cannot be mistaken for another file once closed.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.settimeout(0)
        self._wake_writer.settimeout(0)

    def start_tls(self, hostname: str) -> None:
        """Encrypt the stream from here on; see `Transport.start_tls`."""
        assert self._drain is None  # noqa: S101 - our own guarantee: what came in clear would count as encrypted
        stream: TLSStream | None = None
        try:
            # Wrapping checks the name: nothing of ours is in what it may raise.
            stream = TLSStream(self._context or TLS().make_context(), hostname)
            self._shake_hands(stream)
            self._tls = stream
            # Servers may say something at once.
            self._early = stream.decrypt(b"")
        except OSError as error:
            self.close()
            raise failure(self._where, hostname, error, met=stream is not None and stream.met) from error
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, stream: TLSStream) -> None:
        patience = _Patience(self._tls_timeout, self._stopping)
        data: bytes | None = b""
        complete = False
        while not complete:
            try:
                complete = stream.shake_hands(data)
            except ssl.SSLError:
                # The server is told why we do not believe it.
                with contextlib.suppress(OSError):
                    self._send_raw(stream.outgoing(), patience)
                raise
            self._send_raw(stream.outgoing(), patience)
            if not complete:
                data = self._patiently(lambda: self._sock.recv(_SMALL), patience) or None

    @property
    def encryption(self) -> Encryption | None:
        """How the stream is encrypted; see `Transport.encryption`."""
        return None if self._tls is None else self._tls.describe()

    def _patiently(self, step: Callable[[], _T], patience: _Patience, event: int = select.POLLIN) -> _T:
        """Do something again until the socket is ready for it."""
        while True:
            try:
                return step()
            except BlockingIOError:
                patience.wait(self._sock, event)

    def send(self, data: bytes) -> None:
        """Send all of `data`; see `Transport.send`."""
        patience = _Patience(self._timeout, self._stopping)
        try:
            with self._sending:
                if self._tls is not None:
                    self._tls.encrypt(data)
                    data = self._tls.outgoing()
                self._send_raw(data, patience)
        except OSError as error:
            raise self._lost(error) from error

    def _send_raw(self, data: bytes, patience: _Patience) -> None:
        rest = memoryview(data)
        while rest:
            piece = rest
            sent = self._patiently(lambda: self._sock.send(piece), patience, select.POLLOUT)  # noqa: B023 - called at once
            rest = rest[sent:]

    def read(self, timeout: float, *, patient: bool = False) -> bytes | None:
        """Wait for bytes; see `Transport.read`."""
        if self._drain is None:
            return self._read(timeout, patient=patient)
        self._drain.enter(patient=patient)
        try:
            return self._read(timeout, patient=patient)
        finally:
            self._drain.leave()

    def drain(self, buffers: Buffers) -> None:
        """Take what arrives while nobody reads, from here on; see `Transport.drain`."""
        if self._drain is None:
            self._drain = Drain(self._sock, buffers)
            self._recv = self._drain.recv

    def _read(self, timeout: float, *, patient: bool) -> bytes | None:
        stream = self._tls
        if stream is None:
            return self._read_raw(timeout, patient=patient)
        if self._early:
            early, self._early = self._early, b""
            return early
        deadline = time.monotonic() + timeout
        while not stream.ended:
            data = self._read_raw(max(0.0, deadline - time.monotonic()), patient=patient)
            if data is None:
                return None
            # Nothing comes of a part of a record, or of what is between the two ends of TLS alone.
            plain = stream.decrypt(data)
            if stream.answers:
                self._answer(stream)
            if plain:
                return plain
        raise self._closed() if stream.trouble is None else self._lost(stream.trouble)

    def _answer(self, stream: TLSStream) -> None:
        """Send what TLS itself has to say."""
        with self._sending, contextlib.suppress(OSError):
            # If the connection is broken, reading tells it.
            self._send_raw(stream.outgoing(), _Patience(self._timeout, self._stopping))

    def _read_raw(self, timeout: float, *, patient: bool) -> bytes | None:
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
                raise self._closed()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _receive(self, size: int) -> bytes | None:
        """Take what is there; None if nothing is, empty at the end of the stream, however it ended."""
        try:
            return self._recv(size)
        except BlockingIOError:
            return None
        except OSError as error:
            # What was read before it counts.
            self._broken = self._lost(error)
            self._broken.__cause__ = error
            return b""

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
        """Close the socket; what was taken from it and not read is lost."""
        if self._drain is not None:
            self._drain.close()
        for sock in (self._sock, self._wake_reader, self._wake_writer):
            sock.close()

    def _closed(self) -> ConnectionLost:
        return (
            self._broken
            or self._refusal(None)
            or ConnectionLost(
                f"{self._where} closed the connection", hint="the server stopped, or ended an idle connection"
            )
        )

    def _refusal(self, error: OSError | None) -> EncryptionFailed | None:
        stream = self._tls
        return None if stream is None else stream.refusal(self._where, error, lambda: self._sock.recv(_SMALL))

    def _lost(self, error: OSError) -> ConnectionLost:
        return self._refusal(error) or ConnectionLost(
            f"the connection to {self._where} broke: {error.strerror or error}",
            hint="start again: the client resumes where it was",
        )
