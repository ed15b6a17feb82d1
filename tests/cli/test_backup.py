"""`backup`, while somebody writes and while nobody does."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Reader, Replica, subscribe
from syncrepl_client.cli.exits import ExitCode
from tests.cli.copied import person, refresh, run, where
from tests.slapd import Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = 20
ENTRIES = PEOPLE + 3


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(server: Slapd, tmp_path: Path) -> str:
    path = str(tmp_path / "copy.db")
    refresh(server, path)
    return path


def test_the_copy_goes_on_where_the_file_was(server: Slapd, data: str, tmp_path: Path) -> None:
    subscribe(data, "audit", start="now").close()
    target = tmp_path / "kept" / "a backup.db"
    target.parent.mkdir()

    shown = run("backup", data, str(target))

    assert (shown.exit_code, shown.stdout) == (ExitCode.OK, "")
    assert shown.stderr.endswith(f"syncrepl-client status '{target}'\n")
    assert [path.name for path in target.parent.iterdir()] == ["a backup.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    server.replace(person(1), "title", ["Dr"])
    refresh(server, str(target))
    with subscribe(target, "audit") as changes:
        assert [change.dn for change in changes.read()] == [person(1)]
    with Reader(data) as reader:
        assert reader.status().sequence == 0


def test_it_is_one_moment_while_a_writer_is_at_work(server: Slapd, data: str, tmp_path: Path) -> None:
    """Each refresh changes one more person; the number of changes in the log tells which people must be changed."""
    done = threading.Event()

    def keep() -> None:
        with Replica(where(server), data) as replica:
            while not done.is_set():
                replica.refresh()
                replica.step(0.02)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        for number in range(1, PEOPLE + 1):
            server.replace(person(number), "title", ["changed"])
            if number % 4 == 0:
                target = str(tmp_path / f"backup-{number}.db")
                assert run("backup", data, target).exit_code == ExitCode.OK
                with Reader(target) as reader:
                    changed = sum(entry.attributes.get("title") == [b"changed"] for entry in reader.entries.all())
                    assert (reader.status().sequence, reader.status().entries) == (changed, ENTRIES)
    finally:
        done.set()
        keeper.join(20)


def test_a_file_of_that_name_is_kept_unless_it_shall_be_overwritten(data: str, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    target.write_text("precious")

    refused = run("backup", data, str(target))
    assert refused.exit_code == ExitCode.USAGE
    assert target.read_text() == "precious"
    assert run("backup", "-q", "--force", data, str(target)).exit_code == ExitCode.OK
    with Reader(target) as reader:
        assert reader.status().entries == ENTRIES
    # Not onto itself, however it is called.
    itself = tmp_path / "link.db"
    itself.symlink_to(data)
    assert run("backup", "--force", data, str(itself)).exit_code == ExitCode.USAGE


def test_what_cannot_be_copied_leaves_nothing(data: str, tmp_path: Path) -> None:
    letter = tmp_path / "letter"
    letter.write_text("this is a letter, not a database\n" * 50)
    folder = tmp_path / "kept"
    folder.mkdir()
    for source, target in (
        (str(letter), folder / "a"),
        (str(tmp_path / "none.db"), folder / "b"),
        (data, tmp_path / "nowhere" / "c"),
    ):
        assert run("backup", source, str(target)).exit_code == ExitCode.DATA_FILE
    assert list(folder.iterdir()) == []


def test_a_damaged_file_is_told_and_not_taken_for_a_backup(data: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'syncrepl_entry_key'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with Path(data).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)

    shown = run("backup", data, str(tmp_path / "backup.db"))

    assert shown.exit_code == ExitCode.DATA_FILE
    assert shown.stderr.startswith("error: ")
    assert not (tmp_path / "backup.db").exists()
