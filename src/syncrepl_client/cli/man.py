"""`syncrepl-client man`: print the manual page."""

from __future__ import annotations

import sys
from typing import cast

import click

from syncrepl_client.cli.ending import errors_told
from syncrepl_client.cli.manual import manual_page
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine

__all__ = ["man"]


@click.command(short_help="Print the manual page.", context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def man(context: click.Context) -> None:
    """Print the manual page, of this command and all others.

    \b
    Read it:     syncrepl-client man | man -l -
    Install it:  syncrepl-client man >~/.local/share/man/man1/syncrepl-client.1
    """  # noqa: D301 - click's mark for lines that stay as they are
    output = StandardOutput(sys.stdout.buffer)
    with errors_told(Messages(ProgressLine(enabled=False), quiet=False)):
        output.write(manual_page(cast("click.Group", context.find_root().command)))
        output.flush()
