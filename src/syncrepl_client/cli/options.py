"""Options that several commands have."""

from __future__ import annotations

from typing import Final

import click

from syncrepl_client.exceptions import UsageError
from syncrepl_client.guard import MaxDeletes

__all__ = ["max_deletes_option", "password_file", "provider_option", "srv_option", "starttls_option"]


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
provider_option: Final = click.option(
    "--provider",
    "providers",
    metavar="URL",
    multiple=True,
    help="Another server with the same content, tried after the one in URL; may be given again.",
)
srv_option: Final = click.option(
    "--srv",
    metavar="DOMAIN",
    help="Look the servers up in the DNS of DOMAIN; URL has no host then: ldap:///BASE.",
)
