"""The second pump: what it does in each state, and with events nobody takes; the offset follows what is confirmed."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing, contextmanager
from random import Random
from typing import TYPE_CHECKING, Any, Self

import pytest

from syncrepl_client import Added, Backoff, Entry, Origin, Provenance, Retention, subscribe
from syncrepl_client.envelope.base import Kind
from syncrepl_client.envelope.plain import Plain
from syncrepl_client.exceptions import ChangesLost, EventRejected, SinkUnavailable, UsageError
from syncrepl_client.model import Attributes
from syncrepl_client.relay import Policy, Relay, Signal, State
from syncrepl_client.relay.pulse import Pulse
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.store.dead_letters import DeadLetterFile
from syncrepl_client.store.relay_letters import RelayLetters
from syncrepl_client.store.store import Store
from tests.following import until
from tests.store.changing import Changing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from syncrepl_client import Change
    from syncrepl_client.envelope.base import Event

PLAIN = Plain("relay")


class Changes:
    """A source of some changes, numbered from 1."""

    def __init__(self, count: int, size: int = 1, entries: int | None = None) -> None:
        self.position: int | None = None
        self.ended = False
        self.failure: Exception | None = None
        self.stopped = False
        # How many entries they are about, one after the other; None for as many as there are changes.
        self._entries = entries
        self._all: list[Change] = []
        self.more(count, size)
        self._given = 0
        self.commits: list[int | None] = []

    def more(self, count: int = 1, size: int = 1) -> None:
        for number in range(len(self._all) + 1, len(self._all) + count + 1):
            self._all.append(_change(number, size, number % self._entries if self._entries else number))

    @property
    def count(self) -> int:
        return len(self._all)

    def rewind(self) -> None:
        """Go back to what was committed last, as the next reader does."""
        self._given = self.commits[-1] or 0 if self.commits else 0

    def read(self, limit: int, timeout: float) -> list[Change]:
        if self.failure is not None:
            raise self.failure
        self.position = self._given or None
        found = self._all[self._given : self._given + limit]
        self._given += len(found)
        return found

    def commit(self, *, patient: bool) -> None:
        self.position = self._given or None
        self.commits.append(self.position)

    def stop(self) -> None:
        self.stopped = True


def _change(number: int, size: int, of: int) -> Change:
    entry = Entry(of.to_bytes(16), f"cn={of}", Attributes.of({"cn": [b"x" * size]}))
    return Added(entry, Provenance(Origin.PERSIST, number, number))


class Bench:
    """A relay with a clock of its own, and half of all the waits there could be."""

    def __init__(self, count: int = 3, *, size: int = 1, entries: int | None = None, **options: Any) -> None:
        self.now = 1000.0
        self.source = Changes(count, size, entries)
        self.sink = MemorySink()
        options.setdefault("backoff", Backoff(2.0, 8.0))
        options.setdefault("encode", PLAIN.events)
        self._encode: Callable[[Change], Iterable[Event]] = options.pop("encode")
        self._options = {"random": lambda: 0.5, "clock": lambda: self.now, **options}
        self.relay = Relay(self.source, self._encode, self.sink, **self._options)

    def restart(self) -> None:
        """Let another relay go on, as after a kill."""
        self.source.rewind()
        self.relay = Relay(self.source, self._encode, self.sink, **self._options)

    def steps(self, count: int = 5) -> Self:
        for _ in range(count):
            self.relay.step(0)
        return self

    def wait(self) -> float:
        """Let it wait as long as it wants to."""
        began = self.now
        while self.relay.state is State.WAITING:
            self.now += 0.5
            self.relay.step(0)
        return self.now - began

    @property
    def numbers(self) -> list[int]:
        return [event.sequence for event in self.sink.events]


class Letters(RelayLetters):
    """Dead letters whose disk may be full."""

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path, "bus", "corp", **options)
        self.failure: Exception | None = None
        self.file = DeadLetterFile(path)

    def close(self) -> None:
        super().close()
        self.file.close()

    @property
    def kept(self) -> list[tuple[int, str]]:
        return [(letter.sequence, letter.reason) for letter in self.file.letters()]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self.failure is not None:
            raise self.failure
        with super()._writing() as connection:
            yield connection


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[Letters]:
    with closing(Letters(tmp_path / "dead")) as opened:
        yield opened


def second(event: Event) -> str | None:
    return "too bad" if event.sequence == 2 else None


# --- running ----------------------------------------------------------------------------------------------------------


def test_the_offset_moves_when_all_is_confirmed() -> None:
    bench = Bench(5, batch=2)
    assert bench.steps(2).source.commits == [None, 2]
    assert bench.numbers == [1, 2]
    assert bench.steps(4).source.commits[:4] == [None, 2, 4, 5]
    status = bench.relay.status()
    assert (status.state, status.offset, status.delivered, status.error) == (State.RUNNING, 5, 5, None)
    bench.source.more()
    assert bench.steps(3).numbers == [1, 2, 3, 4, 5, 6]


def test_the_lag_is_what_came_after_the_offset() -> None:
    newest = iter([7, None])
    bench = Bench(3, newest=lambda: next(newest))
    bench.steps()
    assert bench.relay.status().lag == 4
    assert bench.relay.status().lag is None
    assert Bench().relay.status().lag is None


def test_a_change_may_make_several_events_or_none() -> None:
    def encode(change: Change) -> list[Event]:
        return PLAIN.events(change) * ((change.sequence or 0) - 1)

    bench = Bench(3, encode=encode).steps()
    assert bench.numbers == [2, 3, 3]
    assert bench.relay.status().offset == 3
    bench = Bench(3, encode=lambda _: []).steps()
    assert (bench.numbers, bench.relay.status().offset) == ([], 3)


def test_large_events_are_published_few_at_a_time() -> None:
    bench = Bench(10, size=1 << 20, batch=10).steps(9)
    assert bench.sink.batches == [4, 4, 2]
    assert bench.numbers == list(range(1, 11))


def test_it_ends_with_its_source() -> None:
    bench = Bench()
    bench.source.ended = True
    bench.relay.run()
    assert bench.numbers == [1, 2, 3]
    assert bench.relay.state is State.STOPPED
    assert not bench.sink.is_open


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_receiver_that_is_away_is_tried_again_later_each_time() -> None:
    bench = Bench()
    bench.sink.failures.extend([SinkUnavailable("away")] * 4)
    waits = []
    for _ in range(4):
        bench.steps(3)
        assert bench.relay.state is State.WAITING
        assert not bench.sink.is_open
        waits.append(bench.wait())
    assert waits == [1.0, 2.0, 4.0, 4.0]
    assert str(bench.relay.status().error) == "away"
    assert bench.relay.status().retries == 4
    bench.steps()
    assert bench.numbers == [1, 2, 3]
    assert (bench.relay.status().error, bench.relay.status().retries) == (None, 0)
    assert bench.sink.opened == 5


@pytest.mark.parametrize(("asked", "waits"), [(0.2, 1.0), (30.0, 30.0), (1e9, 3600.0)])
def test_a_receiver_is_left_alone_for_as_long_as_it_asks_but_not_for_ever(asked: float, waits: float) -> None:
    bench = Bench()
    bench.sink.failures.append(SinkUnavailable("busy", retry_after=asked))
    bench.steps()
    bench.now += waits - 0.1
    assert bench.steps().numbers == []
    bench.now += 0.1
    assert bench.steps().numbers == [1, 2, 3]


def test_a_sink_that_does_not_open_is_tried_again() -> None:
    bench = Bench()
    bench.sink.open = fail_once(bench.sink.open)  # type: ignore[method-assign]
    bench.steps()
    assert bench.relay.state is State.WAITING
    bench.now += 1
    assert bench.steps().numbers == [1, 2, 3]


def fail_once(method: Callable[[], None]) -> Callable[[], None]:
    calls = itertools.count()

    def called() -> None:
        if next(calls) == 0:
            raise SinkUnavailable("not yet")
        method()

    return called


def test_who_does_not_want_to_wait_resumes() -> None:
    bench = Bench()
    bench.sink.failures.append(SinkUnavailable("away"))
    bench.steps()
    bench.relay.resume()
    assert bench.steps().numbers == [1, 2, 3]


def test_failures_are_counted_anew_after_a_delivery() -> None:
    bench = Bench()
    for number in range(1, 4):
        bench.sink.failures.append(SinkUnavailable("away"))
        bench.steps()
        assert bench.relay.status().retries == 1
        bench.now += 1
        bench.steps()
        assert bench.relay.status().offset == 2 + number
        bench.source.more()


# --- paused -----------------------------------------------------------------------------------------------------------


def test_nothing_is_delivered_in_a_pause() -> None:
    bench = Bench()
    bench.relay.pause()
    assert bench.steps().numbers == []
    assert bench.relay.state is State.PAUSED
    bench.relay.resume()
    assert bench.steps().numbers == [1, 2, 3]


def test_a_pause_outlasts_the_wait_for_a_receiver() -> None:
    bench = Bench()
    bench.sink.failures.append(SinkUnavailable("away"))
    bench.steps()
    bench.relay.pause()
    bench.now += 100
    assert bench.steps().numbers == []
    bench.relay.resume()
    assert bench.steps().numbers == [1, 2, 3]


def test_a_pause_ends_at_once_when_another_thread_resumes_or_stops() -> None:
    bench = Bench()
    bench.relay.pause()
    thread = threading.Thread(target=bench.relay.run)
    thread.start()
    bench.relay.resume()
    until(lambda: bench.numbers == [1, 2, 3])
    bench.relay.pause()
    bench.relay.stop()
    thread.join(20)
    assert not thread.is_alive()


# --- stopped ----------------------------------------------------------------------------------------------------------


def test_a_stop_is_for_good() -> None:
    bench = Bench()
    bench.relay.stop()
    bench.relay.run()
    bench.relay.resume()
    bench.relay.pause()
    assert not bench.relay.step(0)
    assert (bench.relay.state, bench.numbers, bench.source.stopped) == (State.STOPPED, [], True)


def test_what_is_stopped_while_its_sink_is_opened_publishes_nothing() -> None:
    """One that hangs there is left alone, and may come back when another relay has taken its place."""

    class Slow(MemorySink):
        def open(self) -> None:
            super().open()
            if self.opened > 1:
                relay.stop()

        def stop(self) -> None:
            """Do nothing, as a sink of somebody else's may."""

    sink = Slow()
    sink.failures.append(SinkUnavailable("it is away"))
    relay = Relay(Changes(3), PLAIN.events, sink, random=lambda: 0.0)
    while relay.step(0):
        pass
    relay.close()
    assert (sink.opened, sink.events) == (2, [])


