"""`reset`, on copies of a real server."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Added, Reader, Replica, subscribe
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import ChangesLost
from tests.cli.copied import person, refresh, run, where
from tests.cli.running import AtTerminal
from tests.slapd import Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = 3
ENTRIES = PEOPLE + 3


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=100) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(server: Slapd, tmp_path: Path) -> str:
    """Make a copy with two logged changes."""
    path = str(tmp_path / "copy.db")
    refresh(server, path)
    for number in (1, 2):
        server.replace(person(number), "title", ["Dr"])
    refresh(server, path)
    return path


def sequence(data: str) -> int:
    with Reader(data) as reader:
        return reader.status().sequence


def test_it_forgets_copy_cookie_and_changelog_and_says_what_to_type(server: Slapd, data: str) -> None:
    shown = run("reset", "--force", data)

    assert (shown.exit_code, shown.stdout) == (ExitCode.OK, "")
    assert shown.stderr.startswith(f"there is no copy any more; refresh: syncrepl-client sync '{server.url}")
    with Reader(data) as reader:
        status = reader.status()
    assert (status.whole, status.entries, status.url, status.logged_since) == (False, 0, None, None)
    with closing(sqlite3.connect(data)) as connection:
        left = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our tables
            for table in ("syncrepl_entry", "syncrepl_change", "syncrepl_marker")
        }
        assert set(left.values()) == {0}
        assert connection.execute("SELECT cookie FROM syncrepl_state").fetchone() == (None,)


def test_the_next_refresh_copies_everything_and_numbers_go_on(server: Slapd, data: str) -> None:
    last = sequence(data)
    run("reset", "-f", data)

    again = run("sync", "--json", where(server), data)
    server.replace(person(1), "title", ["Prof"])
    refresh(server, data)

    assert json.loads(again.stdout)["first"] is True
    with Reader(data) as reader:
        assert len(reader.entries) == ENTRIES
        (change,) = reader.history(person(1))
    assert change.sequence is not None
    assert change.sequence > last


def test_another_search_may_follow(server: Slapd, data: str) -> None:
    assert run("sync", f"{where(server)}?cn", data).exit_code == ExitCode.USAGE
    run("reset", "-f", data)
    assert run("sync", f"{where(server)}?cn", data).exit_code == ExitCode.OK


def test_subscriptions_begin_with_a_snapshot_and_those_that_read_are_told(server: Slapd, data: str) -> None:
    with subscribe(data, "closed") as closed:
        assert len(closed.read()) == ENTRIES
        closed.commit()
    with subscribe(data, "open", start="now") as reading:
        assert reading.read(timeout=0) == []
        run("reset", "-f", data)
        with pytest.raises(ChangesLost):
            reading.read(timeout=1)
    refresh(server, data)

    # Also where it once began with what was new: there is no other way to tell it what has changed since.
    for name in ("closed", "open"):
        with subscribe(data, name, start="now") as again:
            changes = again.read(timeout=0)
        assert {type(change) for change in changes} == {Added}
        assert len(changes) == ENTRIES


def test_tables_and_settings_of_programs_stay(data: str) -> None:
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("CREATE TABLE mine (value)")
        connection.execute("INSERT INTO mine VALUES (1)")
        connection.execute("INSERT INTO syncrepl_setting VALUES ('theirs', x'01')")
    run("reset", "-f", data)
    with closing(sqlite3.connect(data)) as connection:
        assert connection.execute("SELECT value FROM mine").fetchall() == [(1,)]
        assert connection.execute("SELECT value FROM syncrepl_setting WHERE name = 'theirs'").fetchall() == [(b"\1",)]


def test_with_the_copy_kept_the_next_refresh_tells_real_differences_alone(server: Slapd, data: str) -> None:
    shown = run("reset", "--keep-copy", "--force", data)
    assert "the next refresh reads everything" in shown.stderr
    assert sequence(data) == 2
    server.replace(person(3), "title", ["Dr"])

    summary = json.loads(run("sync", "--json", where(server), data).stdout)

    assert summary.pop("seconds") >= 0
    assert summary == {"entries": ENTRIES, "added": 0, "modified": 1, "renamed": 0, "deleted": 0, "first": False}


def test_a_file_that_is_in_use_is_left_alone(server: Slapd, data: str) -> None:
    with Replica(where(server), data) as keeper:
        keeper.refresh()
        for option in ([], ["--keep-copy"]):
            shown = run("reset", "--force", *option, data)
            assert shown.exit_code == ExitCode.DATA_FILE
            assert "another consumer is using" in shown.stderr
        assert len(keeper.entries) == ENTRIES


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert run("reset", "--force", str(tmp_path / "none.db")).exit_code == ExitCode.DATA_FILE
    assert list(tmp_path.iterdir()) == []


def test_who_sits_at_a_terminal_is_asked(data: str) -> None:
    for answer, code, left in (("n", ExitCode.OTHER, 2), ("y", ExitCode.OK, 3)):
        with AtTerminal("reset", data) as terminal:
            terminal.until(f"Forget {ENTRIES} entries and 2 logged changes in")
            terminal.type(f"{answer}\n")
            assert terminal.end() == code
            assert ("nothing was changed" in terminal.shown) is (answer == "n")
        assert sequence(data) == left


def test_ctrl_c_at_the_question_changes_nothing(data: str) -> None:
    with AtTerminal("reset", "--keep-copy", data) as terminal:
        terminal.until("[y/N]")
        terminal.type("\x04")
        assert terminal.end() == ExitCode.OTHER
        assert "nothing was changed" in terminal.shown
    assert sequence(data) == 2


def test_nobody_to_ask_is_an_error(data: str) -> None:
    shown = run("reset", data)

    assert shown.exit_code == ExitCode.USAGE
    assert "--force" in shown.stderr
    assert sequence(data) == 2
