"""TLS on bytes: what arrived goes in, what it says comes out.

The socket stays outside.  OpenSSL would read each record from it with two calls to the system, and servers put each
entry into a record of its own; from memory it takes a megabyte at once.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import CertificateError, ClientCertificateRefused, EncryptionFailed
from syncrepl_client.transport.base import Encryption

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TLSStream", "failure"]

# RFC 8446 section 5.1: no record holds more.
_RECORD: Final = 16384
# What OpenSSL is given at once: it keeps room for the largest there was, and a third more.
_PART: Final = 128 * 1024
# The first octet of its records.
_HANDSHAKE: Final = b"\x16"


class TLSStream:
    """One end of a TLS connection.  All but the handshake may be called by several threads.

    Args:
        context: how to verify.
        hostname: the name, or the IP address, that the certificate must be for.

    Raises:
        ssl.SSLError: the context does not allow it.
    """

    def __init__(self, context: ssl.SSLContext, hostname: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # Neither the dot at the end of a complete name nor the zone of an IPv6 address is in a certificate.
        name = hostname.rstrip(".").partition("%")[0]
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        # OpenSSL does not allow two threads in one session.
        self._lock = threading.Lock()
        # Whether the other end has taken up the handshake, and has said anything after it.
        self.met = self._heard = False
        # Whether nothing follows, and what the matter is if that is not as it should be.
        self.ended = False
        self.trouble: ssl.SSLError | None = None

    def shake_hands(self, data: bytes | None) -> bool:
        """Go on with the handshake; returns whether it is complete.

        Args:
            data: what arrived; empty for nothing, None for the end of the stream.

        Raises:
            ssl.SSLError: it failed, or the certificate is not right.
        """
        if data is None:
            self._incoming.write_eof()
        else:
            self.met = self.met or data[:1] == _HANDSHAKE
            self._incoming.write(data)
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    @property
    def answers(self) -> bool:
        """Whether there is something to be sent."""
        return self._outgoing.pending > 0

    def outgoing(self) -> bytes:
        """Take what is to be sent now; it may be empty."""
        with self._lock:
            return self._outgoing.read()

    def encrypt(self, data: bytes) -> None:
        """Encrypt all of `data`; `outgoing` gives what is to be sent.

        Raises:
            ssl.SSLError: the stream is broken, or the server is exchanging keys, which `TLS` does not allow.
        """
        with self._lock:
            self._session.write(data)

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt what arrived, as far as it is whole.

        Sets `ended` if the server says that nothing follows; and `trouble` too if it was tampered with, or the server
        complains.
        """
        pieces: list[bytes] = []
        rest = memoryview(data)
        with self._lock:
            while not self.ended:
                self._incoming.write(rest[:_PART])
                rest = rest[_PART:]
                self._take(pieces)
                if not rest:
                    break
        return b"".join(pieces)

    def _take(self, pieces: list[bytes]) -> None:
        """Decrypt the records that are whole."""
        read = self._session.read
        try:
            while piece := read(_RECORD):
                self._heard = True
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            # What came before counts.
            self.ended, self.trouble = True, error

    def refusal(self, address: str, error: OSError | None, receive: Callable[[], bytes]) -> EncryptionFailed | None:
        """Tell whether a connection ended because the server does not accept our certificate, or wants one.

        With TLS 1.3 it says so after the handshake, when we may be sending already; if it says so.

        Args:
            address: the server.
            error: how it broke; None if it was closed.
            receive: takes what has arrived.
        """
        if self._heard:
            return None
        complaint = error
        if not isinstance(error, ssl.SSLError):
            with contextlib.suppress(OSError):
                while not self.ended and (data := receive()):
                    self.decrypt(data)
            complaint = self.trouble
        found = complaint and failure(address, "", complaint)
        if isinstance(found, ClientCertificateRefused):
            return found
        return EncryptionFailed(address, _LEFT[0], hint=_LEFT[1])

    def describe(self) -> Encryption:
        """Tell how the connection is encrypted."""
        cipher = self._session.cipher()
        # Empty if it was not verified.
        told = self._session.getpeercert() or {}
        expires = told.get("notAfter")
        return Encryption(
            version=self._session.version() or "",
            cipher=cipher[0] if cipher else "",
            certificate=self._session.getpeercert(binary_form=True) or b"",
            expires=datetime.fromtimestamp(ssl.cert_time_to_seconds(expires), UTC)
            if isinstance(expires, str)
            else None,
            verified=self._session.context.verify_mode is ssl.CERT_REQUIRED and self._session.context.check_hostname,
        )


