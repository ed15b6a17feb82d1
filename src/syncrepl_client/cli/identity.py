"""Who the command is to the server: from the URL and the options to credentials.

There is no option for the password itself: options show in the list of processes.  Where no file is named, the folder
that systemd gives a service its credentials in is looked into, then whoever sits at the terminal is asked.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client.connection.access import credentials_of
from syncrepl_client.credentials import LAYERS, Choice, External, Kerberos, Plain, Scram
from syncrepl_client.exceptions import UsageError
from syncrepl_client.sasl.scram import SCRAM_MECHANISMS
from syncrepl_client.secret import Secret, without_newline

if TYPE_CHECKING:
    from syncrepl_client.cli.terminal import Messages
    from syncrepl_client.credentials import Credentials
    from syncrepl_client.ldap.url import LDAPUrl

__all__ = [
    "LAYERS",
    "MECHANISMS",
    "Asked",
    "credential",
    "find_credentials",
    "find_password",
    "read_secret",
]

_GSSAPI: Final = "GSSAPI"
_EXTERNAL: Final = "EXTERNAL"
_PLAIN: Final = "PLAIN"
_AUTO: Final = "auto"
_SCRAM: Final = "SCRAM"
MECHANISMS: Final = (_AUTO, _EXTERNAL, _GSSAPI, _SCRAM, *SCRAM_MECHANISMS, _PLAIN)
"""What ``--sasl`` takes; ``SCRAM`` is the strongest of them that is offered, ``auto`` that or PLAIN."""

_PASSWORD_CREDENTIAL: Final = "syncrepl-password"  # noqa: S105 - the name of a file
_KEYTAB_CREDENTIAL: Final = "syncrepl-keytab"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say."""

    sasl: str | None = None
    user: str | None = None
    authzid: str = ""
    keytab: str | None = None
    principal: str = ""
    sasl_layer: str | None = None
    password_file: str | None = None


def find_credentials(url: LDAPUrl, asked: Asked, messages: Messages) -> Credentials:
    """Return who to be.

    Raises:
        click.UsageError: the options contradict the URL or each other, or a file cannot be read.
    """
    by_kerberos = (url.bind_name or "").upper() == _GSSAPI
    mechanism = asked.sasl or (_GSSAPI if by_kerberos else None)
    if mechanism is None:
        _refuse(asked, "without --sasl", "user", "authzid", "keytab", "principal", "sasl_layer")
        return credentials_of(url, find_password(url, asked.password_file, messages))
    if url.bind_name and not (by_kerberos and mechanism == _GSSAPI):
        raise click.UsageError(
            f"--sasl {mechanism} and the URL's bindname exclude each other; a user is named by --user"
        )
    if mechanism == _GSSAPI:
        _refuse(asked, "with --sasl GSSAPI", "user", "password_file")
        return _kerberos(asked)
    _refuse(asked, "without --sasl GSSAPI", "keytab", "principal", "sasl_layer")
    if mechanism == _EXTERNAL:
        _refuse(asked, "with --sasl EXTERNAL", "user", "password_file")
        return External(asked.authzid)
    return _with_password(mechanism, asked)


def _refuse(asked: Asked, when: str, *names: str) -> None:
    for name in names:
        if getattr(asked, name):
            raise click.UsageError(f"--{name.replace('_', '-')} is of no use {when}")


def _kerberos(asked: Asked) -> Kerberos:
    keytab = asked.keytab or credential(_KEYTAB_CREDENTIAL) or ""
    return Kerberos(keytab, asked.principal, asked.sasl_layer or "", authzid=asked.authzid)


def _with_password(mechanism: str, asked: Asked) -> Credentials:
    if not asked.user:
        raise click.UsageError(f"--sasl {mechanism} needs --user")
    password = _password(asked.user, asked.password_file)
    if password is None:
        raise click.UsageError(f"no password for {asked.user}; --password-file names a file that holds it")
    weakest = Plain(asked.user, password, asked.authzid)
    if mechanism == _PLAIN:
        return weakest
    scram = Scram(asked.user, password, mechanism if mechanism in SCRAM_MECHANISMS else None, asked.authzid)
    return Choice((scram, weakest)) if mechanism == _AUTO else scram


# --- the password -----------------------------------------------------------------------------------------------------


def find_password(url: LDAPUrl, file: str | None, messages: Messages) -> Secret | None:
    """Return the password of the URL's bindname: from the file, the URL, or whoever sits at the terminal.

    Raises:
        click.UsageError: the file cannot be read, or is empty.
    """
    if url.bind_password:
        messages.warn("a password in the URL shows in the list of processes; --password-file keeps it secret")
    if not url.bind_name:
        if file is not None:
            messages.warn("the password is not used, for the URL has no bindname")
        return None
    return _password(url.bind_name, file, prompt=not url.bind_password)


def _password(name: str, file: str | None, *, prompt: bool = True) -> Secret | None:
    file = file or credential(_PASSWORD_CREDENTIAL)
    if file is not None:
        return read_secret(file)
    return Secret(_from_terminal(name)) if prompt and sys.stdin.isatty() else None


def read_secret(file: str) -> Secret:
    """Return the secret in a file; ``-`` is standard input.

    Raises:
        click.UsageError: it cannot be read, or is empty.
    """
    try:
        if file == "-":
            return Secret(without_newline(sys.stdin.buffer.read()))
        return Secret.from_file(file)
    except UsageError as error:
        raise click.UsageError(str(error)) from error


def credential(name: str) -> str | None:
    """Return the path of a credential that systemd gives to the service; None if there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, name) if folder else None
    return str(path) if path is not None and path.exists() else None


def _from_terminal(name: str) -> bytes:
    prompted: str = click.prompt(f"Password of {name}", hide_input=True, err=True)
    return prompted.encode()
