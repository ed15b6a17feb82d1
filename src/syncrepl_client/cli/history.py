"""`syncrepl-client history`: what has happened to one entry, and how to take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from syncrepl_client import ldif
from syncrepl_client.cli.ending import errors_told, left_by_signals
from syncrepl_client.cli.logged import chosen
from syncrepl_client.cli.options import quiet_option
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import UsageError
from syncrepl_client.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.model import Change

__all__ = ["history"]


@click.command(
    short_help="Show what has happened to an entry, or undo it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--json", "as_json", is_flag=True, help="Print each change as one line of JSON.")
@click.option("--ldif", "as_ldif", is_flag=True, help="Print each change as LDIF, such as ldapmodify reads.")
@click.option("--undo", is_flag=True, help="Print the LDIF that takes each change back, the last one first.")
@quiet_option
@click.argument("data", type=click.Path(readable=False))
@click.argument("which", metavar="DN_OR_UUID")
def history(*, data: str, which: str, as_json: bool, as_ldif: bool, undo: bool, quiet: bool) -> None:
    """Print the changes of an entry of DATA, the oldest first, as far back as the changelog reaches.

    The entry is named by a name that it has or had, or by its UUID; of several that had the name, all are told of.
    Nothing is written to a server: what --undo prints is for ldapmodify, once somebody has looked at it.
    """
    if as_json and (as_ldif or undo):
        raise click.UsageError("--json excludes --ldif and --undo")
    form, output = chosen(as_json=as_json, as_ldif=as_ldif or undo, numbers=True)
    messages = Messages(ProgressLine(enabled=False), quiet=quiet)
    with errors_told(messages), left_by_signals(), Reader(data) as reader:
        changes = reader.history(which)
        texts = _undone(changes) if undo else map(form.change, changes)
        printed = False
        for text in texts:
            if not printed:
                output.write(form.begin())
                printed = True
            output.write(text)
        output.flush()
        if not printed:
            messages.note(_why_nothing(reader, which))


def _undone(changes: Iterator[Change]) -> Iterator[str]:
    return reversed([ldif.undo(change, change.entry.schema) for change in changes])


def _why_nothing(reader: Reader, which: str) -> str:
    """Say why there is no change.

    Raises:
        UsageError: nobody knows such an entry.
    """
    status = reader.status()
    if status.logged_since is None:
        return f"{reader.path} keeps no changelog"
    try:
        entry = reader.entries.by_uuid(UUID(which))
    except ValueError:
        entry = reader.entries.entry(which)
    if entry is None:
        raise UsageError(f"there is no entry {which!r}, and no change of one is logged", hint="give its DN or its UUID")
    return f"{entry.dn} has not changed since {status.logged_since.astimezone():%Y-%m-%d %H:%M:%S}"
