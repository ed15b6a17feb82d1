"""`syncrepl-client backup`: copy a data file while it is in use."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from syncrepl_client.cli.ending import errors_told, left_by_signals
from syncrepl_client.cli.options import quiet_option
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.store.backup import backup as copy_verified
from syncrepl_client.store.files import data_file

__all__ = ["backup"]


@click.command(
    short_help="Copy a data file while it is in use.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("-f", "--force", is_flag=True, help="Overwrite FILE.")
@quiet_option
@click.argument("data", type=click.Path(readable=False))
@click.argument("file", type=click.Path(readable=False))
def backup(*, data: str, file: str, force: bool, quiet: bool) -> None:
    """Copy the data file DATA to FILE as it is at one moment, also while a client keeps it in step.

    The copy holds everything: entries, cookie, changelog, subscriptions and what programs have stored.  It is verified,
    and only its owner may read it.  To restore it, stop the client and put the copy in the place of DATA and of what is
    beside it (DATA-wal and DATA-shm).
    """
    messages = Messages(ProgressLine(enabled=False), quiet=quiet)
    with errors_told(messages), left_by_signals():
        copy_verified(data_file(data), Path(file), overwrite=force)
        messages.note(f"{file} is a verified copy; look into it: syncrepl-client status {shlex.quote(file)}")
