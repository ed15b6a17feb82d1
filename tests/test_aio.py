"""Replicas in an event loop, against real servers: nothing is lost, whatever is cancelled, and nothing blocks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from syncrepl_client import Added, AsyncReplica, Backoff, Deleted, Modified, Reader, Replica, SyncreplMode, awatch
from syncrepl_client.aio import subscription as reading
from syncrepl_client.exceptions import (
    ClosedError,
    ConnectionFailed,
    ConnectionLost,
    DatabaseInUse,
    InvalidCredentials,
    UsageError,
)
from syncrepl_client.testing import Provider
from tests.following import QUICK, until
from tests.slapd import SUFFIX, Slapd, free_port, sample_ldif

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path

    from syncrepl_client import AsyncSubscription, Change

PEOPLE = f"ou=people,{SUFFIX}"
ONCE = SyncreplMode.REFRESH_ONLY
# The promise is much less; on a machine that does other things as well it may take longer.
PROMPT = 2.0
PATIENCE = 30.0


def where(server: Slapd | Provider) -> str:
    return f"{server.url}/{SUFFIX}"


def add(server: Slapd, name: str) -> None:
    server.add(f"cn={name},{PEOPLE}", {"objectClass": ["device"], "cn": [name]})


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, but not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await main

    asyncio.run(bounded())


@contextmanager
def promptly() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PROMPT


@contextmanager
def frozen(server: Slapd) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def read(changes: AsyncIterator[Change], number: int) -> list[Change]:
    return [await anext(changes) for _ in range(number)]


def names(changes: list[Change]) -> list[str]:
    return [f"{type(change).__name__} {change.dn.partition(',')[0]}" for change in changes]


def is_free(path: Path, url: str | None = None) -> bool:
    """Tell whether nobody has the data file any more."""
    replica = Replica(url, path)
    try:
        replica.open_store()
    except DatabaseInUse:
        return False
    finally:
        replica.close()
    return True


# --- changes ----------------------------------------------------------------------------------------------------------


def test_a_watch_tells_what_is_and_what_changes(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with awatch(where(slapd), tmp_path / "data") as changes:
            loaded = await read(changes, 3)
            add(slapd, "a")
            slapd.replace(f"cn=a,{PEOPLE}", "description", ["new"])
            slapd.delete(f"cn=a,{PEOPLE}")
            live = await read(changes, 3)
        assert set(slapd.search()) == {change.dn for change in loaded}
        assert names(live) == ["Added cn=a", "Modified cn=a", "Deleted cn=a"]
        assert [change.sequence for change in live] == [1, 2, 3]

    run(main())


def test_a_watch_of_one_refresh_ends_and_closes_by_itself(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        watch = awatch(where(slapd), tmp_path / "data", mode=ONCE, kinds=[Added])
        assert len([change async for change in watch]) == 3
        assert is_free(tmp_path / "data")
        with pytest.raises(StopAsyncIteration):
            await anext(watch)

    run(main())


@pytest.mark.parametrize("named", [False, True])
def test_what_is_cancelled_is_neither_lost_nor_told_twice(
    slapd: Slapd,
    tmp_path: Path,
    named: bool,  # noqa: FBT001
) -> None:
    chance = random.Random(4533)

    def write() -> None:
        for number in range(500):
            add(slapd, f"{number}")

    writer = threading.Thread(target=write)

    async def main() -> None:
        told: list[Change] = []
        cancelled = 0
        async with awatch(where(slapd), tmp_path / "data", subscription="reader" if named else None) as changes:
            await read(changes, 3)
            writer.start()
            while len(told) < 500:
                asked = asyncio.create_task(anext(changes))
                await asyncio.sleep(chance.choice([0, 0, 0.0002, 0.001, 0.01]))
                asked.cancel()
                try:
                    told.append(await asked)
                except asyncio.CancelledError:
                    cancelled += 1
        assert list(range(1, 501)) == [change.sequence for change in told]
        assert cancelled > 20

    try:
        run(main())
    finally:
        writer.join()


def test_a_timeout_loses_nothing(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica:
            await replica.refresh()
            changes = replica.subscribe("reader", start="now")
            for number in range(5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await anext(changes)
                add(slapd, f"{number}")
                # It arrives while nobody asks.
                await asyncio.sleep(0.05)
                assert f"cn={number},{PEOPLE}" == (await anext(changes)).dn

    run(main())


def test_what_was_asked_for_first_of_all_may_be_cancelled_too(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with awatch(where(slapd), tmp_path / "data") as changes:
            with frozen(slapd), pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(changes), 0.2)
            assert len(await read(changes, 3)) == 3

    run(main())


def test_one_change_does_not_wait_for_others(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        took: list[float] = []
        async with awatch(where(slapd), tmp_path / "data") as changes:
            await read(changes, 3)
            for number in range(20):
                await asyncio.to_thread(add, slapd, f"{number}")
                began = time.monotonic()
                await anext(changes)
                took.append(time.monotonic() - began)
        assert sorted(took)[10] < 0.1

    run(main())


# --- what counts as handled -------------------------------------------------------------------------------------------


def rest(path: Path, name: str = "reader") -> list[str]:
    """Tell what a reader of that name gets next, without moving it."""
    with closing(Replica(None, path, mode=ONCE)) as replica:
        return names(list(replica.subscribe(name)))


@pytest.fixture
def hundred(slapd: Slapd, tmp_path: Path) -> Slapd:
    """A server whose copy has a changelog of hundred changes, that a reader is to begin with."""
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        for number in range(100):
            add(slapd, f"{number:02}")
        with closing(replica.changes()) as changes:
            for _ in range(100):
                next(changes)
    return slapd


def test_what_was_given_last_is_told_again(hundred: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with awatch(None, tmp_path / "data", subscription="reader", start=0) as changes:
            await read(changes, 30)

    run(main())
    assert rest(tmp_path / "data")[:2] == ["Added cn=29", "Added cn=30"]


def test_what_was_committed_is_not_told_again(hundred: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(None, tmp_path / "data") as replica:
            changes = replica.subscribe("reader", start=0)
            assert len(await changes.read(20)) == 20
            assert names(await changes.read(1)) == ["Added cn=20"]
            await changes.commit()
            assert changes.position == 21
            with Reader(tmp_path / "data") as reader:
                assert [one.sequence for one in reader.status().subscriptions] == [21]
            await read(changes, 20)

    run(main())
    assert rest(tmp_path / "data")[0] == "Added cn=40"


def test_what_a_cancelled_wait_has_brought_is_not_handled(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica:
            await replica.refresh()
            changes = replica.subscribe("reader", start="now")
            add(slapd, "a")
            await anext(changes)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(changes), 0.05)
            add(slapd, "b")
            with Reader(tmp_path / "data") as reader:
                until(lambda: reader.status().sequence == 2)
            # It has been fetched; then it is closed.
            await changes.aclose()

    run(main())
    assert rest(tmp_path / "data") == ["Added cn=b"]


def test_kinds_that_are_left_out_do_not_come_again(hundred: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with awatch(None, tmp_path / "data", mode=ONCE, subscription="reader", start=0, kinds=[Deleted]) as told:
            assert [change async for change in told] == []

    run(main())
    assert rest(tmp_path / "data") == []


def test_a_slow_reader_is_not_sent_back_to_the_beginning_when_it_is_killed(
    hundred: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_TELL_EVERY", 0.0)

    async def main() -> None:
        async with awatch(None, tmp_path / "data", subscription="reader", start=0) as changes:
            await read(changes, 50)
            with Reader(tmp_path / "data") as reader:
                until(lambda: [one.sequence for one in reader.status().subscriptions] == [49])

    run(main())


def test_a_replica_that_is_closed_closes_its_readers_where_they_are(hundred: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        replica = await AsyncReplica.open(None, tmp_path / "data")
        changes = replica.subscribe("reader", start=0)
        await read(changes, 10)
        await replica.aclose()
        with pytest.raises(ClosedError):
            await anext(changes)
        await changes.aclose()

    run(main())
    assert rest(tmp_path / "data")[0] == "Added cn=09"


# --- the end ----------------------------------------------------------------------------------------------------------


def test_it_closes_at_once_while_the_server_says_nothing(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        watch = awatch(where(slapd), tmp_path / "data")
        await read(watch, 3)
        with frozen(slapd):
            waiting = asyncio.create_task(anext(watch))
            await asyncio.sleep(0.1)
            with promptly():
                await watch.aclose()
                with pytest.raises(StopAsyncIteration):
                    await waiting
        assert is_free(tmp_path / "data")

    run(main())


def test_it_closes_at_once_while_it_connects(slapd: Slapd, tmp_path: Path) -> None:
    """The kernel accepts for a server that hangs."""

    async def main() -> None:
        with frozen(slapd):
            opening = asyncio.create_task(AsyncReplica.open(where(slapd), tmp_path / "data"))
            watch = awatch(where(slapd), tmp_path / "other")
            waiting = asyncio.create_task(anext(watch))
            await asyncio.sleep(0.1)
            with promptly():
                opening.cancel()
                await watch.aclose()
                for task in (opening, waiting):
                    with pytest.raises((asyncio.CancelledError, StopAsyncIteration, ClosedError)):
                        await task
            for path in (tmp_path / "data", tmp_path / "other"):
                until(partial(is_free, path, where(slapd)))

    run(main())


def test_it_closes_even_if_closing_is_cancelled(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        replica = await AsyncReplica.open(where(slapd), tmp_path / "data")
        going = threading.Event()
        busy = asyncio.create_task(replica.call(lambda _: going.wait(10)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(replica.aclose(), 0.05)
        going.set()
        assert await busy
        await replica.aclose()
        assert is_free(tmp_path / "data")

    run(main())


def test_a_server_that_cannot_be_reached_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        with Provider() as provider:
            url = where(provider)
            provider.stop()
            async with awatch(url, tmp_path / "data", backoff=QUICK) as changes:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(changes), 0.3)
                provider.start()
                assert (await anext(changes)).dn == SUFFIX
                provider.disconnect()
                provider.add(f"cn=new,{SUFFIX}", {})
                assert (await anext(changes)).dn == f"cn=new,{SUFFIX}"

    run(main())


def test_it_closes_at_once_while_it_waits_for_a_server(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
        watch = awatch(url, tmp_path / "data", backoff=Backoff(base=3600, cap=3600))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.3)
        with promptly():
            await watch.aclose()

    run(main())


def test_an_error_in_the_loop_closes_it(slapd: Slapd, tmp_path: Path) -> None:
    async def fail() -> None:
        async with awatch(where(slapd), tmp_path / "data") as changes:
            async for change in changes:
                raise LookupError(change.dn)

    async def main() -> None:
        with pytest.raises(LookupError):
            await fail()
        assert is_free(tmp_path / "data")

    run(main())


def test_a_loop_that_is_left_closes_it(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with contextlib.aclosing(awatch(where(slapd), tmp_path / "data")) as changes:
            async for _ in changes:
                break
        assert is_free(tmp_path / "data")

    run(main())


def test_one_that_is_forgotten_closes_by_itself(hundred: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async for change in awatch(None, tmp_path / "data", subscription="reader", start=0):
            if change.sequence == 10:
                break
        gc.collect()
        until(lambda: is_free(tmp_path / "data"))

    run(main())
    assert rest(tmp_path / "data")[0] == "Added cn=09"


def test_an_event_ends_a_watch(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        watch = awatch(where(slapd), tmp_path / "data", stop_event=stop)
        await read(watch, 3)
        asyncio.get_running_loop().call_later(0.05, stop.set)
        assert [change async for change in watch] == []
        assert is_free(tmp_path / "data")
        assert [change async for change in awatch(where(slapd), tmp_path / "data", stop_event=stop)] == []

    run(main())


def test_what_was_told_before_the_event_counts_as_handled_when_the_next_is_asked_for(
    slapd: Slapd, tmp_path: Path
) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        watch = awatch(where(slapd), tmp_path / "data", subscription="reader", stop_event=stop)
        told = await read(watch, 2)
        stop.set()
        assert [change async for change in watch] == []
        async with awatch(None, tmp_path / "data", mode=ONCE, subscription="reader") as again:
            [left] = [change async for change in again]
            assert left not in told

    run(main())


@pytest.mark.parametrize("how", ["stop", "finish"])
def test_a_stop_from_another_thread_ends_everything(slapd: Slapd, tmp_path: Path, how: str) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica:
            await replica.refresh()
            changes = [asyncio.create_task(one.read()) for one in (replica.changes(), replica.changes(reconnect=True))]
            following = asyncio.create_task(replica.follow())
            await asyncio.wait(changes)
            assert [len(one.result()) for one in changes] == [3, 3]
            changes = [asyncio.create_task(replica.subscribe(name, start="now").read()) for name in "ab"]
            await asyncio.sleep(0.05)
            assert not following.done()
            threading.Timer(0.05, getattr(replica, how)).start()
            await following
            assert await asyncio.gather(*changes) == [[], []]

    run(main())


def test_another_try_need_not_be_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        with Provider(SUFFIX) as provider:
            slow = Backoff(base=3600, cap=3600)
            async with AsyncReplica(where(provider), tmp_path / "data", backoff=slow) as replica:
                following = asyncio.create_task(replica.follow())
                changes = replica.subscribe("reader", start="snapshot")
                loaded = await read(changes, 1)
                provider.stop()
                waiting = asyncio.create_task(anext(changes))
                # The first try after it was lost has a wait before it as well.
                await asyncio.sleep(0.1)
                provider.start()
                provider.add(f"cn=new,{SUFFIX}", {})
                while not waiting.done():
                    replica.retry()
                    await asyncio.sleep(0.05)
                assert names([*loaded, await waiting]) == [f"Added {SUFFIX.partition(',')[0]}", "Added cn=new"]
                replica.stop()
                await following

    run(main())


PROGRAM = """
import asyncio, sys
from syncrepl_client import AsyncReplica, awatch

