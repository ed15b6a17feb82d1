"""SCRAM (RFC 5802, RFC 7677): both ends prove that they know the password, and neither sends it.

Facts about the library ``scramp`` that shaped this module:

* It prepares name and password (SASLprep, RFC 4013), checks nonce, salt and iteration count (4096 to ten millions), and
  compares signatures in constant time; what it finds wrong is a ``ScramException``.
* It has no authorization identity, which belongs into the header that begins the first message and is signed with it.
* It takes a server's last word as proved only if ``set_server_final`` was called; that it was, is up to us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ProtocolError, ServerNotProven, UsageError

if TYPE_CHECKING:
    from syncrepl_client.sasl.binding import ChannelBinding
    from syncrepl_client.sasl.layer import SecurityLayer

__all__ = ["SCRAM_MECHANISMS", "Scram", "is_bound"]

SCRAM_MECHANISMS: Final = (
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
)
"""The strongest first: a channel binding keeps out who sits in between, which no hash function does."""

_PLUS: Final = "-PLUS"


def is_bound(mechanism: str) -> bool:
    """Tell whether a mechanism binds to the TLS connection."""
    return mechanism.endswith(_PLUS)


class Scram:
    """One exchange: client-first, server-first, client-final, server-final.

    Args:
        name: one of `SCRAM_MECHANISMS`.
        user: whose password it is.
        password: as UTF-8.
        authzid: who to act as; empty for who we are.
        binding: of the TLS connection.  A mechanism without ``-PLUS`` that is given one says that it would have used it
            if the server had offered that (RFC 5802 section 6): a server that did notices that somebody hid its offer.
        nonce: for tests; random by default.

    Raises:
        UsageError: name or password have characters that SASLprep forbids, or are empty; or there is no binding where
            the mechanism needs it.
    """

    def __init__(
        self,
        name: str,
        user: str,
        password: bytes,
        authzid: str = "",
        binding: ChannelBinding | None = None,
        *,
        nonce: str | None = None,
    ) -> None:
        # Late, for it loads a library of ASN.1 that nobody else needs.
        from scramp import ScramClient, ScramException  # noqa: PLC0415

        self.name = name
        self._exception = ScramException
        self._answered = self._proven = False
        if name not in SCRAM_MECHANISMS:
            raise UsageError(f"{name!r} is none of {', '.join(SCRAM_MECHANISMS)}")
        if is_bound(name) and binding is None:
            raise UsageError(
                f"{name} needs TLS, and a server certificate with a hash function of its own",
                hint="encrypt the connection, or choose a mechanism without -PLUS",
            )
        problem = None
        try:
            # What PLUS stands for is all in the header, which is ours.
            self._client = ScramClient([name.removesuffix(_PLUS)], user, password.decode(), None, nonce)
        except UnicodeDecodeError:
            problem = UsageError("a password for SCRAM is UTF-8 text", hint="check the encoding of its file")
        except ScramException as error:
            problem = UsageError(f"this name or password cannot be used with SCRAM: {error}")
        if problem is not None:
            # Out here it has no context: the variables of the library's frames hold the password.
            raise problem
        self._client.gs2_header = _Header(name, authzid, binding)

    def start(self) -> bytes:
        """Name the user; see `Mechanism.start`."""
        message: str = self._client.get_client_first()
        return message.encode()

    def respond(self, challenge: bytes) -> bytes:
        """Answer salt and iteration count with our proof, and the server's proof with nothing."""
        if self._answered:
            self._check(challenge)
            return b""
        self._answered = True
        try:
            self._client.set_server_first(_text(challenge))
            message: str = self._client.get_client_final()
        except self._exception as error:
            raise ServerNotProven(str(error)) from None
        return message.encode()

    def conclude(self, data: bytes | None) -> None:
        """Check the server's proof, if that was not done before; see `Mechanism.conclude`."""
        if data is not None and not self._proven:
            self._check(data)
        if not self._proven:
            raise ServerNotProven("it says that the bind succeeded, and does not prove that it knows the password")

    def _check(self, message: bytes) -> None:
        try:
            self._client.set_server_final(_text(message))
        except self._exception as error:
            raise ServerNotProven(str(error)) from None
        self._proven = True

    @property
    def layer(self) -> SecurityLayer | None:
        """SCRAM has none."""
        return None


class _Header:
    """The GS2 header (RFC 5801 section 4), in place of the library's own, which has no room for an identity."""

    def __init__(self, mechanism: str, authzid: str, binding: ChannelBinding | None) -> None:
        self._data = b""
        if binding is None:
            flag = "n"
        elif is_bound(mechanism):
            flag = f"p={binding.kind}"
            self._data = binding.data
        else:
            flag = "y"
        name = authzid.replace("=", "=3D").replace(",", "=2C")
        self._text = f"{flag},{f'a={name}' if name else ''},"

    def __str__(self) -> str:
        return self._text

    def make_cbind_input(self, _binding: object) -> bytes:
        """Return what the final message repeats of the header; the library calls this."""
        return self._text.encode() + self._data


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("a message of SCRAM that is not UTF-8") from error
