"""Subscriptions: at least once, in order, from where the last reader of that name has stopped, whoever was killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import pytest

from syncrepl_client import Added, AsyncReplica, Deleted, Modified, Origin, Replica, Retention, SyncreplMode, subscribe
from syncrepl_client.contentsync.controls import EntryState
from syncrepl_client.exceptions import ChangesLost, ClosedError, DBError, InsufficientAccess, UsageError
from syncrepl_client.store.bookmark import forget
from syncrepl_client.store.store import Store
from syncrepl_client.testing import Provider, script
from tests.slapd import SUFFIX, Slapd, sample_ldif
from tests.store.changing import Changing, followed, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from syncrepl_client import Change

EVERYTHING = Retention(age=None, octets=None)
PATIENCE = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as opened:
        yield opened


def numbers(changes: list[Change]) -> list[int | None]:
    return [change.sequence for change in changes if change.origin is not Origin.SNAPSHOT]


# --- where a snapshot begins and ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [[1], [2, 1, 50], [50]])
def test_the_first_and_the_last_entry_of_a_snapshot_are_marked(store: Store, path: Path, pages: list[int]) -> None:
    """Also where the reader is another one for each page."""
    changing = Changing(store, Random(1))
    for _ in range(5):
        changing.change()
    changes: list[Change] = []
    for limit in [*pages, *[1] * 50]:
        with subscribe(path, "one") as subscription:
            changes += subscription.read(limit, 0)
            subscription.commit()
    changing.change()
    with subscribe(path, "one") as subscription:
        changes += subscription.read(1, 0)
    marks = [(change.provenance.first, change.provenance.last) for change in changes]
    snapshot = [mark for change, mark in zip(changes, marks, strict=True) if change.origin is Origin.SNAPSHOT]
    assert len(snapshot) > 3
    assert [first for first, _ in snapshot] == [True, *[False] * (len(snapshot) - 1)]
    assert [last for _, last in snapshot] == [*[False] * (len(snapshot) - 1), True]
    assert marks[len(snapshot) :] == [(False, False)]


def test_who_has_not_all_of_a_snapshot_has_come_to_no_change(store: Store, path: Path) -> None:
    changing = Changing(store, Random(1))
    for _ in range(5):
        changing.change()
    for _ in range(2):
        with subscribe(path, "one") as subscription:
            assert subscription.position is None
            subscription.read(1, 0)
            subscription.commit()
            assert subscription.position is None
    with subscribe(path, "one") as subscription:
        while subscription.read(50, 0):
            subscription.commit()
        subscription.commit()
        assert subscription.position == store.end_of_log().sequence


# --- what counts as handled -------------------------------------------------------------------------------------------


def test_a_change_is_handled_when_the_next_one_is_asked_for(store: Store, path: Path) -> None:
    changing = Changing(store, Random(1))
    with subscribe(path, "one", start="now"):
        pass
    while changing.sequence < 10:
        changing.live()

    with subscribe(path, "one") as subscription:
        assert numbers([next(subscription) for _ in range(4)]) == [1, 2, 3, 4]
        assert subscription.position == 3
    with subscribe(path, "one") as subscription:
        assert numbers(subscription.read(3)) == [4, 5, 6]
        subscription.commit()
    with subscribe(path, "one") as subscription:
        assert numbers(subscription.read(2)) == [7, 8]
    with subscribe(path, "one") as subscription:
        assert numbers(subscription.read(2)) == [7, 8]
        assert numbers(subscription.read(100))[0] == 9
        assert subscription.read(timeout=0) == []
    with subscribe(path, "one") as subscription:
        assert subscription.read(timeout=0) == []


def test_kinds_that_were_not_asked_for_count_as_handled(store: Store, path: Path) -> None:
    changing = Changing(store, Random(2))
    with subscribe(path, "one", start="now", kinds=(Deleted,)) as subscription:
        for _ in range(30):
            changing.live()
        found: list[Change] = []
        while page := subscription.read(2, timeout=0):
            found += page
        assert found
        assert {type(change) for change in found} == {Deleted}
    with subscribe(path, "one") as subscription:
        assert subscription.read(timeout=0) == []


def test_subscriptions_do_not_know_each_other(store: Store, path: Path) -> None:
    changing = Changing(store, Random(3))
    with subscribe(path, "slow", start="now") as slow, subscribe(path, "fast") as fast:
        for _ in range(10):
            changing.live()
        assert followed({}, fast.read(10_000, timeout=0)) == changing.state
        assert numbers(slow.read(1)) == [1]
    assert forget(path, "slow")
    with subscribe(path, "slow") as again:
        assert {change.origin for change in again.read(timeout=0)} == {Origin.SNAPSHOT}


def test_an_iteration_can_be_stopped_from_another_thread(store: Store, path: Path) -> None:
    Changing(store, Random(1))
    with subscribe(path, "one", start="now") as subscription:
        timer = threading.Timer(0.2, subscription.stop)
        timer.start()
        began = time.monotonic()
        assert list(subscription) == []
        assert time.monotonic() - began < PATIENCE / 2
        timer.join()
    with pytest.raises(ClosedError):
        subscription.read()


@pytest.mark.parametrize("kinds", [(), (Added,), (Deleted,)])
def test_who_is_stopped_is_told_no_more_and_what_he_had_counts_as_handled(
    store: Store, path: Path, kinds: tuple[type[Change], ...]
) -> None:
    changing = Changing(store, Random(1))
    entries = len(changing.state)
    with subscribe(path, "one", kinds=kinds) as subscription:
        found = []
        for change in islice(subscription, 0 if Deleted in kinds else None):
            found.append(change)
            if len(found) == 3:
                subscription.stop()
        subscription.stop()
        assert len(found) == (0 if Deleted in kinds else 3)
        assert subscription.ended
        assert subscription.read() == []
    with subscribe(path, "one") as subscription:
        assert len(subscription.read(timeout=0)) == entries - len(found)


def test_a_reader_waits_no_longer_than_it_is_told(store: Store, path: Path) -> None:
    changing = Changing(store, Random(1))
    with subscribe(path, "one", start="now") as subscription:
        began = time.monotonic()
        assert subscription.read(timeout=0.3) == []
        assert 0.3 <= time.monotonic() - began < PATIENCE
        changing.live()
        changing.live()
        assert subscription.read(timeout=PATIENCE)


def test_there_must_be_a_file_and_a_changelog(tmp_path: Path) -> None:
    with pytest.raises(DBError, match="no data file"):
        subscribe(tmp_path / "none", "one")
    with closing(Store(tmp_path / "data", lambda: False)) as store:
        Changing(store, Random(1))
        with pytest.raises(UsageError, match="keeps no changelog"):
            subscribe(tmp_path / "data", "one")


def test_a_subscriber_that_was_overtaken_is_told_and_can_begin_again(path: Path) -> None:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        changing = Changing(store, Random(4))
        with subscribe(path, "one", start="now"):
            pass
        while changing.sequence < 40:
            changing.live()
        state = changing.state
    with closing(Store(path, lambda: False, retention=Retention(octets=2000, largest=2000))) as store:
        store.log.tidy()
        with subscribe(path, "one") as subscription, pytest.raises(ChangesLost, match="begins after number") as caught:
            subscription.read()
        assert caught.value.reader == "one"
        with subscribe(path, "one", restart=True) as subscription:
            assert followed({}, subscription.read(1000)) == state


def test_a_reader_goes_on_while_the_owner_is_in_the_middle_of_something_large(store: Store, path: Path) -> None:
    changing = Changing(store, Random(6))
    with subscribe(path, "one") as subscription:
        began = time.monotonic()
        with store.database.transaction():
            assert followed({}, subscription.read(timeout=0)) == changing.state
            assert subscription.read(timeout=0) == []
        assert time.monotonic() - began < 2
        assert subscription.read(timeout=0) == []
    with subscribe(path, "one") as subscription:
        assert subscription.read(timeout=0) == []


def test_the_log_waits_for_a_snapshot_that_began_with_the_copy(path: Path) -> None:
    opened = Store(path, lambda: False, retention=Retention(octets=0))
    with closing(opened) as store, subscribe(path, "one") as subscription:
        assert subscription.read(timeout=0) == []
        changing = Changing(store, Random(5))
        found = subscription.read(1)
        while changing.sequence < 20:
            changing.refresh()
        while page := subscription.read(3, timeout=0):
            found += page
        assert followed({}, found) == changing.state


# --- subscribers that are killed --------------------------------------------------------------------------------------


class Failpoints:
    """Counts what a process asks SQLite, and kills it before the failpoint."""

    def __init__(self, kill_at: int) -> None:
        self._left = kill_at

    def statement(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Let every connection count."""
        statement = self.statement

        class Connection(sqlite3.Connection):
            def execute(self, *args: Any) -> sqlite3.Cursor:
                statement()
                return super().execute(*args)

            def commit(self) -> None:
                statement()
                super().commit()

        vars(sqlite3)["connect"] = partial(sqlite3.connect, factory=Connection)


