"""`watch`, against a real server: what is, then each change, and an end when it is asked for."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import (
    Added,
    Backoff,
    Deleted,
    Modified,
    Origin,
    Reader,
    Renamed,
    Replica,
    Retention,
    SyncreplMode,
    watch,
)
from syncrepl_client.exceptions import (
    ChangesLost,
    ConnectionFailed,
    ConnectionLost,
    DatabaseInUse,
    InvalidCredentials,
    LDAPResultError,
    LDAPUrlError,
    UsageError,
)
from tests.following import QUICK, until
from tests.slapd import SUFFIX, Slapd, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client import Change

PEOPLE = f"ou=people,{SUFFIX}"
ONCE = SyncreplMode.REFRESH_ONLY
PATIENCE = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{SUFFIX}"


def add(slapd: Slapd, name: str, **values: list[str]) -> None:
    slapd.add(f"cn={name},{PEOPLE}", {"objectClass": ["device"], "cn": [name], **values})


@contextmanager
def watching(url: str | None, path: Path, **options: Any) -> Iterator[Iterator[Change]]:
    """Watch, and let go of the file at the end."""
    changes: Any = watch(url, path, backoff=QUICK, **options)
    with closing(changes):
        yield changes


def names(changes: list[Change]) -> list[str]:
    return [f"{type(change).__name__} {change.dn.partition(',')[0]}" for change in changes]


def is_free(path: Path) -> bool:
    replica = Replica(None, path)
    try:
        replica.open_store()
    except DatabaseInUse:
        return False
    finally:
        replica.close()
    return True


# --- what is told -----------------------------------------------------------------------------------------------------


def test_each_kind_of_change_tells_what_was_and_what_is(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path) as changes:
        snapshot = list(islice(changes, 3))
        assert {type(change) for change in snapshot} == {Added}
        assert {(change.origin, change.sequence, change.before) for change in snapshot} == {(Origin.SNAPSHOT, 0, None)}
        assert snapshot[0].dn == SUFFIX

        add(slapd, "a", description=["one"])
        added = next(changes)
        slapd.replace(f"cn=a,{PEOPLE}", "description", ["two"])
        modified = next(changes)
        slapd.rename(f"cn=a,{PEOPLE}", "cn=b")
        renamed = next(changes)
        slapd.delete(f"cn=b,{PEOPLE}")
        deleted = next(changes)

        told = [added, modified, renamed, deleted]
        assert [type(change) for change in told] == [Added, Modified, Renamed, Deleted]
        assert [change.sequence for change in told] == [1, 2, 3, 4]
        assert {change.origin for change in told} == {Origin.PERSIST}
        assert {change.uuid for change in told} == {added.uuid}
        assert added.before is None
        assert (added.dn, added.entry.text("description")) == (f"cn=a,{PEOPLE}", "one")
        # Each begins with what the one before ended with.
        for former, later in pairwise(told):
            assert former.after == later.before
        assert modified.diff()["description"].added == [b"two"]
        assert modified.diff()["description"].removed == [b"one"]
        assert (renamed.before and renamed.before.dn, renamed.dn) == (f"cn=a,{PEOPLE}", f"cn=b,{PEOPLE}")
        assert deleted.after is None
        assert deleted.entry.text("description") == "two"
        times = [change.stored_at for change in told if change.stored_at]
        assert times == sorted(times)
        assert len(times) == 4


def test_a_later_run_tells_what_has_changed_since(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path, mode=ONCE) as changes:
        assert len(list(changes)) == 3
    add(slapd, "a")
    slapd.replace(PEOPLE, "description", ["x"])
    slapd.delete(f"ou=groups,{SUFFIX}")

    with watching(None, path, mode=ONCE) as changes:
        found = list(changes)
    assert names(found) == ["Deleted ou=groups", "Modified ou=people", "Added cn=a"]
    assert {change.origin for change in found} == {Origin.REFRESH}
    with watching(None, path, mode=ONCE) as changes:
        assert list(changes) == []


@pytest.mark.parametrize("subscription", [None, "reader"])
def test_kinds_that_are_not_asked_for_are_not_told(slapd: Slapd, path: Path, subscription: str | None) -> None:
    with watching(where(slapd), path, kinds=[Deleted, Renamed], subscription=subscription) as changes:
        timer = threading.Timer(0.5, add, [slapd, "a"])
        timer.start()

        def write() -> None:
            timer.join()
            slapd.replace(f"cn=a,{PEOPLE}", "description", ["x"])
            slapd.rename(f"cn=a,{PEOPLE}", "cn=b")
            slapd.delete(f"cn=b,{PEOPLE}")

        writer = threading.Thread(target=write)
        writer.start()
        assert names(list(islice(changes, 2))) == ["Renamed cn=b", "Deleted cn=b"]
        writer.join()


# --- where it goes on -------------------------------------------------------------------------------------------------


def test_a_subscription_goes_on_where_it_has_stopped(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path, subscription="reader") as changes:
        told = [next(changes) for _ in range(2)]
    # What was told last was not handled: nobody asked for the next one.
    add(slapd, "a")
    with watching(None, path, subscription="reader") as changes:
        again = [next(changes) for _ in range(3)]
        assert again[0] == told[1]
        assert names(again)[2:] == ["Added cn=a"]
    with watching(None, path, mode=ONCE, subscription="reader") as changes:
        assert names(list(changes)) == ["Added cn=a"]
    with watching(None, path, mode=ONCE, subscription="reader") as changes:
        assert list(changes) == []


def test_who_fails_is_told_the_same_again(slapd: Slapd, path: Path) -> None:
    def handle() -> None:
        with watching(where(slapd), path, subscription="reader") as changes:
            for number, _ in enumerate(changes):
                if number == 1:
                    raise LookupError

    with pytest.raises(LookupError):
        handle()
    with watching(None, path, mode=ONCE, subscription="reader") as changes:
        assert len(list(changes)) == 2


def test_a_subscription_may_begin_with_what_comes_next(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path, mode=ONCE, subscription="reader", start="now") as changes:
        assert list(changes) == []
    add(slapd, "a")
    with watching(None, path, mode=ONCE, subscription="reader") as changes:
        assert names(list(changes)) == ["Added cn=a"]
    with watching(None, path, mode=ONCE, subscription="another", start=0) as changes:
        assert names(list(changes)) == ["Added cn=a"]
    with watching(None, path, mode=ONCE, subscription="third", start=99) as changes, pytest.raises(ChangesLost):
        next(changes)


def test_what_happened_while_the_server_was_killed_is_told_once(slapd_log: Slapd, path: Path) -> None:
    slapd = slapd_log
    with watching(where(slapd), path) as changes:
        assert len(list(islice(changes, 3))) == 3
        for number in range(3):
            slapd.kill()
            slapd.start()
            add(slapd, str(number))
            assert names([next(changes)]) == [f"Added cn={number}"]
            slapd.replace(f"cn={number},{PEOPLE}", "description", ["x"])
            assert names([next(changes)]) == [f"Modified cn={number}"]


# --- its end ----------------------------------------------------------------------------------------------------------


@contextmanager
def set_in(event: threading.Event, seconds: float) -> Iterator[None]:
    """Set an event in a while; whoever waits for it must not wait for much longer."""
    timer = threading.Timer(seconds, event.set)
    timer.start()
    began = time.monotonic()
    try:
        yield
        assert time.monotonic() - began < seconds + 2
        assert event.is_set()
    finally:
        timer.cancel()


@pytest.mark.parametrize("reconnect", [True, False])
def test_an_event_ends_it_while_nothing_happens(slapd: Slapd, path: Path, *, reconnect: bool) -> None:
    event = threading.Event()
    with set_in(event, 0.5), watching(where(slapd), path, stop_event=event, reconnect=reconnect) as changes:
        assert len(list(changes)) == 3
    assert is_free(path)
    with watching(where(slapd), path, stop_event=event) as changes:
        assert list(changes) == []


@pytest.mark.parametrize("reconnect", [True, False])
def test_an_event_ends_it_while_the_server_does_not_answer(path: Path, *, reconnect: bool) -> None:
    event = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}/{SUFFIX}"
        with set_in(event, 0.3), watching(url, path, stop_event=event, reconnect=reconnect) as changes:
            assert list(changes) == []


def test_an_event_ends_it_while_it_waits_for_the_next_try(path: Path) -> None:
    event = threading.Event()
    changes = watch(
        f"ldap://127.0.0.1:{free_port()}/{SUFFIX}", path, stop_event=event, backoff=Backoff(base=3600, cap=3600)
    )
    with set_in(event, 0.5):
        assert list(changes) == []


def test_who_does_not_reconnect_does_not_wait_for_a_server_either(path: Path) -> None:
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    with watching(url, path, reconnect=False) as changes, pytest.raises(ConnectionFailed):
        next(changes)


def test_what_was_told_before_the_event_counts_as_handled_when_the_next_is_asked_for(slapd: Slapd, path: Path) -> None:
    event = threading.Event()
    with watching(where(slapd), path, subscription="reader", stop_event=event) as changes:
        told = [next(changes) for _ in range(2)]
        event.set()
        assert next(changes, None) is None
    with watching(None, path, mode=ONCE, subscription="reader") as changes:
        [left] = list(changes)
        assert left not in told


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_thread_and_no_file_is_left_of_it(slapd: Slapd, path: Path) -> None:
    threads, files = threading.active_count(), open_files()
    for number in range(20):
        with watching(where(slapd), path, subscription="reader", stop_event=threading.Event()) as changes:
            if number:
                next(changes)
    assert threading.active_count() == threads
    assert open_files() == files


INTERRUPTED = """
import sys
from syncrepl_client import watch
for change in watch(sys.argv[1], sys.argv[2], subscription="reader"):
    print(change.dn, flush=True)
