"""The subset of BER, compared with an ASN.1 library where one can encode the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import univ

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (256, "02020100"),
        (4096, "02021000"),
        (2**31 - 1, "02047fffffff"),
        (-1, "0201ff"),
        (-128, "020180"),
        (-129, "0202ff7f"),
    ],
)
def test_an_integer_takes_as_few_octets_as_it_can(value: int, octets: str) -> None:
    assert octets == ber.integer(value).hex()


@given(st.integers(0, 2**63 - 1))
def test_integers_are_encoded_as_by_an_asn1_library(value: int) -> None:
    assert encoder.encode(univ.Integer(value)) == ber.integer(value)
    assert encoder.encode(univ.Enumerated(value)) == ber.enumerated(value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_are_read_back(value: int) -> None:
    encoded = ber.integer(value)

    assert (value, b"") == decoder.decode(encoded)
    assert value == ber.read_integer(encoded, 2, len(encoded))


@pytest.mark.parametrize(
    ("size", "header"),
    [(0, "0400"), (127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100"), (65_536, "0483010000")],
)
def test_a_length_takes_as_few_octets_as_it_can(size: int, header: str) -> None:
    encoded = ber.octet_string(b"x" * size)

    assert header == encoded[: len(encoded) - size].hex()
    assert encoder.encode(univ.OctetString(b"x" * size)) == encoded
    assert (4, len(encoded) - size, len(encoded)) == ber.read(encoded, 0, len(encoded))


@pytest.mark.parametrize("octets", ["048103616263", "04820003616263", "04880000000000000003616263"])
def test_lengths_with_more_octets_than_needed_are_read(octets: str) -> None:
    data = bytes.fromhex(octets)
    tag, start, end = ber.read(data, 0, len(data))

    assert (tag, data[start:end]) == (4, b"abc")


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "cut off"),
        ("04", "cut off"),
        ("0482ff", "cut off"),
        ("04036162", "of 3 octets where 2 are left"),
        ("0480616200", "a length in 0 octets"),
        ("0489000000000000000003", "a length in 9 octets"),
        ("1f0100", "a tag of several octets"),
    ],
)
def test_a_malformed_element_is_a_protocol_error(octets: str, reason: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(ProtocolError, match=reason):
        ber.read(data, 0, len(data))


def test_nothing_is_read_beyond_the_end_of_what_is_around() -> None:
    """The octets of a neighbour are not taken for one's own."""
    data = ber.sequence(ber.octet_string(b"abc")) + ber.octet_string(b"next")
    _, start, end = ber.read(data, 0, len(data))

    assert [(4, start + 2, end)] == list(ber.children(data, start, end))
    with pytest.raises(ProtocolError, match="of 3 octets where 2 are left"):
        list(ber.children(data, start, end - 1))


def test_children_come_in_their_order() -> None:
    data = ber.set_of(ber.integer(7), ber.boolean(value=True), ber.octet_string(b"z", tag=0x81))
    _, start, end = ber.read(data, 0, len(data))

    assert [tag for tag, _, _ in ber.children(data, start, end)] == [0x02, 0x01, 0x81]
    assert list(ber.children(data, end, end)) == []


@pytest.mark.parametrize(("octet", "value"), [(b"\x00", False), (b"\x01", True), (b"\xff", True)])
def test_any_octet_but_zero_is_true(octet: bytes, value: bool) -> None:  # noqa: FBT001 - what is read
    assert value is ber.read_boolean(octet, 0, 1)


def test_true_is_written_with_all_bits() -> None:
    """RFC 4511 section 5.1."""
    assert ber.boolean(value=True) == b"\x01\x01\xff"
    assert ber.boolean(value=False, tag=0x84) == b"\x84\x01\x00"


@pytest.mark.parametrize(
    ("read", "octets"),
    [
        (ber.read_boolean, b""),
        (ber.read_boolean, b"\x00\x00"),
        (ber.read_integer, b""),
        (ber.read_integer, b"\x00" * 9),
    ],
)
def test_a_value_of_an_impossible_size_is_a_protocol_error(
    read: Callable[[bytes, int, int], object], octets: bytes
) -> None:
    with pytest.raises(ProtocolError, match=f"of {len(octets)} octets"):
        read(octets, 0, len(octets))
