from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.cli.json_lines import JsonLines, entry_line
from syncrepl_client.model import Added, Attributes, Change, Deleted, Entry, Modified, Origin, Provenance, Renamed
from tests.cli.entries import UUID_TEXT, entry

ALICE = entry("cn=Alice,dc=x", cn=b"Alice", mail=[b"a@x", b"b@x"])
ALICE_TEXT = {"dn": "cn=Alice,dc=x", "attributes": {"cn": ["Alice"], "mail": ["a@x", "b@x"]}}


def line(change: Change) -> Any:
    text = JsonLines().change(change)
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return json.loads(text)


def test_an_added_entry_is_created() -> None:
    assert line(Added(ALICE)) == {"op": "c", "entryUUID": UUID_TEXT, "before": None, "after": ALICE_TEXT}


def test_an_entry_of_a_first_load_is_read() -> None:
    assert line(Added(ALICE, Provenance(Origin.SNAPSHOT))) == {
        "op": "r",
        "entryUUID": UUID_TEXT,
        "before": None,
        "after": ALICE_TEXT,
    }


def test_a_change_of_the_changelog_has_a_number_and_a_time() -> None:
    placed = JsonLines(placed=True)
    logged = json.loads(placed.change(Added(ALICE, Provenance(Origin.PERSIST, 41, 1_500_000))))
    assert (logged["op"], logged["sequence"], logged["time"]) == ("c", 41, "1970-01-01T00:00:01.500000Z")
    unlogged = json.loads(placed.change(Added(ALICE)))
    assert (unlogged["sequence"], unlogged["time"]) == (None, None)


def test_a_terminal_obeys_nothing_that_is_printed() -> None:
    odd = entry("cn=a\x1b[2J\x9b2J\x7f", cn=b"\xc2\x9b2J", sn=b"\x1b[2J")
    for text in (JsonLines().change(Added(odd)), entry_line(odd)):
        assert text[:-1].isprintable()
        read = json.loads(text)
        assert read.get("after", read)["dn"] == odd.dn


def test_a_deleted_entry_has_no_after() -> None:
    assert line(Deleted(ALICE)) == {"op": "d", "entryUUID": UUID_TEXT, "before": ALICE_TEXT, "after": None}


def test_a_modified_and_a_renamed_entry_are_updated() -> None:
    other = entry("cn=Bob,dc=x", cn=b"Bob")
    for change in (Modified(ALICE, other), Renamed(ALICE, other)):
        after = {"dn": "cn=Bob,dc=x", "attributes": {"cn": ["Bob"]}}
        assert {"op": "u", "entryUUID": UUID_TEXT, "before": ALICE_TEXT, "after": after} == line(change)


def test_members_come_in_one_order() -> None:
    assert list(line(Added(ALICE))) == ["op", "entryUUID", "before", "after"]


def test_a_value_that_is_not_text_is_base64() -> None:
    photo = entry("cn=a", photo=[b"\xff\xd8", b"a\x00b", b"\xc2\x85", b"text"])
    expected = [{"base64": "/9g="}, {"base64": "YQBi"}, {"base64": "woU="}, "text"]
    assert expected == line(Added(photo))["after"]["attributes"]["photo"]


def test_lines_and_tabs_are_text() -> None:
    note = entry("cn=a", description="zwei\n\tZeilen \N{LINE SEPARATOR}".encode())
    assert line(Added(note))["after"]["attributes"]["description"] == ["zwei\n\tZeilen \u2028"]


def test_nothing_but_changes_is_printed() -> None:
    form = JsonLines()
    assert [form.begin(), form.cookie(b"rid=1"), form.refresh_done({})] == ["", "", ""]


@given(st.lists(st.binary(max_size=12)))
def test_values_survive(values: list[bytes]) -> None:
    printed = line(Added(Entry(ALICE.uuid_octets, "cn=a", Attributes.of({"x": values}))))["after"]["attributes"]["x"]
    assert values == [
        value.encode() if isinstance(value, str) else base64.b64decode(value["base64"]) for value in printed
    ]
