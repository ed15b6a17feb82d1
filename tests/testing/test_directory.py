"""The entries of the provider, by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.testing.directory import Directory

SUFFIX = "dc=example,dc=com"
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def directory() -> Directory:
    made = Directory(SUFFIX, now=lambda: NOON)
    made.add(f"ou=people,{SUFFIX}", {"objectClass": "organizationalUnit"})
    made.add(f"cn=a,ou=people,{SUFFIX}", {"objectClass": ["person"], "sn": [b"x"]})
    return made


def attributes(directory: Directory, dn: str) -> dict[str, list[bytes]]:
    entry = directory.find(dn)
    assert entry is not None
    return dict(entry.attributes)


def test_the_top_is_there_and_names_are_found_in_any_spelling(directory: Directory) -> None:
    assert attributes(directory, "DC=Example, dc=com") == {"objectClass": [b"top", b"domain"], "dc": [b"example"]}
    assert directory.find(f"CN=A,OU=People,{SUFFIX}") is directory.find(f"cn=a,ou=people,{SUFFIX}")


def test_csns_grow_although_the_clock_stands_still(directory: Directory) -> None:
    csns = [write.csn for write in directory.writes]

    assert csns[:2] == ["20260102120000.000000Z#000000#000#000000", "20260102120000.000001Z#000000#000#000000"]
    assert sorted(set(csns)) == csns
    assert csns[-1] == directory.context_csn


def test_an_entry_has_operational_attributes(directory: Directory) -> None:
    entry = directory.find(f"cn=a,ou=people,{SUFFIX}")
    assert entry is not None

    assert str(entry.uuid).encode() == entry.operational["entryUUID"][0]
    assert entry.csn.encode() == entry.operational["entryCSN"][0]
    assert entry.operational["createTimestamp"] == [b"20260102120000Z"]
    assert entry.operational["structuralObjectClass"] == [b"person"]


def test_a_modification_replaces_adds_and_removes(directory: Directory) -> None:
    write = directory.modify(f"cn=a,ou=people,{SUFFIX}", {"SN": "y", "title": ["1", "2"]})
    directory.modify(f"cn=a,ou=people,{SUFFIX}", {"TITLE": []})

    assert write.before is not None
    assert write.before.attributes["sn"] == [b"x"]
    assert attributes(directory, f"cn=a,ou=people,{SUFFIX}") == {"objectClass": [b"person"], "sn": [b"y"], "cn": [b"a"]}


def test_a_rename_moves_what_is_below_and_changes_the_rdn(directory: Directory) -> None:
    before = directory.find(f"cn=a,ou=people,{SUFFIX}")
    write = directory.rename(f"ou=people,{SUFFIX}", f"ou=folk,{SUFFIX}")

    below = directory.find(f"cn=a,ou=folk,{SUFFIX}")
    assert below is not None
    assert before is not None
    assert (before.uuid, before.csn) == (below.uuid, below.csn)
    assert directory.find(f"cn=a,ou=people,{SUFFIX}") is None
    assert attributes(directory, f"ou=folk,{SUFFIX}")["ou"] == [b"folk"]
    assert write is directory.writes[-1]


def test_a_rename_may_keep_the_old_value(directory: Directory) -> None:
    directory.rename(f"cn=a,ou=people,{SUFFIX}", f"cn=b+sn=x,{SUFFIX}", delete_old=False)

    found = attributes(directory, f"SN=X+CN=B,{SUFFIX}")
    assert (found["cn"], found["sn"]) == ([b"a", b"b"], [b"x"])


def test_a_uuid_can_be_chosen_once(directory: Directory) -> None:
    uuid = UUID(int=7)
    directory.add(f"cn=b,{SUFFIX}", {}, uuid)

    with pytest.raises(UsageError, match="already"):
        directory.add(f"cn=c,{SUFFIX}", {}, uuid)
    assert directory.get(uuid) is directory.find(f"cn=b,{SUFFIX}")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda it: it.add(f"CN=A,ou=people,{SUFFIX}", {}), "already"),
        (lambda it: it.add(f"cn=a,ou=none,{SUFFIX}", {}), "no parent"),
        (lambda it: it.add("dc=org", {}), "no parent"),
        (lambda it: it.modify(f"cn=none,{SUFFIX}", {}), "no entry"),
        (lambda it: it.delete(f"cn=none,{SUFFIX}"), "no entry"),
        (lambda it: it.delete(f"ou=people,{SUFFIX}"), "below it"),
        (lambda it: it.rename(SUFFIX, "dc=org"), "cannot become"),
        (lambda it: it.rename(f"ou=people,{SUFFIX}", f"ou=a,ou=people,{SUFFIX}"), "cannot become"),
        (lambda it: it.rename(f"ou=people,{SUFFIX}", f"ou=a,ou=none,{SUFFIX}"), "no parent"),
    ],
    ids=["taken", "orphan", "outside", "modify", "delete", "not a leaf", "the top", "below itself", "to nowhere"],
)
def test_what_no_tree_can_be_is_refused_and_changes_nothing(directory: Directory, act: object, reason: str) -> None:
    before = (list(directory), list(directory.writes))

    with pytest.raises(UsageError, match=reason):
        act(directory)  # type: ignore[operator]

    assert before == (list(directory), list(directory.writes))
