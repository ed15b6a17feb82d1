"""`search`, compared with what a real server finds."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import ldap
import ldif
import pytest

from syncrepl_client import Replica
from syncrepl_client.cli.exits import ExitCode
from tests.cli.copied import person, refresh, run, where
from tests.cli.running import piped
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = 30
ENTRIES = PEOPLE + 3


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        slapd.replace(person(1), "description", ["zwei\nZeilen", "(in brackets)", "ü"])
        slapd.modify(person(1), [(ldap.MOD_ADD, "cn;lang-de", ["Hanne"]), (ldap.MOD_ADD, "userPassword", ["x"])])
        slapd.add(
            f"cn=all,ou=groups,{SUFFIX}",
            {"objectClass": ["groupOfNames"], "cn": ["all"], "member": [person(1), person(2)]},
        )
        yield slapd


@pytest.fixture(scope="module")
def data(server: Slapd, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("copy") / "copy.db")
    shown = run("sync", "-q", f"{where(server)}?*,+", path)
    assert shown.exit_code == ExitCode.OK
    return path


def found(data: str, *arguments: str) -> dict[str, dict[str, list[bytes]]]:
    """Search, and let another program read the LDIF."""
    shown = run("search", "-q", data, *arguments)
    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    reader = ldif.LDIFRecordList(io.BytesIO(shown.stdout.encode()))
    reader.parse_entry_records()
    return dict(reader.all_records)


FILTERS = [
    "(objectClass=*)",
    "(objectClass=PERSON)",
    "(uid=U000001)",
    "(2.5.4.3=*)",
    "(&(objectClass=inetOrgPerson)(!(employeeType=staff)))",
    "(|(l=z\\c3\\bcrich)(l=BERN))",
    "(mail=*@mail.EXAMPLE.com)",
    "(telephoneNumber=+4144*)",
    f"(member=UID=u000002, OU=people,{SUFFIX})",
    "(member=cn=nobody)",
    "(name=all)",
    "(cn=Hanne)",
    "(cn;lang-de=*)",
    "(employeeNumber>=100010)",
    "(createTimestamp>=20000101000000Z)",
    "(ou:dn:=people)",
    "(description=\\28in*)",
    "(userPassword=*)",
    "(noSuchAttribute=x)",
    "(!(noSuchAttribute=x))",
    "objectClass=device",
]


@pytest.mark.parametrize("filter_", FILTERS)
def test_a_copy_finds_what_the_server_finds(server: Slapd, data: str, filter_: str) -> None:
    expected = server.connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE, filter_, ["*", "+"])

    ours = found(data, filter_)

    assert set(ours) == {dn for dn, _ in expected}


@pytest.mark.parametrize(
    "wanted", [["cn"], ["cn;lang-de"], ["name"], ["mail", "UID"], ["2.5.4.4"], ["*"], ["+"], ["*", "+"], ["1.1"]]
)
def test_of_each_entry_is_shown_what_the_server_shows(server: Slapd, data: str, wanted: list[str]) -> None:
    expected = dict(server.connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE, "(uid=u000001)", wanted))
    # What the server calculates for an answer is in no copy.
    calculated = {"entryDN", "subschemaSubentry", "hasSubordinates"}

    (ours,) = found(data, "(uid=u000001)", *wanted).values()

    (theirs,) = expected.values()
    assert {name: set(values) for name, values in ours.items() if name not in calculated} == {
        name: set(values) for name, values in theirs.items() if name not in calculated
    }


def test_json_is_a_line_for_each_entry(data: str) -> None:
    shown = run("search", "--json", data, "(l=*)", "l")

    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert len(lines) == PEOPLE
    assert {tuple(line["attributes"]) for line in lines} == {("l",)}
    assert {"dn", "entryUUID", "attributes"} == set(lines[0])
    assert shown.stderr == f"{PEOPLE} of {ENTRIES + 1} entries found\n"


def test_nothing_found_is_no_error(data: str) -> None:
    shown = run("search", data, "(cn=nobody)")

    assert (shown.exit_code, shown.stdout) == (ExitCode.OK, "")
    assert shown.stderr == f"0 of {ENTRIES + 1} entries found\n"


def test_what_is_no_filter_is_told(data: str) -> None:
    shown = run("search", data, "(&(cn=a)")

    assert (shown.exit_code, shown.stdout) == (ExitCode.USAGE, "")
    assert shown.stderr.startswith("error: not a search filter: ")


def test_the_copy_is_searched_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "copy.db")
    with Slapd() as server:
        server.load(sample_ldif(2))
        server.start()
        refresh(server, path)
        server.delete(person(1))
        server.replace(person(2), "title", ["Dr"])
        refresh(server, path)

        assert set(found(path, "(uid=*)")) == {person(2)}
        assert set(found(path, "--at", "0", "(uid=*)")) == {person(1), person(2)}
        assert found(path, "--at", "1", "(title=Dr)") == {}
        assert set(found(path, "--at", "2", "(title=Dr)")) == {person(2)}
        with Replica(where(server), path, changelog=None) as replica:
            replica.refresh()
        assert set(found(path, "(title=DR)")) == {person(2)}
        assert run("search", "--at", "0", path, "(uid=*)").exit_code == ExitCode.USAGE


def test_before_the_first_copy_there_is_nothing_to_search(server: Slapd, tmp_path: Path) -> None:
    path = str(tmp_path / "new.db")
    with Replica(where(server), path):
        shown = run("search", path, "(cn=*)")

    assert shown.exit_code == ExitCode.USAGE
    assert "there is no copy" in shown.stderr


def test_a_reader_that_has_read_enough_is_no_error(data: str) -> None:
    with piped("search", data, "(objectClass=*)") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(20) == ExitCode.OK
        assert process.stderr is not None
        assert process.stderr.read() == ""