class Subscriber:
    """A process that writes down what it is told, and may die at any statement."""

    def __init__(self, path: Path, notes: Path) -> None:
        self._path = path
        self._notes = notes

    def run(self, kill_at: int = 0) -> bool:
        """Read all there is; tells whether it was killed."""
        child = os.fork()
        if not child:
            code = 1
            try:
                self._read(kill_at)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert status in {0, signal.SIGKILL}, status
        return status != 0

    def _read(self, kill_at: int) -> None:
        if kill_at:
            Failpoints(kill_at).install()
        notes = os.open(self._notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with subscribe(self._path, "noted") as subscription:
            # As whoever handles them one by one, and now and then some at once.
            while changes := subscription.read(3, timeout=0):
                for change in changes:
                    os.write(notes, json.dumps(self.note(change)).encode() + b"\n")
        os.close(notes)

    @staticmethod
    def note(change: Change) -> list[Any]:
        snapshot = change.origin is Origin.SNAPSHOT
        after = None if change.after is None else [change.after.dn, change.after.attributes.wire.hex()]
        return [snapshot, change.sequence, change.uuid.hex, after]

    def told(self) -> list[list[Any]]:
        return [json.loads(line) for line in self._notes.read_text().splitlines()]


def test_a_subscriber_that_dies_between_any_two_statements_misses_nothing(
    store: Store, path: Path, tmp_path: Path
) -> None:
    changing = Changing(store, Random(6))
    subscriber = Subscriber(path, tmp_path / "notes")
    deaths = 0
    # A short one asks about thirty times; those that die early leave more to read to those that come later.
    for kill_at in [*range(1, 60), *range(1, 60)]:
        for _ in range(2):
            changing.change()
        deaths += subscriber.run(kill_at)
    assert deaths > 60
    assert not subscriber.run()

    told = subscriber.told()
    state: dict[str, Any] = {}
    last = told[0][1]
    assert 0 < last < changing.sequence
    for snapshot, number, uuid, after in told:
        # What was told before comes again, but nothing is left out.
        assert number <= last + (not snapshot)
        if snapshot or number == last + 1:
            state.pop(uuid, None)
            if after is not None:
                state[uuid] = after
        last = max(last, number)
    assert last == changing.sequence
    now = {uuid.hex(): [dn, attributes.wire.hex()] for uuid, (dn, attributes) in changing.state.items()}
    assert state == now


# --- with a server ----------------------------------------------------------------------------------------------------


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        for number in range(1200):
            running.add(f"cn={number},{running.suffix}", {"cn": str(number)})
        yield running


def changed_and_refused(provider: Provider, stall: script.Stall) -> None:
    """Let the provider say in one breath that an entry changed and that it will say no more."""
    dn, uuid = provider.suffix, UUID(int=1)
    end = script.refresh_delete(b"rid=000,csn=20260101000000.000000Z#000000#000#000000")
    changed = script.entry(dn, {"dc": "example", "o": "changed"}, uuid, EntryState.MODIFY)
    provider.script(script.entry(dn, {"dc": "example"}, uuid), end, stall, changed, script.search_done(50, "no more"))


def test_what_was_stored_before_a_failure_is_told_before_it(path: Path) -> None:
    stall = script.stall()
    with Provider() as provider:
        changed_and_refused(provider, stall)
        with Replica(f"{provider.url}/{provider.suffix}", path) as replica, replica.changes() as changes:
            assert isinstance(next(changes), Added)
            stall.release()
            assert isinstance(next(changes), Modified)
            for _ in range(2):
                with pytest.raises(InsufficientAccess):
                    next(changes)


def test_what_was_stored_before_a_failure_is_told_before_it_in_an_event_loop(path: Path) -> None:
    stall = script.stall()

    async def read(provider: Provider) -> None:
        async with AsyncReplica(f"{provider.url}/{provider.suffix}", path) as replica:
            changes = replica.changes()
            assert isinstance(await anext(changes), Added)
            stall.release()
            assert isinstance(await anext(changes), Modified)
            for _ in range(2):
                with pytest.raises(InsufficientAccess):
                    await anext(changes)

    with Provider() as provider:
        changed_and_refused(provider, stall)
        asyncio.run(read(provider))


def change_all(provider: Provider, text: str) -> None:
    for number in range(1200):
        provider.replace(f"cn={number},{provider.suffix}", "description", text)


def test_the_log_does_not_grow_by_runs_that_each_bring_more_than_is_taken_away_at_once(
    provider: Provider, path: Path
) -> None:
    url = f"{provider.url}/{provider.suffix}"
    for run in range(4):
        with Replica(url, path, mode=SyncreplMode.REFRESH_ONLY, changelog=Retention(octets=0)) as replica:
            replica.refresh()
            assert replica.status().sequence == run * 1200
            assert replica.status().log_octets == 0
        change_all(provider, str(run))


@pytest.mark.parametrize("mode", SyncreplMode)
def test_an_iteration_tells_of_all_changes_of_a_refresh_that_is_more_than_the_log_keeps(
    provider: Provider, path: Path, mode: SyncreplMode
) -> None:
    url = f"{provider.url}/{provider.suffix}"
    with Replica(url, path, mode=SyncreplMode.REFRESH_ONLY) as replica:
        replica.refresh()
    change_all(provider, "other")
    with Replica(url, path, mode=mode, changelog=Retention(octets=0)) as replica, replica.changes() as changes:
        assert numbers(list(islice(changes, 1200))) == list(range(1, 1201))


def test_the_log_does_not_grow_by_changes_that_come_fast(provider: Provider, path: Path) -> None:
    with Replica(f"{provider.url}/{provider.suffix}", path, changelog=Retention(octets=0)) as replica:
        replica.refresh()
        for run in range(4):
            change_all(provider, str(run))
        began = time.monotonic()
        while replica.status().sequence < 4800:
            assert replica.step(1)
        while replica.status().log_octets:
            assert replica.step(1)
        # By 500 in each second it would take ten.
        assert time.monotonic() - began < 6


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    with Slapd(sessionlog=5000) as server:
        server.load(sample_ldif(400))
        server.start()
        yield server


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Written:
    """Writes to a server as fast as it takes it, until it is told to end."""

    def __init__(self, slapd: Slapd) -> None:
        self._slapd = slapd
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        random = Random(7)
        while not self._ended.is_set():
            dn = f"uid=u{random.randrange(1, 401):06},ou=people,{SUFFIX}"
            self._slapd.replace(dn, "description", [str(self.count)])
            new = f"uid=new{self.count},ou=people,{SUFFIX}"
            self._slapd.add(new, {"objectClass": ["account"], "uid": [f"new{self.count}"]})
            if self.count % 3:
                self._slapd.rename(new, f"uid=other{self.count}")
            else:
                self._slapd.delete(new)
            self.count += 1


def test_snapshots_join_the_stream_under_a_writer_at_full_speed(slapd: Slapd, path: Path) -> None:
    replica = Replica(f"{slapd.url}/{SUFFIX}", path, changelog=EVERYTHING)
    replica.connect().refresh()
    pump = threading.Thread(target=replica.follow)
    pump.start()
    try:
        found: list[list[Change]] = []
        with Written(slapd) as writer:
            for number in range(5):
                with subscribe(path, f"reader{number}") as subscription:
                    changes: list[Change] = []
                    # Slowly, so that much changes meanwhile.
                    while len(numbers(changes)) < 20:
                        changes += subscription.read(25, timeout=1)
                        time.sleep(0.005)
                    found.append(changes)
                    subscription.commit()
        assert writer.count > 20
        slapd.add(f"cn=last,{SUFFIX}", {"objectClass": ["device"], "cn": ["last"]})
        until(lambda: f"cn=last,{SUFFIX}" in replica.opened.reader.entries)
        for number, changes in enumerate(found):
            with subscribe(path, f"reader{number}") as subscription:
                while page := subscription.read(timeout=0):
                    changes.extend(page)
            snapshot = [change for change in changes if change.origin is Origin.SNAPSHOT]
            assert {type(change) for change in snapshot} == {Added}
            assert len(snapshot) >= 400
            assert followed({}, changes) == state_of(replica.opened.reader.entries.all())
            assert numbers(changes) == list(range((snapshot[0].sequence or 0) + 1, (changes[-1].sequence or 0) + 1))
    finally:
        replica.stop()
        pump.join()
        replica.close()
