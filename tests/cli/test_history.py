"""`history`, on copies of a real server that takes the changes back."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Reader, Replica
from syncrepl_client.cli.exits import ExitCode
from tests.cli.copied import person, refresh, run, where
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW = f"uid=grace,ou=people,{SUFFIX}"


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(3))
        slapd.start()
        yield slapd


@pytest.fixture
def data(server: Slapd, tmp_path: Path) -> str:
    """Make a copy in which an entry has been changed, renamed and deleted."""
    path = str(tmp_path / "copy.db")
    refresh(server, path)
    server.replace(person(1), "title", ["Dr"])
    refresh(server, path)
    server.rename(person(1), "uid=grace")
    refresh(server, path)
    server.delete(NEW)
    refresh(server, path)
    return path


def test_people_see_number_time_and_differences_of_each_change(data: str) -> None:
    shown = run("history", data, NEW)

    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    headings = [line for line in shown.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in headings] == ["#1", "#2", "#3"]
    assert [line.split()[3] for line in headings] == ["modified", "renamed", "deleted"]
    assert headings[1].endswith(f"{person(1)} -> {NEW}")
    assert "    + title: Dr" in shown.stdout


def test_an_entry_is_found_by_each_of_its_names_and_by_its_uuid(data: str) -> None:
    by_name = run("history", "--json", data, NEW).stdout
    records = [json.loads(line) for line in by_name.splitlines()]

    assert [(record["op"], record["sequence"]) for record in records] == [("u", 1), ("u", 2), ("d", 3)]
    assert run("history", "--json", data, person(1).upper()).stdout == by_name
    assert run("history", "--json", data, records[0]["entryUUID"]).stdout == by_name


def test_ldif_has_a_record_for_each_change(data: str) -> None:
    shown = run("history", "--ldif", data, NEW).stdout

    assert shown.startswith("version: 1\n\n")
    kinds = [line for line in shown.splitlines() if line.startswith("changetype: ")]
    assert kinds == ["changetype: modify", "changetype: modrdn", "changetype: delete"]


def test_a_server_takes_everything_back_by_what_undo_prints(server: Slapd, data: str) -> None:
    with Reader(data) as reader, closing(reader.at(0)) as past:
        before = {name: set(values) for name, values in past[person(1)].items()}

    printed = run("history", "--undo", data, NEW).stdout

    command = ["ldapmodify", "-x", "-H", server.url, "-D", f"cn=admin,{SUFFIX}", "-w", "secret"]
    done = subprocess.run(command, input=printed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), printed
    after = server.search()[person(1)]
    assert {name: set(values) for name, values in after.items()} == before


def test_an_entry_that_has_not_changed_is_no_error_but_one_that_nobody_knows_is(server: Slapd, data: str) -> None:
    unchanged = run("history", data, person(2))
    assert (unchanged.exit_code, unchanged.stdout) == (ExitCode.OK, "")
    assert unchanged.stderr.startswith(f"{person(2)} has not changed since ")

    unknown = run("history", data, "cn=nobody,dc=x")
    assert (unknown.exit_code, unknown.stdout) == (ExitCode.USAGE, "")
    assert "there is no entry 'cn=nobody,dc=x'" in unknown.stderr

    with Replica(where(server), data, changelog=None) as replica:
        replica.refresh()
    assert "keeps no changelog" in run("history", data, person(2)).stderr


def test_json_excludes_the_other_forms(data: str) -> None:
    for option in ("--ldif", "--undo"):
        assert run("history", "--json", option, data, NEW).exit_code == ExitCode.USAGE
