"""The command: options, signals, exit codes.

It joins a `Replica` and a `Printer` and turns what is raised into a message and an exit code.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client import __version__
from syncrepl_client.cli.deletes import deletes
from syncrepl_client.cli.doctor import doctor
from syncrepl_client.cli.encryption import make_tls, warn_of_clear_text
from syncrepl_client.cli.exits import MEANINGS, ExitCode, exit_code
from syncrepl_client.cli.identity import find_credentials
from syncrepl_client.cli.json_lines import JsonLines
from syncrepl_client.cli.ldif import Ldif
from syncrepl_client.cli.options import (
    identity_options,
    max_deletes_option,
    on_behalf_of_option,
    provider_option,
    redaction_options,
    srv_option,
    tls_options,
)
from syncrepl_client.cli.output import Format, OutputFailed, Printer, StandardOutput
from syncrepl_client.cli.readable import Readable, dump
from syncrepl_client.cli.terminal import Messages, ProgressLine, warnings_shown
from syncrepl_client.cli.verify import verify
from syncrepl_client.exceptions import ConnectionLost, Interrupted, SyncreplError
from syncrepl_client.ldap import url as urls
from syncrepl_client.model import SyncreplMode
from syncrepl_client.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from syncrepl_client.cli.encryption import AskedTLS
    from syncrepl_client.cli.identity import Asked
    from syncrepl_client.guard import MaxDeletes
    from syncrepl_client.redaction import Redaction

__all__ = ["main"]

_COMMANDS: Final = {"doctor": doctor, "verify": verify, "deletes": deletes}

# "\b" keeps the lines as they are.
_EPILOG: Final = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"  {code:d}  {meaning}" for code, meaning in MEANINGS.items()),
        "",
        "\b",
        "Other commands (each has --help):",
        *(f"  syncrepl-client {name:8} {command.get_short_help_str(80)}" for name, command in _COMMANDS.items()),
        "",
        "\b",
        "Example:",
        "  syncrepl-client --persist --json \\",
        "      'ldap://ldap.example.com/dc=example,dc=com??sub?(objectClass=person)' copy.db",
    ]
)


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click calls it
    if wanted and not context.resilient_parsing:
        click.echo(f"syncrepl-client {__version__}")
        context.exit()


class _WithCommands(click.Command):
    """The command as it always was; the first word may be another command, which no URL looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Run another command if the first word names one."""
        command = _COMMANDS.get(args[0]) if args else None
        if command is not None:
            command.main(args[1:], prog_name=f"{ctx.info_name} {args[0]}")
        return super().parse_args(ctx, args)


@click.command(cls=_WithCommands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persist", is_flag=True, help="Go on listening until SIGHUP, SIGINT or SIGTERM.")
@click.option("--reconnect", is_flag=True, help="Connect again when there is no connection, for as long as it takes.")
@provider_option
@srv_option
@click.option("--json", "as_json", is_flag=True, help="Print each change as one line of JSON.")
@click.option("--ldif", "as_ldif", is_flag=True, help="Print each change as LDIF, such as ldapmodify reads.")
@click.option("--nodir", is_flag=True, help="Do not print the directory at the end of the refresh.")
@tls_options
@identity_options
@on_behalf_of_option
@max_deletes_option
@redaction_options
@click.option("--trace", is_flag=True, help="Print the protocol exchange on standard error, without credentials.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors, and what --json or --ldif asks for.")
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Print the version.",
)
@click.argument("url")
@click.argument("data", type=click.Path(readable=False))
def main(
    *,
    url: str,
    data: str,
    persist: bool,
    reconnect: bool,
    providers: tuple[str, ...],
    srv: str | None,
    as_json: bool,
    as_ldif: bool,
    nodir: bool,
    starttls: bool,
    tls: AskedTLS,
    identity: Asked,
    on_behalf_of: str,
    max_deletes: MaxDeletes | None,
    redaction: Redaction,
    trace: bool,
    quiet: bool,
) -> None:
    """Keep a copy of an LDAP search in the file DATA, and print what changes.

    URL names server and search: ldap://HOST/BASE?ATTRIBUTES?SCOPE?FILTER?bindname=DN
    (also ldaps and ldapi).  The first run copies everything, later ones what changed since.
    Data go to standard output, messages to standard error.
    """
    if as_json and as_ldif:
        raise click.UsageError("--json and --ldif exclude each other")
    progress = ProgressLine(enabled=not quiet and not trace)
    messages = Messages(progress, quiet=quiet)
    silent = quiet and not as_json and not as_ldif
    form: Format = JsonLines() if as_json else Ldif() if as_ldif else Readable()
    # Machines read UTF-8; a terminal says what it reads.
    encoding = "utf-8" if as_json or as_ldif else sys.stdout.encoding
    output = StandardOutput(sys.stdout.buffer, encoding=encoding)
    printer = None if silent else Printer(form, output, progress, messages)
    try:
        parsed = urls.parse(url)
        replica = Replica(
            parsed,
            data,
            mode=SyncreplMode.REFRESH_AND_PERSIST if persist else SyncreplMode.REFRESH_ONLY,
            listener=printer,
            starttls=starttls,
            tls=make_tls(tls),
            cleartext_password=True,
            credentials=find_credentials(parsed, identity, messages),
            on_behalf_of=on_behalf_of,
            progress=progress,
            max_deletes=max_deletes,
            redaction=redaction or None,
            trace=messages.trace if trace else None,
            providers=providers,
            srv=srv,
        )
        directory = isinstance(form, Readable) and not nodir
        with warnings_shown(messages), _stopped_by_signals(replica):
            _run(replica, printer, output, messages, directory=directory, reconnect=reconnect)
    except SyncreplError as error:
        messages.error(error)
        sys.exit(exit_code(error))
    except OutputFailed as failed:
        if not failed.nobody_reads:
            messages.error(SyncreplError(str(failed)))
            sys.exit(ExitCode.OTHER)
    finally:
        progress.clear()


def _run(
    replica: Replica,
    printer: Printer | None,
    output: StandardOutput,
    messages: Messages,
    *,
    directory: bool,
    reconnect: bool,
) -> None:
    with closing(replica):
        replica.open_store()
        # A mistyped URL must not replace a copy, which would look as if everything in it were deleted.
        replica.refuse_another_search()
        for access in replica.opened.accesses:
            warn_of_clear_text(access, messages)
        if not reconnect:
            replica.connect()
        step = replica.follow_step if reconnect else replica.step
        going = True
        while going:
            going = step(timeout=3.0)
            if printer is not None and printer.refreshed:
                printer.refreshed = False
                if directory:
                    # Outside of the transaction: who looks at it with a pager takes his time.
                    for text in dump(replica.entries):
                        output.write(text)
                    output.flush()


@contextmanager
def _stopped_by_signals(replica: Replica) -> Iterator[None]:
    """Let SIGHUP, SIGINT and SIGTERM stop the replica, and a second SIGINT end the process at once."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        replica.stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    # nohup ignores SIGHUP on purpose.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    except (ConnectionLost, Interrupted):
        # Who stops while the server is asked, or the data file opened, does not wait for the answer.
        if not came:
            raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
