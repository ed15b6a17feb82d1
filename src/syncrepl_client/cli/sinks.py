"""`syncrepl-client sinks`: how far each sink of a configuration is, and what to do about one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click
import msgspec

from syncrepl_client.cli.configured import configuration_argument, mistakes_told
from syncrepl_client.cli.ending import left_by_signals
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import UsageError
from syncrepl_client.service.claim import is_claimed
from syncrepl_client.service.config import load
from syncrepl_client.service.standing import Standing, begin_anew, forget, standings
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["sinks"]

_TITLES: Final = ("sink", "source", "state", "behind", "waiting", "set aside", "error")


@click.command(
    short_help="Say how far each sink is, and what is wrong.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each sink and source.")
@click.option(
    "--forget",
    "forgotten",
    metavar="SINK",
    help="Forget how far SINK has come; the changelog waits for it no longer, and it begins anew if it comes back.",
)
@click.option("--snapshot", metavar="SINK", help="Let SINK begin anew, with all entries; the service must not run.")
@configuration_argument
def sinks(*, config: str, as_json: bool, forgotten: str | None, snapshot: str | None) -> None:
    """Say of each sink in the file CONFIG, and each source that it takes from, how far it is.

    "behind" is how many changes it has not got, besides the snapshot of all entries where it has not got all of that;
    "waiting" how long the oldest of them has waited.  State and error are what the service has said last, if one runs
    with CONFIG.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)
    with mistakes_told(messages), left_by_signals():
        read = load(config)
        for name in (forgotten, snapshot):
            if name is not None and is_claimed(read.folder):
                raise UsageError(f"a service works with {read.folder}", hint="stop it first")
        if forgotten is not None:
            messages.note(f"{forgotten}: forgotten by {', '.join(forget(read, forgotten)) or 'nobody, who knew it'}")
        if snapshot is not None:
            messages.note(f"{snapshot}: begins anew with all entries of {', '.join(begin_anew(read, snapshot))}")
        output = StandardOutput(sys.stdout.buffer, encoding="utf-8" if as_json else sys.stdout.encoding)
        found = list(standings(read))
        lines = (msgspec.json.encode(one).decode() for one in found) if as_json else _table(found)
        output.write("".join(f"{line}\n" for line in lines))
        output.flush()


def _table(found: Iterable[Standing]) -> Iterator[str]:
    rows = [_TITLES, *map(_row, found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_TITLES) - 1)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def _row(one: Standing) -> tuple[str, ...]:
    return (
        one.sink,
        one.source,
        one.state,
        _behind(one),
        "" if not one.waiting else f"{one.waiting:.0f} s",
        f"{one.dead_letters:,}" if one.dead_letters else "",
        printable(one.error),
    )


def _behind(one: Standing) -> str:
    if one.behind is None:
        return ""
    if one.snapshot:
        return f"snapshot + {one.behind:,}" if one.behind else "snapshot"
    return f"{one.behind:,}"
