from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.cli.colours import Colours
from syncrepl_client.cli.detailed import Detailed
from syncrepl_client.model import Added, Attributes, Deleted, Entry, Modified, Origin, Provenance, Renamed
from tests.cli.entries import UUID_TEXT, entry

if TYPE_CHECKING:
    import pytest

    from syncrepl_client.model import Change


def lines(change: Change, *, numbers: bool = False) -> list[str]:
    return Detailed(Colours(enabled=False), numbers=numbers).change(change).splitlines()


def test_an_entry_that_came_or_went_shows_all_its_values() -> None:
    assert lines(Added(entry("cn=a", cn=b"a", mail=[b"x", b"y"]))) == [
        "added    cn=a",
        "    + cn: a",
        "    + mail: x",
        "    + mail: y",
    ]
    assert lines(Deleted(entry("cn=a", cn=b"a"))) == ["deleted  cn=a", "    - cn: a"]
    assert lines(Added(entry("cn=a"), Provenance(Origin.SNAPSHOT))) == ["is here  cn=a"]


def test_a_modification_shows_the_values_that_differ_and_no_others() -> None:
    before = entry("cn=a", cn=b"a", title=b"Mr", Mail=[b"a@x", b"b@x"], gone=b"1")
    after = entry("cn=a", cn=b"a", title=b"Dr", mail=[b"b@x", b"c@x"])

    assert lines(Modified(before, after)) == [
        "modified cn=a",
        "    - title: Mr",
        "    + title: Dr",
        "    - mail: a@x",
        "    + mail: c@x",
        "    - gone: 1",
    ]


def test_a_rename_shows_both_names() -> None:
    assert lines(Renamed(entry("cn=a", cn=b"a"), entry("cn=b", cn=b"b"))) == [
        "renamed  cn=a -> cn=b",
        "    - cn: a",
        "    + cn: b",
    ]


def test_number_and_local_time_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    import time  # noqa: PLC0415 - the zone belongs to this test

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        change = Added(entry("cn=a"), Provenance(Origin.PERSIST, 41, 1_000_000))
        assert lines(change, numbers=True) == ["#41 1970-01-01 02:00:01 added    cn=a"]
        assert lines(change) == ["1970-01-01 02:00:01 added    cn=a"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_of_many_values_the_first_are_shown() -> None:
    shown = lines(Modified(entry("cn=g"), entry("cn=g", member=[b"cn=%d" % number for number in range(1500)])))

    assert len(shown) == 22
    assert shown[-1] == "    + member: and 1,480 more"


def test_passwords_are_not_shown() -> None:
    assert lines(Added(entry("cn=a", userPassword=b"hunter2"))) == ["added    cn=a", "    + userPassword: (not shown)"]


@given(st.text(), st.text(st.characters(max_codepoint=127), min_size=1), st.binary())
def test_whatever_a_server_sends_is_printable(dn: str, name: str, value: bytes) -> None:
    after = Entry(UUID(UUID_TEXT).bytes, dn, Attributes.of({name: [value]}))
    shown = Detailed(Colours(enabled=False)).change(Renamed(entry(dn), after))

    assert all(line.isprintable() for line in shown.split("\n"))
