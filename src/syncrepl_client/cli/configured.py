"""What commands that are about a configuration file have in common."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client.cli.ending import errors_told
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.cli.terminal import Messages

__all__ = ["configuration_argument", "mistakes_told"]

configuration_argument: Final = click.argument("config", type=click.Path(readable=False))


@contextmanager
def mistakes_told(messages: Messages) -> Iterator[None]:
    """Say each mistake of a configuration in a line of its own, and end the command; other errors too."""
    with errors_told(messages):
        try:
            yield
        except ConfigurationError as error:
            for one in error.mistakes:
                messages.say(f"{error.file}: {one.key}: {one.problem}")
                if one.hint:
                    messages.say(f"    hint: {one.hint}")
            sys.exit(ExitCode.USAGE)
