"""Dead letters: kept until somebody decides, in the order of their entries, by many at once."""

from __future__ import annotations

import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.exceptions import DBError, DBSchemaError, SchemaVersionError, SinkUnavailable
from syncrepl_client.store import dead_letters
from syncrepl_client.store.dead_letters import DeadLetterFile
from syncrepl_client.store.files import connect
from syncrepl_client.store.relay_letters import RelayLetters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dead"


@pytest.fixture
def letters(path: Path) -> Iterator[RelayLetters]:
    with closing(RelayLetters(path, "bus", "corp")) as opened:
        yield opened


@pytest.fixture
def file(letters: RelayLetters, path: Path) -> Iterator[DeadLetterFile]:
    """What a command of another process opens."""
    with DeadLetterFile(path) as opened:
        yield opened


def event(sequence: int, key: str = "a", *, origin: str = "f", body: bytes | None = b"{}") -> Event:
    return Event(f"{origin}:{sequence}", key, Kind.UPDATED, f"cn={key}", sequence, "application/json", {}, body)


def numbers(file: DeadLetterFile) -> list[int]:
    return [letter.number for letter in file.letters()]


def marked(file: DeadLetterFile) -> list[int]:
    return [letter.number for letter in file.letters() if letter.marked]


# --- kept -------------------------------------------------------------------------------------------------------------


def test_an_event_comes_back_as_it_was(letters: RelayLetters, file: DeadLetterFile) -> None:
    headers = {"specversion": "1.0", "subject": "ä\n"}
    events = [
        Event("f:1", "a", Kind.RENAMED, "cn=ü,dc=x", 1, "application/json", headers, b"\0\xff"),
        Event("f:2:tombstone", "b", Kind.DELETED, "cn=b", 2, "text/plain", {}, None),
    ]
    before = datetime.now(UTC) - timedelta(seconds=1)
    for one in events:
        letters.add(one, f"no {one.key}")
    assert [file.event(number) for number in (1, 2, 3)] == [*events, None]
    first, second = file.letters()
    assert (first.number, first.sink, first.source, first.event_id, first.key) == (1, "bus", "corp", "f:1", "a")
    assert (first.kind, first.dn, first.sequence, first.octets) == (Kind.RENAMED, "cn=ü,dc=x", 1, 2)
    assert (first.reason, first.marked, second.octets) == ("no a", False, 0)
    assert before < first.refused_at < datetime.now(UTC) + timedelta(seconds=1)
    assert (file.letter(2), file.letter(3)) == (second, None)
    assert file.mark() == 2
    assert letters.due() == events


def test_an_event_is_kept_once_with_what_was_said_last(letters: RelayLetters, file: DeadLetterFile) -> None:
    for reason in ("too large", "too old"):
        letters.add(event(1), reason)
    (letter,) = file.letters()
    assert (letter.number, letter.reason) == (1, "too old")


def test_a_number_is_never_given_again(letters: RelayLetters, file: DeadLetterFile) -> None:
    letters.add(event(1), "no")
    assert file.drop() == 1
    letters.add(event(1), "no")
    assert numbers(file) == [2]


def test_sinks_and_sources_do_not_see_each_other(letters: RelayLetters, file: DeadLetterFile, path: Path) -> None:
    with (
        closing(RelayLetters(path, "bus", "lab")) as other_source,
        closing(RelayLetters(path, "hook", "corp")) as other_sink,
    ):
        for one in (letters, other_source, other_sink):
            one.add(event(1), "no")
        letters.add(event(2), "no")
        assert [tuple(count) for count in file.counts()] == [
            ("bus", "corp", 2, 0),
            ("bus", "lab", 1, 0),
            ("hook", "corp", 1, 0),
        ]
        assert [letter.number for letter in file.letters("bus", "corp")] == [1, 4]
        assert [letter.number for letter in file.letters(source="corp")] == [1, 3, 4]
        assert file.mark(sink="hook") == 1
        assert (letters.due(), other_source.due(), other_sink.due()) == ([], [], [event(1)])
        other_sink.confirmed([event(1)])
        assert file.mark([1, 2, 4], source="lab") == 1
        assert file.drop(sink="bus", source="lab") == 1
        assert numbers(file) == [1, 4]


