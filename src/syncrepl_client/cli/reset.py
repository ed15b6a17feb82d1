"""`syncrepl-client reset`: start a copy afresh."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from syncrepl_client.cli.ending import errors_told
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.options import quiet_option
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.reader import Reader
from syncrepl_client.store.files import data_file
from syncrepl_client.store.reset import forget_cookie
from syncrepl_client.store.reset import reset as forget_everything
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from syncrepl_client.reader import Status

__all__ = ["reset"]


@click.command(short_help="Start a copy afresh.", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--keep-copy", is_flag=True, help="Forget the cookie alone: the next refresh compares everything.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@quiet_option
@click.argument("data", type=click.Path(readable=False))
def reset(*, data: str, keep_copy: bool, force: bool, quiet: bool) -> None:
    """Forget the copy in DATA, its cookie and its changelog, so that the next refresh copies everything.

    Subscriptions begin with a snapshot then.  The numbers of changes go on where they were; tables and settings of
    programs stay.  With --keep-copy the copy and the changelog stay too, and the next refresh tells of real differences
    alone.  The client that keeps the copy has to be stopped before.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=quiet)
    with errors_told(messages):
        with Reader(data) as reader:
            status = reader.status()
        if not force:
            _ask(status, keep_copy=keep_copy)
        (forget_cookie if keep_copy else forget_everything)(data_file(data))
        url = shlex.quote(status.url or "URL")
        done = "the next refresh reads everything" if keep_copy else "there is no copy any more"
        messages.note(f"{done}; refresh: syncrepl-client sync {url} {shlex.quote(data)}")


def _ask(status: Status, *, keep_copy: bool) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: --force resets without a question")
    path = printable(status.path)
    changes = status.sequence - status.logged_after
    what = (
        f"Forget how far {path} has come, and keep its {status.entries:,} entries?"
        if keep_copy
        else f"Forget {status.entries:,} entries and {changes:,} logged changes in {path}?"
    )
    try:
        agreed = click.confirm(what, err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        click.echo("nothing was changed", err=True)
        sys.exit(ExitCode.OTHER)
