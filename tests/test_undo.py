"""Changes that a server applied are taken back by what the package writes and the real ``ldapmodify`` reads."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import ldap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client import ldif
from syncrepl_client.ldap.schema import Schema
from syncrepl_client.model import Added, Attributes, Change, Deleted, Entry, Modified, Renamed
from tests.server import find_program
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.server import Values

PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
SMALL = {"objectClass": ["inetOrgPerson"], "cn": ["a"], "sn": ["b"]}
PERSON: Mapping[str, Values] = {
    "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson"],
    "cn": ["a", "b", "Anna  M\u00fcller"],
    "sn": [" leading and trailing "],
    "uid": ["u"],
    "jpegPhoto": [b"\xff\xd8\x00one", b"\xff\xd8\x00two"],
    "userPassword": [b"\x00\r\n\xff", "secret"],
    "description": ["x" * 300, ": colon", "<less", "# hash", "two\nlines", "\u00e9"],
    "facsimileTelephoneNumber": ["+1 1", "+1 2", "+1 3"],
    "description;lang-de": ["sch\u00f6n"],
    "seeAlso": [SUFFIX, PEOPLE],
    "telephoneNumber": ["1", "2", "3"],
}
ODD_NAMES = [
    "a,b",
    "a+b",
    'a "quoted" name',
    "#hash",
    "a;b<c>d",
    " spaces ",
    "back\\slash",
    "a=b",
    "M\u00fcller \u65e5\u672c",
    "\U0001f600",
    "a\nb",
]


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    with Slapd() as server:
        server.load(empty_tree())
        server.start()
        yield server


def apply(server: Slapd, records: str, *options: str) -> None:
    """Let ``ldapmodify`` apply them."""
    command = [find_program("ldapmodify", "ldap-utils"), "-x", "-H", server.ldapi_url, "-D", server.rootdn]
    done = subprocess.run(
        [*command, "-w", server.rootpw, *options],
        input=f"version: 1\n\n{records}",
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{records}"


def read(server: Slapd, dn: str) -> Entry:
    ((name, attributes),) = server.search(dn, ldap.SCOPE_BASE, attrs=["*", "+"]).items()
    return Entry(UUID(attributes["entryUUID"][0].decode()).bytes, name, Attributes.of(attributes))


def held(server: Slapd) -> dict[str, dict[str, set[bytes]]]:
    """Return the names below the suffix, with user attributes: slapd keeps no order of values after changes."""
    found = server.search(SUFFIX)
    return {dn: {name: set(values) for name, values in attributes.items()} for dn, attributes in found.items()}


def goes_there_and_back(server: Slapd, change: Change, before: object, after: object) -> None:
    """Take a change back that the server made, make it by its own record, and take it back again; with a schema too."""
    assert before != after
    ((_, found),) = server.connection.search_s("cn=Subschema", ldap.SCOPE_BASE, "(objectClass=*)", ["+"])
    schema = Schema.parse(found)
    for records, then in (
        (ldif.undo(change), before),
        (ldif.record(change), after),
        (ldif.undo(change, schema), before),
        (ldif.record(change, schema), after),
        (ldif.undo(change), before),
    ):
        apply(server, records)
        assert then == held(server)


def dn_of(name: str, parent: str = PEOPLE) -> str:
    return f"cn={ldap.dn.escape_dn_chars(name)},{parent}"


@pytest.fixture
def clean(slapd: Slapd) -> Iterator[Slapd]:
    yield slapd
    for dn in sorted(slapd.search(SUFFIX), key=len, reverse=True):
        if dn not in {SUFFIX, PEOPLE, GROUPS}:
            slapd.delete(dn)


# Entries that come and go


@pytest.mark.parametrize("name", ["a", *ODD_NAMES])
def test_an_entry_that_was_added_goes_and_one_that_was_deleted_comes_back(clean: Slapd, name: str) -> None:
    without = held(clean)
    clean.add(dn_of(name), {**PERSON, "cn": [name]})
    entry, there = read(clean, dn_of(name)), held(clean)

    goes_there_and_back(clean, Added(entry), without, there)
    apply(clean, ldif.record(Added(entry)))
    clean.delete(dn_of(name))
    goes_there_and_back(clean, Deleted(entry), there, without)


def test_a_referral_comes_back(clean: Slapd) -> None:
    clean.add(dn_of("r"), {"objectClass": ["referral", "extensibleObject"], "ref": ["ldap://localhost/dc=x"]})
    entry, there = read(clean, dn_of("r")), held(clean)
    clean.delete(dn_of("r"))

    goes_there_and_back(clean, Deleted(entry), there, held(clean))


def test_exported_entries_can_be_added(clean: Slapd) -> None:
    for name in ODD_NAMES:
        clean.add(dn_of(name), {**PERSON, "cn": [name]})
    there = held(clean)
    exported = [ldif.content(read(clean, dn_of(name))) for name in ODD_NAMES]
    for name in ODD_NAMES:
        clean.delete(dn_of(name))

    apply(clean, "".join(exported), "-a")

    assert there == held(clean)


# Attributes


MODIFICATIONS: dict[str, list[tuple[int, str, Values | None]]] = {
    "a value more": [(ldap.MOD_ADD, "telephoneNumber", ["4"])],
    "a value less": [(ldap.MOD_DELETE, "telephoneNumber", ["2"])],
    "other values": [(ldap.MOD_REPLACE, "telephoneNumber", ["7", "8"])],
    "no values": [(ldap.MOD_REPLACE, "telephoneNumber", None)],
    "a new attribute": [(ldap.MOD_ADD, "title", ["Dr", "Prof"])],
    "a spelling": [(ldap.MOD_REPLACE, "cn", ["A", "B", "ANNA M\u00dcLLER"])],
    "binary values": [(ldap.MOD_REPLACE, "jpegPhoto", [b"\xff\xd8\x00two", b"\x00"])],
    "binary values gone": [(ldap.MOD_DELETE, "jpegPhoto", None)],
    "a password": [(ldap.MOD_DELETE, "userPassword", [b"\x00\r\n\xff"]), (ldap.MOD_ADD, "userPassword", [b" "])],
    "spaces": [(ldap.MOD_REPLACE, "sn", ["leading and trailing"])],
    "odd text": [(ldap.MOD_DELETE, "description", [": colon", "two\nlines"])],
    "no equality rule": [(ldap.MOD_REPLACE, "facsimileTelephoneNumber", ["+1 1", "+1 3"])],
    "no equality rule and no values": [(ldap.MOD_REPLACE, "facsimileTelephoneNumber", None)],
    "an option": [(ldap.MOD_REPLACE, "description;lang-de", ["h\u00fcbsch"])],
    "names": [(ldap.MOD_DELETE, "seeAlso", [SUFFIX]), (ldap.MOD_ADD, "seeAlso", [f"cn=a\\2Cb,{SUFFIX}"])],
    "a class": [
        (ldap.MOD_ADD, "objectClass", ["posixAccount"]),
        (ldap.MOD_ADD, "uidNumber", ["1"]),
        (ldap.MOD_ADD, "gidNumber", ["1"]),
        (ldap.MOD_ADD, "homeDirectory", ["/"]),
    ],
}


@pytest.mark.parametrize("changes", MODIFICATIONS.values(), ids=MODIFICATIONS)
def test_attributes_are_as_before(clean: Slapd, changes: list[tuple[int, str, Values | None]]) -> None:
    clean.add(dn_of("a"), PERSON)
    before, state = read(clean, dn_of("a")), held(clean)
    clean.modify(dn_of("a"), changes)

    goes_there_and_back(clean, Modified(before, read(clean, dn_of("a"))), state, held(clean))
    assert before.uuid == read(clean, dn_of("a")).uuid


texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=5)
values: st.SearchStrategy[dict[str, list[str | bytes]]] = st.fixed_dictionaries(
    {},
    optional={
        "description": st.lists(texts, min_size=1, unique_by=lambda text: str(text).casefold()),
        "jpegPhoto": st.lists(st.binary(min_size=1, max_size=5), min_size=1, unique=True),
        "userPassword": st.lists(st.binary(min_size=1, max_size=5), min_size=1, unique=True),
        "facsimileTelephoneNumber": st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, unique=True),
    },
)


@given(values, values)
def test_whatever_changed_is_as_before(
    slapd: Slapd, old: dict[str, list[str | bytes]], new: dict[str, list[str | bytes]]
) -> None:
    slapd.add(dn_of("a"), {**SMALL, **old})
    try:
        before, state = read(slapd, dn_of("a")), held(slapd)
        slapd.modify(dn_of("a"), [(ldap.MOD_REPLACE, name, new.get(name)) for name in {**old, **new}])
        apply(slapd, ldif.undo(Modified(before, read(slapd, dn_of("a")))))
        assert state == held(slapd)
    finally:
        slapd.delete(dn_of("a"))


# Names


@dataclass
class Rename:
    """What a name was and becomes, and what else changed before anybody looked."""

    old: str
    new: str
    superior: str | None = None
    delete_old: bool = True
    attributes: Mapping[str, Values] = field(default_factory=lambda: {"cn": ["a", "b"], "sn": ["b", "c"], "uid": ["u"]})
    changes: list[tuple[int, str, Values | None]] = field(default_factory=list)


RENAMES = {
    "another value": Rename("cn=a", "cn=z"),
    "another value, the old one stays": Rename("cn=a", "cn=z", delete_old=False),
    "a value that was there": Rename("cn=a", "cn=b"),
    "a value that was there, the old one stays": Rename("cn=a", "cn=b", delete_old=False),
    "a value and the spelling of the others": Rename(
        "cn=a", "cn=z", changes=[(ldap.MOD_REPLACE, "cn", ["z", "B", "a"])]
    ),
    "a spelling": Rename("cn=a", "cn=A"),
    "another attribute": Rename("cn=a", "uid=v"),
    "another attribute, the old one stays": Rename("cn=a", "uid=u", delete_old=False),
    "the only value of an attribute": Rename("uid=u", "cn=b"),
    "the only value of an attribute, which comes again": Rename(
        "sn=b",
        "cn=b",
        attributes={"sn": ["b"], "cn": ["b"]},
        delete_old=False,
        changes=[(ldap.MOD_REPLACE, "sn", ["z"])],
    ),
    "two values instead of one": Rename("cn=a", "cn=a+uid=u"),
    "one value instead of two": Rename("cn=a+sn=b", "cn=a", delete_old=False),
    "two other values": Rename("cn=a+sn=b", "cn=y+sn=z"),
    "one of two values gone": Rename("cn=a+sn=b", "cn=z", attributes={"sn": ["b", "c"], "cn": ["a"]}),
    "values that must be": Rename(
        "cn=a+sn=b",
        "cn=z",
        attributes={"sn": ["b"], "cn": ["a"]},
        delete_old=False,
        changes=[(ldap.MOD_DELETE, "cn", ["a"])],
    ),
    "a move": Rename("cn=a", "cn=a", superior=GROUPS),
    "a move and another value": Rename("cn=a", "cn=z", superior=GROUPS),
    "a move and other attributes": Rename(
        "cn=a",
        "cn=z+sn=b",
        superior=GROUPS,
        changes=[(ldap.MOD_REPLACE, "sn", ["b", "d"]), (ldap.MOD_ADD, "description", [b" \xc3\xa9"])],
    ),
    **{
        f"to {name!r}": Rename(
            "cn=a", f"cn={ldap.dn.escape_dn_chars(name)}", superior=GROUPS, delete_old=bool(turn % 2)
        )
        for turn, name in enumerate(ODD_NAMES)
    },
    **{f"from {name!r}": Rename(f"cn={ldap.dn.escape_dn_chars(name)}+uid=u", "cn=z") for name in ODD_NAMES},
}


@pytest.mark.parametrize("rename", RENAMES.values(), ids=RENAMES)
def test_a_name_is_as_before(clean: Slapd, rename: Rename) -> None:
    attributes = dict(rename.attributes)
    if rename.old.startswith("cn=") and "+uid" in rename.old:
        (name,) = (value for kind, value, _ in ldap.dn.str2dn(rename.old)[0] if kind == "cn")
        attributes["cn"] = [name, "b"]
    clean.add(f"{rename.old},{PEOPLE}", {**SMALL, **attributes})
    before, state = read(clean, f"{rename.old},{PEOPLE}"), held(clean)
    clean.rename(before.dn, rename.new, rename.superior, delete_old=rename.delete_old)
    new_dn = f"{rename.new},{rename.superior or PEOPLE}"
    if rename.changes:
        clean.modify(new_dn, rename.changes)
    after = read(clean, new_dn)

    goes_there_and_back(clean, Renamed(before, after), state, held(clean))
    assert before.uuid == read(clean, before.dn).uuid


def test_a_single_value_that_is_the_name_is_as_before(clean: Slapd) -> None:
    clean.add(f"c=DE,{PEOPLE}", {"objectClass": ["country"], "c": ["DE"]})
    before, state = read(clean, f"c=DE,{PEOPLE}"), held(clean)
    clean.rename(before.dn, "c=FR", GROUPS)

    goes_there_and_back(clean, Renamed(before, read(clean, f"c=FR,{GROUPS}")), state, held(clean))


def test_what_is_below_comes_back_along(clean: Slapd) -> None:
    clean.add(f"ou=a,{PEOPLE}", {"objectClass": ["organizationalUnit"], "ou": ["a"]})
    clean.add(dn_of("x", f"ou=a,{PEOPLE}"), {**SMALL, "cn": ["x"]})
    before, state = read(clean, f"ou=a,{PEOPLE}"), held(clean)
    clean.rename(before.dn, "ou=b", GROUPS)

    goes_there_and_back(clean, Renamed(before, read(clean, f"ou=b,{GROUPS}")), state, held(clean))
