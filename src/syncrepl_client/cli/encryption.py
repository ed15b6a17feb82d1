"""How the command encrypts: from the options to `TLS`, and what is said where nothing is encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.cli.identity import credential, read_secret
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    from syncrepl_client.cli.terminal import Messages
    from syncrepl_client.connection.access import Access

__all__ = ["AskedTLS", "make_tls", "warn_of_clear_text"]

_KEY_PASSWORD_CREDENTIAL: Final = "syncrepl-key-password"  # noqa: S105 - the name of a file


@dataclass(frozen=True, slots=True)
class AskedTLS:
    """What the options say."""

    ca_file: str | None = None
    ca_folder: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password_file: str | None = None
    insecure_skip_verification: bool = False


def make_tls(asked: AskedTLS) -> TLS:
    """Return how to encrypt.

    Raises:
        UsageError: the options contradict each other.
        click.UsageError: the file of the key's password cannot be read, or is empty.
    """
    password_file = asked.key_password_file
    if password_file is None and asked.cert is not None:
        password_file = credential(_KEY_PASSWORD_CREDENTIAL)
    password = None if password_file is None else read_secret(password_file)
    return TLS(
        ca_file=asked.ca_file,
        ca_folder=asked.ca_folder,
        certificate=asked.cert,
        key=asked.key,
        key_password=password,
        insecure_skip_verification=asked.insecure_skip_verification,
    )


def warn_of_clear_text(access: Access, messages: Messages) -> None:
    """Say that a password is about to go over the network in clear; the command always went on."""
    if access.gives_password_away:
        server = access.url.address
        messages.warn(
            f"the password for {server} goes over the network in clear; --starttls or ldaps:// keeps it secret"
        )
