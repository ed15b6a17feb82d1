"""Differences of two states of an entry, and of the members of a group."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.model.diff import Member, Membership, Values, diff, membership
from syncrepl_client.model.entry import Entry
from tests.fuzz.limits import bounded

SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
SCHEMA = Schema.parse(
    {
        "attributeTypes": [
            f"( 2.5.4.3 NAME ( 'cn' 'commonName' ) EQUALITY caseIgnoreMatch SYNTAX {SYNTAX}15 )".encode(),
            f"( 1.3.6.1.1.1.1.0 NAME 'uidNumber' EQUALITY integerMatch SYNTAX {SYNTAX}27 )".encode(),
            f"( 2.5.4.31 NAME 'member' EQUALITY distinguishedNameMatch SYNTAX {SYNTAX}12 )".encode(),
            f"( 2.5.4.50 NAME 'uniqueMember' EQUALITY uniqueMemberMatch SYNTAX {SYNTAX}34 )".encode(),
            f"( 1.3.6.1.1.1.1.12 NAME 'memberUid' EQUALITY caseExactIA5Match SYNTAX {SYNTAX}26 )".encode(),
            f"( 2.5.18.2 NAME 'modifyTimestamp' EQUALITY generalizedTimeMatch SYNTAX {SYNTAX}24 "
            "NO-USER-MODIFICATION USAGE directoryOperation )".encode(),
        ]
    }
)
UUIDS = {"cn=a,dc=x": UUID(int=1), "cn=b,dc=x": UUID(int=2), "ann": UUID(int=3)}

NAMES = st.sampled_from(["cn", "commonName;lang-de", "cn;lang-de", "uidNumber", "member", "description"])
ATTRIBUTES = st.dictionaries(
    NAMES,
    st.lists(st.sampled_from([b"a", b"A", b"b", b"1", b"01", b"cn=a", b"CN=A", b"\xff"]), unique=True, min_size=1),
    # A server has one name for an attribute.
).filter(lambda values: len(values) == len({SCHEMA.key(name) for name in values}))


def entry(values: dict[str, list[bytes]], schema: Schema = SCHEMA) -> Entry:
    return Entry(bytes(16), "cn=x", Attributes.of(values), schema)


def test_each_attribute_that_differs_is_told_with_the_values_added_and_removed() -> None:
    before = entry({"cn": [b"a", b"b"], "sn": [b"x"], "mail": [b"m"], "title": [b"t"]})
    after = entry({"cn": [b"c", b"b"], "sn": [b"x"], "title": [b"t", b"u"], "street": [b"s"]})

    assert diff(before, after) == {
        "cn": Values([b"c"], [b"a"]),
        "title": Values([b"u"], []),
        "street": Values([b"s"], []),
        "mail": Values([], [b"m"]),
    }


def test_another_spelling_is_no_difference_where_the_rule_says_so() -> None:
    before = entry({"cn": [b"Ann  B", b"c"], "uidNumber": [b"010"], "member": [b"CN=A, DC=x"], "mail": [b"A@b"]})
    after = entry({"cn": [b"ann b"], "uidNumber": [b"10"], "member": [b"cn=a,dc=x"], "mail": [b"a@b"]})

    assert diff(before, after) == {"cn": Values([], [b"c"]), "mail": Values([b"a@b"], [b"A@b"])}
    assert list(diff(entry({"cn": [b"a"]}, NO_SCHEMA), entry({"cn": [b"A"]}, NO_SCHEMA))) == ["cn"]


def test_the_schema_of_either_state_will_do() -> None:
    before, after = {"cn": [b"a"]}, {"cn": [b"A"]}

    assert diff(entry(before, NO_SCHEMA), entry(after)) == diff(entry(before), entry(after, NO_SCHEMA)) == {}


def test_the_order_of_values_is_no_difference() -> None:
    assert diff(entry({"cn": [b"a", b"b"], "sn": [b"c"]}), entry({"SN": [b"c"], "cn": [b"b", b"a"]})) == {}


def test_one_attribute_by_another_name_is_no_difference() -> None:
    assert diff(entry({"cn;x-a;x-b": [b"a"]}), entry({"commonName;x-b;x-a": [b"A"]})) == {}
    assert diff(entry({"cn": [b"a"], "2.5.4.3": [b"b"]}), entry({"cn": [b"a", b"b"]})) == {}


def test_each_spelling_stands_for_one_other_spelling() -> None:
    """A server that takes two spellings for two values may remove one of them."""
    before, after = entry({"cn": ["Straße".encode(), b"strasse"]}), entry({"cn": [b"STRASSE"]})

    assert diff(before, after) == {"cn": Values([], [b"strasse"])}


def test_an_entry_that_is_new_or_gone_differs_in_all_it_has() -> None:
    one = entry({"cn": [b"a"], "modifyTimestamp": [b"20260131120000Z"]})

    assert diff(None, one) == {"cn": Values([b"a"], [])}
    assert diff(one, None) == {"cn": Values([], [b"a"])}
    assert diff(None, one, operational=True).keys() == {"cn", "modifyTimestamp"}
    assert diff(None, None) == {}


def test_what_the_server_alone_writes_is_told_to_those_who_ask() -> None:
    before = entry({"modifyTimestamp": [b"20260131120000Z"]})
    after = entry({"modifyTimestamp": [b"20260131120001Z"]})

    assert diff(before, after) == {}
    assert list(diff(before, after, operational=True)) == ["modifyTimestamp"]


@given(ATTRIBUTES)
def test_nothing_differs_from_itself(values: dict[str, list[bytes]]) -> None:
    assert diff(entry(values), entry(dict(reversed(values.items())))) == {}


@given(ATTRIBUTES, ATTRIBUTES)
def test_the_way_back_is_the_opposite(first: dict[str, list[bytes]], second: dict[str, list[bytes]]) -> None:
    there = diff(entry(first, NO_SCHEMA), entry(second, NO_SCHEMA))
    back = diff(entry(second, NO_SCHEMA), entry(first, NO_SCHEMA))

    assert {name: (values.added, values.removed) for name, values in there.items()} == {
        name: (values.removed, values.added) for name, values in back.items()
    }


@given(ATTRIBUTES, ATTRIBUTES)
def test_what_differs_brings_one_state_to_the_other(
    first: dict[str, list[bytes]], second: dict[str, list[bytes]]
) -> None:
    differences = diff(entry(first), entry(second))
    index: dict[str, list[bytes]] = {}
    for name, values in first.items():
        index.setdefault(SCHEMA.key(name), []).extend(values)
    for name, changed in differences.items():
        values = index.setdefault(SCHEMA.key(name), [])
        index[SCHEMA.key(name)] = [value for value in values if value not in changed.removed] + changed.added

    for name in first | second:
        form = SCHEMA.equality(name)
        wanted = {form(value) for same in second if SCHEMA.key(same) == SCHEMA.key(name) for value in second[same]}
        assert wanted == set(map(form, index.get(SCHEMA.key(name), [])))


# --- groups -----------------------------------------------------------------------------------------------------------


def test_members_are_told_by_name_and_with_their_uuids() -> None:
    before = entry({"member": [b"cn=a,dc=x", b"CN=c,dc=x"], "memberUid": [b"ann"]})
    after = entry({"member": [b"cn=c,dc=x", b"cn=b,dc=x", b"cn=nobody,dc=x"]})

    assert membership(before, after, UUIDS.get) == Membership(
        [Member("cn=b,dc=x", UUID(int=2)), Member("cn=nobody,dc=x", None)],
        [Member("cn=a,dc=x", UUID(int=1)), Member("ann", UUID(int=3))],
    )
    assert membership(before, after).added[0] == Member("cn=b,dc=x", None)


def test_the_number_behind_a_unique_member_is_no_part_of_the_name() -> None:
    after = entry({"uniqueMember": [b"cn=a,dc=x#'0101'B", b"cn=b,dc=x"]})

    assert membership(None, after, UUIDS.get).added == [
        Member("cn=a,dc=x", UUID(int=1)),
        Member("cn=b,dc=x", UUID(int=2)),
    ]
    assert membership(after, None).removed == [Member("cn=a,dc=x", None), Member("cn=b,dc=x", None)]


def test_which_attributes_name_members_can_be_said() -> None:
    after = entry({"roleOccupant": [b"cn=a,dc=x"], "member": [b"cn=b,dc=x"]})

    assert [Member("cn=a,dc=x", None)] == membership(None, after, attributes=["roleOccupant", "ROLEOCCUPANT"]).added
    assert [Member("cn=b,dc=x", None)] == membership(None, after).added
    assert Membership([], []) == membership(after, after) == membership(None, None)


def test_only_those_who_differ_are_looked_for() -> None:
    asked: list[str] = []
    before, after = entry({"member": [b"cn=a", b"cn=b"]}), entry({"member": [b"CN=a", b"cn=c"]})

    membership(before, after, asked.append)

    assert asked == ["cn=c", "cn=b"]


@pytest.mark.parametrize("schema", [SCHEMA, NO_SCHEMA], ids=["schema", "no schema"])
def test_a_big_group_is_compared_quickly(schema: Schema) -> None:
    members = [b"uid=u%06d,ou=people,dc=example,dc=com" % number for number in range(100_000)]
    before = entry({"member": members}, schema)
    after = entry({"member": [*members[:500], *members[501:], b"uid=new,ou=people,dc=example,dc=com"]}, schema)
    assert len(before.attributes) == len(after.attributes) == 1

    # It takes a tenth of that.
    with bounded(0, seconds=0.5):
        assert diff(before, after) == {"member": Values([b"uid=new,ou=people,dc=example,dc=com"], [members[500]])}
