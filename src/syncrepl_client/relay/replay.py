"""`Replay`: a stretch of the changelog told once more, without a subscription.

It moves no offset and leaves no trace.  The changes are those that subscriptions were told, with the same numbers, so
the events that an envelope makes of them have the same ids.  What a snapshot told was never in the changelog.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import ChangesLost, UsageError
from syncrepl_client.model.moments import microseconds, moment
from syncrepl_client.store import changelog
from syncrepl_client.store.feed import Feed, begin_at
from syncrepl_client.store.files import data_file
from syncrepl_client.store.position import Position
from syncrepl_client.store.visiting import reading, translated, visit

if TYPE_CHECKING:
    import os
    from pathlib import Path
    from types import TracebackType

    from syncrepl_client.model import Change

__all__ = ["Replay"]

_PAGE: Final = 500


class Replay:
    """Tells the changes from one to another, both included, and ends; a `relay.Source`.

    What is stored while it runs is not part of it.  Use it as a context manager, or call `close`.  It belongs to one
    thread, but for `stop`.

    Args:
        path: the data file, or the folder with a ``syncrepl.db`` in it.
        begin: the number of the first change, or a time with its zone: the first change that was stored then or later;
            None for the oldest that is kept.
        end: the number of the last change, or a time with its zone: the last change that was stored until then; None,
            and whatever is yet to come, for the last one there is now.

    Raises:
        DBError: there is no such data file.
        UsageError: it keeps no changelog; the end is before the beginning; a number that no change can have or has
            yet; a time without zone.
        ChangesLost: the range begins before what is kept of the changelog.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, begin: datetime | int | None = None, end: datetime | int | None = None
    ) -> None:
        self._path = data_file(path)
        self._first, self._last = _range(self._path, begin, end)
        self._feed = Feed(self._path, Position(self._first - 1))
        self._given = self._handled = self._first - 1
        self._stopped = False

    @property
    def first(self) -> int:
        """The number of the first change that it tells."""
        return self._first

    @property
    def last(self) -> int:
        """The number of the last change that it tells; less than `first` if it tells nothing."""
        return self._last

    @property
    def position(self) -> int | None:
        """The number of the last change that was handled; None before the first."""
        return self._handled if self._handled >= self._first else None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._stopped or self._given >= self._last

    def read(self, limit: int = _PAGE, timeout: float = 0) -> list[Change]:  # noqa: ARG002 - nothing is waited for
        """Read on; what was read before counts as handled.

        Args:
            limit: how many changes at most.
            timeout: makes no difference: all that it tells is there.

        Returns:
            Nothing if nothing more will come.

        Raises:
            ChangesLost: what comes next has been taken away meanwhile.
        """
        self._handled = self._given
        if self.ended:
            return []
        try:
            found = [change for change, _ in self._feed.read(min(limit, self._last - self._given))]
        except ChangesLost as lost:
            raise _lost(self._path, lost) from None
        wanted = [change for change in found if (change.sequence or 0) <= self._last]
        # Where numbers are left out, there may be none up to the last.
        self._given = (wanted[-1].sequence or 0) if wanted else self._last
        return wanted

    def commit(self, *, patient: bool = True) -> None:  # noqa: ARG002 - nothing is stored
        """Count what was read as handled; nothing is stored."""
        self._handled = self._given

    def stop(self) -> None:
        """Tell nothing more; for any thread and for signal handlers."""
        self._stopped = True

    def close(self) -> None:
        """Close the data file."""
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _range(path: Path, begin: datetime | int | None, end: datetime | int | None) -> tuple[int, int]:
    """Return the numbers of the first and the last change."""
    _check(begin, end)
    with closing(visit(path)) as connection, translated(path), reading(connection):
        # It raises an error if no changelog is kept.
        begin_at(connection, "now", path)
        now = changelog.extent(connection)
        try:
            first = now.floor + 1 if begin is None else begin
            if not isinstance(first, int):
                first = changelog.last_until(connection, microseconds(first) - 1) + 1
            last = now.sequence if end is None else end
            if not isinstance(last, int):
                last = changelog.last_until(connection, microseconds(last))
        except ChangesLost as lost:
            raise _lost(path, lost) from None
    for number in (first, end):
        if isinstance(number, int) and number <= now.floor:
            raise _lost(path, ChangesLost(number - 1, now.floor, now.sequence))
    if isinstance(begin, int) and begin > now.sequence:
        raise UsageError(
            f"there is no change {begin} yet: the last one is {now.sequence}", hint="begin with it or before"
        )
    return first, min(last, now.sequence)


def _check(begin: datetime | int | None, end: datetime | int | None) -> None:
    """Raise an error if no range can be meant."""
    for number in (begin, end):
        if isinstance(number, int) and number < 1:
            raise UsageError(f"there is no change of the number {number}", hint="the first change has the number 1")
    match begin, end:
        case (int(first), int(last)):
            backwards = first > last
        case (datetime() as early, datetime() as late):
            backwards = microseconds(early) > microseconds(late)
        case _:
            backwards = False
    if backwards:
        raise UsageError("the range ends before it begins", hint="give the older change, or the earlier time, first")


def _lost(path: Path, lost: ChangesLost) -> ChangesLost:
    """Say with which change a range may begin."""
    with closing(visit(path)) as connection, translated(path), reading(connection):
        now = changelog.extent(connection)
    since = "" if now.since is None else f", stored at {moment(now.since).isoformat()} or later"
    lost.hint = f"begin with change {now.floor + 1}{since}; a snapshot tells what came of those before it"
    return lost
