"""The second pump: what it does in each state, and with events nobody takes; the offset follows what is confirmed."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any, Self

import pytest

from syncrepl_client import Added, Backoff, Entry, Origin, Provenance, Retention, subscribe
from syncrepl_client.envelope.plain import Plain
from syncrepl_client.exceptions import ChangesLost, EventRejected, SinkUnavailable, UsageError
from syncrepl_client.model import Attributes
from syncrepl_client.relay import Policy, Relay, Signal, State
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.store.store import Store
from tests.following import until
from tests.store.changing import Changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from syncrepl_client import Change
    from syncrepl_client.envelope.base import Event

PLAIN = Plain("relay")


class Changes:
    """A source of some changes, numbered from 1."""

    def __init__(self, count: int, size: int = 1) -> None:
        self.position: int | None = None
        self.ended = False
        self.failure: Exception | None = None
        self.stopped = False
        self._all = [_change(number, size) for number in range(1, count + 1)]
        self._given = 0
        self.commits: list[int | None] = []

    def more(self) -> None:
        self._all.append(_change(len(self._all) + 1, 1))

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


def _change(number: int, size: int) -> Change:
    entry = Entry(number.to_bytes(16), f"cn={number}", Attributes.of({"cn": [b"x" * size]}))
    return Added(entry, Provenance(Origin.PERSIST, number, number))


class Bench:
    """A relay with a clock of its own, and half of all the waits there could be."""

    def __init__(self, count: int = 3, *, size: int = 1, **options: Any) -> None:
        self.now = 1000.0
        self.source = Changes(count, size)
        self.sink = MemorySink()
        options.setdefault("backoff", Backoff(2.0, 8.0))
        options.setdefault("encode", PLAIN.events)
        encode: Callable[[Change], Iterable[Event]] = options.pop("encode")
        self.relay = Relay(self.source, encode, self.sink, random=lambda: 0.5, clock=lambda: self.now, **options)

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


class Letters:
    """Dead letters, kept in a list."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, str]] = []
        self.failure: Exception | None = None

    def add(self, event: Event, reason: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.append((event.sequence, reason))


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


def test_a_rejected_event_is_set_aside_before_the_offset_moves() -> None:
    letters = Letters()
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
