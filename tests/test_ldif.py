"""The records, also as python-ldap's parser reads them."""

from __future__ import annotations

import io
from uuid import UUID

import ldap
import ldif
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap.schema import Schema
from syncrepl_client.ldif import attribute_line, content, fold, record, undo
from syncrepl_client.model import Added, Attributes, Deleted, Entry, Modified, Renamed
from tests.cli.entries import UUID_TEXT, entry

HEAD = f"# entryUUID: {UUID_TEXT}\n"
KINDS = {ldap.MOD_ADD: "add", ldap.MOD_DELETE: "delete", ldap.MOD_REPLACE: "replace"}


class Reader(ldif.LDIFRecordList):  # type: ignore[misc]
    """python-ldap's, that would otherwise ignore records of renames."""

    def __init__(self, printed: str) -> None:
        super().__init__(io.BytesIO(printed.encode()))
        self.parse_change_records()


def modifications(printed: str) -> list[tuple[str, str, list[bytes] | None]]:
    ((_, changes, _),) = Reader(f"version: 1\n\n{printed}").all_modify_changes
    return [(KINDS[kind], name, values) for kind, name, values in changes]


# The records


def test_an_added_entry() -> None:
    printed = record(Added(entry("cn=a,dc=x", objectClass=[b"top", b"device"], cn=b"a")))
    lines = "dn: cn=a,dc=x\nchangetype: add\nobjectClass: top\nobjectClass: device\ncn: a\n\n"
    assert printed == HEAD + lines


def test_a_deleted_entry() -> None:
    assert record(Deleted(entry("cn=a,dc=x", cn=b"a"))) == f"{HEAD}dn: cn=a,dc=x\nchangetype: delete\n\n"


def test_a_modified_entry() -> None:
    before = entry("cn=a", cn=b"a", title=b"Mr", mail=[b"1", b"2", b"3", b"4"], member=[b"x", b"y"], gone=b"1")
    after = entry("cn=a", cn=b"a", title=b"Dr", mail=[b"1", b"2", b"3", b"5"], member=[b"x", b"y", b"z"], new=b"2")
    expected = [
        ("replace", "title", [b"Dr"]),
        ("delete", "mail", [b"4"]),
        ("add", "mail", [b"5"]),
        ("add", "member", [b"z"]),
        ("delete", "gone", None),
        ("add", "new", [b"2"]),
    ]
    printed = record(Modified(before, after))
    assert expected == modifications(printed)
    assert printed.startswith(f"{HEAD}dn: cn=a\nchangetype: modify\nreplace: title\ntitle: Dr\n-\ndelete: mail\n")


def test_values_without_equality_rule_are_replaced_whole() -> None:
    before = entry("cn=a", jpegPhoto=[b"\xff1"], facsimileTelephoneNumber=[b"1", b"2", b"3"])
    after = entry("cn=a", jpegPhoto=[b"\xff1", b"\xff2"], facsimileTelephoneNumber=[b"1", b"2", b"3", b"4"])
    expected = [
        ("replace", "jpegPhoto", [b"\xff1", b"\xff2"]),
        ("replace", "facsimileTelephoneNumber", [b"1", b"2", b"3", b"4"]),
    ]
    assert expected == modifications(record(Modified(before, after)))


def test_what_servers_keep_themselves_is_a_comment() -> None:
    printed = record(Added(entry("cn=a", cn=b"a", entryCSN=b"2026", createTimestamp=b"2025")))
    assert printed == f"{HEAD}dn: cn=a\nchangetype: add\n# entryCSN: 2026\n# createTimestamp: 2025\ncn: a\n\n"
    assert record(Modified(entry("cn=a", entryCSN=b"1"), entry("cn=a", entryCSN=b"2"))) == ""


def test_an_entry_without_attributes_cannot_be_written() -> None:
    assert record(Added(entry("cn=a"))) == ""


def test_a_referral_is_not_followed() -> None:
    printed = record(Deleted(entry("cn=a", objectClass=[b"referral"], ref=b"ldap://x")))
    assert printed == f"{HEAD}dn: cn=a\ncontrol: 2.16.840.1.113730.3.4.2 true\nchangetype: delete\n\n"


SCHEMA = Schema.parse(
    {
        "attributeTypes": [
            b"( 1.1 NAME 'mine' EQUALITY octetStringMatch )",
            b"( 1.2 NAME 'kept' NO-USER-MODIFICATION )",
            b"( 1.3 NAME 'entryCSN' )",
            b"( 1.4 NAME ( 'short' 'long' ) EQUALITY caseIgnoreMatch )",
        ]
    }
)


def test_a_schema_says_which_values_can_be_found_and_which_attributes_are_written() -> None:
    before = entry("cn=a", mine=[b"\xff", b"2", b"3"], other=[b"\xff"], kept=b"1", entryCSN=b"1")
    after = entry("cn=a", mine=[b"2", b"3"], other=[b"\xff", b"\xfe"], kept=b"2", entryCSN=b"2")
    printed = record(Modified(before, after), SCHEMA)
    expected = [
        ("delete", "mine", [b"\xff"]),
        ("replace", "other", [b"\xff", b"\xfe"]),
        ("replace", "entryCSN", [b"2"]),
    ]
    assert expected == modifications(printed)
    assert content(after, SCHEMA).splitlines()[2:4] == ["# kept: 2", "mine: 2"]


