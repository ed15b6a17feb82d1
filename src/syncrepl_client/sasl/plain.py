"""The mechanisms that are one message: EXTERNAL and PLAIN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError, UsageError
from syncrepl_client.secret import Hidden

if TYPE_CHECKING:
    from syncrepl_client.sasl.layer import SecurityLayer

__all__ = ["External", "Plain"]


class _OneMessage:
    """A mechanism that says all it has to say at once.

    Args:
        message: the initial response.
    """

    name: str

    def __init__(self, message: bytes) -> None:
        self._message = message

    def start(self) -> bytes:
        return self._message

    def respond(self, challenge: bytes) -> bytes:
        del challenge
        raise ProtocolError(f"the server has a question where {self.name} has none")

    def conclude(self, data: bytes | None) -> None:
        del data

    @property
    def layer(self) -> SecurityLayer | None:
        return None


class External(_OneMessage):
    """Somebody else proved it: TLS by the client's certificate, or the kernel for a local socket (RFC 4422 appendix A).

    Args:
        authzid: who to act as; empty for who we are.
    """

    name: Final = "EXTERNAL"

    def __init__(self, authzid: str = "") -> None:
        # No octet is not the same as no initial response, which would cost a round trip.
        super().__init__(authzid.encode())


class Plain(_OneMessage):
    """A name and a password, for everybody to read who can read the stream (RFC 4616).

    Args:
        user: the name.
        password: as UTF-8.
        authzid: who to act as; empty for who we are.

    Raises:
        UsageError: one of them holds a NUL, or the password is not UTF-8 or empty.
    """

    name: Final = "PLAIN"

    def __init__(self, user: str, password: bytes, authzid: str = "") -> None:
        parts = (authzid.encode(), user.encode(), password)
        if not user or not password or any(b"\0" in part for part in parts):
            raise UsageError("PLAIN takes a user and a password, without NUL characters")
        super().__init__(Hidden(b"\0".join(parts)))
