"""Attributes: octets that are decoded when someone looks."""

from __future__ import annotations

import contextlib
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import (
    _LAYOUTS,
    Attributes,
    Decoded,
    decode_attributes,
    differ_at_sight,
    encode_attributes,
    same_values,
    without,
)

if TYPE_CHECKING:
    from random import Random

NAMES = st.from_regex(r"[a-z][a-z0-9;-]{0,20}", fullmatch=True)
VALUES = st.lists(st.one_of(st.binary(max_size=300), st.binary(min_size=100, max_size=140)), max_size=5)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_attributes_are_read_back(values: dict[str, list[bytes]]) -> None:
    assert values == decode_attributes(encode_attributes(values))


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_attributes_that_were_never_octets_become_some_when_somebody_asks(values: dict[str, list[bytes]]) -> None:
    made, encoded = Decoded(values), Attributes.of(values)
    assert dict(made) == values
    assert made.wire == encoded.wire
    assert made == encoded
    assert Decoded(values) == made


def test_nothing_but_octets_is_made_when_it_is_asked_for() -> None:
    made = Decoded({"cn": [b"a"]})

    assert not hasattr(made, "octets")
    assert not hasattr(made, "name")


@given(st.binary(max_size=60), st.integers(0, 60))
def test_garbage_is_a_protocol_error(tail: bytes, cut: int) -> None:
    wire = encode_attributes({"cn": [b"a", b"b"], "description": [b"x" * 140]})[:cut] + tail
    with contextlib.suppress(ProtocolError):
        decode_attributes(wire)


def test_lengths_in_any_form_are_read() -> None:
    value = b"\x04\x81\x01a"
    name = b"\x04\x82\x00\x02cn"
    one = (
        b"\x30\x84\x00\x00\x00"
        + bytes((len(name) + len(value) + 3,))
        + name
        + b"\x31\x81"
        + bytes((len(value),))
        + value
    )

    assert decode_attributes(ber.tlv(0x30, one, ber.tlv(0x30, b"\x04\x02sn", ber.set_of(b"\x04\x01b")))) == {
        "cn": [b"a"],
        "sn": [b"b"],
    }


def test_names_are_found_in_any_case_and_shown_as_they_came() -> None:
    attributes = Attributes.of({"givenName": [b"Ann"]})

    assert [b"Ann"] == attributes["GIVENNAME"] == attributes.get("givenname")
    assert list(attributes) == ["givenName"]
    assert "cn" not in attributes
    assert len(attributes) == 1
    assert "Ann" not in repr(attributes)
    with pytest.raises(KeyError):
        attributes["cn"]


def test_order_does_not_make_a_difference() -> None:
    first = Attributes.of({"cn": [b"a", b"b"], "sn": [b"c"]})

    assert first == Attributes.of({"SN": [b"c"], "cn": [b"b", b"a"]})
    assert first != Attributes.of({"cn": [b"a", b"b"]})
    assert hash(first) == hash(Attributes.of({"SN": [b"c"], "cn": [b"b", b"a"]}))


def test_a_name_that_comes_twice_has_the_values_of_both() -> None:
    once = ber.sequence(ber.octet_string(b"cn"), ber.set_of(ber.octet_string(b"a")))

    assert decode_attributes(ber.sequence(once, once)) == {"cn": [b"a", b"a"]}


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["cn", "sn", "mail", "l", "o", "title", "x"]), VALUES, max_size=7), max_size=12
    )
)
def test_what_entries_have_in_common_does_not_change_what_is_read(entries: list[dict[str, list[bytes]]]) -> None:
    """Entries of a kind are read by the layout of the first; each must be read as if it were alone."""
    kind = {"objectClass": [b"a", b"b"]}
    for values in entries:
        whole = {**kind, **values}

        assert whole == decode_attributes(encode_attributes(whole))