"""


def test_ctrl_c_ends_it_and_loses_nothing(slapd: Slapd, path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, where(slapd), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert is_free(path)
    add(slapd, "a")
    with watching(None, path, mode=ONCE, subscription="reader") as changes:
        assert names(list(changes))[-1] == "Added cn=a"


# --- what it cannot do ------------------------------------------------------------------------------------------------


def test_what_does_not_get_better_by_itself_is_raised(slapd: Slapd, path: Path) -> None:
    url = where(slapd) + "????bindname=" + slapd.rootdn.replace(",", "%2C")
    with watching(url, path, password="wrong") as changes, pytest.raises(InvalidCredentials):
        next(changes)
    with watching(f"{slapd.url}/dc=nowhere", path) as changes, pytest.raises(LDAPResultError, match="noSuchObject"):
        next(changes)
    assert is_free(path)


def test_without_reconnecting_a_lost_connection_is_an_error(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path, reconnect=False) as changes:
        list(islice(changes, 3))
        slapd.kill()
        with pytest.raises(ConnectionLost):
            next(changes)
    with Reader(path) as reader:
        assert len(reader.entries) == 3


@pytest.mark.parametrize(
    ("url", "options", "error"),
    [
        ("http://example.com/dc=x", {}, LDAPUrlError),
        (None, {}, LDAPUrlError),
        ("ldap://127.0.0.1/dc=x", {"changelog": None}, UsageError),
        ("ldap://127.0.0.1/dc=x", {"changelog": None, "subscription": "reader"}, UsageError),
        ("ldap://127.0.0.1/dc=x", {"mode": "sometimes"}, ValueError),
        ("ldap://127.0.0.1/dc=x", {"nonsense": 1}, TypeError),
        ("ldap://127.0.0.1/dc=x", {"kinds": Added}, TypeError),
        ("ldap://127.0.0.1/dc=x", {"kinds": ["added"]}, UsageError),
    ],
)
def test_what_cannot_be_meant_is_refused(path: Path, url: str | None, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error), watching(url, path, **options) as changes:
        next(changes)


def test_a_file_has_one_owner(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path) as changes:
        next(changes)
        with watching(where(slapd), path) as others, pytest.raises(DatabaseInUse):
            next(others)


def test_what_the_log_does_not_keep_is_told_all_the_same(slapd: Slapd, path: Path) -> None:
    with watching(where(slapd), path, changelog=Retention(octets=0)) as changes:
        list(islice(changes, 3))
        for number in range(50):
            add(slapd, str(number))
        assert names(list(islice(changes, 50))) == [f"Added cn={number}" for number in range(50)]
        with Reader(path) as reader:
            until(lambda: next_or_look(slapd, changes, reader))


def next_or_look(slapd: Slapd, changes: Iterator[Change], reader: Reader) -> bool:
    """Let it go on a little; tells whether what was told is gone from the log."""
    slapd.replace(PEOPLE, "description", [str(time.monotonic())])
    next(changes)
    return reader.status().logged_after > 50
