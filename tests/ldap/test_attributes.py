"""Attributes: octets that are decoded when someone looks."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import _LAYOUTS, Attributes, decode_attributes, encode_attributes

NAMES = st.from_regex(r"[a-z][a-z0-9;-]{0,20}", fullmatch=True)
VALUES = st.lists(st.one_of(st.binary(max_size=300), st.binary(min_size=100, max_size=140)), max_size=5)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_attributes_are_read_back(values: dict[str, list[bytes]]) -> None:
    assert values == decode_attributes(encode_attributes(values))


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