@pytest.mark.parametrize("end", [Relay.pause, Relay.stop])
def test_what_is_told_to_end_while_its_offset_is_stored_reads_no_further(end: Callable[[Relay], None]) -> None:
    class Ending(Changes):
        reads = 0

        def read(self, limit: int, timeout: float) -> list[Change]:
            self.reads += 1
            return super().read(limit, timeout)

        def commit(self, *, patient: bool) -> None:
            super().commit(patient=patient)
            if self.position == 3:
                end(bench.relay)

    bench = Bench()
    source = bench.source = Ending(3)
    bench.restart()

    bench.steps()

    assert (bench.numbers, source.position, source.reads) == ([1, 2, 3], 3, 1)


def test_a_stop_ends_a_publish_that_hangs_and_the_events_come_again() -> None:
    bench = Bench()
    bench.sink.answers.clear()
    thread = threading.Thread(target=bench.relay.run)
    thread.start()
    until(lambda: bench.sink.opened)
    bench.relay.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert bench.numbers == []
    assert set(bench.source.commits) == {None}
    assert bench.relay.status().error is None


@pytest.mark.parametrize("error", [ChangesLost(1, 5, 9), UsageError("no"), RuntimeError("a defect")])
def test_what_does_not_get_better_ends_it(error: Exception) -> None:
    bench = Bench(5, batch=2)
    bench.steps(2)
    bench.source.failure = error
    with pytest.raises(type(error)):
        bench.relay.run()
    assert bench.relay.status().error is error
    assert bench.relay.state is State.STOPPED
    assert bench.relay.status().offset == 4
    assert not bench.sink.is_open