def test_many_large_letters_are_listed_in_little_memory(letters: RelayLetters, file: DeadLetterFile) -> None:
    with letters._writing():  # noqa: SLF001 - one transaction takes less time
        for sequence in range(1000):
            letters._insert(event(sequence, body=b"x" * 20_000), "no", 0)  # noqa: SLF001 - the same
    tracemalloc.start()
    try:
        assert sum(letter.octets for letter in file.letters()) == 20_000_000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    file.mark()
    assert [one.sequence for one in letters.due()] == list(range(100))


def test_what_is_due_is_not_more_than_memory_holds(letters: RelayLetters, file: DeadLetterFile) -> None:
    for sequence in range(8):
        letters.add(event(sequence, body=b"x" * (1 << 20)), "no")
    file.mark()
    assert len(letters.due()) == 4


# --- sent again -------------------------------------------------------------------------------------------------------


def test_what_was_confirmed_is_forgotten(letters: RelayLetters, file: DeadLetterFile) -> None:
    for sequence in (1, 2, 3):
        letters.add(event(sequence, str(sequence)), "no")
    assert letters.due() == []
    assert file.mark([2, 3, 17]) == 2
    assert file.mark([2]) == 0
    assert letters.due() == [event(2, "2"), event(3, "3")]
    letters.confirmed([event(2, "2")])
    assert letters.due() == [event(3, "3")]
    assert numbers(file) == [1, 3]


def test_with_a_letter_those_of_its_entry_before_it_are_sent(letters: RelayLetters, file: DeadLetterFile) -> None:
    for sequence, key in enumerate("abab"):
        letters.add(event(sequence, key), "no")
    assert file.mark([3]) == 2
    assert marked(file) == [1, 3]
    assert file.mark([4]) == 2
    assert marked(file) == [1, 2, 3, 4]


def test_where_one_is_refused_again_those_of_its_entry_wait(letters: RelayLetters, file: DeadLetterFile) -> None:
    for sequence, key in enumerate("abab"):
        letters.add(event(sequence, key), "no")
    file.mark()
    letters.add(event(0), "still no")
    assert marked(file) == [2, 4]
    assert [letter.reason for letter in file.letters()] == ["still no", "no", "no", "no"]


# --- in order ---------------------------------------------------------------------------------------------------------


def test_later_events_of_an_entry_wait_for_the_first(letters: RelayLetters, file: DeadLetterFile) -> None:
    assert letters.sift([event(1), event(2, "b")]) == [event(1), event(2, "b")]
    letters.add(event(1), "no")
    assert letters.sift([event(2, "b"), event(3), event(4), event(5, "b")]) == [event(2, "b"), event(5, "b")]
    assert [letter.reason for letter in file.letters()] == ["no", *["it waits for dead letter 1 of the same entry"] * 2]
    # After a crash they come again, and those before them.
    assert letters.sift([event(0), event(1), event(3), event(4)]) == [event(0)]
    assert numbers(file) == [1, 2, 3]
    file.drop([1])
    assert letters.sift([event(5)]) == []
    file.drop()
    assert letters.sift([event(6)]) == [event(6)]


def test_a_deletion_and_its_tombstone_stay_together(letters: RelayLetters) -> None:
    deletion = event(5)
    tombstone = Event("f:5:tombstone", "a", Kind.DELETED, "cn=a", 5, "", {}, None)
    letters.add(tombstone, "no")
    assert letters.sift([deletion, tombstone]) == [deletion]
    letters.add(deletion, "no")
    assert letters.sift([tombstone, event(6)]) == []


def test_numbers_of_another_data_file_are_later(letters: RelayLetters) -> None:
    letters.add(event(9), "no")
    assert letters.sift([event(3)]) == [event(3)]
    assert letters.sift([event(3, origin="anew")]) == []


def test_what_follows_a_letter_that_is_sent_again_is_sent_behind_it(
    letters: RelayLetters, file: DeadLetterFile
) -> None:
    letters.add(event(1), "no")
    file.mark()
    assert letters.sift([event(2), event(3, "b")]) == [event(3, "b")]
    assert letters.due() == [event(1), event(2)]
    letters.confirmed(letters.due())
    assert letters.due() == []
    assert letters.sift([event(4)]) == [event(4)]


def test_by_choice_nothing_waits(path: Path) -> None:
    with closing(RelayLetters(path, "bus", "corp", in_order=False)) as letters:
        letters.add(event(1), "no")
        assert letters.sift([event(2)]) == [event(2)]


