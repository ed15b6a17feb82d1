"""Which events are new to a receiver that stores how far it has come: whatever is repeated, each is taken in once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.sinks.progress import Begin, End, Ledger, NoSnapshot, Note, Progress, Take

if TYPE_CHECKING:
    from collections.abc import Sequence


def read(number: int, key: str, *, last: bool = False, origin: str = "a") -> Event:
    return Event(f"{origin}:{number}:{key}", key, Kind.READ, f"cn={key}", number, "", {}, b"", last)


def change(number: int, key: str = "x", *, origin: str = "a") -> Event:
    return Event(f"{origin}:{number}", key, Kind.UPDATED, f"cn={key}", number, "", {}, b"")


class Kept:
    """A receiver: what it took in, and its notes."""

    def __init__(self, *, entries: bool) -> None:
        self.entries = entries
        self.known: dict[str, Progress] = {}
        self.notes: dict[str, tuple[str, Note]] = {}
        self.rows: dict[str, str] = {}
        self.events: list[str] = []

    def get(self, *events: Event) -> list[object]:
        """Take in a batch; returns its steps, with the ids of events."""
        ids, keys = {event.id for event in events}, {event.key for event in events}
        asked = [note for _, note in self.notes.values() if note.id in ids or (not note.taken and note.key in keys)]
        ledger = Ledger(self.known, asked, entries=self.entries)
        for event in events:
            ledger.add(event)
        for settled in ledger.settled:
            del self.notes[settled]
        steps: list[object] = []
        for step in ledger.steps:
            match step:
                case Begin(origin):
                    steps.append("begin")
                    self._forget(origin, everything=self.entries)
                case Take(origin, taken, loading):
                    steps += [event.id for event in taken]
                    self._take(origin, taken, loading=loading)
                case End(origin):
                    steps.append("end")
                    noted = {note.key for owner, note in self.notes.values() if owner == origin}
                    self.rows = {key: name for key, name in self.rows.items() if key in noted}
                    self._forget(origin, everything=False)
        self.known = ledger.progress
        return steps

    def _take(self, origin: str, taken: Sequence[Event], *, loading: bool) -> None:
        for event in taken:
            self.events.append(event.id)
            self.rows[event.key] = event.id
            if loading:
                self.notes[event.id] = origin, Note(event.id, event.key, event.sequence, taken=True)

    def _forget(self, origin: str, *, everything: bool) -> None:
        self.notes = {
            name: (owner, note)
            for name, (owner, note) in self.notes.items()
            if not everything and (owner != origin or not note.taken)
        }

    def refuse(self, event: Event) -> None:
        self.notes[event.id] = event.id[0], Note(event.id, event.key, event.sequence, taken=False)


@pytest.fixture(params=[True, False], ids=["entries", "events"])
def kept(request: pytest.FixtureRequest) -> Kept:
    return Kept(entries=request.param)


def test_a_snapshot_begins_and_ends_and_changes_follow(kept: Kept) -> None:
    assert kept.get(read(3, "x"), read(3, "y")) == ["begin", "a:3:x", "a:3:y"]
    assert kept.get(read(3, "z", last=True), change(4)) == ["a:3:z", "end", "a:4"]
    assert kept.known == {"a": Progress(4, loading=False)}
    assert kept.notes == {}


def test_a_snapshot_whose_last_entry_is_filtered_out_ends_with_the_next_change(kept: Kept) -> None:
    assert kept.get(read(3, "x"), change(7)) == ["begin", "a:3:x", "end", "a:7"]


def test_what_is_repeated_changes_nothing(kept: Kept) -> None:
    events = [read(3, "x"), read(3, "y", last=True), change(4), change(5)]
    kept.get(*events)
    for begin in range(len(events)):
        assert kept.get(*events[begin:]) == []


def test_a_snapshot_is_gone_on_with_where_it_was_interrupted(kept: Kept) -> None:
    kept.get(read(3, "x"), read(3, "y"))
    assert kept.get(read(3, "y"), read(3, "z", last=True)) == ["a:3:z", "end"]


def test_a_new_snapshot_is_told_by_its_number_or_its_file(kept: Kept) -> None:
    kept.get(read(3, "x", last=True), change(4, "y"))
    assert kept.get(read(9, "x", last=True)) == ["begin", "a:9:x", "end"]
    if kept.entries:
        assert set(kept.rows) == {"x"}
    assert kept.get(read(2, "z", last=True, origin="b")) == ["begin", "b:2:z", "end"]
    if kept.entries:
        assert set(kept.rows) == {"z"}


def test_a_snapshot_that_never_ended_is_followed_by_another(kept: Kept) -> None:
    kept.get(read(3, "x"), read(3, "y"))
    assert kept.get(read(9, "x"), read(9, "z", last=True)) == ["begin", "a:9:x", "a:9:z", "end"]
    assert kept.notes == {}
    if kept.entries:
        assert set(kept.rows) == {"x", "z"}


def test_a_change_of_another_file_without_a_snapshot_is_no_part_of_a_table_of_entries() -> None:
    kept = Kept(entries=True)
    kept.get(read(3, "x", last=True))
    with pytest.raises(NoSnapshot):
        kept.get(change(4, origin="b"))
    kept.get(read(1, "x", last=True, origin="b"))
    # Old ones are not asked for any more; new ones of the file before were not expected.
    assert kept.get(change(3), read(3, "x")) == []
    with pytest.raises(NoSnapshot):
        kept.get(change(4))
    assert kept.get(read(4, "w", last=True), change(5)) == ["begin", "a:4:w", "end", "a:5"]
    assert kept.get(change(1, origin="b")) == []


def test_events_of_several_files_are_kept_side_by_side() -> None:
    kept = Kept(entries=False)
    kept.get(read(3, "x", last=True), change(4, origin="b"))
    assert kept.get(change(4), change(5, origin="b"), change(3), change(4, origin="b")) == ["a:4", "b:5"]


def test_a_table_may_begin_with_a_change(kept: Kept) -> None:
    assert kept.get(change(1), change(2)) == ["a:1", "a:2"]


# --- what was refused, and comes again --------------------------------------------------------------------------------


def test_a_refused_event_is_taken_in_when_it_comes_again(kept: Kept) -> None:
    kept.get(read(3, "x", last=True))
    kept.refuse(change(4, "y"))
    kept.get(change(5, "x"))
    assert kept.get(change(4, "y")) == ["a:4"]
    assert kept.get(change(4, "y")) == []
    assert kept.notes == {}


def test_a_refused_event_is_not_wanted_any_more_in_a_table_of_entries_when_a_later_one_is_in() -> None:
    for entries, taken in ((True, []), (False, ["a:4"])):
        kept = Kept(entries=entries)
        kept.get(read(3, "x", last=True))
        kept.refuse(change(4, "x"))
        kept.get(change(5, "x"))
        assert kept.get(change(4, "x")) == taken


def test_of_two_refused_events_of_an_entry_the_later_one_counts() -> None:
    kept = Kept(entries=True)
    kept.get(read(3, "x", last=True))
    kept.refuse(change(4, "x"))
    kept.refuse(change(5, "x"))
    kept.get(change(6, "y"))
    assert kept.get(change(4, "x")) == ["a:4"]
    assert kept.get(change(5, "x")) == ["a:5"]
    assert kept.rows["x"] == "a:5"
    kept.refuse(change(7, "x"))
    kept.refuse(change(8, "x"))
    kept.get(change(9, "y"))
    assert kept.get(change(8, "x"), change(7, "x")) == ["a:8"]


def test_an_entry_of_a_snapshot_that_was_refused_is_not_taken_for_gone() -> None:
    kept = Kept(entries=True)
    kept.get(read(3, "x"), read(3, "y", last=True))
    kept.get(read(9, "x"))
    kept.refuse(read(9, "y", last=True))
    kept.get(change(10, "x"))
    assert kept.rows == {"x": "a:10", "y": "a:3:y"}
    assert kept.get(read(9, "y", last=True)) == ["a:9:y"]
    assert kept.notes == {}


def test_a_new_snapshot_stands_for_what_was_refused_before() -> None:
    kept = Kept(entries=True)
    kept.get(read(3, "x", last=True))
    kept.refuse(change(4, "x"))
    kept.get(read(9, "x", last=True))
    assert kept.get(change(4, "x")) == []
    assert kept.rows == {"x": "a:9:x"}


# --- whatever happens -------------------------------------------------------------------------------------------------


@given(data=st.data(), entries=st.booleans())
def test_a_stream_with_repeats_is_taken_in_once_and_in_order(data: st.DataObject, entries: bool) -> None:  # noqa: FBT001
    """As a relay sends it: batches in order, begun again from anywhere that was not stored, and snapshots."""
    stream: list[Event] = []
    number = 0
    for _ in range(data.draw(st.integers(1, 3))):
        keys = data.draw(st.lists(st.sampled_from("vwxyz"), unique=True, min_size=1))
        number += 1
        stream += [read(number, key, last=at == len(keys) - 1) for at, key in enumerate(keys)]
        for key in data.draw(st.lists(st.sampled_from("vwxyz"), max_size=4)):
            number += 1
            stream.append(change(number, key))
    kept = Kept(entries=entries)
    stored = done = 0
    while done < len(stream):
        begin = data.draw(st.integers(stored, done))
        end = data.draw(st.integers(begin + 1, len(stream)))
        # Who begins again gets on to where he was, in one life or another.
        kept.get(*stream[begin:end])
        done = max(done, end)
        stored = data.draw(st.integers(stored, end)) if end == done else stored
    assert kept.events == [event.id for event in stream]
    if entries:
        last = max(
            at
            for at, event in enumerate(stream)
            if event.kind is Kind.READ and (at == 0 or stream[at - 1].sequence != event.sequence)
        )
        assert kept.rows == {event.key: event.id for event in stream[last:]}
