"""`syncrepl-client dead`: look at events that a receiver did not take, and decide about them."""

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
from syncrepl_client.service.config import load
from syncrepl_client.sinks.lines import as_line
from syncrepl_client.store.dead_letters import DeadLetterFile
from syncrepl_client.store.visiting import is_there
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.store.dead_letters import DeadLetter

    _Command = Callable[..., None]

__all__ = ["dead"]

_HELP: Final = {"help_option_names": ["-h", "--help"]}
_MESSAGES: Final = Messages(ProgressLine(enabled=False), quiet=False)
_sink_option: Final = click.option("--sink", metavar="NAME", help="Those of this sink alone.")
_all_option: Final = click.option("--all", "everything", is_flag=True, help="All there are, or all of --sink.")
_numbers_argument: Final = click.argument("numbers", type=click.IntRange(1), nargs=-1)


@click.group(short_help="Decide about events that were not taken.", context_settings=_HELP)
def dead() -> None:
    """Look at events that a receiver will not take, and decide about them.

    They are set aside where a sink has rejected = "dead letters".  CONFIG is the file of the service, which may run.
    """


def _file(config: str) -> DeadLetterFile | None:
    path = load(config).dead_letters
    return DeadLetterFile(path) if is_there(path) else None


@dead.command("list", short_help="List them.", context_settings=_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each.")
@_sink_option
@configuration_argument
def list_(*, config: str, sink: str | None, as_json: bool) -> None:
    """List the events that are set aside, the oldest first, without what they say."""
    with mistakes_told(_MESSAGES), left_by_signals():
        file = _file(config)
        if file is None:
            return
        output = StandardOutput(sys.stdout.buffer, encoding="utf-8" if as_json else sys.stdout.encoding)
        with file:
            for one in file.letters(sink):
                output.write((msgspec.json.encode(one).decode() if as_json else _line(one)) + "\n")
        output.flush()


def _line(one: DeadLetter) -> str:
    marked = "  (to be sent again)" if one.marked else ""
    when = f"{one.refused_at.astimezone():%Y-%m-%d %H:%M:%S}"
    what = f"{one.number}  {when}  {one.sink} from {one.source}  {one.kind}  {one.dn}: {one.reason}"
    return printable(what) + marked


@dead.command("show", short_help="Print one as it would be sent.", context_settings=_HELP)
@configuration_argument
@click.argument("number", type=click.IntRange(1))
def show(*, config: str, number: int) -> None:
    """Print the event of a number as it would be sent, with what travels beside its body."""
    with mistakes_told(_MESSAGES), left_by_signals():
        file = _file(config)
        event = None
        if file is not None:
            with file:
                event = file.event(number)
        if event is None:
            raise UsageError(f"no event {number} is set aside", hint="dead list CONFIG lists them")
        output = StandardOutput(sys.stdout.buffer)
        output.write(as_line(event, records=True).decode())
        output.flush()


@dead.command(short_help="Send them again.", context_settings=_HELP)
@_sink_option
@_all_option
@configuration_argument
@_numbers_argument
def retry(*, config: str, numbers: tuple[int, ...], sink: str | None, everything: bool) -> None:
    """Let the service send events again, by their numbers, and with each those of its entry before it.

    It does so within seconds, or when it is started; what is refused once more stays, with the new reason.
    """
    with mistakes_told(_MESSAGES), left_by_signals():
        chosen = _chosen(numbers, everything=everything)
        _decide(config, "to be sent again", lambda file: file.mark(chosen, sink=sink))


@dead.command(short_help="Give them up.", context_settings=_HELP)
@_sink_option
@_all_option
@configuration_argument
@_numbers_argument
def drop(*, config: str, numbers: tuple[int, ...], sink: str | None, everything: bool) -> None:
    """Delete events by their numbers, for good: the receiver never gets them."""
    with mistakes_told(_MESSAGES), left_by_signals():
        chosen = _chosen(numbers, everything=everything)
        _decide(config, "dropped", lambda file: file.drop(chosen, sink=sink))


def _chosen(numbers: tuple[int, ...], *, everything: bool) -> tuple[int, ...] | None:
    """Return which events are meant; None for all."""
    if everything == bool(numbers):
        raise UsageError("it is not said which events", hint="give their numbers, or --all")
    return None if everything else numbers


def _decide(config: str, done: str, decide: Callable[[DeadLetterFile], int]) -> None:
    file = _file(config)
    count = 0
    if file is not None:
        with file:
            count = decide(file)
    _MESSAGES.note(f"{count} {done}")
