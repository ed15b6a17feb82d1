"""What the consumer asks of a transport: bytes out, bytes in, and to be woken."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Transport"]


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
        """Encrypt the stream from here on.

        Raises:
            ConnectionFailed: the handshake or the check of the certificate failed.
        """

    @property
    def encrypted(self) -> bool:
        """Whether TLS protects the stream."""

    @property
    def peer_certificate(self) -> bytes | None:
        """The server's certificate in DER form; None without TLS."""

    def wake(self) -> None:
        """Let a `read` that waits in another thread, or under a signal handler, return at once."""

    def close(self) -> None:
        """Close the stream."""