def test_a_change_that_no_event_can_be_made_of_is_not_passed_over() -> None:
    def encode(change: Change) -> list[Event]:
        if change.sequence == 2:
            raise SinkUnavailable("a key is missing") if bench.now == 1000.0 else RuntimeError("a defect")
        return PLAIN.events(change)

    bench = Bench(encode=encode)
    bench.steps()
    assert bench.relay.state is State.WAITING
    bench.now += 1
    with pytest.raises(RuntimeError):
        bench.steps()
    assert set(bench.source.commits) == {None}


def test_every_signal_leads_somewhere_from_every_state() -> None:
    found = set()
    for first, then in itertools.product(Signal, Signal):
        bench = Bench()
        for signal in (first, then):
            bench.relay._move(signal)  # noqa: SLF001 - the table itself
        found.add((first, then, bench.relay.state))
    ended = {state for first, _, state in found if first is Signal.STOP}
    assert ended == {State.STOPPED}
    assert (Signal.FAILED, Signal.DUE, State.RUNNING) in found
    assert (Signal.PAUSE, Signal.FAILED, State.PAUSED) in found
    assert (Signal.PAUSE, Signal.DUE, State.PAUSED) in found


# --- rejected ---------------------------------------------------------------------------------------------------------


def test_a_rejected_event_is_tried_again_and_nothing_overtakes_it() -> None:
    bench = Bench(policy=Policy.RETRY)
    bench.sink.rejects = second
    for _ in range(3):
        bench.steps()
        assert (bench.relay.state, bench.numbers) == (State.WAITING, [1])
        bench.now += 10
    error = bench.relay.status().error
    assert isinstance(error, EventRejected)
    assert (error.event.sequence, error.reason) == (2, "too bad")
    bench.sink.rejects = lambda _: None
    assert bench.steps().numbers == [1, 2, 3]


