"""The schema of the server: read once, again when it has changed, and done without where it cannot be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Attributes, Modified, Reader, Replica, SyncreplMode, watch
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import Entry

ANN = f"uid=ann,ou=people,{SUFFIX}"
ANN_HAS = {
    "objectClass": ["inetOrgPerson", "posixAccount"],
    "uid": ["ann"],
    "cn": ["Ann"],
    "sn": ["Berg"],
    "mail": ["Ann@Example.com"],
    "uidNumber": ["1000"],
    "gidNumber": ["100"],
    "homeDirectory": ["/home/ann"],
    "manager": [f"uid=Bob, ou=People,{SUFFIX}"],
}


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    with Slapd() as server:
        server.load(empty_tree())
        server.start()
        server.add(ANN, ANN_HAS)
        yield server


def definitions_read(slapd: Slapd, path: Path, **options: Any) -> int:
    """Refresh once; returns how often the definitions were asked for."""
    lines: list[str] = []
    url = f"{slapd.url}/{SUFFIX}??sub?"
    with Replica(url, path, mode=SyncreplMode.REFRESH_ONLY, trace=lines.append, **options) as replica:
        replica.run()
    return sum("attributeTypes" in line and line.startswith("> ") for line in lines)


def ann(path: Path) -> Entry:
    with Reader(path) as reader:
        found = reader.entries.entry(ANN)
        assert found is not None
        return found


def test_the_schema_is_read_once_and_stored(slapd: Slapd, tmp_path: Path) -> None:
    path = tmp_path / "data"
    assert definitions_read(slapd, path) == 1
    assert definitions_read(slapd, path) == 0
    entry = ann(path)
    assert entry.values("uidNumber") == [1000]
    assert entry.text("MAIL") == "Ann@Example.com"
    assert entry["commonName"] == entry["2.5.4.3"] == [b"Ann"]
    assert entry.single_valued("uidNumber")
    assert entry.single_valued("mail") is False
    assert entry.values("noSuchAttribute") == []


def test_a_schema_that_has_changed_is_read_again(slapd: Slapd, tmp_path: Path) -> None:
    path = tmp_path / "data"
    definitions_read(slapd, path)
    with closing(sqlite3.connect(path)) as connection, connection:
        # As if the one of the server had been made later than the one that is stored.
        stored = connection.execute("SELECT attrs FROM syncrepl_schema").fetchone()[0]
        assert Attributes(stored)["modifyTimestamp"]
        values = {**Attributes(stored), "modifyTimestamp": [b"20010101000000Z"]}
        connection.execute("UPDATE syncrepl_schema SET attrs = ?", (Attributes.of(values).wire,))
    assert definitions_read(slapd, path) == 1
    assert definitions_read(slapd, path) == 0
    assert ann(path).values("uidNumber") == [1000]


def test_where_it_cannot_be_read_values_are_octets(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with Slapd(extra_global='access to dn.base="cn=Subschema" by * none\naccess to * by * read') as slapd:
        slapd.load(empty_tree())
        slapd.start()
        slapd.add(ANN, ANN_HAS)
        definitions_read(slapd, path)
        entry = ann(path)
        assert entry.values("uidNumber") == [b"1000"]
        assert entry.single_valued("uidNumber") is None
        assert entry.text("mail") == "Ann@Example.com"

        slapd.replace(ANN, "mail", ["ann@example.com"])
        (change,) = watch(f"{slapd.url}/{SUFFIX}", path, mode=SyncreplMode.REFRESH_ONLY)
        assert change.diff()["mail"].added == [b"ann@example.com"]


def test_differences_are_by_the_rules_of_the_schema(slapd: Slapd, tmp_path: Path) -> None:
    path = tmp_path / "data"
    definitions_read(slapd, path)
    slapd.replace(ANN, "mail", ["ANN@example.com"])
    slapd.replace(ANN, "manager", [f"UID=bob,ou=people,{SUFFIX}"])
    slapd.replace(ANN, "cn", ["Ann Lee"])
    (change,) = watch(f"{slapd.url}/{SUFFIX}", path, mode=SyncreplMode.REFRESH_ONLY)
    assert isinstance(change, Modified)
    # The spelling of the others has changed alone.
    assert {name: (values.added, values.removed) for name, values in change.diff().items()} == {
        "cn": ([b"Ann Lee"], [b"Ann"])
    }
    assert change.after["mail"] == [b"ANN@example.com"]


def test_what_the_server_says_of_a_change_is_told_where_it_is_asked_for(slapd: Slapd, tmp_path: Path) -> None:
    url = f"{slapd.url}/{SUFFIX}?*,modifyTimestamp,entryCSN,modifiersName"
    path = tmp_path / "data"
    before = datetime.now(UTC).replace(microsecond=0)
    list(watch(url, path, mode=SyncreplMode.REFRESH_ONLY))
    slapd.replace(ANN, "sn", ["Dahl"])
    (change,) = watch(url, path, mode=SyncreplMode.REFRESH_ONLY)
    assert change.modified_at is not None
    assert before <= change.modified_at <= datetime.now(UTC)
    assert change.entry_csn is not None
    assert change.entry_csn.count("#") == 3
    assert change.modifiers_name == slapd.rootdn
    # The server alone writes them.
    assert list(change.diff()) == ["sn"]
    assert {"sn", "entryCSN"} <= set(change.diff(operational=True)) <= {"sn", "entryCSN", "modifyTimestamp"}


def test_a_value_that_breaks_its_syntax_is_octets_in_the_stream(slapd: Slapd, tmp_path: Path) -> None:
    """No server takes such a value, but a changed schema may make one of it."""
    path = tmp_path / "data"
    definitions_read(slapd, path)
    with closing(sqlite3.connect(path)) as connection, connection:
        (attrs,) = connection.execute("SELECT attrs FROM syncrepl_entry WHERE dn = ?", (ANN,)).fetchone()
        broken = Attributes.of({**Attributes(attrs), "uidNumber": [b"1x.0"]}).wire
        connection.execute("UPDATE syncrepl_entry SET attrs = ? WHERE dn = ?", (broken, ANN))
    entry = ann(path)
    assert entry.values("uidNumber") == [b"1x.0"]
    slapd.replace(ANN, "uidNumber", ["7"])
    (change,) = watch(f"{slapd.url}/{SUFFIX}", path, mode=SyncreplMode.REFRESH_ONLY)
    values = change.diff()["uidNumber"]
    assert (values.removed, values.added) == ([b"1x.0"], [b"7"])