# --- what went wrong --------------------------------------------------------------------------------------------------

_AUTHORITY: Final = "name its authority with ca_file or --ca-file, if it is the right one"
_RENEW: Final = "it has to be renewed on the server; check also the clock of this machine"
_CERTIFICATES: Final[dict[int, tuple[str, str]]] = {
    9: ("the certificate is not valid yet", "check the clocks of both machines"),
    10: ("the certificate, or that of its authority, has expired", _RENEW),
    18: ("the certificate is signed by itself, which nobody vouches for", _AUTHORITY),
    19: ("the authority of the certificate is not known here", _AUTHORITY),
    20: ("the authority of the certificate is not known here", _AUTHORITY),
    21: ("the authority of the certificate is not known here", _AUTHORITY),
    66: ("the key of the certificate is too weak", "the server needs a certificate with a longer key"),
    67: ("the key of an authority of the certificate is too weak", "the server needs another certificate"),
    68: ("the certificate is signed with a broken hash", "the server needs another certificate"),
}
"""What OpenSSL's numbers mean (X509_V_ERR_...), and what to do about it."""

_OTHER_NAME: Final = frozenset({62, 64})
_TOO_OLD: Final = ("the server offers nothing as good as TLS 1.2", "TLS 1.2 must be turned on at the server")
_NOT_TLS: Final = (
    "what the server answers is not TLS",
    "check the port; after StartTLS it may be somebody on the way who removes encryption",
)
_ENDED: Final = ("the server ended the connection", "see its log; perhaps the port is not one for TLS")
_LEFT: Final = (
    "the server ended the connection as soon as it was to be encrypted",
    (
        "perhaps it wants a certificate of this client (certificate and key, or --cert and --key), or another one; "
        "its log may say more"
    ),
)
_REASONS: Final[dict[str, tuple[str, str]]] = {
    "UNSUPPORTED_PROTOCOL": _TOO_OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _TOO_OLD,
    "VERSION_TOO_LOW": _TOO_OLD,
    "WRONG_VERSION_NUMBER": _NOT_TLS,
    "HTTP_REQUEST": _NOT_TLS,
    "UNKNOWN_PROTOCOL": _NOT_TLS,
    "UNEXPECTED_EOF_WHILE_READING": _ENDED,
}
"""What OpenSSL's names of errors mean, and what to do about it."""

_ABOUT_OURS: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")


def failure(address: str, hostname: str, error: OSError, *, met: bool = False) -> EncryptionFailed:
    """Say what it means that a connection could not be encrypted, or broke right after.

    Args:
        address: the server.
        hostname: the name that the certificate must be for.
        error: what came of it.
        met: whether what answers speaks TLS.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(address, hostname, error)
    name = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    # RFC 5246 section 7.4.6: what a server says that was shown no certificate and wants one.
    nothing_shown = met and name.endswith("_ALERT_HANDSHAKE_FAILURE")
    if nothing_shown or ("_ALERT_" in name and any(word in name for word in _ABOUT_OURS)):
        return ClientCertificateRefused(
            address,
            f"the server says: {_words(name)}",
            hint="give a certificate that it accepts: certificate and key, or --cert and --key",
        )
    reason, hint = _REASONS.get(name, (_words(name) or error.strerror or str(error), "the server's log may say more"))
    if isinstance(error, TimeoutError):
        reason, hint = "no answer in time", "the server hangs, or the port is not one for TLS"
    elif isinstance(error, ConnectionError):
        reason, hint = _ENDED
    if met and (reason, hint) == _ENDED:
        reason, hint = _LEFT
    return EncryptionFailed(address, reason, hint=hint)


def _certificate(address: str, hostname: str, error: ssl.SSLCertVerificationError) -> CertificateError:
    code = error.verify_code
    if code in _OTHER_NAME:
        reason, hint = f"the certificate is not for {hostname!r}", "use a name in the URL that is in the certificate"
    else:
        reason, hint = _CERTIFICATES.get(code, (f"the certificate is not right: {error.verify_message}", ""))
    return CertificateError(address, reason, code, hint=hint)


def _words(reason: str) -> str:
    """Write OpenSSL's name of an error in words."""
    return reason.rpartition("_ALERT_")[2].replace("_", " ").lower()