def test_a_rejected_event_is_left_out_and_counted() -> None:
    bench = Bench(policy=Policy.SKIP)
    bench.sink.rejects = second
    assert bench.steps().numbers == [1, 3]
    status = bench.relay.status()
    assert (status.delivered, status.rejected, status.offset, status.error) == (2, 1, 3, None)


def test_a_rejected_event_is_set_aside_before_the_offset_moves(letters: Letters) -> None:
    bench = Bench(policy=Policy.DEAD_LETTERS, dead_letters=letters)
    bench.sink.rejects = second
    letters.failure = SinkUnavailable("no room")
    bench.steps()
    assert (bench.relay.state, bench.numbers, set(bench.source.commits)) == (State.WAITING, [1], {None})
    letters.failure = None
    bench.now += 10
    assert bench.steps().numbers == [1, 3]
    assert letters.kept == [(2, "too bad")]
    assert bench.relay.status().offset == 3


def test_a_rejected_event_is_waited_with_until_somebody_says_so() -> None:
    bench = Bench(policy=Policy.PAUSE)
    bench.sink.rejects = second
    for _ in range(2):
        bench.steps()
        assert (bench.relay.state, bench.numbers) == (State.PAUSED, [1])
        assert isinstance(bench.relay.status().error, EventRejected)
        bench.relay.resume()
    bench.sink.rejects = lambda _: None
    bench.relay.resume()
    assert bench.steps().numbers == [1, 2, 3]
    assert bench.relay.status().error is None


