from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.cli.readable import Readable, dump
from syncrepl_client.model import Added, Attributes, Change, Deleted, Modified, Renamed
from syncrepl_client.trace.words import printable
from tests.cli.entries import entry


def text(change: Change) -> str:
    return Readable().change(change)


def test_an_added_and_a_deleted_entry_are_a_line_each() -> None:
    assert text(Added(entry("cn=a", cn=b"a"))) == "added cn=a\n"
    assert text(Deleted(entry("cn=a", cn=b"a"))) == "deleted cn=a\n"


def test_a_changed_entry_shows_what_came_and_what_went() -> None:
    before = entry("cn=a", cn=b"a", title=b"Mr", mail=[b"a@x", b"b@x"], gone=b"1")
    after = entry("cn=a", cn=b"a", title=b"Dr", mail=[b"b@x", b"c@x"], new=b"2")
    assert text(Modified(before, after)) == "changed cn=a: title +Dr -Mr, mail +c@x -a@x, gone -1, new +2\n"


def test_a_renamed_entry_shows_both_names() -> None:
    assert text(Renamed(entry("cn=a", sn=b"x"), entry("cn=b", sn=b"x"))) == "renamed cn=a -> cn=b\n"


def test_a_renamed_entry_with_other_attributes_is_two_lines() -> None:
    change = Renamed(entry("cn=a", cn=b"a"), entry("cn=b", cn=b"b"))
    assert text(change) == "renamed cn=a -> cn=b\nchanged cn=b: cn +b -a\n"


def test_many_and_long_values_are_cut() -> None:
    many = [b"m%d" % number for number in range(8)]
    change = Modified(entry("cn=a"), entry("cn=a", member=many, description=b"x" * 100))
    shown = text(change)
    assert "member +m0 +m1 +m2 +m3 +m4 (+3 more)" in shown
    assert f"description +{'x' * 71}…\n" in shown


def test_octets_and_passwords_are_not_shown() -> None:
    shown = text(Modified(entry("cn=a"), entry("cn=a", jpegPhoto=b"\xff\xd8", userPassword=b"{SSHA}hash")))
    assert shown == "changed cn=a: jpegPhoto +(2 octets), userPassword +(not shown)\n"


def test_a_server_cannot_reach_the_terminal() -> None:
    shown = text(Modified(entry("cn=a"), entry("cn=a\x1b[2J", title=b"\x1b]0;x\x07\ny")))
    assert shown == "changed cn=a\\x1b[2J: title +\\x1b]0;x\\x07\\ny\n"


@given(st.text())
def test_printable_text_is_printable(anything: str) -> None:
    assert printable(anything).isprintable()


def test_the_directory_is_names_with_their_attributes() -> None:
    entries = {"cn=a": Attributes.of({"cn": [b"a"], "mail": [b"a@x", b"b@x"]}), "cn=b": Attributes.of({"cn": [b"b"]})}
    assert "".join(dump(entries)) == "cn=a\n    cn: a\n    mail: a@x\n    mail: b@x\ncn=b\n    cn: b\n"


def test_the_other_callbacks_are_a_line_each() -> None:
    form = Readable()
    assert form.begin() == "bound\n"
    assert form.refresh_done({"cn=a": Attributes.of({})}) == "refresh done: 1 entries\n"
    assert form.cookie(b"rid=000,csn=1") == "cookie rid=000,csn=1\n"
