"""The security layer that a SASL mechanism puts over the stream (RFC 4422 section 3.7).

Each buffer is protected as a whole and travels behind its length in four octets.  How it is protected is the
mechanism's own affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SecurityLayer"]

_HEADER: Final = 4


class SecurityLayer:
    """Protects what is sent, and takes the protection off what arrives.

    Args:
        seal: protects a buffer.
        unseal: checks and opens one; raises ProtocolError if it is forged, or out of its turn.
        most_plain: how large a buffer to protect may be, in bytes, so that the server can take it.
        most_sealed: the largest protected buffer that we take, in bytes.
        confidential: whether nobody on the way can read.
    """

    def __init__(
        self,
        seal: Callable[[bytes], bytes],
        unseal: Callable[[bytes], bytes],
        *,
        most_plain: int,
        most_sealed: int,
        confidential: bool,
    ) -> None:
        self._seal = seal
        self._unseal = unseal
        self._most_plain = most_plain
        self._most_sealed = most_sealed
        self.confidential = confidential
        # What arrived of a buffer that is not whole yet.
        self._pending = bytearray()

    def wrap(self, data: bytes) -> bytes:
        """Protect what is to be sent, in as many buffers as it takes."""
        sealed = [self._seal(data[pos : pos + self._most_plain]) for pos in range(0, len(data), self._most_plain)]
        return b"".join(len(one).to_bytes(_HEADER) + one for one in sealed)

    def unwrap(self, data: bytes) -> bytes:
        """Take in what arrived, cut anywhere; returns what is in the buffers that it completes.

        Raises:
            ProtocolError: that is no protected buffer, or a larger one than was agreed on.  The stream cannot be read
                on after that.
        """
        self._pending += data
        opened = []
        pos = 0
        while len(self._pending) - pos >= _HEADER:
            start = pos + _HEADER
            size = int.from_bytes(self._pending[pos:start])
            # Before it is waited for: what is not agreed on takes no memory.
            if size > self._most_sealed:
                raise ProtocolError(f"a protected buffer of {size} bytes, where {self._most_sealed} were agreed on")
            if len(self._pending) - start < size:
                break
            pos = start + size
            opened.append(self._unseal(bytes(self._pending[start:pos])))
        del self._pending[:pos]
        return b"".join(opened)

    @property
    def pending(self) -> int:
        """How much has come of a buffer that is not whole yet, in bytes."""
        return len(self._pending)
