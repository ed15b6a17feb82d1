"""A stretch of the changelog, told once more: which changes, that they keep their ids, and that nothing moves."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Origin, Reader, Retention, subscribe
from syncrepl_client.envelope.plain import Plain
from syncrepl_client.exceptions import ChangesLost, DBError, UsageError
from syncrepl_client.relay import Relay, State
from syncrepl_client.relay.replay import Replay
from syncrepl_client.sinks.memory import MemorySink
from syncrepl_client.store import pruning
from syncrepl_client.store.store import Store
from tests.store.changing import Changing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.model import Change

EVERYTHING = Retention(age=None, octets=None)
PLAIN = Plain("replayed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as opened:
        yield opened


@pytest.fixture
def changing(store: Store) -> Changing:
    """A copy with more than 40 changes; the store keeps it open."""
    changing = Changing(store, Random(5))
    more(changing, 40)
    return changing


def more(changing: Changing, count: int) -> None:
    wanted = changing.sequence + count
    while changing.sequence < wanted:
        changing.change()


def told(replay: Replay, limit: int = 7) -> list[Change]:
    found: list[Change] = []
    with replay:
        while not replay.ended:
            found += replay.read(limit)
        assert replay.read(limit) == []
    return found


def numbers(changes: list[Change]) -> list[int | None]:
    return [change.sequence for change in changes]


def forget_until(store: Store, number: int) -> None:
    """Take the oldest changes away, as retention does."""
    with store.database.transaction() as connection:
        while True:
            ((last,),) = connection.execute("SELECT log_floor FROM syncrepl_state").fetchall()
            if last >= number:
                return
            size = connection.execute("SELECT log_bytes FROM syncrepl_state").fetchone()[0]
            pruning.prune(connection, Retention(age=None, octets=size - 1), 0)


# --- which changes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "end"), [(1, 1), (1, 12), (5, 30), (33, 33)])
def test_both_ends_belong_to_it(changing: Changing, path: Path, begin: int, end: int) -> None:
    replay = Replay(path, begin=begin, end=end)
    assert (replay.first, replay.last, replay.position) == (begin, end, None)
    assert numbers(told(replay)) == list(range(begin, end + 1))


def test_without_ends_it_is_all_there_is(changing: Changing, path: Path) -> None:
    assert numbers(told(Replay(path))) == list(range(1, changing.sequence + 1))
    assert numbers(told(Replay(path, begin=30, end=10_000))) == list(range(30, changing.sequence + 1))


def test_what_comes_later_is_not_part_of_it(changing: Changing, path: Path) -> None:
    replay = Replay(path, begin=10)
    last = changing.sequence
    more(changing, 10)
    assert numbers(told(replay)) == list(range(10, last + 1))


def test_a_time_means_the_changes_that_were_stored_then_or_later(changing: Changing, path: Path) -> None:
    changes = told(Replay(path))
    tick = timedelta(microseconds=1)
    for change in (changes[3], changes[20], changes[-1]):
        when = change.stored_at
        assert when is not None
        same = [one.sequence for one in changes if one.stored_at == when]
        assert same
        assert numbers(told(Replay(path, begin=when, end=when))) == same
        assert numbers(told(Replay(path, begin=when)))[0] == same[0]
        assert numbers(told(Replay(path, end=when)))[-1] == same[-1]
        assert not set(numbers(told(Replay(path, begin=when + tick)))) & set(same)
        assert not set(numbers(told(Replay(path, end=when - tick)))) & set(same)
        assert numbers(told(Replay(path, begin=same[0], end=when.astimezone()))) == same


def test_a_time_in_which_nothing_happened_is_an_empty_range(changing: Changing, path: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    replay = Replay(path, begin=tomorrow, end=tomorrow + timedelta(days=1))
    assert replay.ended
    assert told(replay) == []
    assert numbers(told(Replay(path, begin=changing.sequence, end=tomorrow))) == [changing.sequence]


def test_numbers_that_were_left_out_are_no_end(store: Store, changing: Changing, path: Path) -> None:
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM syncrepl_change WHERE sequence >= 39")
    assert numbers(told(Replay(path, begin=35, end=40))) == [35, 36, 37, 38]


def test_it_can_be_stopped(changing: Changing, path: Path) -> None:
    with Replay(path) as replay:
        assert len(replay.read(3)) == 3
        replay.stop()
        assert replay.ended
        assert replay.read(3) == []
        assert replay.position == 3


# --- nothing moves ----------------------------------------------------------------------------------------------------


def test_the_events_are_those_that_a_subscription_was_told(changing: Changing, path: Path) -> None:
    with subscribe(path, "one", start="now"):
        pass
    begin = changing.sequence + 1
    more(changing, 20)
    with subscribe(path, "one") as subscription:
        first = [event for change in subscription.read(1000, timeout=0) for event in PLAIN.events(change)]
    with Reader(path) as reader:
        before = reader.status().subscriptions

    sink = MemorySink()
    with Replay(path, begin=begin) as replay:
        relay = Relay(replay, PLAIN.events, sink, random=Random(1).random, batch=3)
        relay.run()
        assert relay.state is State.STOPPED
        assert (replay.position, relay.status().offset) == (changing.sequence, changing.sequence)

    assert sink.events == first
    with Reader(path) as reader:
        assert reader.status().subscriptions == before
    assert {change.origin for change in told(Replay(path))} <= {Origin.PERSIST, Origin.REFRESH}


def test_it_counts_as_handled_what_was_committed(changing: Changing, path: Path) -> None:
    with Replay(path, begin=5) as replay:
        replay.read(3)
        positions = [replay.position]
        replay.commit()
        positions.append(replay.position)
        for _ in range(2):
            replay.read(3)
            positions.append(replay.position)
    assert positions == [None, 7, 7, 10]


# --- what cannot be ---------------------------------------------------------------------------------------------------


def test_a_range_that_begins_before_what_is_kept_is_refused(store: Store, changing: Changing, path: Path) -> None:
    (early,) = {change.stored_at for change in told(Replay(path, begin=4, end=4))}
    forget_until(store, 10)
    assert numbers(told(Replay(path))) == list(range(11, changing.sequence + 1))
    assert numbers(told(Replay(path, begin=11, end=12))) == [11, 12]
    for begin, end in ((10, None), (1, 3), (early, None), (None, early), (None, 10)):
        with pytest.raises(ChangesLost, match="the changelog begins after number 10") as caught:
            told(Replay(path, begin=begin, end=end))
        assert "begin with change 11, stored at 20" in caught.value.hint


def test_a_range_that_is_taken_away_while_it_is_read_is_noticed(store: Store, changing: Changing, path: Path) -> None:
    with Replay(path, begin=2) as replay:
        assert numbers(replay.read(3)) == [2, 3, 4]
        forget_until(store, 20)
        with pytest.raises(ChangesLost, match="the changes after number 4") as caught:
            replay.read(3)
        assert "begin with change 21" in caught.value.hint


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        (0, None, "no change of the number 0"),
        (None, -1, "no change of the number -1"),
        (7, 6, "ends before it begins"),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), "ends before it begins"),
        (10_000, None, "there is no change 10000 yet"),
        (datetime(2026, 1, 2), None, "could be any time"),  # noqa: DTZ001 - what is wrong with it
        (None, datetime(2026, 1, 2), "could be any time"),  # noqa: DTZ001 - the same
    ],
)
def test_what_is_no_range_is_refused(
    changing: Changing, path: Path, begin: datetime | int | None, end: datetime | int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Replay(path, begin=begin, end=end)
    assert caught.value.hint


def test_a_file_without_a_changelog_has_nothing_to_tell(path: Path) -> None:
    with pytest.raises(DBError, match="no data file"):
        Replay(path)
    with closing(Store(path, lambda: False)) as store:
        assert told(Replay(path)) == []
        Changing(store, Random(5))
        with pytest.raises(UsageError, match="keeps no changelog"):
            Replay(path)