def test_who_opens_the_file_again_knows_what_waits(letters: RelayLetters, path: Path) -> None:
    letters.add(event(1), "no")
    letters.close()
    with closing(RelayLetters(path, "bus", "corp")) as again:
        assert again.sift([event(2)]) == []


# --- no room ----------------------------------------------------------------------------------------------------------


def test_the_file_does_not_grow_beyond_its_limit(path: Path) -> None:
    with closing(RelayLetters(path, "bus", "corp", largest=200_000)) as letters, DeadLetterFile(path) as file:
        letters.add(event(1, body=b"x" * 150_000), "no")
        letters.add(event(2, body=b"x" * 150_000), "no")
        for refused in (lambda: letters.add(event(3, "b"), "no"), lambda: letters.sift([event(3)])):
            with pytest.raises(SinkUnavailable, match="as much as they may") as caught:
                refused()
            assert "drop" in caught.value.hint
        # What is kept already is no more than before.
        letters.add(event(1), "still no")
        file.drop([1])
        letters.add(event(3, "b"), "no")
        assert numbers(file) == [2, 3]
        with closing(RelayLetters(path, "bus", "lab", largest=None)) as unlimited:
            for sequence in (4, 5, 6):
                unlimited.add(event(sequence, body=b"x" * 150_000), "no")


def test_an_overfull_disk_loses_nothing(letters: RelayLetters, file: DeadLetterFile) -> None:
    letters.add(event(1), "no")
    file.mark()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(SinkUnavailable, match=r"the dead letters .*dead") as caught:
            letters.add(event(2, body=b"x" * 200_000), "no")
        assert caught.value.hint
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    letters.add(event(2, body=b"x" * 200_000), "no")
    assert [one.sequence for one in letters.due()] == [1, 2]


@pytest.mark.parametrize("operation", ["add", "sift", "confirmed"])
def test_a_file_that_is_locked_for_long_is_tried_again(letters: RelayLetters, path: Path, operation: str) -> None:
    letters.add(event(1), "no")
    letters._connection.execute("PRAGMA busy_timeout = 50")  # noqa: SLF001 - it waits for seconds
    arguments = (event(2), "no") if operation == "add" else ([event(2)],)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SinkUnavailable, match="locked") as caught:
            getattr(letters, operation)(*arguments)
        assert "let it commit" in caught.value.hint
    assert letters.sift([event(2)]) == []


def test_what_was_dropped_is_gone_from_the_disk(letters: RelayLetters, file: DeadLetterFile, path: Path) -> None:
    letters.add(event(1, body=b"Vogon poetry" * 10_000), "no")
    letters.add(event(2, "b"), "no")
    file.drop([1])
    letters.close()
    file.close()
    assert path.stat().st_size < 60_000
    assert [one for one in path.parent.iterdir() if b"Vogon" in one.read_bytes()] == []


# --- by many ----------------------------------------------------------------------------------------------------------

_COMMAND = """
import sys, time
from pathlib import Path
from syncrepl_client.store.dead_letters import DeadLetterFile
with DeadLetterFile(Path(sys.argv[1])) as file:
    total = 0
    while total < int(sys.argv[2]):
        total += file.mark()
        # Others want to write as well.
        time.sleep(0.01)
print(total)
"""


