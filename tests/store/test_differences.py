"""Differences of attribute lists lead in both directions, and are small where little changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import DBError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.store.differences import redo, splices, undo

MEMBERS = [f"uid=u{number},ou=people,dc=example,dc=com".encode() for number in range(2000)]
FILL = {"description": [b"x" * 40_000]}


def group(members: list[bytes], **more: list[bytes]) -> bytes:
    return Attributes.of({"objectClass": [b"groupOfNames"], "cn": [b"all"], "member": members, **more}).wire


def both_ways(old: bytes, new: bytes) -> bytes:
    found = splices(old, new)
    assert found is not None
    assert redo(old, found) == new
    assert undo(new, found) == old
    return found


@pytest.mark.parametrize(
    "after",
    [
        [*MEMBERS, b"uid=new"],
        MEMBERS[1:],
        MEMBERS[:-1],
        [*MEMBERS[:1000], *MEMBERS[1001:], b"uid=new"],
        [b"uid=first", *MEMBERS[:10], b"uid=mid", *MEMBERS[11:]],
    ],
    ids=["one more", "the first gone", "the last gone", "one gone and one new", "two new and one gone"],
)
def test_a_changed_member_is_a_small_difference(after: list[bytes]) -> None:
    assert len(both_ways(group(MEMBERS), group(after))) < 300


def test_attributes_that_come_and_go_are_a_small_difference() -> None:
    assert len(both_ways(group(MEMBERS, mail=[b"a@b"]), group(MEMBERS, sn=[b"x"], owner=[b"cn=o"]))) < 300


def test_a_length_that_takes_more_octets_is_part_of_the_difference() -> None:
    both_ways(group(MEMBERS, photo=[b"x" * 100]), group(MEMBERS, photo=[b"x" * 100, b"y" * 100]))
    old = Attributes.of({"cn": [b"c" * 40], "description": [b"d" * 100, b"e" * 120], "x": [b"f" * 65000]}).wire
    new = Attributes.of({"cn": [b"c" * 40], "description": [b"d" * 100, b"e" * 120, b"g" * 600], "x": [b"f" * 65000]})
    both_ways(old, new.wire)


@pytest.mark.parametrize("after", [MEMBERS[::-1], [b"uid=other" + member for member in MEMBERS]])
def test_what_changed_altogether_has_no_difference(after: list[bytes]) -> None:
    assert splices(group(MEMBERS), group(after)) is None


def test_a_difference_of_another_version_is_an_error() -> None:
    found = both_ways(group(MEMBERS), group(MEMBERS[1:]))
    with pytest.raises(DBError):
        redo(group(MEMBERS[2:]), found)
    with pytest.raises(DBError):
        undo(group(MEMBERS), found)


@pytest.mark.parametrize(
    "odd",
    [
        group(MEMBERS) + b"\x30\x00",
        b"\x30\x84\x00\x00\x00\x04\x30\x09\x04\x01" + b"x" * 9000,
        Attributes.of({"a": [b"1"]}).wire[:-1] + b"\xff" * 9000,
    ],
)
def test_octets_that_are_no_attribute_list_have_no_difference(odd: bytes) -> None:
    assert splices(group(MEMBERS), odd) is None or redo(group(MEMBERS), splices(group(MEMBERS), odd) or b"") == odd
    assert splices(odd, odd) in {None, b"\x90"}


def test_an_attribute_that_comes_in_two_parts_is_kept_right() -> None:
    once, twice = Attributes.of({"cn": MEMBERS[:300]}).wire, Attributes.of({"cn": MEMBERS[300:500]}).wire
    _, start, _ = ber.read(once, 0, len(once))
    _, other, _ = ber.read(twice, 0, len(twice))
    both = ber.sequence(once[start:], twice[other:])
    less = ber.sequence(once[start:], twice[other:].replace(b"uid=u300", b"uid=u3xx"))
    found = splices(both, less)
    assert found is None or redo(both, found) == less


LISTS = st.dictionaries(
    st.sampled_from(["cn", "sn", "member", "mail", "l"]),
    st.lists(st.binary(max_size=300), unique=True, max_size=6),
    max_size=5,
)


@given(LISTS, LISTS)
def test_any_two_lists_are_told_apart(old: dict[str, list[bytes]], new: dict[str, list[bytes]]) -> None:
    older, newer = Attributes.of({**old, **FILL}).wire, Attributes.of({**new, **FILL}).wire
    found = splices(older, newer)
    if found is not None:
        assert redo(older, found) == newer
        assert undo(newer, found) == older
