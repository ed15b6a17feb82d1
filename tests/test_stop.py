"""A stop ends whatever goes on at once, and the data file is none the worse for it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Replica, Syncrepl, SyncreplMode
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PEOPLE = 20_000
ENTRIES = PEOPLE + 3
# The promise is a tenth of a second; on a machine that does other things as well it may take longer.
PROMPT = 0.5
ONCE = SyncreplMode.REFRESH_ONLY


@pytest.fixture(scope="module")
def large() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE, random_uuids=True))
        slapd.start()
        yield slapd


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{slapd.suffix}"


def check(path: Path, entries: int) -> None:
    """Check that a data file is sound and shows as many entries to others."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM syncrepl_copy").fetchone() == (entries,)


def sync(slapd: Slapd, path: Path) -> int:
    with Replica(where(slapd), path, mode=ONCE) as replica:
        return replica.refresh().entries


class Stopper(threading.Thread):
    """Another thread, which stops a client as soon as it is told that it is time."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__()
        self._stop_client = stop
        self._now = threading.Event()
        self._asked = threading.Event()
        self._asked_at = 0.0

    def run(self) -> None:
        assert self._now.wait(30)
        self._asked_at = time.monotonic()
        self._stop_client()
        self._asked.set()

    def go(self, *_: object) -> None:
        """Tell it, and wait until it has asked for the stop: so it comes in the middle of what the caller does."""
        self._now.set()
        assert self._asked.wait(30)

    def took(self, what: str) -> float:
        """Return the seconds from the stop until now."""
        took = time.monotonic() - self._asked_at
        self.join()
        print(f"{what}: {took * 1000:.1f} ms")  # noqa: T201  # shown by pytest -s
        return took


@pytest.fixture
def stop_by() -> Callable[[Callable[[], None]], Stopper]:
    def start(stop: Callable[[], None]) -> Stopper:
        stopper = Stopper(stop)
        stopper.start()
        return stopper

    return start


# --- from another thread ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [3, 3600])
def test_an_idle_client_stops_at_once(
    slapd: Slapd, tmp_path: Path, stop_by: Callable[..., Stopper], timeout: float
) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        stopper = stop_by(replica.stop)
        threading.Timer(0.05, stopper.go).start()
        while replica.step(timeout):
            pass
        assert stopper.took("idle") < PROMPT

        assert not replica.step(timeout)
        assert len(replica.entries) == 3

    check(tmp_path / "data", 3)


def test_a_client_that_runs_in_a_thread_stops_at_once(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        worker = threading.Thread(target=replica.run)
        worker.start()
        asked = time.monotonic()
        replica.stop()
        worker.join(10)
        took = time.monotonic() - asked

        assert not worker.is_alive()
        assert took < PROMPT


@pytest.mark.parametrize("mode", list(SyncreplMode))
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_first_load_stops_at_once_and_leaves_nothing(
    large: Slapd, tmp_path: Path, stop_by: Callable[..., Stopper], mode: SyncreplMode, share: float
) -> None:
    received = 0

    def trace(line: str) -> None:
        nonlocal received
        if " entry " in line and SUFFIX in line:  # not the root DSE, nor the schema
            received += 1
            if received > share * ENTRIES:
                stopper.go()

    with Replica(where(large), tmp_path / "data", mode=mode, trace=trace) as replica:
        stopper = stop_by(replica.stop)
        replica.run()
        assert stopper.took(f"first load, {received} entries received") < PROMPT

    check(tmp_path / "data", 0)
    assert sync(large, tmp_path / "data") == ENTRIES
    check(tmp_path / "data", ENTRIES)


@pytest.mark.parametrize("statement", ["CREATE UNIQUE INDEX syncrepl_entry_uuid", "CREATE INDEX syncrepl_entry_key"])
def test_the_making_of_an_index_stops_at_once(
    large: Slapd, tmp_path: Path, stop_by: Callable[..., Stopper], statement: str
) -> None:
    begun: list[str] = []

    def look(sql: str) -> None:
        if sql.startswith(statement):
            begun.append(sql)
            stopper.go()

    with Replica(where(large), tmp_path / "data", mode=ONCE) as replica:
        stopper = stop_by(replica.stop)
        replica.store.database.connection.set_trace_callback(look)
        replica.run()
        assert stopper.took(statement) < PROMPT

    assert len(begun) == 1
    check(tmp_path / "data", 0)
    assert sync(large, tmp_path / "data") == ENTRIES


def test_a_refresh_over_a_copy_stops_at_once_and_leaves_the_copy(
    large: Slapd, tmp_path: Path, stop_by: Callable[..., Stopper]
) -> None:
    narrow = f"{where(large)}?cn"
    with Replica(narrow, tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == ENTRIES

    # Other attributes are another search: everything is sent again and everything is different.
    with Replica(where(large), tmp_path / "data", mode=ONCE, progress=lambda _: stopper.go()) as replica:
        stopper = stop_by(replica.stop)
        replica.run()
        assert stopper.took("refresh over a copy") < PROMPT

    check(tmp_path / "data", ENTRIES)
    with Replica(narrow, tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == ENTRIES
        assert list(replica.entries[f"uid=u000001,ou=people,{large.suffix}"]) == ["cn"]


def test_a_client_that_was_stopped_before_it_was_opened_does_nothing(slapd: Slapd, tmp_path: Path) -> None:
    replica = Replica(where(slapd), tmp_path / "data")
    replica.stop()
    with replica:
        assert not replica.step(3600)
        replica.run()
        assert replica.refresh().entries == 0


def test_a_stop_of_a_client_that_was_closed_is_harmless(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == 3
    replica.stop()
    replica.wake()

    check(tmp_path / "data", 3)


def test_a_wait_for_another_programs_transaction_stops_at_once(
    slapd: Slapd, tmp_path: Path, stop_by: Callable[..., Stopper]
) -> None:
    sync(slapd, tmp_path / "data")
    with (
        closing(sqlite3.connect(tmp_path / "data", isolation_level=None)) as other,
        Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica,
    ):
        slapd.delete(f"ou=groups,{slapd.suffix}")
        other.execute("CREATE TABLE own (a)")
        other.execute("BEGIN IMMEDIATE")
        stopper = stop_by(replica.stop)
        threading.Timer(0.1, stopper.go).start()
        replica.run()
        assert stopper.took("waiting for a lock") < PROMPT
        other.execute("ROLLBACK")

    assert sync(slapd, tmp_path / "data") == 2


# --- from a signal handler --------------------------------------------------------------------------------------------

PROGRAM = """if True:
    import signal, sys, time
    from syncrepl_client import Replica, SyncreplMode

    url, path, mode, when = sys.argv[1:]
    def note(line):
        if when == "loading" and " entry " in line:
            tell()

    def look(sql):
        if when == "indexing" and sql.startswith("CREATE UNIQUE INDEX"):
            tell()

    def tell():
        global when
        when = ""
        print("now", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: replica.stop())
    replica = Replica(url, path, mode=SyncreplMode(mode), trace=note)
    with replica:
        replica.store.database.connection.set_trace_callback(look)
        while replica.step(3600):
            if when == "idle" and not replica.refreshing:
                tell()
        # The clock is the same for all processes.
        print(time.monotonic())