def test_relays_and_commands_use_it_at_once(path: Path) -> None:
    relays, each = 4, 40
    confirmed: dict[str, list[Event]] = {}
    failures: list[Exception] = []

    def relay(source: str) -> None:
        try:
            with closing(RelayLetters(path, "bus", source)) as letters:
                for sequence in range(each):
                    letters.add(event(sequence, str(sequence)), "no")
                found = confirmed[source] = []
                while len(found) < each:
                    due = letters.due()
                    letters.confirmed(due)
                    found += due
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)

    threads = [threading.Thread(target=relay, args=(f"s{number}",)) for number in range(relays)]
    for thread in threads:
        thread.start()
    while not path.exists() or not path.stat().st_size:
        threads[0].join(0.01)
    command = [sys.executable, "-c", _COMMAND, str(path), str(relays * each)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert (done.stdout, done.stderr) == (f"{relays * each}\n", "")
    assert {source: len(found) for source, found in confirmed.items()} == {f"s{n}": each for n in range(relays)}
    with DeadLetterFile(path) as file:
        assert file.counts() == []


def test_it_may_be_made_by_several_at_once(tmp_path: Path) -> None:
    failures: list[Exception] = []
    barrier = threading.Barrier(6)

    def make(path: Path, number: int) -> None:
        try:
            barrier.wait(20)
            with closing(RelayLetters(path, "bus", str(number))) as letters:
                letters.add(event(1), "no")
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failures.append(error)

    for turn in range(5):
        path = tmp_path / str(turn)
        threads = [threading.Thread(target=make, args=(path, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failures == []
        with DeadLetterFile(path) as file:
            assert len(numbers(file)) == 6


def test_who_makes_it_at_the_same_moment_is_waited_for_but_not_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as other:

        def begin_with(statement: str) -> None:
            nonlocal moments
            if "journal_mode" in statement and not other.in_transaction and moments < 2:
                moments += 1
                other.execute("BEGIN IMMEDIATE")

        def watched(path: Path) -> sqlite3.Connection:
            # Where two wait for each other SQLite does not let them.
            connection = connect(path, timeout=0)
            connection.set_trace_callback(begin_with)
            return connection

        monkeypatch.setattr(dead_letters, "connect", watched)
        with monkeypatch.context() as hurried:
            hurried.setattr(dead_letters, "_PATIENCE", 0)
            with pytest.raises(DBError, match="locked"):
                RelayLetters(path, "bus", "corp")
        other.rollback()
        monkeypatch.setattr(time, "sleep", lambda _: other.rollback())
        with closing(RelayLetters(path, "bus", "corp")) as letters:
            letters.add(event(1), "no")
    assert moments == 2


_KILLED = """
import os, signal, sys
from pathlib import Path
from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.store.relay_letters import RelayLetters
letters = RelayLetters(Path(sys.argv[1]), "bus", "corp")
letters.add(Event("f:1", "a", Kind.UPDATED, "cn=a", 1, "application/json", {}, b"{}"), "no")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_who_is_killed_has_lost_nothing(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL
    with DeadLetterFile(path) as file:
        assert file.event(1) == event(1)


def test_a_relay_that_comes_later_takes_no_lock_from_the_others(letters: RelayLetters, path: Path) -> None:
    """Else a command deletes the write-ahead log when it leaves, and what is set aside after it is lost."""
    command = (
        "import pathlib, sys; from syncrepl_client.store.dead_letters import DeadLetterFile\n"
        "with DeadLetterFile(pathlib.Path(sys.argv[1])) as file: print(file.counts())"
    )
    letters.add(event(1), "no")
    with closing(RelayLetters(path, "later", "corp")) as later:
        for number in (2, 3):
            later.add(event(number), "no")
            done = subprocess.run([sys.executable, "-c", command, path], capture_output=True, text=True, check=True)
    assert "letters=2" in done.stdout


# --- the file ---------------------------------------------------------------------------------------------------------


def test_its_owner_alone_may_read_it(letters: RelayLetters, path: Path) -> None:
    letters.add(event(1), "no")
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert modes == {"dead": 0o600, "dead-wal": 0o600, "dead-shm": 0o600}


def test_a_command_makes_no_file(path: Path) -> None:
    with pytest.raises(DBError, match="there are no dead letters at") as caught:
        DeadLetterFile(path)
    assert caught.value.hint
    assert not path.exists()
    with DeadLetterFile(path, create=True) as file:
        assert list(file.letters()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DBError, match=r"cannot open the dead letters .*nowhere"):
        RelayLetters(tmp_path / "nowhere" / "dead", "bus", "corp")


def test_the_file_of_somebody_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(DBSchemaError, match="holds no dead letters"):
        RelayLetters(path, "bus", "corp")
    assert path.read_bytes() == before
    path.write_bytes(b"no database" * 100)
    with pytest.raises(DBError, match="not a database") as caught:
        DeadLetterFile(path)
    assert "name another file" in caught.value.hint


def test_a_newer_file_is_refused(letters: RelayLetters, path: Path) -> None:
    letters._connection.execute("PRAGMA user_version = 99")  # noqa: SLF001 - what a newer program does
    with pytest.raises(SchemaVersionError, match="version 99"):
        DeadLetterFile(path)


def test_what_cannot_be_written_is_said(letters: RelayLetters, file: DeadLetterFile) -> None:
    letters.add(event(1), "no")
    file._connection.execute("PRAGMA query_only = ON")  # noqa: SLF001 - root may write to any file
    with pytest.raises(DBError, match="readonly") as caught:
        file.drop()
    assert "cannot be written to" in caught.value.hint
    assert numbers(file) == [1]
