"""`status`, on data files as a client has left them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from syncrepl_client import Replica, subscribe
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main
from tests.cli.command import run as run_process
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

PEOPLE = 60
ENTRIES = PEOPLE + 3
PASSWORD = "Tr0ub4dor-and-3"


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(rootpw=PASSWORD) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(server: Slapd, tmp_path: Path) -> str:
    path = str(tmp_path / "copy.db")
    assert run("sync", "-q", where(server), path).exit_code == ExitCode.OK
    return path


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{SUFFIX}????bindname={quote(f'cn=admin,{SUFFIX}')},X-BINDPW={PASSWORD}"


def person(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def run(*arguments: str) -> Result:
    shown = CliRunner().invoke(main, arguments, env={"SYNCREPL_PASSWORD_FILE": None})
    assert PASSWORD not in shown.stdout
    return shown


def as_json(data: str) -> Any:
    return json.loads(run("status", "--json", data).stdout)


def test_a_copy_says_what_it_is_of(server: Slapd, data: str) -> None:
    shown = run("status", data)

    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    facts = dict(line.strip().split(maxsplit=1) for line in shown.stdout.splitlines()[1:4])
    assert facts["search"].startswith(f"{server.url}/{SUFFIX}")
    assert (facts["server"], facts["entries"]) == ("openldap", str(ENTRIES))
    assert as_json(data) | {"changelog": None} == {
        "path": data,
        "url": facts["search"],
        "server": "openldap",
        "copied": True,
        "entries": ENTRIES,
        "sequence": 0,
        "changed_at": as_json(data)["changed_at"],
        "changelog": None,
        "subscriptions": [],
        "held": None,
    }


def test_each_subscription_says_how_far_behind_it_is(server: Slapd, data: str) -> None:
    subscribe(data, "late", start="now").close()
    subscribe(data, "snapshot").close()
    for number in (1, 2, 3):
        server.replace(person(number), "title", ["Dr"])
    run("sync", "-q", where(server), data)
    subscribe(data, "in step", start="now").close()

    shown = run("status", data).stdout
    table = [line.split("  ") for line in shown[shown.index("\nsubscription") :].splitlines()[2:]]
    assert [[cell.strip() for cell in row if cell.strip()][:3] for row in table] == [
        ["in step", "3", "0"],
        ["late", "0", "3"],
        ["snapshot", "a snapshot", "3"],
    ]
    assert "3 changes since" in shown
    assert [(one["name"], one["behind"], one["snapshot"]) for one in as_json(data)["subscriptions"]] == [
        ("in step", 0, False),
        ("late", 3, False),
        ("snapshot", 3, True),
    ]


def test_what_is_held_comes_with_the_command_to_type(server: Slapd, data: str) -> None:
    for number in range(1, PEOPLE):
        server.delete(person(number))
    assert run("sync", "-q", where(server), data).exit_code == ExitCode.HELD

    shown = run("status", data)

    assert shown.exit_code == ExitCode.OK
    assert shown.stdout.splitlines()[-2:] == [
        f"held: a refresh that would delete {PEOPLE - 1} of {ENTRIES} entries",
        f"look at them: syncrepl-client deletes list {data}",
    ]
    assert as_json(data)["held"] == {"deletions": PEOPLE - 1, "entries": ENTRIES, "approved": False}
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("UPDATE syncrepl_state SET approved = 1")
    assert run("status", data).stdout.endswith("it is approved, and the next refresh deletes them\n")


def test_a_file_without_a_copy_says_how_to_make_it(server: Slapd, tmp_path: Path) -> None:
    path = str(tmp_path / "new copy.db")
    with Replica(where(server), path) as replica:
        # Connected, but nothing was read yet.
        shown = run("status", path)
        assert replica.refreshing

    assert "there is no copy yet" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith(f"make the copy: syncrepl-client sync '{server.url}")
    assert shown.stdout.endswith(f" '{path}'\n")


def test_a_file_without_changelog_says_so(server: Slapd, data: str) -> None:
    with Replica(where(server), data, changelog=None) as replica:
        replica.refresh()

    assert "changelog    none is kept" in run("status", data).stdout
    assert as_json(data)["changelog"] is None


def test_names_of_subscriptions_cannot_reach_the_terminal(data: str) -> None:
    subscribe(data, "\x1b[2J", start="now").close()

    assert "\x1b" not in run("status", data).stdout


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = run_process("status", str(tmp_path / "none.db"))

    assert (done.returncode, done.stdout) == (ExitCode.DATA_FILE, "")
    assert done.stderr.startswith("error: there is no data file")
    assert not (tmp_path / "none.db").exists()