"""


def terminate(slapd: Slapd, path: Path, mode: SyncreplMode, when: str) -> float:
    """Run a client, end it at some moment and return how long it took to stop."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, where(slapd), path, mode, when], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        took = float(process.stdout.read()) - asked
    assert process.returncode == 0
    print(f"SIGTERM while {when}: {took * 1000:.1f} ms")  # noqa: T201  # shown by pytest -s
    return took


def test_a_signal_stops_an_idle_client_at_once(slapd: Slapd, tmp_path: Path) -> None:
    assert terminate(slapd, tmp_path / "data", SyncreplMode.REFRESH_AND_PERSIST, "idle") < PROMPT

    check(tmp_path / "data", 3)
    slapd.delete(f"ou=groups,{slapd.suffix}")
    assert sync(slapd, tmp_path / "data") == 2


@pytest.mark.parametrize("when", ["loading", "indexing"])
def test_a_signal_stops_a_first_load_at_once(large: Slapd, tmp_path: Path, when: str) -> None:
    # In persist mode a signal that comes late, after the load, ends the program as well.
    assert terminate(large, tmp_path / "data", SyncreplMode.REFRESH_AND_PERSIST, when) < PROMPT

    assert sync(large, tmp_path / "data") == ENTRIES
    check(tmp_path / "data", ENTRIES)


# --- please_stop ------------------------------------------------------------------------------------------------------


class Counting:
    """Counts what it is told, and may do something at the first entry."""

    def __init__(self, at_first: Callable[[], None] = lambda: None) -> None:
        self.at_first = at_first
        self.added = 0
        self.refreshes = 0

    def record_add(self, dn: str, attrs: Any, cursor: sqlite3.Cursor) -> None:
        if not self.added:
            self.at_first()
        self.added += 1

    def refresh_done(self, items: Any, cursor: sqlite3.Cursor) -> None:
        self.refreshes += 1


def test_please_stop_ends_an_idle_client_at_once(slapd: Slapd, tmp_path: Path, stop_by: Callable[..., Stopper]) -> None:
    callback = Counting()
    with Syncrepl(tmp_path / "data", callback, SyncreplMode.REFRESH_AND_PERSIST, where(slapd)) as client:
        while not callback.refreshes:
            assert client.poll()
        stopper = stop_by(client.please_stop)
        threading.Timer(0.05, stopper.go).start()
        while client.poll(3600):
            pass
        assert stopper.took("please_stop, idle") < PROMPT
        assert not client.poll()

    check(tmp_path / "data", 3)


def test_please_stop_lets_a_refresh_come_to_its_end(large: Slapd, tmp_path: Path) -> None:
    callback = Counting()
    with Syncrepl(tmp_path / "data", callback, SyncreplMode.REFRESH_AND_PERSIST, where(large)) as client:
        assert client.poll()
        assert callback.refreshes == 0
        client.please_stop()
        client.run()

    assert callback.refreshes == 1
    assert callback.added == ENTRIES
    check(tmp_path / "data", ENTRIES)


def test_please_stop_may_be_called_inside_a_callback(slapd: Slapd, tmp_path: Path) -> None:
    callback = Counting()
    with Syncrepl(tmp_path / "data", callback, SyncreplMode.REFRESH_AND_PERSIST, where(slapd)) as client:
        callback.at_first = client.please_stop
        client.run()

    assert callback.added == 3
    check(tmp_path / "data", 3)


def test_please_stop_in_a_signal_handler_ends_the_client(slapd: Slapd, tmp_path: Path) -> None:
    callback = Counting()
    with Syncrepl(tmp_path / "data", callback, SyncreplMode.REFRESH_AND_PERSIST, where(slapd)) as client:
        while not callback.refreshes:
            assert client.poll()
        former = signal.signal(signal.SIGALRM, lambda *_: client.please_stop())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            started = time.monotonic()
            while client.poll(3600):
                pass
        finally:
            signal.signal(signal.SIGALRM, former)

    assert time.monotonic() - started < 0.05 + PROMPT
