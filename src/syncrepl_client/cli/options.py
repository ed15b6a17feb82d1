"""Options that several commands have."""

from __future__ import annotations

from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import click

from syncrepl_client.cli.connecting import Connecting
from syncrepl_client.cli.encryption import AskedTLS
from syncrepl_client.cli.identity import LAYERS, MECHANISMS, Asked
from syncrepl_client.consumer.guard import MaxDeletes
from syncrepl_client.exceptions import UsageError
from syncrepl_client.redaction import PASSWORDS, Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _Command = Callable[..., None]
    _Option = Callable[[_Command], _Command]

__all__ = [
    "connection_options",
    "identity_options",
    "max_deletes_option",
    "on_behalf_of_option",
    "quiet_option",
    "redaction_options",
    "tls_options",
    "trace_option",
]


def _limit(_context: click.Context, _parameter: click.Parameter, value: str) -> MaxDeletes | None:
    try:
        return MaxDeletes.parse(value)
    except UsageError as error:
        raise click.BadParameter(f"{error}: {error.hint}") from error


# Shells complete it; whether there is such a file is seen by who opens it.
_PATH: Final = click.Path(readable=False)

max_deletes_option: Final = click.option(
    "--max-deletes",
    callback=_limit,
    metavar="SHARE%,NUMBER",
    default="10%,50",
    show_default=True,
    help="Hold a refresh that would delete more than both; 'none' holds nothing.",
)
_provider_option: Final = click.option(
    "--provider",
    "providers",
    metavar="URL",
    multiple=True,
    help="Another server with the same content, tried after the one in URL; may be given again.",
)
_srv_option: Final = click.option(
    "--srv",
    metavar="DOMAIN",
    help="Look the servers up in the DNS of DOMAIN; URL has no host then: ldap:///BASE.",
)
on_behalf_of_option: Final = click.option(
    "--on-behalf-of",
    metavar="AUTHZID",
    default="",
    help="Search in the name of 'dn:DN' or 'u:NAME', by the proxied authorization control.",
)
trace_option: Final = click.option(
    "--trace", is_flag=True, help="Print the protocol exchange on standard error, without credentials."
)
quiet_option: Final = click.option(
    "-q", "--quiet", is_flag=True, help="Print nothing but errors, and the data that were asked for."
)
_IDENTITY: Final = (
    click.option(
        "--password-file",
        metavar="FILE",
        type=_PATH,
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
        type=_PATH,
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


def _file(name: str, variable: str, text: str, *, metavar: str = "FILE") -> _Option:
    return click.option(name, metavar=metavar, type=_PATH, envvar=variable, show_envvar=True, help=text)


_TLS: Final = (
    _file("--ca-file", "SYNCREPL_CA_FILE", "Believe the authorities in FILE (PEM) instead of the system's."),
    _file(
        "--ca-folder", "SYNCREPL_CA_FOLDER", "Believe the authorities in the files of a folder (PEM).", metavar="FOLDER"
    ),
    _file("--cert", "SYNCREPL_CERT_FILE", "Show the certificate in FILE (PEM) to the server."),
    _file("--key", "SYNCREPL_KEY_FILE", "Its key, if it is not in the same file."),
    _file("--key-password-file", "SYNCREPL_KEY_PASSWORD_FILE", "Read the password of the key from FILE; '-' is stdin."),
    click.option(
        "--insecure-skip-verification",
        is_flag=True,
        help="Accept any certificate, from anybody: whoever is on the way can read and change everything.",
    ),
)


_REDACTION: Final = (
    click.option(
        "--redact",
        metavar="ATTRIBUTE,...",
        multiple=True,
        help="Mask the values of these attributes before anything is stored or printed; may be given again.",
    ),
    click.option("--redact-passwords", is_flag=True, help="The same for all attributes that hold passwords or keys."),
)


def identity_options(command: _Command) -> _Command:
    """Add the options that say who to be; the command gets them as one argument ``identity``."""
    return _collected(command, _IDENTITY, "identity", Asked)


def tls_options(command: _Command) -> _Command:
    """Add the options that say how to encrypt; the command gets them as ``starttls``, and the rest as ``tls``."""
    starttls = click.option("--starttls", is_flag=True, help="Encrypt the connection before the bind.")
    return starttls(_collected(command, _TLS, "tls", AskedTLS))


def redaction_options(command: _Command) -> _Command:
    """Add the options that say what is masked; the command gets them as one argument ``redaction``."""

    @wraps(command)
    def with_redaction(*, redact: tuple[str, ...], redact_passwords: bool, **arguments: Any) -> None:  # noqa: ANN401
        named = {name.strip() for names in redact for name in names.split(",")}
        try:
            redaction = Redaction(mask=named | PASSWORDS if redact_passwords else named)
        except UsageError as error:
            raise click.BadParameter(f"{error}: {error.hint}", param_hint="--redact") from error
        command(redaction=redaction, **arguments)

    collected: _Command = with_redaction
    for option in reversed(_REDACTION):
        collected = option(collected)
    return collected


def connection_options(command: _Command) -> _Command:
    """Add all options about servers; the command gets them as one argument ``connecting``."""
    options = (_provider_option, _srv_option, on_behalf_of_option, max_deletes_option)
    return tls_options(identity_options(redaction_options(_collected(command, options, "connecting", Connecting))))


def _collected(
    command: _Command, options: Sequence[_Option], name: str, kind: type[Asked | AskedTLS | Connecting]
) -> _Command:
    """Add options; the command gets what they say as one argument."""

    @wraps(command)
    def with_asked(**arguments: Any) -> None:  # noqa: ANN401 - what click gives
        asked = kind(**{one.name: arguments.pop(one.name) for one in fields(kind)})
        command(**{name: asked}, **arguments)

    collected: _Command = with_asked
    for option in reversed(options):
        collected = option(collected)
    return collected
