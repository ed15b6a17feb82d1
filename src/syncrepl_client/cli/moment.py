"""Which moment of a copy is meant, and its entries then."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client.exceptions import UsageError
from syncrepl_client.store.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.cli.terminal import Messages
    from syncrepl_client.reader import Reader, Status
    from syncrepl_client.store.past import Past

    _Command = Callable[..., None]

__all__ = ["at_option", "copied", "moment_option", "source"]


def _when(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | int | None:
    """Read a time, or the number of a change; a time without zone is local time."""
    if value is None:
        return None
    if value.isdecimal():
        return int(value)
    try:
        return datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{value!r} is no time such as 2026-11-25T18:00 and no number of a change") from error


def moment_option(option: str, argument: str, text: str) -> Callable[[_Command], _Command]:
    """Return an option that takes a time or the number of a change."""
    return click.option(option, argument, metavar="TIME", callback=_when, help=text)


at_option: Final = moment_option(
    "--at",
    "when",
    "As the copy was then: a time (ISO 8601, local time if it has no zone), or after the change of that number.",
)


def copied(reader: Reader) -> Status:
    """Make sure that there is a copy; tells what the data file says of itself.

    Raises:
        UsageError: there is none yet.
    """
    status = reader.status()
    if not status.whole:
        raise UsageError(f"there is no copy in {reader.path} yet", hint="make it: syncrepl-client sync URL DATA")
    return status


def source(reader: Reader, when: datetime | int | None, messages: Messages) -> Past | Listing:
    """Return the entries of a copy at one moment; close it.

    Args:
        reader: the data file.
        when: the moment, or the number of a change; None for now.
        messages: where it is said which time was understood.

    Raises:
        UsageError: there is no copy, or no changelog that tells what it was.
        ChangesLost: that is longer ago than the changelog reaches.
    """
    status = copied(reader)
    if isinstance(when, datetime):
        messages.note(f"the copy as it was at {when.isoformat()}")
    if status.logged_since is not None:
        return reader.at(status.sequence if when is None else when)
    if when is not None:
        raise UsageError(f"{reader.path} keeps no changelog, which would tell what the copy was", hint="leave out --at")
    return Listing(reader.path)
