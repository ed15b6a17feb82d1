"""`syncrepl-client completion`: what a shell reads to complete the words of this command."""

from __future__ import annotations

import sys
from typing import Final

import click
from click.shell_completion import get_completion_class

from syncrepl_client.cli.ending import errors_told
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine

__all__ = ["completion"]

_SHELLS: Final = ("bash", "zsh", "fish")
_PROGRAM: Final = "syncrepl-client"
_VARIABLE: Final = "_SYNCREPL_CLIENT_COMPLETE"


@click.command(
    short_help="Print what lets a shell complete words.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the lines that let a shell complete commands, options and files after syncrepl-client.

    \b
    In bash, in ~/.bashrc:            eval "$(syncrepl-client completion bash)"
    In zsh, in ~/.zshrc:              eval "$(syncrepl-client completion zsh)"
    In fish, in ~/.config/fish/completions/syncrepl-client.fish:
                                      syncrepl-client completion fish | source
    """  # noqa: D301 - click's mark for lines that stay as they are
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows these three
    output = StandardOutput(sys.stdout.buffer)
    with errors_told(Messages(ProgressLine(enabled=False), quiet=False)):
        output.write(kind(context.find_root().command, {}, _PROGRAM, _VARIABLE).source() + "\n")
        output.flush()
