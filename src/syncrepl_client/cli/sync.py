"""`syncrepl-client sync`: bring a copy up to date once, and say what that has changed."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from syncrepl_client.cli.ending import errors_told, stopped_by_signals
from syncrepl_client.cli.options import connection_options, quiet_option, trace_option
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine, warnings_shown
from syncrepl_client.model import Refreshed, SyncreplMode

if TYPE_CHECKING:
    from syncrepl_client.cli.connecting import Connecting
    from syncrepl_client.replica import Replica

__all__ = ["sync"]


class _Summary(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    entries: int
    added: int
    modified: int
    renamed: int
    deleted: int
    first: bool
    seconds: float


@click.command(
    short_help="Make a copy, or bring it up to date.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--json", "as_json", is_flag=True, help="Print what has changed as one JSON object.")
@click.option("--reconnect", is_flag=True, help="Connect again when there is no connection, for as long as it takes.")
@connection_options
@trace_option
@quiet_option
@click.argument("url")
@click.argument("data", type=click.Path(readable=False))
def sync(
    *, url: str, data: str, as_json: bool, reconnect: bool, connecting: Connecting, trace: bool, quiet: bool
) -> None:
    """Bring the copy in DATA up to date with the search of URL, once, and say what that has changed.

    The changes themselves are in the changelog, where subscriptions and history find them; watch prints them.  All of a
    refresh is stored or nothing of it, so a signal leaves the copy as it was; the exit code is 128 and the number of
    the signal then.
    """
    progress = ProgressLine(enabled=not quiet and not trace)
    messages = Messages(progress, quiet=quiet)
    with errors_told(messages), warnings_shown(messages):
        replica = connecting.replica(
            url,
            data,
            messages,
            mode=SyncreplMode.REFRESH_ONLY,
            progress=progress,
            trace=messages.trace if trace else None,
        )
        refreshed, first, began = None, False, time.monotonic()
        with stopped_by_signals(replica) as came, closing(replica):
            connecting.open(replica, messages)
            first = not replica.store.whole
            refreshed = _refresh(replica, reconnect=reconnect)
        seconds = time.monotonic() - began
        progress.clear()
        if refreshed is None:
            messages.note("stopped; the copy is as it was")
            sys.exit(128 + came[0])
        _tell(messages, refreshed, seconds, shlex.quote(data), first=first)
        if as_json:
            output = StandardOutput(sys.stdout.buffer)
            summary = _Summary(
                refreshed.entries,
                refreshed.added,
                refreshed.modified,
                refreshed.renamed,
                refreshed.deleted,
                first,
                round(seconds, 3),
            )
            output.write(msgspec.json.encode(summary).decode() + "\n")
            output.flush()


def _refresh(replica: Replica, *, reconnect: bool) -> Refreshed | None:
    """Complete a refresh; None if it was stopped."""
    if not reconnect:
        replica.connect()
    step = replica.follow_step if reconnect else replica.step
    while step(3.0):
        pass
    link = replica.opened.link
    return Refreshed(len(replica.entries), **link.counts) if link.finished else None


def _tell(messages: Messages, refreshed: Refreshed, seconds: float, data: str, *, first: bool) -> None:
    entries = f"{refreshed.entries:,} entr{'y' if refreshed.entries == 1 else 'ies'}"
    if first:
        messages.note(f"{entries} copied in {seconds:.1f} seconds")
        messages.note(f"what is in it: syncrepl-client status {data}")
        return
    kinds = ("added", "modified", "renamed", "deleted")
    counts = ", ".join(f"{getattr(refreshed, kind):,} {kind}" for kind in kinds)
    messages.note(f"{entries}: {counts}, in {seconds:.1f} seconds")