@given(st.integers(0, 700), st.binary(min_size=1, max_size=3))
def test_a_known_layout_reads_nothing_else_into_garbage(at: int, replacement: bytes) -> None:
    values = {
        "objectClass": [b"c", b"d"],
        **{f"x{number}": [b"v" * number] for number in range(5)},
        "long": [b"w" * 140],
        "longer": [b"w" * 400],
        "several": [b"a", b"bc", b"d"],
        "last": [b"x"],
    }
    wire = encode_attributes(values)
    broken = wire[:at] + replacement + wire[at + len(replacement) :]
    _LAYOUTS.clear()
    without = decoded_or_error(broken)
    _LAYOUTS.clear()
    assert values == decode_attributes(wire) == decode_attributes(wire)

    assert without == decoded_or_error(broken)


def decoded_or_error(wire: bytes) -> dict[str, list[bytes]] | type[ProtocolError]:
    try:
        return decode_attributes(wire)
    except ProtocolError:
        return ProtocolError


def test_a_name_that_comes_twice_in_entries_alike_has_the_values_of_both() -> None:
    part = [
        ber.sequence(ber.octet_string(name), ber.set_of(ber.octet_string(b"a"))) for name in (b"k", b"cn", b"cn", b"o")
    ]

    for _ in range(3):
        assert decode_attributes(ber.sequence(*part)) == {"k": [b"a"], "cn": [b"a", b"a"], "o": [b"a"]}


def test_attributes_compare_with_a_dict_exactly_and_with_nothing_else() -> None:
    """A dict is what a program wrote down: there spelling and order count."""
    attributes = Attributes.of({"cn": [b"a", b"b"]})

    assert attributes == {"cn": [b"a", b"b"]}
    assert attributes != {"CN": [b"a", b"b"]}
    assert attributes != {"cn": [b"b", b"a"]}
    assert attributes != attributes.wire


def test_attributes_are_looked_at_as_a_dict_is() -> None:
    values = {"cn": [b"a"], "sn": [b"b", b"c"]}
    attributes = Attributes.of(values)

    assert list(values.items()) == list(attributes.items())
    assert list(values.values()) == list(attributes.values())
    assert values.keys() == attributes.keys()
    assert {**values} == {**attributes}


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (ber.set_of(), "not one SEQUENCE"),
        (ber.sequence() + b"x", "not one SEQUENCE"),
        (ber.sequence(ber.octet_string(b"cn")), "not a name and a set|cut off|octets where"),
        (ber.sequence(ber.sequence(ber.octet_string(b"cn"), ber.sequence(ber.octet_string(b"a")))), "not a name and"),
        (ber.sequence(ber.sequence(ber.octet_string(b"cn"), ber.set_of(ber.integer(1)))), "value with tag 0x02"),
        (ber.sequence(ber.sequence(ber.octet_string("cä".encode()), ber.set_of())), "not ASCII"),
    ],
)
def test_a_malformed_list_says_what_is_wrong(wire: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_attributes(wire)


def test_an_attribute_that_is_longer_than_its_list_is_a_protocol_error_whoever_came_before() -> None:
    """The octets of an entry that is cut off look like those of the one before, as far as they go."""
    values = {"objectClass": [b"u"], "cn": [b"a"], "sn": [b"b"], "description": [b"whole"]}
    whole = encode_attributes(values)
    _LAYOUTS.clear()
    assert values == decode_attributes(whole) == decode_attributes(whole)

    parts = whole[2:]
    between = {0, *accumulate(len(encode_attributes({name: of_name})) - 2 for name, of_name in values.items())}
    for end in set(range(len(parts))) - between:
        with pytest.raises(ProtocolError):
            decode_attributes(ber.sequence(parts[:end]))


def test_more_names_than_are_remembered_are_read() -> None:
    values = {f"x{number}": [b"%d" % number] for number in range(10_000)}

    assert values == decode_attributes(encode_attributes(values))


def test_more_kinds_of_entries_than_are_remembered_are_read() -> None:
    for number in range(200):
        values = {"objectClass": [b"%d" % number], "cn": [b"a"], "sn": [b"b"], "l": [b"c"]}
        assert values == decode_attributes(encode_attributes(values)) == decode_attributes(encode_attributes(values))
    _LAYOUTS.clear()


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.sets(NAMES, max_size=3), st.data())
def test_what_is_taken_out_and_what_is_left_are_the_whole(
    values: dict[str, list[bytes]], others: set[str], data: st.DataObject
) -> None:
    unwanted = frozenset(others) | (data.draw(st.frozensets(st.sampled_from(sorted(values)))) if values else set())
    wire = encode_attributes(values)

    left, taken = without(wire, unwanted)

    assert {name: of_name for name, of_name in values.items() if name in unwanted} == taken
    assert encode_attributes({name: of_name for name, of_name in values.items() if name not in unwanted}) == left


