"""The command: options, signals, exit codes.

It joins a `Replica` and a `Printer` and turns what is raised into a message and an exit code.
"""

from __future__ import annotations

import signal
import sys
from contextlib import closing, contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client import __version__
from syncrepl_client.cli.json_lines import JsonLines
from syncrepl_client.cli.ldif import Ldif
from syncrepl_client.cli.output import Format, OutputFailed, Printer, StandardOutput
from syncrepl_client.cli.password import find_password
from syncrepl_client.cli.readable import Readable, dump
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import (
    ConnectionLost,
    DBError,
    DNError,
    FilterError,
    InsufficientAccess,
    Interrupted,
    InvalidCredentials,
    LDAPUrlConflict,
    LDAPUrlError,
    MassDeletionHeld,
    NoSuchBase,
    ProtocolError,
    SyncNotSupported,
    SyncreplError,
)
from syncrepl_client.ldap import url as urls
from syncrepl_client.model import SyncreplMode
from syncrepl_client.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["ExitCode", "main"]


class ExitCode(IntEnum):
    """What the command tells the shell."""

    OK = 0
    OTHER = 1
    USAGE = 2
    CONNECTION = 3
    ACCESS = 4
    NOT_OFFERED = 5
    PROTOCOL = 6
    DATA_FILE = 7
    HELD = 8


_MEANINGS: Final = {
    ExitCode.OK: "the refresh is complete, or a signal stopped the command",
    ExitCode.OTHER: "any other error",
    ExitCode.USAGE: "wrong options, URL or filter, or the data file is of another search",
    ExitCode.CONNECTION: "no connection to the server, or it was lost",
    ExitCode.ACCESS: "wrong name or password, or not allowed",
    ExitCode.NOT_OFFERED: "the server does not offer synchronization here, or no such base",
    ExitCode.PROTOCOL: "the server broke the protocol",
    ExitCode.DATA_FILE: "the data file cannot be used",
    ExitCode.HELD: "the refresh would delete too much; nothing was changed",
}

_CODES: Final[dict[type[SyncreplError], ExitCode]] = {
    LDAPUrlError: ExitCode.USAGE,
    FilterError: ExitCode.USAGE,
    DNError: ExitCode.USAGE,
    ConnectionLost: ExitCode.CONNECTION,
    InvalidCredentials: ExitCode.ACCESS,
    InsufficientAccess: ExitCode.ACCESS,
    SyncNotSupported: ExitCode.NOT_OFFERED,
    NoSuchBase: ExitCode.NOT_OFFERED,
    ProtocolError: ExitCode.PROTOCOL,
    DBError: ExitCode.DATA_FILE,
    MassDeletionHeld: ExitCode.HELD,
}

# "\b" keeps the lines as they are.
_EPILOG: Final = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"  {code:d}  {meaning}" for code, meaning in _MEANINGS.items()),
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


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persist", is_flag=True, help="Go on listening until SIGHUP, SIGINT or SIGTERM.")
@click.option("--json", "as_json", is_flag=True, help="Print each change as one line of JSON.")
@click.option("--ldif", "as_ldif", is_flag=True, help="Print each change as LDIF, such as ldapmodify reads.")
@click.option("--nodir", is_flag=True, help="Do not print the directory at the end of the refresh.")
@click.option("--starttls", is_flag=True, help="Encrypt the connection before the bind.")
@click.option(
    "--password-file",
    metavar="FILE",
    envvar="SYNCREPL_PASSWORD_FILE",
    show_envvar=True,
    help="Read the password of the URL's bindname from FILE; '-' is standard input.",
)
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
@click.argument("data", type=click.Path())
def main(
    *,
    url: str,
    data: str,
    persist: bool,
    as_json: bool,
    as_ldif: bool,
    nodir: bool,
    starttls: bool,
    password_file: str | None,
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
    printer = None if silent else Printer(form, output, progress)
    try:
        parsed = urls.parse(url)
        replica = Replica(
            parsed,
            data,
            mode=SyncreplMode.REFRESH_AND_PERSIST if persist else SyncreplMode.REFRESH_ONLY,
            listener=printer,
            starttls=starttls,
            password=find_password(parsed, password_file, messages),
            progress=progress,
            trace=messages.trace if trace else None,
        )
        with _stopped_by_signals(replica):
            _run(replica, printer, output, directory=isinstance(form, Readable) and not nodir)
    except SyncreplError as error:
        messages.error(error)
        sys.exit(_exit_code(error))
    except OutputFailed as failed:
        if not failed.nobody_reads:
            messages.error(SyncreplError(str(failed)))
            sys.exit(ExitCode.OTHER)
    finally:
        progress.clear()


def _run(replica: Replica, printer: Printer | None, output: StandardOutput, *, directory: bool) -> None:
    with closing(replica):
        replica.open_store()
        _refuse_another_search(replica)
        replica.open()
        going = True
        while going:
            going = replica.step(timeout=3.0)
            if printer is not None and printer.refreshed:
                printer.refreshed = False
                if directory:
                    # Outside of the transaction: who looks at it with a pager takes his time.
                    for text in dump(replica.entries):
                        output.write(text)
                    output.flush()


def _refuse_another_search(replica: Replica) -> None:
    """Keep a mistyped URL from replacing a copy, which would look as if everything in it were deleted."""
    stored = replica.store.state().url
    if stored is not None and urls.parse(stored).search_url() != replica.url.search_url():
        raise LDAPUrlConflict(stored, str(replica.url))


def _exit_code(error: SyncreplError) -> ExitCode:
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.OTHER)


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
