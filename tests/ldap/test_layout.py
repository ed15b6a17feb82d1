"""A layout is a guess: what fits is read as the general decoder reads it, what does not is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import ber
from syncrepl_client.ldap.layout import Layout

Values = dict[str, list[bytes]]


def one(name: str, *values: bytes) -> bytes:
    return ber.sequence(ber.octet_string(name.encode()), ber.set_of(*(ber.octet_string(value) for value in values)))


def layout_of(attributes: Values) -> Layout:
    return Layout([(name, values, one(name, *values)) for name, values in attributes.items()])


def read(layout: Layout, *parts: bytes) -> tuple[Values, bytes]:
    """Read attributes; returns them and the octets that were left."""
    wire = b"".join(parts)
    decoded: Values = {}
    pos = layout.read(wire, 0, len(wire), decoded)
    return decoded, wire[pos:]


KINDS: Values = {"cn": [b"a"], "objectClass": [b"top", b"person"], "mail": [b"x"], "sn": [b""]}
sizes = st.sampled_from([0, 1, 50, 110, 120, 125, 126, 127, 128, 250, 260, 300, 65_500, 65_530])


@given(st.lists(sizes, min_size=3, max_size=3), st.lists(st.binary(max_size=60), min_size=2, max_size=4))
def test_values_of_any_length_are_read(lengths: list[int], several: list[bytes]) -> None:
    cn, mail, sn = (b"v" * length for length in lengths)

    parts = [one("cn", cn), one("objectClass", *several), one("mail", mail), one("sn", sn)]
    decoded, rest = read(layout_of(KINDS), *parts)

    wanted: Values = {"cn": [cn], "objectClass": several, "mail": [mail], "sn": [sn]}
    # What does not fit is left to the general decoder, together with all that follows.
    read_whole = list(wanted.items())[: len(decoded)]
    assert dict(read_whole) == decoded
    assert b"".join(parts[len(decoded) :]) == rest


@pytest.mark.parametrize("size", [1, 118, 119, 120, 121, 125, 128, 255, 256, 65_000])
def test_a_single_value_is_never_left(size: int) -> None:
    decoded, rest = read(layout_of(KINDS), one("cn", b"v" * size), one("objectClass", b"a", b"b"), one("mail", b"m"))

    assert {"cn": [b"v" * size], "objectClass": [b"a", b"b"], "mail": [b"m"]} == decoded
    assert rest == b""


def test_attributes_that_are_missing_are_passed_over() -> None:
    assert read(layout_of(KINDS), one("mail", b"m"), one("sn", b"s")) == ({"mail": [b"m"], "sn": [b"s"]}, b"")


def test_attributes_that_are_not_expected_are_left_with_all_that_follow() -> None:
    rest = one("title", b"t") + one("sn", b"s")

    assert ({"cn": [b"c"]}, rest) == read(layout_of(KINDS), one("cn", b"c"), rest)


@pytest.mark.parametrize(
    "odd",
    [
        one("cn", b"a", b"b"),
        one("cn"),
        one("cn", b"a", b"x" * 200),
        one("CN", b"a"),
        ber.sequence(ber.octet_string(b"cn"), ber.tlv(0x31, ber.integer(5))),
        ber.sequence(ber.octet_string(b"cn"), ber.tlv(0x31, ber.octet_string(b"x" * 200, tag=0x05))),
        ber.sequence(ber.octet_string(b"cn"), ber.sequence(ber.octet_string(b"a" * 200))),
        ber.tlv(0x31, ber.octet_string(b"cn"), ber.set_of(ber.octet_string(b"a"))),
        ber.tlv(0x31, ber.octet_string(b"cn"), ber.set_of(ber.octet_string(b"a" * 200))),
        # A length in three octets, as some servers write all of theirs.
        b"\x30\x83\x00\x00\x09\x04\x02cn\x31\x03\x04\x01a",
        one("cn", b"x" * 70_000),
    ],
)
def test_an_attribute_in_another_form_is_left(odd: bytes) -> None:
    assert ({}, odd) == read(layout_of({"cn": [b"a"]}), odd)


@pytest.mark.parametrize(
    "odd",
    [
        one("objectClass", b"x" * 120, b"y" * 120),
        ber.sequence(ber.octet_string(b"objectClass"), ber.tlv(0x31, ber.integer(5), ber.integer(6))),
        ber.sequence(ber.octet_string(b"objectClass"), ber.sequence(ber.octet_string(b"a"))),
        ber.sequence(ber.octet_string(b"objectClass"), b"\x31\x06\x04\x01a\x04\x09b"),
        ber.sequence(ber.octet_string(b"objectClass"), ber.set_of(ber.octet_string(b"a")), b"\x05\x00"),
        one("objectclass", b"a", b"b"),
    ],
)
def test_several_values_in_another_form_are_left(odd: bytes) -> None:
    assert ({}, odd) == read(layout_of({"objectClass": [b"top", b"person"]}), odd)


def test_a_list_that_ends_early_is_malformed_and_not_taken() -> None:
    """The last attribute says that it is longer than the list around it."""
    wire = one("cn", b"a") + one("sn", b"abc")
    decoded: Values = {}

    assert layout_of({"cn": [b"a"], "sn": [b"a"]}).read(wire, 0, len(wire) - 1, decoded) > len(wire) - 1


def test_a_name_too_long_to_prepare_for_is_left() -> None:
    name = "x" * 101
    layout = layout_of({name: [b"a"], "cn": [b"a"]})

    assert layout.attributes == 2
    assert ({}, one(name, b"a")) == read(layout, one(name, b"a"))
    assert read(layout, one("cn", b"b")) == ({"cn": [b"b"]}, b"")


def test_the_values_of_one_entry_are_not_those_of_the_next() -> None:
    """Constant values are handed out as lists that a program may change."""
    layout = layout_of({"objectClass": [b"top", b"person"]})
    first, _ = read(layout, one("objectClass", b"top", b"person"))
    first["objectClass"].clear()

    assert read(layout, one("objectClass", b"top", b"person")) == ({"objectClass": [b"top", b"person"]}, b"")
