"""`syncrepl-client config`: is a configuration right, and what may it say?"""

from __future__ import annotations

import sys
from typing import Final

import click

from syncrepl_client.cli.configured import configuration_argument, mistakes_told
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.service import building
from syncrepl_client.service.config import load
from syncrepl_client.service.example import example as example_of

__all__ = ["config"]

_HELP: Final = {"help_option_names": ["-h", "--help"]}


@click.group(short_help="Check a configuration, or begin one.", context_settings=_HELP)
def config() -> None:
    """Check the configuration of run, or print one to begin with."""


@config.command(short_help="Tell what is wrong in CONFIG.", context_settings=_HELP)
@configuration_argument
def check(*, config: str) -> None:
    """Tell what is wrong in the file CONFIG, all of it; the exit code is 0 if nothing is.

    Nothing is connected and nothing is opened but files that hold secrets.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)
    with mistakes_told(messages):
        found = load(config)
        building.check(found)
        messages.note(f"{config}: {found.contents}, nothing wrong")


@config.command(short_help="Print a configuration to begin with.", context_settings=_HELP)
def example() -> None:
    """Print a configuration with all keys, what they mean and what they are by default."""
    output = StandardOutput(sys.stdout.buffer)
    output.write(example_of())
    output.flush()
