"""What a bind asks of a SASL mechanism."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from syncrepl_client.sasl.layer import SecurityLayer

__all__ = ["Mechanism"]


class Mechanism(Protocol):
    """One attempt to prove who we are (RFC 4422 section 5); it cannot be used twice.

    `start` is called once, `respond` for each challenge, and `conclude` when the server says that the bind succeeded.
    """

    @property
    def name(self) -> str:
        """The registered name."""

    def start(self) -> bytes | None:
        """Return the initial response; None if the server speaks first.

        Raises:
            SyncreplError: there is nothing to prove it with.
        """

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a challenge.

        Raises:
            AuthenticationError: the server is not who it should be.
            ProtocolError: that is no challenge of this mechanism.
        """

    def conclude(self, data: bytes | None) -> None:
        """Check that all is said and proved.

        Args:
            data: what came with the result.

        Raises:
            AuthenticationError: the server says yes although it has not proved what it must.
        """

    @property
    def layer(self) -> SecurityLayer | None:
        """What protects the stream from the next octet on; None for nothing."""
