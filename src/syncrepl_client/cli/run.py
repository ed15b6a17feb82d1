"""`syncrepl-client run`: the service, as a configuration file says."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import click

from syncrepl_client.cli.configured import configuration_argument, mistakes_told
from syncrepl_client.cli.log_lines import log_to
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.service.daemon import Daemon

if TYPE_CHECKING:
    from syncrepl_client.service.config import Config

__all__ = ["run"]


@click.command(
    short_help="Keep copies in step and deliver their changes.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@configuration_argument
def run(*, config: str) -> None:
    """Do what the file CONFIG says: keep each source in step, and deliver its changes to the sinks.

    It runs until SIGINT or SIGTERM.  SIGHUP reads CONFIG again, and lets all try again that has given up; what is wrong
    in it is logged, and the former one goes on.  Log lines go to standard error.

    To begin: syncrepl-client config example > config.toml
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)

    def configured(read: Config) -> None:
        log_to(sys.stderr, form=read.service.log_format, level=read.service.log_level)

    with mistakes_told(messages):
        Daemon(config, random=random.SystemRandom().random, configured=configured).run()
