"""Mass deletions: confirmed by an independent search, held, decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client import MaxDeletes, Replica, SyncreplMode
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import MassDeletionHeld, UsageError
from tests.cli.command import run
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = 100
ENTRIES = PEOPLE + 3


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
    """Make a copy."""
    path = str(tmp_path / "copy.db")
    assert refresh(url, path) == ENTRIES
    return path


def refresh(url: str, path: str, max_deletes: MaxDeletes | None = MaxDeletes()) -> int:  # noqa: B008
    with Replica(url, path, mode=SyncreplMode.REFRESH_ONLY, max_deletes=max_deletes) as replica:
        return replica.refresh().entries


def entries(path: str) -> int:
    replica = Replica(None, path)
    replica.open_store()
    try:
        return len(replica.entries)
    finally:
        replica.close()


def delete(server: Slapd, first: int, last: int) -> None:
    for number in range(first, last + 1):
        server.delete(f"uid=u{number:06},ou=people,{SUFFIX}")


@pytest.mark.parametrize(
    ("deletions", "of", "exceeded"), [(51, 100, True), (50, 100, False), (100, 1000, False), (101, 1000, True)]
)
def test_both_parts_of_a_limit_must_be_exceeded(deletions: int, of: int, exceeded: bool) -> None:  # noqa: FBT001
    assert exceeded is MaxDeletes().exceeded(deletions, of)


@pytest.mark.parametrize("text", ["", "10", "10%", "x%,1", "200%,1", "10%,-1"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        MaxDeletes.parse(text)


def test_a_limit_is_read() -> None:
    assert MaxDeletes(0.055, 7) == MaxDeletes.parse(" 5.5% , 7 ")
    assert MaxDeletes.parse("none") is None


def test_few_deletions_are_delivered(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, 50)

    assert refresh(url, data) == ENTRIES - 50


def test_many_deletions_are_held_until_they_are_approved(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, 60)
    server.replace(f"uid=u000070,ou=people,{SUFFIX}", "title", ["waits"])

    with pytest.raises(MassDeletionHeld) as held:
        refresh(url, data)

    assert (held.value.deletions, held.value.entries) == (60, ENTRIES)
    assert "deletes list" in held.value.hint
    assert entries(data) == ENTRIES
    listed = run("deletes", "list", data)
    assert listed.returncode == ExitCode.HELD
    assert {f"uid=u{number:06},ou=people,{SUFFIX}" for number in range(1, 61)} == {
        line.split(" ", 1)[1] for line in listed.stdout.splitlines()
    }
    assert run(url, data).returncode == ExitCode.HELD
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    assert refresh(url, data) == ENTRIES - 60
    assert run("deletes", "list", data).returncode == ExitCode.OK


def test_an_approval_is_for_what_was_listed(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, 60)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    delete(server, 61, 65)

    assert refresh(url, data, MaxDeletes(0.01, 5)) == ENTRIES - 65


def test_deletions_beyond_the_approved_ones_are_held_anew(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, 60)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    delete(server, 61, 66)

    with pytest.raises(MassDeletionHeld) as held:
        refresh(url, data, MaxDeletes(0.01, 5))

    assert held.value.deletions == 66
    assert entries(data) == ENTRIES


def test_an_approval_serves_one_refresh(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, 60)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert run("deletes", "approve", data).returncode == ExitCode.OK
    assert refresh(url, data) == ENTRIES - 60
    delete(server, 61, 70)

    with pytest.raises(MassDeletionHeld):
        refresh(url, data, MaxDeletes(0.01, 5))


def test_what_was_rejected_is_read_anew_and_held_again(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, 60)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)

    assert run("deletes", "reject", data).returncode == ExitCode.OK

    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    assert entries(data) == ENTRIES


def test_a_decision_needs_something_to_decide(data: str) -> None:
    done = run("deletes", "approve", data)

    assert done.returncode == ExitCode.USAGE
    assert "nothing to decide" in done.stderr


def test_without_a_limit_nothing_is_held(server: Slapd, url: str, data: str) -> None:
    delete(server, 1, PEOPLE)

    assert refresh(url, data, None) == 3


def test_a_server_that_recovers_needs_no_decision(server: Slapd, url: str, data: str) -> None:
    gone = server.search(f"ou=people,{SUFFIX}", attrs=["*", "entryUUID"])
    delete(server, 1, 60)
    with pytest.raises(MassDeletionHeld):
        refresh(url, data)
    for number in range(1, 16):
        dn = f"uid=u{number:06},ou=people,{SUFFIX}"
        server.add(dn, {name: list(values) for name, values in gone[dn].items() if name != "entryUUID"})

    with pytest.raises(MassDeletionHeld):
        # They came back under other UUIDs: the old ones are gone all the same.
        refresh(url, data)

    assert run("deletes", "list", data).returncode == ExitCode.HELD