def test_a_schema_says_which_names_are_of_one_attribute() -> None:
    change = Renamed(entry("LONG=a", short=b"a"), entry("1.4=b", short=b"b"))
    assert record(change, SCHEMA) == f"{HEAD}dn: LONG=a\nchangetype: modrdn\nnewrdn: 1.4=b\ndeleteoldrdn: 1\n\n"
    assert modifications(record(Modified(entry("x=a", long=b"a"), entry("x=a", short=b"b")), SCHEMA)) == [
        ("replace", "short", [b"b"])
    ]


# Renames


def test_a_rename_takes_the_old_name_away_if_it_went() -> None:
    printed = record(Renamed(entry("cn=a,dc=x", cn=b"a"), entry("cn=b,dc=x", cn=b"b")))
    assert printed == f"{HEAD}dn: cn=a,dc=x\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: 1\n\n"


def test_a_rename_leaves_the_old_name_if_it_stayed() -> None:
    printed = record(Renamed(entry("cn=a,dc=x", cn=b"a"), entry("cn=b,dc=x", cn=[b"a", b"b"])))
    assert printed == f"{HEAD}dn: cn=a,dc=x\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: 0\n\n"


def test_a_move_names_the_new_superior() -> None:
    printed = record(Renamed(entry("cn=a,ou=y,dc=x", cn=b"a"), entry("cn=a,ou=ü,dc=x", cn=b"a")))
    lines = "dn: cn=a,ou=y,dc=x\nchangetype: modrdn\nnewrdn: cn=a\ndeleteoldrdn: 0\nnewsuperior:: b3U9w7wsZGM9eA==\n\n"
    assert printed == HEAD + lines


def test_other_attributes_follow_a_rename() -> None:
    printed = record(Renamed(entry("cn=a,dc=x", cn=b"a", sn=b"1"), entry("cn=b,dc=x", cn=[b"b", b"c"], sn=b"2")))
    rename, modify, rest = printed.split("\n\n")
    assert rename.endswith("newrdn: cn=b\ndeleteoldrdn: 1")
    lines = "dn: cn=b,dc=x\nchangetype: modify\nreplace: cn\ncn: b\ncn: c\n-\nreplace: sn\nsn: 2\n-"
    assert modify == HEAD + lines
    assert rest == ""


def test_an_attribute_that_nobody_asked_for_is_left_alone() -> None:
    printed = record(Renamed(entry("cn=a,dc=x", sn=b"1"), entry("cn=b,dc=x", sn=b"1")))
    assert printed == f"{HEAD}dn: cn=a,dc=x\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: 1\n\n"


def test_a_rename_takes_no_attribute_away_that_is_there_in_the_end() -> None:
    """The entry may have to have it: a person without surname would be refused, even for a moment."""
    before = entry("cn=a+sn=b,dc=x", cn=b"a", sn=b"b")
    for after in (entry("cn=c,dc=x", cn=b"c", sn=b"b"), entry("cn=c,dc=x", cn=b"c", sn=b"d")):
        assert "newrdn: cn=c\ndeleteoldrdn: 0\n" in record(Renamed(before, after))
    gone = record(Renamed(before, entry("cn=c,dc=x", cn=b"c")))
    assert gone == f"{HEAD}dn: cn=a+sn=b,dc=x\nchangetype: modrdn\nnewrdn: cn=c\ndeleteoldrdn: 1\n\n"


def test_a_rename_of_an_entry_that_was_moved_along_begins_where_it_is() -> None:
    change = Renamed(entry("cn=a,ou=A", cn=b"a"), entry("cn=b,ou=B", cn=b"b"))
    expected = f"{HEAD}dn: cn=a,ou=B\nchangetype: modrdn\nnewrdn: cn=b\ndeleteoldrdn: 1\n\n"
    assert expected == record(change, at="cn=a,ou=B")


# Back


def test_what_was_added_is_deleted_and_the_other_way_round() -> None:
    added = entry("cn=a,dc=x", cn=b"a", entryCSN=b"2026")
    assert undo(Added(added)) == f"{HEAD}dn: cn=a,dc=x\nchangetype: delete\n\n"
    assert undo(Deleted(added)) == f"{HEAD}dn: cn=a,dc=x\nchangetype: add\n# entryCSN: 2026\ncn: a\n\n"


def test_a_modification_goes_back() -> None:
    change = Modified(entry("cn=a", cn=b"a", mail=[b"1", b"2", b"3"]), entry("cn=a", cn=b"a", sn=b"b", mail=[b"1"]))
    assert modifications(undo(change)) == [("delete", "sn", None), ("add", "mail", [b"2", b"3"])]