def test_all_events_may_be_rejected() -> None:
    bench = Bench(policy=Policy.SKIP)
    bench.sink.rejects = lambda _: "no"
    bench.steps()
    assert (bench.relay.status().rejected, bench.relay.status().offset) == (3, 3)


def test_dead_letters_need_a_place() -> None:
    with pytest.raises(UsageError, match="no place"):
        Bench(policy=Policy.DEAD_LETTERS)


# --- sent again -------------------------------------------------------------------------------------------------------


def waits(number: int) -> str:
    return f"it waits for dead letter {number} of the same entry"


def test_later_events_of_an_entry_wait_and_others_do_not(letters: Letters) -> None:
    bench = Bench(8, entries=3, policy=Policy.DEAD_LETTERS, dead_letters=letters, batch=6)
    bench.sink.rejects = second
    assert bench.steps(8).numbers == [1, 3, 4, 6, 7]
    assert letters.kept == [(2, "too bad"), (5, waits(1)), (8, waits(1))]
    status = bench.relay.status()
    assert (status.delivered, status.rejected, status.offset, status.error) == (5, 3, 8, None)


def test_what_is_marked_is_sent_again_in_order_by_a_relay_that_is_idle(letters: Letters) -> None:
    bench = Bench(8, entries=3, policy=Policy.DEAD_LETTERS, dead_letters=letters)
    bench.sink.rejects = second
    assert bench.steps(8).numbers == [1, 3, 4, 6, 7]
    bench.sink.rejects = lambda _: None
    assert bench.steps().numbers == [1, 3, 4, 6, 7]
    assert letters.file.mark([3]) == 3
    assert bench.steps().numbers == [1, 3, 4, 6, 7]
    bench.now += 2
    assert bench.steps().numbers == [1, 3, 4, 6, 7, 2, 5, 8]
    assert letters.kept == []
    bench.source.more(3)
    assert bench.steps().numbers[-3:] == [9, 10, 11]
    assert bench.relay.status().delivered == 11


def test_what_is_refused_again_stays_and_the_others_of_its_entry_wait(letters: Letters) -> None:
    bench = Bench(6, entries=2, policy=Policy.DEAD_LETTERS, dead_letters=letters)
    bench.sink.rejects = lambda event: "no" if event.sequence in {1, 2} else None
    assert bench.steps(8).numbers == []
    letters.file.mark()
    bench.sink.rejects = second
    bench.now += 2
    assert bench.steps(8).numbers == [1, 3, 5]
    assert letters.kept == [(2, "too bad"), (4, waits(4)), (6, waits(4))]
    assert not any(letter.marked for letter in letters.file.letters())
    assert bench.relay.status().rejected == 6
    assert (bench.relay.state, bench.relay.status().error) == (State.RUNNING, None)


def test_what_is_sent_again_and_what_is_new_take_turns(letters: Letters) -> None:
    bench = Bench(250, policy=Policy.DEAD_LETTERS, dead_letters=letters, batch=50)
    bench.sink.rejects = lambda _: "no"
    bench.steps(300)
    assert (bench.numbers, len(letters.kept)) == ([], 250)
    bench.sink.rejects = lambda _: None
    letters.file.mark()
    bench.source.more(200)
    bench.now += 2
    bench.steps(40)
    assert sorted(bench.numbers) == list(range(1, 451))
    assert bench.sink.batches == [100, 50, 100, 50, 50, 50, 50]
    assert letters.kept == []


@pytest.mark.parametrize("policy", [Policy.RETRY, Policy.SKIP, Policy.PAUSE])
def test_what_was_set_aside_is_sent_again_whatever_the_policy_is_now(letters: Letters, policy: Policy) -> None:
    letters.add(next(iter(PLAIN.events(_change(1, 1, 1)))), "no")
    bench = Bench(0, entries=2, policy=policy, dead_letters=letters)
    bench.source.rewind()
    letters.file.mark()
    bench.sink.rejects = lambda _: "still no"
    assert bench.steps().numbers == []
    assert (bench.relay.state, letters.kept) == (State.RUNNING, [(1, "still no")])
    bench.sink.rejects = lambda _: None
    bench.source.more(3)
    assert bench.steps().numbers == [2]
    letters.file.mark()
    bench.now += 2
    assert bench.steps().numbers == [2, 1, 3]


