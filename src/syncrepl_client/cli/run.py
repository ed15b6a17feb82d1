"""`syncrepl-client run`: the service, as a configuration file says."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import click

from syncrepl_client.cli.configured import configuration_argument, mistakes_told
from syncrepl_client.cli.log_lines import log_to
from syncrepl_client.cli.shown_events import show
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.service import building
from syncrepl_client.service.config import load
from syncrepl_client.service.daemon import Daemon
from syncrepl_client.service.preview import preview
from syncrepl_client.store.visiting import is_there

if TYPE_CHECKING:
    from syncrepl_client.service.config import Config

__all__ = ["run"]


@click.command(
    short_help="Keep copies in step and deliver their changes.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Print what each sink would get next of what is in the copies now; connect to nobody and change nothing.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=10, show_default=True, help="With --dry-run: how many for each sink."
)
@configuration_argument
def run(*, config: str, dry_run: bool, limit: int) -> None:
    """Do what the file CONFIG says: keep each source in step, and deliver its changes to the sinks.

    It runs until SIGINT or SIGTERM.  SIGHUP reads CONFIG again, and lets all try again that has given up; what is wrong
    in it is logged, and the former one goes on.  Log lines go to standard error.

    To begin: syncrepl-client config example > config.toml
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)

    def configured(read: Config) -> None:
        log_to(sys.stderr, form=read.service.log_format, level=read.service.log_level)

    with mistakes_told(messages):
        if dry_run:
            _show_next(config, limit, messages)
            return
        Daemon(config, random=random.SystemRandom().random, configured=configured).run()


def _show_next(file: str, limit: int, messages: Messages) -> None:
    config = load(file)
    building.check(config)
    for sink in config.sinks:
        for source in config.sources_of(sink):
            if not is_there(config.data_file(source)):
                messages.note(f"{sink} from {source}: there is no copy yet")
                continue
            events = preview(config, sink, source)
            messages.note(f"{sink} from {source}:")
            count = show(events, limit)
            messages.note("    nothing" if not count else "    and more" if next(events, None) else "    nothing more")
