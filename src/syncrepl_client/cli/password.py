"""Where the password of a simple bind comes from, so that nobody reads it on the way.

There is no option for the password itself: options show in the list of processes.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncrepl_client.secret import Secret

if TYPE_CHECKING:
    from syncrepl_client.access import Access
    from syncrepl_client.cli.terminal import Messages
    from syncrepl_client.ldap.url import LDAPUrl

__all__ = ["find_password", "read_secret", "warn_of_clear_text"]


def find_password(url: LDAPUrl, file: str | None, messages: Messages) -> Secret | None:
    """Return the password: from the file, the URL, or whoever sits at the terminal; None if there is none.

    Raises:
        click.UsageError: the file cannot be read, or is empty.
    """
    if url.bind_password:
        messages.warn("a password in the URL shows in the list of processes; --password-file keeps it secret")
    if not url.bind_name or url.bind_name.upper() == "GSSAPI":
        if file is not None:
            messages.warn("the password is not used, for the URL has no bindname")
        return None
    if file is not None:
        return read_secret(file, messages)
    if not url.bind_password and sys.stdin.isatty():
        return Secret(_from_terminal(url.bind_name))
    return None


def warn_of_clear_text(access: Access, messages: Messages) -> None:
    """Say that a password is about to go over the network in clear; the command always went on."""
    if access.gives_password_away:
        messages.warn(
            f"the password for {access.url.address} goes over the network in clear; --starttls or ldaps:// keeps it secret"
        )


def read_secret(file: str, messages: Messages) -> Secret:
    """Read a password from a file; ``-`` is standard input.

    Raises:
        click.UsageError: the file cannot be read, or is empty.
    """
    return Secret(_from_file(file, messages))


def _from_terminal(name: str) -> bytes:
    prompted: str = click.prompt(f"Password of {name}", hide_input=True, err=True)
    return prompted.encode()


def _from_file(file: str, messages: Messages) -> bytes:
    if file == "-":
        password = sys.stdin.buffer.read()
    else:
        try:
            with Path(file).open("rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                password = stream.read()
        except OSError as error:
            raise click.UsageError(f"cannot read the password file {file!r}: {error.strerror}") from error
        if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            messages.warn(f"others can read the password file {file!r}; chmod 600 keeps it secret")
    password = password.removesuffix(b"\n").removesuffix(b"\r")
    if not password:
        # RFC 4513 section 5.1.2: the server would take it for an anonymous bind.
        raise click.UsageError("the password is empty")
    return password