def test_a_receiver_that_goes_away_gets_the_rest_later(letters: Letters) -> None:
    bench = Bench(6, entries=3, policy=Policy.DEAD_LETTERS, dead_letters=letters)
    bench.sink.rejects = lambda _: "no"
    bench.steps(8)
    bench.sink.rejects = lambda _: None
    letters.file.mark()
    bench.sink.failures.append(SinkUnavailable("away"))
    bench.now += 2
    bench.steps()
    assert (bench.relay.state, bench.numbers) == (State.WAITING, [])
    bench.source.more(3)
    bench.wait()
    assert bench.steps(8).numbers == [1, 4, 2, 5, 3, 6, 7, 8, 9]


def test_what_could_not_be_noted_as_confirmed_is_sent_once_more_before_the_rest(letters: Letters) -> None:
    bench = Bench(4, entries=1, policy=Policy.DEAD_LETTERS, dead_letters=letters)
    bench.sink.rejects = lambda _: "no"
    bench.steps()
    bench.sink.rejects = lambda event: "no" if event.sequence == 3 else None
    letters.file.mark()
    letters.failure = SinkUnavailable("full")
    bench.now += 2
    bench.steps()
    assert (bench.relay.state, bench.numbers, len(letters.kept)) == (State.WAITING, [1, 2], 4)
    letters.failure = None
    bench.wait()
    assert bench.steps().numbers == [1, 2, 1, 2]
    assert letters.kept == [(3, "no"), (4, waits(1))]


def test_by_choice_what_is_sent_again_comes_late(tmp_path: Path) -> None:
    with closing(Letters(tmp_path / "dead", in_order=False)) as letters:
        bench = Bench(4, entries=1, policy=Policy.DEAD_LETTERS, dead_letters=letters)
        bench.sink.rejects = second
        assert bench.steps().numbers == [1, 3, 4]
        bench.sink.rejects = lambda _: None
        letters.file.mark()
        bench.now += 2
        assert bench.steps().numbers == [1, 3, 4, 2]


def test_a_source_that_has_ended_ends_the_relay_when_all_is_sent(letters: Letters) -> None:
    for number in (1, 2, 3):
        letters.add(next(iter(PLAIN.events(_change(number, 1, number)))), "no")
    letters.file.mark()
    bench = Bench(0, policy=Policy.DEAD_LETTERS, dead_letters=letters)
    bench.source.ended = True
    bench.relay.run()
    assert (bench.numbers, letters.kept) == ([1, 2, 3], [])


def disturb(bench: Bench, letters: Letters, random: Random) -> None:
    """Let something happen to the receiver, the disk or the relay, or nothing."""
    match random.randrange(9):
        case 0 | 1:
            bench.source.more(random.randrange(4))
        case 2:
            bad = random.sample(range(5), 2)
            bench.sink.rejects = lambda event: "no" if event.sequence % 5 in bad else None
        case 3:
            bench.sink.failures.append(SinkUnavailable("away"))
        case 4:
            letters.failure = SinkUnavailable("full") if random.random() < 0.5 else None
        case 5 if letters.kept and random.random() < 0.7:
            letters.file.mark([random.choice(list(letters.file.letters())).number])
        case 5:
            letters.file.mark()
        case 6 if random.random() < 0.3:
            bench.restart()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_each_entry_is_told_in_order_and_to_its_end(letters: Letters, seed: int) -> None:
    random = Random(seed)
    bench = Bench(0, entries=4, policy=Policy.DEAD_LETTERS, dead_letters=letters, batch=5)
    for _ in range(120):
        disturb(bench, letters, random)
        bench.now += 3
        bench.steps(random.randrange(4))
    bench.sink.rejects = lambda _: None
    bench.sink.failures.clear()
    letters.failure = None
    while letters.kept or bench.relay.status().offset != bench.source.count:
        letters.file.mark()
        bench.now += 100
        bench.steps()

    told: dict[str, list[int]] = {}
    for event in bench.sink.events:
        told.setdefault(event.key, []).append(event.sequence)
    assert sorted({number for one in told.values() for number in one}) == list(range(1, bench.source.count + 1))
    for one in told.values():
        # Who drops what he knows sees each in order; nothing was overtaken.
        assert list(dict.fromkeys(one)) == sorted(set(one))
        assert one[-1] == max(one)