async def main():
    async for change in awatch(sys.argv[1], sys.argv[2], subscription="reader"):
        print(change.dn, flush=True)

async def forget():
    global replica, changes
    replica = await AsyncReplica.open(sys.argv[1], sys.argv[2])
    changes = replica.subscribe("reader")
    for _ in range(3):
        print((await anext(changes)).dn, flush=True)

asyncio.run(globals()[sys.argv[3]]())
"""


@pytest.mark.parametrize(("what", "how"), [("main", signal.SIGINT), ("forget", None)])
def test_a_program_ends_whatever_it_has_forgotten(
    slapd: Slapd, tmp_path: Path, what: str, how: signal.Signals | None
) -> None:
    command = [sys.executable, "-c", PROGRAM, where(slapd), str(tmp_path / "data"), what]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for _ in range(3):
            program.stdout.readline()
        if how is not None:
            program.send_signal(how)
        began = time.monotonic()
        _, said = program.communicate(timeout=PATIENCE)
        assert time.monotonic() - began < 2 * PROMPT
    if how is None:
        assert (program.returncode, said) == (0, "")
    else:
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert "Exception ignored" not in said
    assert is_free(tmp_path / "data")
    assert len(rest(tmp_path / "data")) <= 3


# --- several at once --------------------------------------------------------------------------------------------------


def test_two_replicas_run_in_one_loop(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        filters = ["(cn=*)", "(ou=*)"]
        async with contextlib.AsyncExitStack() as stack:
            both = [
                await stack.enter_async_context(awatch(f"{where(slapd)}??sub?{one}", tmp_path / one)) for one in filters
            ]
            assert len(await read(both[1], 2)) == 2
            for number in range(50):
                add(slapd, f"{number}")
                slapd.add(f"ou={number},{PEOPLE}", {"objectClass": ["organizationalUnit"], "ou": [f"{number}"]})
            told = await asyncio.gather(*(read(one, 50) for one in both))
        for one, changes in zip(["cn", "ou"], told, strict=True):
            assert [f"Added {one}={number}" for number in range(50)] == names(changes)

    run(main())


def test_calls_come_in_between_while_others_wait(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica:
            following = asyncio.create_task(replica.follow())
            changes = replica.subscribe("reader", start="snapshot")
            loaded = await read(changes, 3)
            waiting = asyncio.create_task(anext(changes))
            await asyncio.sleep(0.05)
            with promptly():
                status = await replica.status()
                assert (status.entries, str(replica.path)) == (3, status.path)
                assert await replica.call(lambda it: len(it.entries)) == 3
                found = await replica.entry(f"OU=People, {SUFFIX}")
                assert found is not None
                assert (found.dn, await replica.entry("cn=nobody")) == (PEOPLE, None)
                assert {change.dn for change in loaded} == {entry.dn async for entry in replica.entries()}
            assert not waiting.done()
            add(slapd, "a")
            change = await waiting
            assert [change] == [one async for one in replica.history(change.uuid)]
            assert [one async for one in replica.history(UUID(int=0))] == []
            report = await replica.verify()
            assert (report.compared, report.drift) == (4, False)
            following.cancel()
            add(slapd, "b")
            assert names([await anext(changes)]) == ["Added cn=b"]
            assert replica.url.base == SUFFIX

    run(main())


def test_two_tasks_cannot_share_one_reader(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica, replica.changes() as changes:
            await read(changes, 3)
            first = asyncio.create_task(anext(changes))
            await asyncio.sleep(0.01)
            with pytest.raises(UsageError, match="two tasks"):
                await anext(changes)
            add(slapd, "a")
            assert names([await first]) == ["Added cn=a"]

    run(main())


def test_readers_of_one_replica_go_on_by_themselves(hundred: Slapd, tmp_path: Path) -> None:
    async def follow(changes: AsyncSubscription) -> list[int]:
        async with changes:
            return [change.sequence or 0 for change in await read(changes, 110)]

    async def main() -> None:
        async with AsyncReplica(None, tmp_path / "data") as replica:
            every = [follow(replica.subscribe(f"{number}", start=0)) for number in range(5)]
            for number in range(10):
                add(hundred, f"new{number}")
            for told in await asyncio.gather(*every):
                assert list(range(1, 111)) == told

    run(main())


def test_refreshes_one_after_the_other(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
            assert (await replica.refresh()).added == 3
            add(slapd, "a")
            with pytest.raises(TimeoutError), frozen(slapd):
                await asyncio.wait_for(replica.refresh(), 0.1)
            refreshed = await replica.refresh()
            assert (refreshed.entries, (await replica.refresh()).added) == (4, 0)

    run(main())


def test_a_replica_may_be_used_in_one_loop_after_the_other(slapd: Slapd, tmp_path: Path) -> None:
    replica = AsyncReplica(where(slapd), tmp_path / "data")
    changes = replica.changes(reconnect=True)

    async def begin() -> None:
        await read(changes, 3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(changes), 0.05)

    async def end() -> None:
        assert names([await anext(changes)]) == ["Added cn=a"]
        await replica.aclose()

    run(begin())
    add(slapd, "a")
    run(end())


# --- errors -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_opened_says_why(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        url = f"{where(slapd)}????bindname={slapd.rootdn.replace(',', '%2C')}"
        with pytest.raises(InvalidCredentials):
            await AsyncReplica.open(url, tmp_path / "data", password="wrong")
        with pytest.raises(InvalidCredentials):
            async with AsyncReplica(url, tmp_path / "data", password="wrong"):
                raise AssertionError
        watch = awatch(url, tmp_path / "data", password="wrong")
        with pytest.raises(InvalidCredentials):
            await anext(watch)
        with pytest.raises(StopAsyncIteration):
            await anext(watch)
        with pytest.raises(ConnectionFailed):
            await anext(awatch(f"ldap://127.0.0.1:{free_port()}/dc=x", tmp_path / "data", reconnect=False))
        with pytest.raises(UsageError, match="no changelog"):
            await anext(awatch(where(slapd), tmp_path / "data", changelog=None))

    run(main())


def test_a_connection_that_is_lost_is_told_to_all_who_wait(tmp_path: Path) -> None:
    async def main() -> None:
        with Provider() as provider:
            async with AsyncReplica(where(provider), tmp_path / "data") as replica:
                await replica.refresh()
                waiting = [asyncio.create_task(replica.changes().read()) for _ in range(2)]
                assert [len(told) for told in await asyncio.gather(*waiting)] == [1, 1]
                waiting = [asyncio.create_task(replica.subscribe(name, start="now").read()) for name in "ab"]
                await asyncio.sleep(0.05)
                provider.disconnect()
                for task in waiting:
                    with pytest.raises(ConnectionLost):
                        await task
                with pytest.raises(ClosedError, match="ConnectionLost"):
                    await anext(replica.changes())

    run(main())


def test_what_a_listener_raises_comes_through(slapd: Slapd, tmp_path: Path) -> None:
    error = LookupError("own")

    class Failing:
        def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
            raise error

    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data", listener=Failing()) as replica:
            with pytest.raises(LookupError) as caught:
                await replica.refresh()
            assert caught.value is error

    run(main())


def test_after_it_is_closed_it_stays_closed(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        replica = await AsyncReplica.open(where(slapd), tmp_path / "data")
        await replica.aclose()
        await replica.aclose()
        calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
            replica.connect,
            replica.refresh,
            replica.follow,
            replica.status,
            replica.changes().read,
            replica.verify,
        ]
        for call in calls:
            with pytest.raises(ClosedError):
                await call()
        replica.stop()

    run(main())


def test_before_it_is_connected_it_can_follow_and_tell_what_the_file_says(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        replica = AsyncReplica(where(slapd), tmp_path / "data", mode=ONCE)
        async with contextlib.aclosing(replica):
            with pytest.raises(ClosedError):
                await replica.refresh()
            assert (await replica.status()).whole is False
            await replica.follow()
            assert (await replica.status()).entries == 3

    run(main())


# --- the loop ---------------------------------------------------------------------------------------------------------


def test_the_loop_goes_on_during_a_first_load(tmp_path: Path) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def main() -> None:
        with Slapd() as slapd:
            slapd.load(sample_ldif(20_000))
            slapd.start()
            ticking = asyncio.create_task(tick())
            told = 0
            async for change in awatch(where(slapd), tmp_path / "data", mode=ONCE):
                assert isinstance(change, Added)
                told += 1
            ticking.cancel()
            assert told == 20_003

    run(main())
    # A loop that waited for the load would have come to two or three.
    assert len(ticks) > 10


def test_hundreds_that_are_open_close_within_seconds(tmp_path: Path) -> None:
    async def main() -> None:
        with Provider() as provider:
            replicas = [AsyncReplica(where(provider), tmp_path / f"{number}") for number in range(100)]
            await asyncio.gather(*(replica.connect() for replica in replicas))
            began = time.monotonic()
            await asyncio.gather(*(replica.aclose() for replica in replicas))
            assert time.monotonic() - began < 10

    before = threading.active_count()
    run(main())
    until(lambda: threading.active_count() <= before)


def test_a_modify_is_told_with_what_was_before(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        add(slapd, "a")
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica:
            await replica.refresh()
            slapd.replace(f"cn=a,{PEOPLE}", "description", ["new"])
            async with replica.changes(kinds=[Modified]) as changes:
                change = await anext(changes)
            assert change.before is not None
            assert "description" not in change.before.attributes

    run(main())
