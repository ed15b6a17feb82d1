"""`syncrepl-client status`: what a data file says of itself, and what to type next."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
import msgspec

from syncrepl_client.cli.ending import errors_told, left_by_signals
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.reader import Reader
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from syncrepl_client.reader import Behind, Status
    from syncrepl_client.store.held import Held

__all__ = ["status"]

_UNITS: Final = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
_SIZES: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
_KIB: Final = 1024
_FEW: Final = 2


class _Log(msgspec.Struct, frozen=True):
    after: int
    since: datetime
    octets: int


class _Subscription(msgspec.Struct, frozen=True):
    name: str
    sequence: int | None
    behind: int
    snapshot: bool
    moved_at: datetime


class _Held(msgspec.Struct, frozen=True):
    deletions: int
    entries: int
    approved: bool


class _Status(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    path: str
    url: str | None
    server: str | None
    copied: bool
    entries: int
    sequence: int
    changed_at: datetime | None
    changelog: _Log | None
    subscriptions: list[_Subscription]
    held: _Held | None


@click.command(
    short_help="Say what is in a copy, and who reads it.", context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
@click.argument("data", type=click.Path(readable=False))
def status(*, data: str, as_json: bool) -> None:
    """Say what the copy in DATA is of, how large and how old it is, and how far its subscriptions have come.

    A refresh that is held is told of with the command that lists it.  No server is asked, and the client that keeps the
    copy may be at work.
    """
    messages = Messages(ProgressLine(enabled=False), quiet=False)
    with errors_told(messages), left_by_signals():
        with Reader(data) as reader:
            found = reader.status()
        if as_json:
            output = StandardOutput(sys.stdout.buffer)
            output.write(msgspec.json.encode(_record(found)).decode() + "\n")
        else:
            output = StandardOutput(sys.stdout.buffer, encoding=sys.stdout.encoding)
            output.write("".join(f"{line}\n" for line in _readable(found, datetime.now(UTC), shlex.quote(data))))
        output.flush()


def _record(found: Status) -> _Status:
    log = None if found.logged_since is None else _Log(found.logged_after, found.logged_since, found.log_octets)
    readers = [
        _Subscription(one.name, one.sequence, one.changes, one.snapshot, one.moved_at) for one in found.subscriptions
    ]
    held = found.held
    return _Status(
        found.path,
        found.url,
        found.server,
        found.whole,
        found.entries,
        found.sequence,
        found.changed_at,
        log,
        readers,
        None if held is None else _Held(held.deletions, held.entries, held.approved),
    )


# --- for people -------------------------------------------------------------------------------------------------------


def _readable(found: Status, now: datetime, data: str) -> Iterator[str]:
    facts = [("search", found.url or "none yet"), ("server", found.server or "not known yet")]
    if found.whole:
        facts.append(("entries", f"{found.entries:,}"))
        changed = "" if found.changed_at is None else f", {_time(found.changed_at, now)}"
        facts.append(("last change", f"number {found.sequence:,}{changed}" if found.sequence else "none yet"))
        facts.append(("changelog", _changelog(found, now)))
    else:
        facts.append(("entries", "none: there is no copy yet"))
    yield printable(found.path)
    yield from (f"  {name:12} {printable(text)}" for name, text in facts)
    if found.subscriptions:
        yield ""
        yield from _table(found.subscriptions, now)
    if found.held is not None:
        yield ""
        yield from _held(found.held, data)
    elif not found.whole:
        yield ""
        yield f"make the copy: syncrepl-client sync {shlex.quote(found.url or 'ldap://HOST/BASE')} {data}"


def _changelog(found: Status, now: datetime) -> str:
    if found.logged_since is None:
        return "none is kept"
    changes = found.sequence - found.logged_after
    count = f"{changes:,} change{'' if changes == 1 else 's'}"
    return f"{count} since {_time(found.logged_since, now)}, {_size(found.log_octets)}"


def _table(readers: Sequence[Behind], now: datetime) -> Iterator[str]:
    width = max(len("subscription"), *(len(printable(one.name)) for one in readers))
    yield f"{'subscription':{width}}  {'has read up to':>14}  {'behind':>8}  last moved"
    for one in readers:
        where = "nothing" if one.sequence is None else "a snapshot" if one.snapshot else f"{one.sequence:,}"
        yield f"{printable(one.name):{width}}  {where:>14}  {one.changes:>8,}  {_time(one.moved_at, now)}"


def _held(held: Held, data: str) -> Iterator[str]:
    yield f"held: a refresh that would delete {held.deletions:,} of {held.entries:,} entries"
    if held.approved:
        yield "it is approved, and the next refresh deletes them"
    else:
        yield f"look at them: syncrepl-client deletes list {data}"


def _time(when: datetime, now: datetime) -> str:
    """Return a time in local time, and how long ago that was."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S} ({_ago(now - when)})"


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= _FEW * size), _UNITS[-1])
    count = seconds // size
    return f"{count} {unit if count != 1 else unit[:-1]} ago"


def _size(octets: int) -> str:
    size, unit = float(octets), 0
    while size >= _KIB and unit < len(_SIZES) - 1:
        size, unit = size / _KIB, unit + 1
    return f"{size:,.1f} {_SIZES[unit]}" if unit else f"{octets} {_SIZES[0]}"