# --- with a changelog -------------------------------------------------------------------------------------------------


def test_the_next_relay_goes_on_where_the_last_one_was_stopped(tmp_path: Path) -> None:
    found: list[Event] = []
    with closing(Store(tmp_path / "data", lambda: False, retention=Retention(age=None, octets=None))) as store:
        changing = Changing(store, Random(3))
        for _ in range(10):
            for _ in range(5):
                changing.live()
            with subscribe(tmp_path / "data", "one") as subscription:
                sink = MemorySink()
                with closing(Relay(subscription, PLAIN.events, sink, random=Random(1).random)) as relay:
                    relay.step(0)
                    relay.step(0)
                found += sink.events
        names = [event.id for event in found]
        assert len(names) == len(set(names)) > 10
        with subscribe(tmp_path / "data", "one") as subscription:
            rest = subscription.read(1000, timeout=0)
        assert not {event.id for change in rest for event in PLAIN.events(change)} & set(names)
        assert [event.sequence for event in found] == sorted(event.sequence for event in found)


def test_it_goes_on_while_the_owner_is_in_the_middle_of_something_large(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", lambda: False, retention=Retention(age=None, octets=None))) as store:
        entries = len(Changing(store, Random(3)).state)
        sink = MemorySink()
        with (
            subscribe(tmp_path / "data", "one") as subscription,
            closing(Relay(subscription, PLAIN.events, sink, random=Random(1).random, batch=2)) as relay,
        ):
            began = time.monotonic()
            with store.database.transaction():
                while len(sink.events) < entries:
                    relay.step(0)
                relay.step(0)
            assert time.monotonic() - began < 5
            assert relay.state is State.RUNNING
            relay.step(0)
        with subscribe(tmp_path / "data", "one") as subscription:
            assert subscription.read(timeout=0) == []


# --- heartbeats -------------------------------------------------------------------------------------------------------


class Beating(Bench):
    """A relay that sends a heartbeat after ten seconds without an event."""

    def __init__(self, count: int = 0, **options: Any) -> None:
        self.now = 1000.0
        pulse = Pulse(10.0, lambda offset: PLAIN.heartbeat(offset, int(self.now)), clock=lambda: self.now)
        super().__init__(count, pulse=pulse, **options)

    def beats(self, *seconds: float) -> list[int]:
        """Let time pass; returns how far the heartbeats that came say it is."""
        for some in seconds:
            self.now += some
            self.steps()
        return [event.sequence for event in self.sink.events if event.kind is Kind.HEARTBEAT]


def test_a_heartbeat_is_sent_when_nothing_was_for_long() -> None:
    bench = Beating(3)
    assert bench.beats(0, 9.5) == []
    assert bench.beats(0.5) == [3]
    assert bench.beats(9.5) == [3]
    assert bench.beats(0.5, 10) == [3, 3, 3]
    assert len({event.id for event in bench.sink.events}) == 6
    status = bench.relay.status()
    assert (status.offset, status.delivered, status.kinds[Kind.HEARTBEAT]) == (3, 6, 3)
    assert set(bench.source.commits) == {None, 3}


def test_an_event_takes_the_place_of_a_heartbeat() -> None:
    bench = Beating(1)
    assert bench.beats(9) == []
    bench.source.more()
    assert bench.beats(0, 9) == []
    assert bench.beats(1) == [2]


def test_changes_that_are_not_told_are_no_events() -> None:
    bench = Beating(encode=lambda _: [])
    assert bench.beats(10) == [0]
    for _ in range(20):
        bench.source.more()
        bench.beats(1)
    assert bench.beats(0) == [0, 9, 19]


def test_what_waits_for_the_receiver_is_sent_before_a_heartbeat() -> None:
    bench = Beating(1)
    bench.sink.failures.append(SinkUnavailable("away"))
    assert bench.beats(0) == []
    assert bench.relay.state is State.WAITING
    assert bench.beats(60) == []
    assert bench.numbers == [1]
    bench.relay.pause()
    assert bench.beats(60) == []


def test_a_heartbeat_that_cannot_be_sent_delays_no_event() -> None:
    bench = Beating(1)
    bench.beats(0)
    bench.sink.failures.append(SinkUnavailable("nobody takes heartbeats"))
    bench.now += 10
    bench.relay.step(0)
    assert not bench.sink.is_open
    status = bench.relay.status()
    assert (status.state, str(status.error), status.retries, status.offset) == (
        State.RUNNING,
        "nobody takes heartbeats",
        0,
        1,
    )
    bench.source.more()
    assert bench.steps(2).numbers == [1, 2]
    assert bench.relay.status().error is None
    assert bench.beats(9.5, 0.5) == [2]


def test_a_receiver_that_is_gone_is_noticed_by_a_heartbeat() -> None:
    class Gone(MemorySink):
        def open(self) -> None:
            if self.opened:
                raise SinkUnavailable("it is gone")
            super().open()

    bench = Beating()
    relay = Relay(
        bench.source,
        PLAIN.events,
        gone := Gone(),
        random=lambda: 0.5,
        clock=lambda: bench.now,
        pulse=Pulse(10.0, lambda offset: PLAIN.heartbeat(offset, 1), clock=lambda: bench.now),
    )
    relay.step(0)
    gone.failures.append(SinkUnavailable("it hangs up"))
    bench.now += 10
    relay.step(0)
    relay.step(0)
    assert (relay.state, str(relay.status().error)) == (State.WAITING, "it is gone")


@pytest.mark.parametrize("policy", Policy)
def test_a_heartbeat_that_is_rejected_is_dropped(policy: Policy, letters: Letters) -> None:
    bench = Beating(1, policy=policy, dead_letters=letters)
    bench.sink.rejects = lambda event: "no change" if event.kind is Kind.HEARTBEAT else None
    assert bench.beats(0, 10, 10) == []
    status = bench.relay.status()
    assert (status.state, status.rejected, status.error, letters.kept) == (State.RUNNING, 0, None, [])
    bench.source.more()
    assert bench.steps().numbers == [1, 2]


def test_a_relay_that_ends_sends_no_heartbeat() -> None:
    bench = Beating()
    bench.source.ended = True
    assert bench.beats(0, 20) == []
    bench = Beating()
    bench.steps()
    bench.sink.answers.clear()
    bench.now += 10
    thread = threading.Thread(target=bench.relay.run)
    thread.start()
    until(lambda: bench.relay.status().offset is None and not bench.sink.batches)
    bench.relay.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert bench.relay.status().error is None


def test_a_wait_for_changes_ends_when_a_heartbeat_is_due() -> None:
    waits: list[float] = []

    class Waiting(Changes):
        def read(self, limit: int, timeout: float) -> list[Change]:
            waits.append(timeout)
            return super().read(limit, timeout)

    now = 1000.0
    pulse = Pulse(10.0, lambda offset: PLAIN.heartbeat(offset, 1), clock=lambda: now)
    relay = Relay(Waiting(0), PLAIN.events, MemorySink(), random=lambda: 0.5, clock=lambda: now, pulse=pulse)
    relay.step(3)
    now += 8
    relay.step(3)
    now += 2
    relay.step(3)
    relay.step(3)
    assert waits == [3, 2, 3, 3]
