"""Blocking sockets: ``ldap://``, ``ldaps://``, ``ldapi://`` and StartTLS.

Reading is paced during a refresh: taking what arrives in large pieces leaves the server more of the machine than taking
each packet at once, and is faster on the whole.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from syncrepl_client.exceptions import ConnectionFailed, ConnectionLost
from syncrepl_client.transport.connecting import Patience, connected_socket
from syncrepl_client.transport.drain import Drain
from syncrepl_client.transport.encrypted import TLSStream, failure
from syncrepl_client.transport.tls import TLS
from syncrepl_client.transport.waking import Waker

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.exceptions import EncryptionFailed
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.transport.base import Encryption
    from syncrepl_client.transport.reservoir import Buffers

__all__ = ["SocketTransport", "connect"]

_BATCH: Final = 1024 * 1024
_SMALL: Final = 256 * 1024
_PAUSE: Final = 0.003

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
        sock = connected_socket(url, Patience(timeout, stopping), keepalive)
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
        self._waker = Waker()

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
        patience = Patience(self._tls_timeout, self._stopping)
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

    def _patiently(self, step: Callable[[], _T], patience: Patience, event: int = select.POLLIN) -> _T:
        """Do something again until the socket is ready for it."""
        while True:
            try:
                return step()
            except BlockingIOError:
                patience.wait(self._sock, event)

    def send(self, data: bytes) -> None:
        """Send all of `data`; see `Transport.send`."""
        patience = Patience(self._timeout, self._stopping)
        try:
            with self._sending:
                if self._tls is not None:
                    self._tls.encrypt(data)
                    data = self._tls.outgoing()
                self._send_raw(data, patience)
        except OSError as error:
            raise self._lost(error) from error

    def _send_raw(self, data: bytes, patience: Patience) -> None:
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
            self._send_raw(stream.outgoing(), Patience(self._timeout, self._stopping))

    def _read_raw(self, timeout: float, *, patient: bool) -> bytes | None:
        pieces: list[bytes] = []
        size = 0
        paused = False
        while size < _BATCH:
            piece = self._receive(_BATCH - size)
            if piece is None:
                if not pieces:
                    if not self._waker.wait(timeout, self._sock):
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

    def wake(self) -> None:
        """End a `read` that waits; see `Transport.wake`."""
        self._waker.wake()

    def close(self) -> None:
        """Close the socket; what was taken from it and not read is lost."""
        if self._drain is not None:
            self._drain.close()
        self._sock.close()
        self._waker.close()

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
