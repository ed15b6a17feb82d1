"""The copy compared with 389 Directory Server, whose stream alone cannot be right: repairs are a part of every day."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from syncrepl_client import MaxDeletes, Replica, SyncreplMode
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import MassDeletionHeld
from tests.cli.command import run
from tests.ns_slapd import NsSlapd
from tests.slapd import SUFFIX, sample_ldif
from tests.verification import PEOPLE, person, reports_under_a_writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXTRA = 55
ONCE = SyncreplMode.REFRESH_ONLY
BOTH = pytest.mark.parametrize("mode", list(SyncreplMode))


@pytest.fixture
def server() -> Iterator[NsSlapd]:
    with NsSlapd() as started:
        started.load(sample_ldif(PEOPLE))
        started.start()
        yield started


@pytest.fixture
def url(server: NsSlapd) -> str:
    return f"{server.url}/{SUFFIX}????bindname={quote(server.rootdn, safe='')},x-bindpw={server.rootpw}"


@pytest.fixture
def data(tmp_path: Path, url: str) -> str:
    path = str(tmp_path / "copy.db")
    refresh(url, path)
    return path


def refresh(url: str, path: str, **options: Any) -> None:
    with Replica(url, path, mode=ONCE, **options) as replica:
        replica.run()


def names(path: str) -> set[str]:
    with closing(Replica(None, path)) as replica:
        replica.open_store()
        return set(replica.entries)


def tamper(data: str) -> None:
    """Put entries into the copy of which the server will never tell that they are gone, and take one away."""
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute(
            "INSERT INTO syncrepl_entry (uuid, key, dn, attrs)"
            " SELECT randomblob(16), key, 'cn=extra,' || dn, attrs FROM syncrepl_entry"
            " WHERE dn LIKE 'uid=%' ORDER BY dn DESC LIMIT ?",
            (EXTRA,),
        )
        connection.execute("DELETE FROM syncrepl_entry WHERE dn = ?", (person(1),))


@pytest.mark.long
@pytest.mark.timeout(900)
@BOTH
def test_a_writer_at_full_speed_is_no_drift(server: NsSlapd, url: str, data: str, mode: SyncreplMode) -> None:
    reports = reports_under_a_writer(server, url, data, mode, 50)
    assert len(reports) == 50
    assert [report.differences for report in reports if report.drift] == []


@BOTH
def test_a_repair_that_would_delete_too_much_is_held(url: str, data: str, mode: SyncreplMode) -> None:
    tamper(data)
    before = names(data)

    with pytest.raises(MassDeletionHeld) as held, Replica(url, data, mode=mode) as replica:
        replica.run()

    assert (held.value.deletions, held.value.entries) == (EXTRA, len(before))
    assert names(data) == before


def test_while_a_refresh_is_held_nothing_is_repaired(server: NsSlapd, url: str, data: str) -> None:
    for number in range(1, EXTRA + 1):
        server.delete(person(number))
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("DELETE FROM syncrepl_entry WHERE dn = ?", (person(PEOPLE),))
    before = names(data)

    with closing(Replica(url, data, mode=ONCE)) as replica:
        report = replica.verify(repair=True)

    assert ("missing", person(PEOPLE)) in {(one.kind, one.server_dn) for one in report.differences}
    assert not report.repaired
    assert names(data) == before
    assert run("deletes", "list", data).returncode == ExitCode.HELD


@BOTH
def test_a_held_repair_is_held_until_it_is_approved(server: NsSlapd, url: str, data: str, mode: SyncreplMode) -> None:
    """Nothing but a comparison knows of it: refreshes come and go, and tell nothing of what it would delete."""
    tamper(data)
    before = names(data)
    for _ in range(2):
        with pytest.raises(MassDeletionHeld):
            refresh(url, data)
    refresh(url, data, verify_every=0)
    assert names(data) == before
    assert len(run("deletes", "list", data).stdout.splitlines()) == EXTRA
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    refresh(url, data, verify_every=0)
    assert names(data) == before

    with Replica(url, data, mode=mode) as replica:
        while replica.step(0.1) and len(replica.entries) != PEOPLE + 3:
            pass

    assert names(data) == set(server.search())
    assert run("deletes", "list", data).returncode == ExitCode.OK


def test_an_approved_repair_is_made_by_the_command(server: NsSlapd, url: str, data: str) -> None:
    tamper(data)
    assert run("verify", "--repair", url, data).returncode == ExitCode.HELD
    assert run("verify", "--repair", url, data).returncode == ExitCode.HELD
    assert run("deletes", "approve", data).returncode == ExitCode.OK

    assert run("verify", "--repair", url, data).returncode == ExitCode.REPAIRED

    assert names(data) == set(server.search())


def test_an_approval_of_a_repair_is_for_what_was_listed(url: str, data: str) -> None:
    tamper(data)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    tamper(data)

    with pytest.raises(MassDeletionHeld) as held:
        refresh(url, data, max_deletes=MaxDeletes(0.1, 20))

    assert held.value.deletions == 2 * EXTRA


def test_a_repair_that_has_nothing_to_do_any_more_is_not_held(url: str, data: str) -> None:
    tamper(data)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("DELETE FROM syncrepl_entry WHERE dn LIKE 'cn=extra,%'")

    refresh(url, data)

    assert run("deletes", "list", data).returncode == ExitCode.OK


def test_a_refresh_of_everything_decides_about_a_held_repair(url: str, data: str) -> None:
    tamper(data)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert run("deletes", "reject", data).returncode == ExitCode.OK

    # The server does not name them either way.
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    refresh(url, data)

    assert len(names(data)) == PEOPLE + 3
    assert run("deletes", "list", data).returncode == ExitCode.OK
