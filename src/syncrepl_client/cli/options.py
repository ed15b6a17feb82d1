"""Options that several commands have."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Final

import click

from syncrepl_client.cli.exits import exit_code
from syncrepl_client.cli.password import read_secret
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import UsageError
from syncrepl_client.guard import MaxDeletes
from syncrepl_client.transport.tls import TLS

__all__ = ["max_deletes_option", "password_file", "starttls_option", "tls_options"]


def _limit(_context: click.Context, _parameter: click.Parameter, value: str) -> MaxDeletes | None:
    try:
        return MaxDeletes.parse(value)
    except UsageError as error:
        raise click.BadParameter(f"{error}: {error.hint}") from error


starttls_option: Final = click.option("--starttls", is_flag=True, help="Encrypt the connection before the bind.")
password_file: Final = click.option(
    "--password-file",
    metavar="FILE",
    envvar="SYNCREPL_PASSWORD_FILE",
    show_envvar=True,
    help="Read the password of the URL's bindname from FILE; '-' is standard input.",
)
max_deletes_option: Final = click.option(
    "--max-deletes",
    callback=_limit,
    metavar="SHARE%,NUMBER",
    default="10%,50",
    show_default=True,
    help="Hold a refresh that would delete more than both; 'none' holds nothing.",
)


_Command = Callable[..., None]


def _file(name: str, variable: str, text: str, *, metavar: str = "FILE") -> Callable[[_Command], _Command]:
    return click.option(name, metavar=metavar, envvar=variable, show_envvar=True, help=text)


# In the order in which --help shows them.
_TLS: Final = (
    _file("--ca-file", "SYNCREPL_CA_FILE", "Believe the authorities in FILE (PEM) instead of the system's."),
    _file("--ca-folder", "SYNCREPL_CA_FOLDER", "The same, with a folder of such files.", metavar="FOLDER"),
    _file("--cert", "SYNCREPL_CERT", "Show the certificate in FILE (PEM) to the server."),
    _file("--key", "SYNCREPL_KEY", "Its key, if it is in another FILE."),
    _file("--key-password-file", "SYNCREPL_KEY_PASSWORD_FILE", "Read the password of the key from FILE; '-' is stdin."),
    click.option(
        "--insecure-skip-verification",
        is_flag=True,
        help="Accept any certificate, from anybody: whoever is on the way can read and change everything.",
    ),
)


def tls_options(command: _Command) -> _Command:
    """Give a command the options of TLS; they come to it as one argument, `tls`."""

    @functools.wraps(command)
    def with_tls(
        *,
        ca_file: str | None,
        ca_folder: str | None,
        cert: str | None,
        key: str | None,
        key_password_file: str | None,
        insecure_skip_verification: bool,
        **others: object,
    ) -> None:
        messages = Messages(ProgressLine(enabled=False), quiet=bool(others.get("quiet")))
        secret = None if key_password_file is None else read_secret(key_password_file, messages)
        try:
            tls = TLS(
                ca_file=ca_file,
                ca_folder=ca_folder,
                certificate=cert,
                key=key,
                key_password=secret,
                insecure_skip_verification=insecure_skip_verification,
            )
        except UsageError as error:
            messages.error(error)
            sys.exit(exit_code(error))
        command(tls=tls, **others)

    for option in reversed(_TLS):
        with_tls = option(with_tls)
    return with_tls
