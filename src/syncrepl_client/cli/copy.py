"""`syncrepl-client [copy] URL DATA`: keep a copy and print what changes; the form without a word is the oldest."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client.cli.ending import errors_told, stopped_by_signals
from syncrepl_client.cli.exits import MEANINGS
from syncrepl_client.cli.json_lines import JsonLines
from syncrepl_client.cli.ldif import Ldif
from syncrepl_client.cli.options import connection_options, trace_option
from syncrepl_client.cli.output import Format, Printer, StandardOutput
from syncrepl_client.cli.readable import Readable, dump
from syncrepl_client.cli.terminal import Messages, ProgressLine, warnings_shown
from syncrepl_client.model import SyncreplMode

if TYPE_CHECKING:
    from syncrepl_client.cli.connecting import Connecting
    from syncrepl_client.replica import Replica

__all__ = ["copy"]

# "\b" keeps the lines as they are.
_EPILOG: Final = "\n".join(
    [
        "\b",
        "Exit codes:",
        *(f"  {code:d}  {meaning}" for code, meaning in MEANINGS.items()),
        "",
        "\b",
        "Example:",
        "  syncrepl-client --persist --json \\",
        "      'ldap://ldap.example.com/dc=example,dc=com??sub?(objectClass=person)' copy.db",
    ]
)


@click.command(
    short_help="Keep a copy, and print what changes.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--persist", is_flag=True, help="Go on listening until SIGHUP, SIGINT or SIGTERM.")
@click.option("--reconnect", is_flag=True, help="Connect again when there is no connection, for as long as it takes.")
@click.option("--json", "as_json", is_flag=True, help="Print each change as one line of JSON.")
@click.option("--ldif", "as_ldif", is_flag=True, help="Print each change as LDIF, such as ldapmodify reads.")
@click.option("--nodir", is_flag=True, help="Do not print the directory at the end of the refresh.")
@connection_options
@trace_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors, and what --json or --ldif asks for.")
@click.argument("url")
@click.argument("data", type=click.Path(readable=False))
def copy(
    *,
    url: str,
    data: str,
    persist: bool,
    reconnect: bool,
    as_json: bool,
    as_ldif: bool,
    nodir: bool,
    connecting: Connecting,
    trace: bool,
    quiet: bool,
) -> None:
    """Keep a copy of an LDAP search in the file DATA, and print what changes.

    URL names server and search: ldap://HOST/BASE?ATTRIBUTES?SCOPE?FILTER?bindname=DN
    (also ldaps and ldapi).  The first run copies everything, later ones what changed since.
    Data go to standard output, messages to standard error.  The word copy may be left out.
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
        with errors_told(messages):
            replica = connecting.replica(
                url,
                data,
                messages,
                mode=SyncreplMode.REFRESH_AND_PERSIST if persist else SyncreplMode.REFRESH_ONLY,
                listener=printer,
                progress=progress,
                trace=messages.trace if trace else None,
            )
            directory = isinstance(form, Readable) and not nodir
            with warnings_shown(messages), stopped_by_signals(replica), closing(replica):
                connecting.open(replica, messages)
                _run(replica, printer, output, directory=directory, reconnect=reconnect)
    finally:
        progress.clear()


def _run(
    replica: Replica, printer: Printer | None, output: StandardOutput, *, directory: bool, reconnect: bool
) -> None:
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
