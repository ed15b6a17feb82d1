"""The copy compared with a real server: what counts as a difference, and what becomes of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from syncrepl_client import Change, Origin, Replica, SyncreplMode
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import UsageError
from tests.cli.command import run
from tests.slapd import SUFFIX, Slapd, sample_ldif
from tests.verification import PEOPLE, person, reports_under_a_writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONCE = SyncreplMode.REFRESH_ONLY


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def url(server: Slapd) -> str:
    return f"{server.url}/{SUFFIX}"


@pytest.fixture
def data(tmp_path: Path, url: str) -> str:
    path = str(tmp_path / "copy.db")
    with Replica(url, path, mode=ONCE) as replica:
        replica.refresh()
    return path


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[Origin, str, str]] = []

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.told.append((change.origin, type(change).__name__, change.entry.dn))


def tamper(data: str) -> None:
    """Make one entry missing, one different and one misnamed."""
    with closing(sqlite3.connect(data)) as connection:
        connection.execute("DELETE FROM syncrepl_entry WHERE dn = ?", (person(1),))
        other = connection.execute("SELECT attrs FROM syncrepl_entry WHERE dn = ?", (person(3),)).fetchone()
        connection.execute("UPDATE syncrepl_entry SET attrs = ? WHERE dn = ?", (*other, person(2)))
        connection.execute("UPDATE syncrepl_entry SET dn = ? WHERE dn = ?", (f"uid=x,{SUFFIX}", person(4)))
        connection.commit()


def test_what_is_wrong_is_found_and_repaired(url: str, data: str) -> None:
    tamper(data)
    listener = Listener()
    with closing(Replica(url, data, mode=ONCE, listener=listener)) as replica:
        found = {(one.kind, one.server_dn) for one in replica.verify().differences}
        assert found == {("missing", person(1)), ("different", person(2)), ("misnamed", person(4))}
        assert listener.told == []

        assert replica.verify(repair=True).repaired
        assert not replica.verify().drift

    assert listener.told == [
        (Origin.VERIFICATION, "Renamed", person(4)),
        (Origin.VERIFICATION, "Modified", person(2)),
        (Origin.VERIFICATION, "Added", person(1)),
    ]


def test_an_entry_that_nobody_told_is_gone_is_extra(server: Slapd, url: str, data: str) -> None:
    with Replica(url, data) as replica:
        replica.refresh()
        with closing(sqlite3.connect(data)) as connection:
            connection.execute(
                "INSERT INTO syncrepl_entry (uuid, key, dn, attrs)"
                " SELECT randomblob(16), key, 'cn=extra,' || dn, attrs FROM syncrepl_entry WHERE dn = ?",
                (person(1),),
            )
            connection.commit()

        assert [one.kind for one in replica.verify(repair=True).differences] == ["extra"]
        assert not replica.verify().drift
        assert len(replica.entries) == len(server.search())


def test_a_copy_that_is_merely_behind_is_no_difference(server: Slapd, url: str, data: str) -> None:
    server.replace(person(1), "title", ["later"])
    server.delete(person(2))
    server.rename(person(3), "uid=renamed")

    with closing(Replica(url, data, mode=ONCE)) as replica:
        assert not replica.verify().drift


def test_a_second_comparison_lists_change_markers_alone(url: str, data: str) -> None:
    sent: list[str] = []
    with closing(Replica(url, data, mode=ONCE, trace=sent.append)) as replica:
        replica.verify()
        sent.clear()

        assert replica.verify().compared == PEOPLE + 3

    assert sum(" search " in line and line.startswith(">") for line in sent) <= 3


def test_what_was_never_loaded_cannot_be_verified(url: str, tmp_path: Path) -> None:
    with closing(Replica(url, tmp_path / "new.db", mode=ONCE)) as replica, pytest.raises(UsageError):
        replica.verify()


@pytest.mark.parametrize("mode", list(SyncreplMode))
def test_a_writer_at_full_speed_is_no_drift(server: Slapd, url: str, data: str, mode: SyncreplMode) -> None:
    reports = reports_under_a_writer(server, url, data, mode, 50)
    assert len(reports) == 50
    assert [report.differences for report in reports if report.drift] == []


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_exit_code_tells_of_drift(url: str, data: str) -> None:
    assert run("verify", url, data).returncode == ExitCode.OK
    tamper(data)

    done = run("verify", "--json", url, data)
    assert done.returncode == ExitCode.DRIFT
    assert {one["kind"] for one in json.loads(done.stdout)["differences"]} == {"missing", "different", "misnamed"}
    assert run("verify", "--repair", url, data).returncode == ExitCode.REPAIRED
    assert run("verify", url, data).returncode == ExitCode.OK


def test_a_program_repairs_its_own_copy_when_it_starts(url: str, data: str) -> None:
    """What is repaired has to be told to whoever was told of the changes."""
    listener = Listener()
    with Replica(url, data, mode=ONCE, listener=listener) as replica:
        replica.refresh()
    tamper(data)

    done = run("verify", "--repair", url, data)
    assert done.returncode == ExitCode.DRIFT
    assert "was asked" in done.stderr

    with Replica(url, data, mode=ONCE, listener=listener) as replica:
        replica.run()
    assert {kind for _, kind, _ in listener.told} == {"Added", "Modified", "Renamed"}
    assert run("verify", url, data).returncode == ExitCode.OK


def test_a_copy_can_be_verified_while_it_is_in_use(url: str, data: str) -> None:
    with Replica(url, data) as replica:
        replica.refresh()

        assert run("verify", url, data).returncode == ExitCode.OK


def test_another_identity_sees_another_content(server: Slapd, url: str, data: str) -> None:
    done = run(
        "verify", f"{url}????bindname={quote(server.rootdn, safe='')}", data, "--password-file", "-", text=server.rootpw
    )

    assert done.returncode == ExitCode.USAGE
    assert "identity" in done.stderr
