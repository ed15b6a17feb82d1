"""Who a sink is to its broker, and how the connection is encrypted: checked in one way for all that have both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from syncrepl_client.exceptions import UsageError
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    from syncrepl_client.secret import Secret
    from syncrepl_client.sinks.addresses import Address

__all__ = ["Login", "encryption", "text_of"]


@dataclass(frozen=True, slots=True)
class Login:
    """A user and the password.

    Args:
        user: the user's name.
        password: the user's password.
    """

    user: str
    password: Secret

    @classmethod
    def of(cls, address: Address, user: str | None, password: Secret | None) -> Self | None:
        """Return who to be; None if nobody was named.

        Args:
            address: the URL, which may name the user.
            user: who to be instead.
            password: the user's password.

        Raises:
            UsageError: one of the two is missing.
        """
        name = address.user if user is None else user
        if name is None and password is None:
            return None
        if name is None or password is None:
            missing, given = ("user", "password") if name is None else ("password", "user")
            raise UsageError(f"a {given} was given without a {missing}", hint=f"give {missing} too")
        return cls(name, password)

    def text(self) -> str:
        """Return the password as text, for libraries that want that.

        Raises:
            UsageError: it is none, or cannot be read.
        """
        return text_of(self.password)


def text_of(password: Secret) -> str:
    """Return a password as text, for libraries that want that.

    Raises:
        UsageError: it is none, or cannot be read.
    """
    try:
        return password.reveal().decode()
    except UnicodeDecodeError:
        # The error would show it.
        raise UsageError("the password is not UTF-8", hint="give another one") from None


def encryption(address: Address, *, ca_file: str | None, cert_file: str | None, key_file: str | None) -> TLS | None:
    """Return how to encrypt; None if the address says that nothing is.

    Args:
        address: the URL.
        ca_file: who may have issued the broker's certificate; None for whomever the system trusts.
        cert_file: the certificate to show; None for none.
        key_file: the key of that certificate, if it is in a file of its own.

    Raises:
        UsageError: there are certificates and no encryption, or a key without its certificate.
    """
    if address.encrypted:
        return TLS(ca_file=ca_file, certificate=cert_file, key=key_file)
    if ca_file or cert_file or key_file:
        raise UsageError(
            f"certificates were given, and {address.scheme} is not encrypted", hint="use the scheme that is"
        )
    return None
