"""`syncrepl-client deletes`: look at what a refresh that is held would delete, and decide."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from syncrepl_client.cli.exits import ExitCode, exit_code
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import SyncreplError, UsageError
from syncrepl_client.store import held
from syncrepl_client.store.decisions import Decisions
from syncrepl_client.store.files import data_file
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from syncrepl_client.store.held import Held

__all__ = ["deletes"]


@click.command(
    short_help="Decide about a refresh that is held.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("action", type=click.Choice(["list", "approve", "reject"]))
@click.argument("data", type=click.Path(readable=False))
def deletes(*, action: str, data: str) -> None:
    """Decide about a refresh that is held because it would delete too much.

    list prints UUID and name of each entry of the copy that would be deleted, and exits with 8 if there are any.
    approve lets the next refresh delete these.  reject forgets them, and the next refresh reads everything anew.
    What was decided is executed by the client that uses DATA, or by the next one that does.
    """
    try:
        with closing(Decisions(Path(data_file(data)))) as decisions:
            now = decisions.held()
            if action == "list":
                sys.exit(_print(decisions, now))
            if now is None:
                raise UsageError(f"no refresh of {data} is held", hint="there is nothing to decide")
            decisions.ask(held.APPROVE if action == "approve" else held.REJECT, now)
            word = "approved" if action == "approve" else "rejected"
            click.echo(f"{word}: {now.deletions} of {now.entries} entries", err=True)
    except SyncreplError as error:
        Messages(ProgressLine(enabled=False), quiet=False).error(error)
        sys.exit(exit_code(error))


def _print(decisions: Decisions, now: Held | None) -> ExitCode:
    if now is None:
        click.echo("nothing is held", err=True)
        return ExitCode.OK
    for uuid, dn in decisions.listed():
        click.echo(f"{UUID(bytes=uuid)} {printable(dn)}")
    state = "approved, for the next refresh" if now.approved else "held"
    click.echo(f"{now.deletions} of {now.entries} entries would be deleted: {state}", err=True)
    return ExitCode.OK if now.approved else ExitCode.HELD
