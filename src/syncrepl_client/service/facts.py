"""What the data file of a source says, looked at now and then by the thread that shows it.

Counting the entries of a large copy takes a while, so it is done seldom; how far readers have come is asked often.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncrepl_client.envelope.base import Kind
from syncrepl_client.exceptions import DBError
from syncrepl_client.model import Added, Change, Deleted, Modified, Renamed
from syncrepl_client.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Facts", "Looking"]

_SELDOM: Final = 5.0
_KINDS: Final[dict[type[Change], Kind]] = {
    Added: Kind.CREATED,
    Modified: Kind.UPDATED,
    Renamed: Kind.RENAMED,
    Deleted: Kind.DELETED,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a data file says.

    Args:
        whole: whether there is a copy.
        entries: how many entries it has.
        sequence: the number of the last change.
        last_event: when that was stored, in seconds since 1970; None if there was none.
        changes: how many changes there were since it was first looked at, by what happened.
        deletes_held: how many deletions are held.
    """

    whole: bool = False
    entries: int = 0
    sequence: int = 0
    last_event: float | None = None
    changes: Mapping[Kind, int] = field(default_factory=dict)
    deletes_held: int = 0


class Looking:
    """Looks at a data file; for one thread, but for `renew`.

    A file that cannot be read for a moment is as it was before: whoever owns it says what is wrong with it.

    Args:
        path: the data file, which need not be there yet.
        clock: returns seconds, never less than before.
        now: returns seconds since 1970.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._clock = clock
        self._now = now
        self._reader: Reader | None = None
        # Whether another file may be there under the same name.
        self._renewed = False
        self._due = clock()
        self._changes: Counter[Kind] = Counter()
        # Up to which change they are counted.
        self._counted: int | None = None
        self.facts = Facts()

    def renew(self) -> None:
        """Open the file anew when it is looked at next; for any thread."""
        self._renewed = True

    def look(self) -> Facts:
        """Tell what it says now, or has said a moment ago."""
        if self._renewed:
            self._renewed = False
            self.close()
        if self._clock() >= self._due:
            try:
                self._look(self._open())
            except DBError:
                self.close()
        return self.facts

    def _open(self) -> Reader:
        if self._reader is None:
            self._reader = Reader(self._path)
        return self._reader

    def _look(self, reader: Reader) -> None:
        status = reader.status()
        if self._counted is not None:
            for kind, count in reader.counted(self._counted, status.sequence).items():
                self._changes[_KINDS[kind]] += count
        self._counted = status.sequence
        # The end of a first load is what somebody waits for.
        self._due = self._clock() + (_SELDOM if status.whole else 0.0)
        self.facts = Facts(
            status.whole,
            status.entries,
            status.sequence,
            None if status.changed_at is None else status.changed_at.timestamp(),
            dict(self._changes),
            0 if status.held is None else status.held.deletions,
        )

    def waiting(self, sequence: int | None) -> float | None:
        """Tell how old the oldest change after a number is, in seconds; 0 if there is none, None if nobody knows."""
        if sequence is None or self._reader is None:
            return None
        try:
            since = self._reader.stored_after(sequence)
        except DBError:
            return None
        return 0.0 if since is None else max(0.0, self._now() - since.timestamp())

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
