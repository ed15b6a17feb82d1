"""`syncrepl-client replay`: send a stretch of the changelog to a sink once more."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING

import click

from syncrepl_client.cli.configured import configuration_argument, mistakes_told
from syncrepl_client.cli.ending import stopped_by_signals
from syncrepl_client.cli.moment import moment_option
from syncrepl_client.cli.shown_events import show
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.reader import Reader
from syncrepl_client.relay import Policy, Relay, State
from syncrepl_client.relay.replay import Replay
from syncrepl_client.service import building
from syncrepl_client.service.config import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.service.config import Config

__all__ = ["replay"]


@click.command(short_help="Send changes to a sink once more.", context_settings={"help_option_names": ["-h", "--help"]})
@moment_option("--from", "begin", "The first change: its number, or a time; the oldest that is kept by default.")
@moment_option("--to", "end", "The last change: its number, or a time; the last one by default.")
@click.option("--source", metavar="NAME", help="The source, for a sink that takes from several.")
@click.option("-n", "--dry-run", is_flag=True, help="Print the events, and send nothing.")
@configuration_argument
@click.argument("sink")
def replay(
    *,
    config: str,
    sink: str,
    begin: datetime | int | None,
    end: datetime | int | None,
    source: str | None,
    dry_run: bool,
) -> None:
    """Send changes of the changelog to SINK of the file CONFIG once more, with the ids that they had.

    The service may run: where SINK stands with it does not change.  Receivers that know the ids drop what they have.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)
    with mistakes_told(messages):
        read = load(config)
        source = _source(read, sink, source)
        with closing(Replay(read.data_file(source), begin=begin, end=end)) as changes:
            if dry_run:
                show(_events(read, sink, source, changes))
                return
            relay = _relay(read, sink, source, changes)
            with stopped_by_signals(relay) as came:
                _deliver(relay)
            status = relay.status()
            what = f"{status.delivered:,} events of the changes {changes.first:,} to {changes.last:,} sent to {sink}"
            left = f"; {status.rejected:,} rejected" if status.rejected else ""
            messages.note(f"{'stopped; ' if came else ''}{what}{left}")


def _source(config: Config, sink: str, source: str | None) -> str:
    if sink not in config.sinks:
        raise UsageError(f"there is no sink {sink!r}", hint=f"there are {', '.join(config.sinks)}")
    sources = config.sources_of(sink)
    if source is None and len(sources) > 1:
        raise UsageError(f"{sink} takes from several sources", hint=f"--source is one of {', '.join(sources)}")
    if source is not None and source not in sources:
        raise UsageError(f"{sink} does not take from {source!r}", hint=f"it takes from {', '.join(sources)}")
    return source or sources[0]


def _encoding(config: Config, sink: str, source: str) -> building.Encoding:
    with Reader(config.data_file(source)) as reader:
        return building.make_encoding(config, sink, source, reader.status().file_id)


def _events(config: Config, sink: str, source: str, changes: Replay) -> Iterator[Event]:
    encoding = _encoding(config, sink, source)
    while found := changes.read(500, 0):
        for change in found:
            yield from encoding.events(change)


def _relay(config: Config, sink: str, source: str, changes: Replay) -> Relay:
    section = config.sinks[sink].section
    encoding = _encoding(config, sink, source)
    return Relay(
        changes,
        encoding.events,
        building.make_sink(config, sink, source, encoding.envelope),
        random=random.SystemRandom().random,
        # Whoever sits in front of it sees what is not taken, and the changelog still has it.
        policy=Policy.SKIP,
        batch=section.batch,
    )


def _deliver(relay: Relay) -> None:
    """Send until the end; nobody waits for a receiver that is away.

    Raises:
        SinkUnavailable: it is away.
    """
    with closing(relay):
        while relay.step(0.1):
            error = relay.status().error
            if relay.state is State.WAITING and isinstance(error, SinkUnavailable):
                raise error
