"""`syncrepl-client watch`: print each change as it happens, after it was stored."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client.cli.ending import errors_told, stopped_by_signals
from syncrepl_client.cli.logged import chosen
from syncrepl_client.cli.options import connection_options, quiet_option, trace_option
from syncrepl_client.cli.output import COMMAND
from syncrepl_client.cli.terminal import Messages, ProgressLine, warnings_shown
from syncrepl_client.model import Added, Change, Deleted, Modified, Origin, Renamed, SyncreplMode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncrepl_client.cli.connecting import Connecting
    from syncrepl_client.cli.logged import Form
    from syncrepl_client.cli.output import StandardOutput
    from syncrepl_client.ldap.attributes import Attributes
    from syncrepl_client.replica import Replica
    from syncrepl_client.subscription import Subscription

__all__ = ["watch"]

_KINDS: Final[dict[str, type[Change]]] = {
    "added": Added,
    "modified": Modified,
    "renamed": Renamed,
    "deleted": Deleted,
}
# How often to look whether the first load is over, in seconds.
_LOOK_EVERY: Final = 0.2


def _kinds(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[type[Change], ...]:
    words = [word.strip() for word in value.split(",") if word.strip()]
    for word in words:
        if word not in _KINDS:
            raise click.BadParameter(f"{word!r} is none of {', '.join(_KINDS)}")
    return tuple(_KINDS[word] for word in words)


@click.command(short_help="Print changes as they happen.", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print each change as one line of JSON.")
@click.option("--ldif", "as_ldif", is_flag=True, help="Print each change as LDIF, such as ldapmodify reads.")
@click.option(
    "--only",
    "kinds",
    metavar="KIND,...",
    default="",
    callback=_kinds,
    help=f"Print these kinds of change alone: {', '.join(_KINDS)}.",
)
@click.option(
    "--snapshot/--no-snapshot",
    default=None,
    help="Print the entries of the first load too, or not; with --json and --ldif they are printed by default.",
)
@click.option(
    "--subscription",
    metavar="NAME",
    help="Remember in DATA under this name what was printed, and go on there the next time.",
)
@connection_options
@trace_option
@quiet_option
@click.argument("url")
@click.argument("data", type=click.Path(readable=False), required=False)
def watch(
    *,
    url: str,
    data: str | None,
    as_json: bool,
    as_ldif: bool,
    kinds: tuple[type[Change], ...],
    snapshot: bool | None,
    subscription: str | None,
    connecting: Connecting,
    trace: bool,
    quiet: bool,
) -> None:
    """Print what changes in the search of URL, as it happens, until SIGHUP, SIGINT or SIGTERM.

    A connection that is lost is made again.  With DATA the copy stays in that file, and the next run tells at once what
    has changed in between; without it the copy is in a temporary file that is removed at the end.
    """
    if as_json and as_ldif:
        raise click.UsageError("--json and --ldif exclude each other")
    if subscription is not None and data is None:
        raise click.UsageError("--subscription needs DATA, where it is remembered")
    form, output = chosen(as_json=as_json, as_ldif=as_ldif)
    progress = ProgressLine(enabled=not quiet and not trace)
    messages = Messages(progress, quiet=quiet)
    heard = _Heard(messages)
    with errors_told(messages), warnings_shown(messages), ExitStack() as stack:
        stack.callback(progress.clear)
        replica = connecting.replica(
            url,
            data or f"{stack.enter_context(tempfile.TemporaryDirectory(prefix='syncrepl-watch-'))}/copy.db",
            messages,
            mode=SyncreplMode.REFRESH_AND_PERSIST,
            listener=heard,
            progress=progress,
            trace=messages.trace if trace else None,
        )
        came = stack.enter_context(stopped_by_signals(replica))
        stack.enter_context(closing(replica))
        connecting.open(replica, messages)
        shown = (as_json or as_ldif) if snapshot is None else snapshot
        changes = stack.enter_context(_changes(replica, subscription, kinds, snapshot=shown))
        watching = _Watching(form, output, progress, snapshot=shown)
        watching.begin()
        while not came and not changes.ended:
            watching.print(changes.read(timeout=heard.patience))
            if not watching.busy:
                heard.tell()
        # All that was read is printed: nobody is to see it again.
        changes.commit()


def _changes(
    replica: Replica, subscription: str | None, kinds: Sequence[type[Change]], *, snapshot: bool
) -> Subscription:
    if subscription is None:
        return replica.changes(kinds=kinds, reconnect=True, snapshot=snapshot)
    return replica.subscribe(subscription, start="snapshot" if snapshot else "now", kinds=kinds, reconnect=True)


class _Heard:
    """What the replica tells besides changes."""

    name = COMMAND

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        # How many entries there were at the end of the last refresh, until it is told; and whether it was the first.
        self._entries: int | None = None
        self._told = False

    def refresh_done(self, entries: Mapping[str, Attributes], cursor: object) -> None:  # noqa: ARG002 - its signature
        """Remember that a refresh is complete."""
        self._entries = len(entries)

    def connected(self, url: str) -> None:
        """Say that there is a connection again."""
        if self._told:
            self._messages.note(f"connected to {url}")

    @property
    def patience(self) -> float | None:
        """How long to wait for a change, in seconds; None for as long as it takes."""
        return None if self._told else _LOOK_EVERY

    def tell(self) -> None:
        """Say that the copy is whole, once."""
        if self._entries is not None and not self._told:
            self._told = True
            self._messages.note(f"{self._entries:,} entries; waiting for changes, Ctrl-C ends it")


class _Watching:
    """Prints changes.

    Args:
        form: what they look like.
        output: where to.
        progress: the line to take away before.
        snapshot: whether to print the entries of a first load.
    """

    def __init__(self, form: Form, output: StandardOutput, progress: ProgressLine, *, snapshot: bool) -> None:
        self._form = form
        self._output = output
        self._progress = progress
        self._snapshot = snapshot
        # Whether there may be more of what was read last.
        self.busy = False

    def begin(self) -> None:
        """Print what comes first."""
        self._write([self._form.begin()])

    def print(self, changes: Sequence[Change]) -> None:
        """Print changes, at once."""
        self.busy = bool(changes)
        self._write([self._form.change(one) for one in changes if self._snapshot or one.origin is not Origin.SNAPSHOT])

    def _write(self, texts: Sequence[str]) -> None:
        if any(texts):
            self._progress.clear()
            for text in texts:
                self._output.write(text)
            self._output.flush()