def test_a_rename_goes_back_and_what_changed_with_it() -> None:
    change = Renamed(entry("cn=a,ou=1", cn=b"a", sn=b"1"), entry("cn=b,ou=2", cn=b"b", sn=b"2"))
    rename, modify, rest = undo(change).split("\n\n")
    lines = "dn: cn=b,ou=2\nchangetype: modrdn\nnewrdn: cn=a\ndeleteoldrdn: 1\nnewsuperior: ou=1"
    assert rename == HEAD + lines
    assert modify == f"{HEAD}dn: cn=a,ou=1\nchangetype: modify\nreplace: sn\nsn: 1\n-"
    assert rest == ""


# The content


def test_an_entry_by_itself() -> None:
    printed = content(entry("cn=\u00fc", cn="\u00fc".encode(), entryUUID=b"x", entryCSN=b"2026"))
    assert printed == f"{HEAD}dn:: Y249w7w=\n# entryCSN: 2026\ncn:: w7w=\n\n"


def test_an_entry_without_attributes_has_a_name_at_least() -> None:
    assert content(entry("cn=a")) == f"{HEAD}dn: cn=a\n\n"


def test_content_says_nothing_of_referrals() -> None:
    """A control belongs to a change."""
    assert "control" not in content(entry("cn=a", objectClass=b"referral"))


# The lines


def test_lines_are_folded() -> None:
    line = "x" * 200
    folded = fold(line)
    assert [len(part) for part in folded.splitlines()] == [76, 76, 50]
    assert line == folded.replace("\n ", "").rstrip("\n")
    assert fold("x" * 76) == "x" * 76 + "\n"


def test_only_safe_text_is_plain() -> None:
    safe = [b"", b"a", b"a: b", b"a<", b"~"]
    assert [attribute_line("cn", value) for value in safe] == ["cn:", "cn: a", "cn: a: b", "cn: a<", "cn: ~"]
    unsafe = [b" a", b"a ", b":a", b"<a", b"a\nb", b"a\rb", b"a\0b", b"\x1b", "ü".encode(), b"\xff"]
    assert all(attribute_line("cn", value).startswith("cn:: ") for value in unsafe)


# What another program reads

values = st.one_of(st.binary(max_size=100), st.text(st.characters(codec="utf-8"), max_size=60).map(str.encode))
names = st.sampled_from(["cn", "description", "jpegPhoto", "cn;lang-de", "facsimileTelephoneNumber", "member"])
attributes = st.dictionaries(names, st.lists(values, min_size=1, max_size=6, unique=True), min_size=1)
# python-ldap refuses names that are not legal, and they are not what this is about.
dns = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60).map(
    lambda value: f"cn={ldap.dn.escape_dn_chars(value)},dc=x"
)


def made(dn: str, values_of: dict[str, list[bytes]]) -> Entry:
    return Entry(UUID(UUID_TEXT).bytes, dn, Attributes.of(values_of))


@given(dns, attributes)
def test_an_added_entry_is_read_as_it_is(dn: str, given_attributes: dict[str, list[bytes]]) -> None:
    # As it will be applied: the reader of records knows modifications only, the other one takes changetype for a line.
    printed = "version: 1\n\n" + record(Added(made(dn, given_attributes)))
    reader = ldif.LDIFRecordList(io.BytesIO(printed.replace("changetype: add\n", "").encode()))
    reader.parse_entry_records()
    assert [(dn, given_attributes)] == reader.all_records


@given(dns, attributes, attributes)
def test_a_modification_leads_from_one_to_the_other(
    dn: str, before: dict[str, list[bytes]], after: dict[str, list[bytes]]
) -> None:
    printed = record(Modified(made(dn, before), made(dn, after)))
    state = {name: set(has) for name, has in before.items()}
    if printed:
        ((read_dn, changes, _),) = Reader(f"version: 1\n\n{printed}").all_modify_changes
        assert read_dn == dn
        for kind, name, some in changes:
            apply(state, KINDS[kind], name, some)
    assert {name: set(has) for name, has in after.items()} == state


def apply(state: dict[str, set[bytes]], kind: str, name: str, some: list[bytes] | None) -> None:
    """Modify as a server does that refuses what changes nothing."""
    has = state.pop(name, set())
    new = set(some or [])
    if kind == "replace":
        has = new
    elif kind == "add":
        assert new
        assert not has & new
        has |= new
    else:
        assert new <= has
        has = has - new if some else set()
    if has:
        state[name] = has


@given(st.text(st.characters(codec="ascii"), max_size=300).filter(lambda line: line.isprintable()))
def test_folded_lines_are_at_most_76_long_and_lose_nothing(line: str) -> None:
    folded = fold(line)
    assert all(len(part) <= 76 for part in folded.splitlines())
    assert line + "\n" == folded.replace("\n ", "")


def test_an_entry_that_cannot_be_named_is_written_as_well_as_it_can_be() -> None:
    """A name that is no DN, as a server in pieces might send it, has no pairs to take away."""
    before, after = entry("odd", cn=b"a", sn=b"1"), entry("cn=a", cn=b"a", sn=b"2")

    printed = record(Renamed(before, after))

    assert "changetype: modrdn" in printed
    assert "newrdn: cn=a" in printed