def test_a_copy_is_ones_own() -> None:
    entry = Attributes(encode_attributes({"cn": [b"Ann"]}))
    own = entry.copy()
    own["cn"].append(b"Anna")

    assert own == {"cn": [b"Ann", b"Anna"]}
    assert entry == {"cn": [b"Ann"]}


# --- the same values --------------------------------------------------------------------------------------------------

FEW = st.dictionaries(
    st.sampled_from(["cn", "sn", "mail", "description", "member"]),
    st.lists(st.binary(max_size=200), unique=True, min_size=1, max_size=4),
    max_size=5,
)


@given(FEW, FEW, st.randoms(use_true_random=False))
def test_lists_are_the_same_if_they_hold_the_same_values_in_whatever_order(
    first: dict[str, list[bytes]], second: dict[str, list[bytes]], random: Random
) -> None:
    shuffled = list(first.items())
    random.shuffle(shuffled)
    again = {name.upper(): random.sample(values, len(values)) for name, values in shuffled}
    one, other = encode_attributes(first), encode_attributes(second)

    assert same_values(one, encode_attributes(again))
    expected = {name: set(values) for name, values in first.items()} == {n: set(v) for n, v in second.items()}
    assert same_values(one, other) == expected
    assert same_values(other, one) == expected


@given(FEW, st.sampled_from(["cn", "sn", "mail"]), st.binary(max_size=200))
def test_one_value_more_is_another_list(values: dict[str, list[bytes]], name: str, more: bytes) -> None:
    changed = {**values, name: [*values.get(name, []), more]}
    same = more in values.get(name, [])
    assert same or not same_values(encode_attributes(values), encode_attributes(changed))


@given(FEW, st.randoms(use_true_random=False))
def test_what_differs_at_sight_differs(values: dict[str, list[bytes]], random: Random) -> None:
    wire = encode_attributes(values)
    shuffled = list(values.items())
    random.shuffle(shuffled)
    spelled = {
        "".join(random.choice((letter.lower(), letter.upper())) for letter in name): random.sample(of, len(of))
        for name, of in shuffled
    }

    assert not differ_at_sight(wire, encode_attributes(spelled))


@given(FEW, FEW)
def test_what_takes_more_octets_differs_at_sight(
    values: dict[str, list[bytes]], others: dict[str, list[bytes]]
) -> None:
    first, second = encode_attributes(values), encode_attributes(others)
    assert differ_at_sight(first, second) or len(first) == len(second)


def test_a_digit_is_seen_at_sight() -> None:
    first, second = ({"cn": [b"Ann"], "telephoneNumber": [b"+49 30 %d" % number]} for number in (1234, 1235))
    assert differ_at_sight(encode_attributes(first), encode_attributes(second))


@pytest.mark.parametrize("padded", [b"\x30\x84\x00\x00\x00\x03abc", b"\x30\x81\x03abc", b"\x30\x82\x00\x03abc"])
def test_a_server_that_pads_lengths_is_looked_at_closer(padded: bytes) -> None:
    assert not differ_at_sight(padded, b"\x30\x03abc")
    assert not differ_at_sight(b"\x30\x03abc", padded)


def test_values_are_the_same_under_a_name_that_comes_twice() -> None:
    once = encode_attributes({"cn": [b"b", b"B"], "sn": [b"s"]})
    parts = [encode_attributes({"cn": [b"b"]}), encode_attributes({"cn": [b"B"]}), encode_attributes({"sn": [b"s"]})]
    content = b"".join(part[2:] for part in parts)
    twice = bytes((0x30, len(content))) + content
    assert Attributes(twice) == Attributes(once)
    assert Attributes(once) == Attributes(twice)
    assert Attributes(once) != Attributes(encode_attributes({"cn": [b"b"], "sn": [b"s"]}))
