"""Which events of a batch are new to a receiver that stores, in one transaction with what it got, how far it has come.

How far is one number for each data file that events come from: the last change that is in.  Two things are not as the
number says, and are noted one by one:

* The entries of a snapshot share its number.  While it is loading, those that are in are noted; when it is complete,
  the notes are not needed any more.
* An event that was refused and set aside is not in, though later ones are.  It is noted until it is in, or, in a table
  of entries, until a later event of its entry is.

A table of entries is of one data file at a time, which has to begin with a snapshot: what another one left there cannot
be told from what is.  When a snapshot is complete, because its last entry says so or a change follows, what it had not
is gone.

Nothing here reads or sends anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from syncrepl_client.envelope.base import Kind, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncrepl_client.envelope.base import Event

__all__ = ["Begin", "End", "Ledger", "NoSnapshot", "Note", "Progress", "Step", "Take"]


class Progress(NamedTuple):
    """How far a receiver has come with one data file.

    Args:
        sequence: the number of the last change that is in, or of the last snapshot that began.
        loading: whether that snapshot is not complete yet.
    """

    sequence: int
    loading: bool


class Note(NamedTuple):
    """An event that is not as the number says.

    Args:
        id: names the event.
        key: its entry.
        sequence: the number of its change.
        taken: whether it is in.
    """

    id: str
    key: str
    sequence: int
    taken: bool


class NoSnapshot(Exception):
    """A change came of a data file that has not begun with a snapshot."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A snapshot begins.

    Args:
        origin_id: names the data file.
    """

    origin_id: str


@dataclass(frozen=True, slots=True)
class Take:
    """Events are to be taken in.

    Args:
        origin_id: names the data file that they come from.
        events: what to take in, in this order.
        loading: whether they are entries of a snapshot that is not complete, to be noted.
    """

    origin_id: str
    events: list[Event]
    loading: bool


@dataclass(frozen=True, slots=True)
class End:
    """A snapshot is complete.

    Args:
        origin_id: names the data file.
    """

    origin_id: str


Step = Begin | Take | End


class Ledger:
    """What to do with a batch.

    After `add` for each event, `steps` says what to do in which order, `settled` which notes to forget before, and
    `progress` how far the receiver has come then.

    Args:
        known: how far it has come with each data file, in the order in which they began.
        notes: those of the events of the batch, and, of those that are not in, all of the same entries.
        entries: whether it keeps entries, of one data file at a time, and not events.
    """

    def __init__(self, known: Mapping[str, Progress], notes: Iterable[Note], *, entries: bool) -> None:
        self.progress = dict(known)
        self.steps: list[Step] = []
        self.settled: list[str] = []
        self._entries = entries
        self._taken: set[str] = set()
        self._refused: dict[str, Note] = {}
        for note in notes:
            if note.taken:
                self._taken.add(note.id)
            else:
                self._refused[note.id] = note

    def add(self, event: Event) -> None:
        """Decide on the next event.

        Raises:
            NoSnapshot: it is a change, and what was before it is not known.
        """
        origin_id = origin_of(event)
        now = self.progress.get(origin_id)
        if self._is_in(event, now, is_current=origin_id == next(reversed(self.progress), None)):
            return
        if event.kind is Kind.READ:
            self._read(origin_id, event, now)
        else:
            self._changed(origin_id, event, now)

    def _is_in(self, event: Event, now: Progress | None, *, is_current: bool) -> bool:
        """Tell whether there is nothing to do for an event: it is in, or what it said is not asked for any more."""
        if now is None:
            if self._entries and self.progress and event.kind is not Kind.READ:
                raise NoSnapshot
            return False
        if self._entries and not is_current:
            if event.sequence > now.sequence and event.kind is not Kind.READ:
                raise NoSnapshot
            return event.sequence <= now.sequence
        if event.id in self._taken or event.id in self._refused:
            return event.id in self._taken
        loading = event.kind is Kind.READ and now.loading and event.sequence == now.sequence
        return not loading and event.sequence <= now.sequence

    def _read(self, origin_id: str, event: Event, now: Progress | None) -> None:
        """Take in an entry of a snapshot."""
        if now is None or event.sequence > now.sequence:
            now = Progress(event.sequence, loading=True)
            # The last in this order is the current one.
            self.progress.pop(origin_id, None)
            self.progress[origin_id] = now
            self.steps.append(Begin(origin_id))
            if self._entries:
                self._refused.clear()
        loading = now.loading and event.sequence == now.sequence
        self._take(origin_id, event, loading=loading)
        if loading:
            self._taken.add(event.id)
        if loading and event.last:
            self._end(origin_id, event.sequence)

    def _changed(self, origin_id: str, event: Event, now: Progress | None) -> None:
        """Take in a change."""
        if now is None or event.sequence > now.sequence:
            if now is not None and now.loading:
                self.steps.append(End(origin_id))
            self.progress[origin_id] = Progress(event.sequence, loading=False)
        self._take(origin_id, event, loading=False)

    def _take(self, origin_id: str, event: Event, *, loading: bool) -> None:
        last = self.steps[-1] if self.steps else None
        if isinstance(last, Take) and (last.origin_id, last.loading) == (origin_id, loading):
            last.events.append(event)
        else:
            self.steps.append(Take(origin_id, [event], loading))
        if self._refused:
            for note in [note for note in self._refused.values() if self._settles(event, note)]:
                del self._refused[note.id]
                self.settled.append(note.id)

    def _settles(self, event: Event, note: Note) -> bool:
        """Tell whether what was noted of a refused event need not be remembered once this one is in."""
        return event.id == note.id or (self._entries and event.key == note.key and event.sequence >= note.sequence)

    def _end(self, origin_id: str, sequence: int) -> None:
        self.steps.append(End(origin_id))
        self.progress[origin_id] = Progress(sequence, loading=False)
