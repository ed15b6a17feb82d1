"""Options that several commands have."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from syncrepl_client.cli.identity import LAYERS, MECHANISMS, Asked
from syncrepl_client.exceptions import UsageError
from syncrepl_client.guard import MaxDeletes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["identity_options", "max_deletes_option", "on_behalf_of_option", "starttls_option"]


def _limit(_context: click.Context, _parameter: click.Parameter, value: str) -> MaxDeletes | None:
    try:
        return MaxDeletes.parse(value)
    except UsageError as error:
        raise click.BadParameter(f"{error}: {error.hint}") from error


starttls_option: Final = click.option("--starttls", is_flag=True, help="Encrypt the connection before the bind.")
max_deletes_option: Final = click.option(
    "--max-deletes",
    callback=_limit,
    metavar="SHARE%,NUMBER",
    default="10%,50",
    show_default=True,
    help="Hold a refresh that would delete more than both; 'none' holds nothing.",
)
on_behalf_of_option: Final = click.option(
    "--on-behalf-of",
    metavar="AUTHZID",
    default="",
    help="Search in the name of 'dn:DN' or 'u:NAME', by the proxied authorization control.",
)
_IDENTITY: Final = (
    click.option(
        "--password-file",
        metavar="FILE",
        envvar="SYNCREPL_PASSWORD_FILE",
        show_envvar=True,
        help="Read the password of the URL's bindname, or of --user, from FILE; '-' is standard input.",
    ),
    click.option(
        "--sasl",
        metavar="MECHANISM",
        type=click.Choice(MECHANISMS, case_sensitive=False),
        help=f"Bind with SASL: {', '.join(MECHANISMS)}.",
    ),
    click.option("--user", metavar="NAME", help="The user whose password SCRAM or PLAIN prove."),
    click.option(
        "--authzid", metavar="AUTHZID", default="", help="Act as 'dn:DN' or 'u:NAME' after the bind with SASL."
    ),
    click.option(
        "--keytab",
        metavar="FILE",
        envvar="SYNCREPL_KEYTAB_FILE",
        show_envvar=True,
        help="Get Kerberos tickets with the key in FILE.",
    ),
    click.option("--principal", metavar="NAME", default="", help="The Kerberos principal to be."),
    click.option(
        "--sasl-layer",
        metavar="LAYER",
        type=click.Choice(LAYERS),
        help=f"What Kerberos does for the connection: {', '.join(LAYERS)}; the most that is offered by default.",
    ),
)


def identity_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say who to be; the command gets them as one argument ``identity``."""

    @wraps(command)
    def collected(**arguments: Any) -> None:  # noqa: ANN401 - what click gives
        asked = Asked(**{one.name: arguments.pop(one.name) for one in fields(Asked)})
        command(identity=asked, **arguments)

    for option in reversed(_IDENTITY):
        collected = option(collected)
    return collected
