"""What the consumer asks of a transport: bytes out, bytes in, and to be woken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from syncrepl_client.transport.reservoir import Buffers

__all__ = ["Encryption", "Transport"]


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a connection is encrypted.

    Args:
        version: the protocol, such as ``TLSv1.3``.
        cipher: its cipher suite.
        certificate: the server's certificate, in DER form.
        expires: when it does; None if it was not verified.
        verified: whether its chain and its name were verified.
    """

    version: str
    cipher: str
    certificate: bytes
    expires: datetime | None
    verified: bool


class Transport(Protocol):
    """A connected stream of bytes."""

    def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            ConnectionLost: the peer is gone.
        """

    def read(self, timeout: float, *, patient: bool = False) -> bytes | None:
        """Wait for bytes, at most `timeout` seconds.

        Args:
            timeout: seconds; 0 looks without waiting.
            patient: prefer few large reads to many small ones: more is known to be coming.

        Returns:
            What arrived, or None if nothing did or somebody called `wake`.

        Raises:
            ConnectionLost: the stream ended.
        """

    def start_tls(self, hostname: str) -> None:
        """Encrypt the stream from here on; a stream for which that fails is closed.

        Raises:
            EncryptionFailed: the handshake or the check of the certificate failed.
        """

    def drain(self, buffers: Buffers) -> None:
        """Take what arrives while nobody reads, from here on, as far as there is room for it.

        `start_tls` comes before it, if at all.
        """

    @property
    def encryption(self) -> Encryption | None:
        """How the stream is encrypted; None if it is not."""

    def wake(self) -> None:
        """Let a `read` that waits in another thread, or under a signal handler, return at once."""

    def close(self) -> None:
        """Close the stream."""
