"""Matching rules: which values are equal, which comes first, what is found in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import matching
from tests.ldap.test_dn import NAMES

RULES = st.sampled_from(
    "caseIgnoreMatch caseExactMatch caseIgnoreIA5Match caseIgnoreListMatch numericStringMatch telephoneNumberMatch "
    "integerMatch booleanMatch distinguishedNameMatch uniqueMemberMatch uuidMatch generalizedTimeMatch bitStringMatch "
    "objectIdentifierMatch octetStringMatch CSNMatch".split()
)
VALUES = st.one_of(
    st.binary(max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(str.encode),
    st.integers().map(lambda number: str(number).encode()),
    NAMES.map(str.encode),
)


def equal(rule: str, first: str, second: str) -> bool:
    form = matching.equality(rule)
    assert form is not None
    return form(first.encode()) == form(second.encode())


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        ("caseIgnoreMatch", "Babs  Jensen", " babs JENSEN"),
        ("CASEIGNOREMATCH", "Björn", "BJÖRN"),
        ("2.5.13.2", "a", "A"),
        ("caseIgnoreIA5Match", "A@b.C", "a@B.c"),
        ("caseExactMatch", "Babs  Jensen", "Babs Jensen "),
        ("1.3.6.1.4.1.1466.109.114.1", "/home/A  b", "/home/A b"),
        ("caseIgnoreListMatch", "1 Main St.$Anytown, CA  12345$USA", "1 MAIN ST. $ anytown, ca 12345$usa"),
        ("caseIgnoreListMatch", "\\241 million$\\5C", "\\241 MILLION$\\5c"),
        ("numericStringMatch", "15 079 672 281", "150 79672281"),
        ("telephoneNumberMatch", "+1 512 315 0280", "+1-512-315-0280"),
        ("integerMatch", "10", "0010"),
        ("integerMatch", "0", "-0"),
        ("booleanMatch", "TRUE", "true"),
        ("distinguishedNameMatch", "CN=A  b,DC=x", "cn=a B, 0.9.2342.19200300.100.1.25=x"),
        ("distinguishedNameMatch", "cn=a\\2Cb+sn=c,dc=x", "sn=C+cn=A\\,B,dc=x"),
        ("uniqueMemberMatch", "CN=a,DC=x#'0101'B", "cn=A,dc=x#'0101'B"),
        ("uuidMatch", "597ae2f6-16a6-1027-98f4-d28b5365dc14", "597AE2F6-16A6-1027-98F4-D28B5365DC14"),
        ("generalizedTimeMatch", "20260131120000Z", "202601311300,0+0100"),
        ("objectIdentifierMatch", "inetOrgPerson", "INETORGPERSON"),
    ],
)
def test_spellings_of_one_value_are_equal(rule: str, first: str, second: str) -> None:
    assert equal(rule, first, second)


@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        ("caseIgnoreMatch", "Babs Jensen", "BabsJensen"),
        ("caseExactMatch", "a", "A"),
        ("caseExactIA5Match", "/home/a", "/home/A"),
        ("caseIgnoreListMatch", "a$b", "a b"),
        ("caseIgnoreListMatch", "a\\24b", "a$b"),
        ("numericStringMatch", "12", "123"),
        ("telephoneNumberMatch", "+1", "+2"),
        ("integerMatch", "10", "-10"),
        ("booleanMatch", "TRUE", "FALSE"),
        ("distinguishedNameMatch", "cn=a\\,b,dc=x", "cn=a,b=,dc=x"),
        ("uniqueMemberMatch", "cn=a,dc=x#'0101'B", "cn=a,dc=x"),
        ("uniqueMemberMatch", "cn=a,dc=x#''B", "cn=a,dc=x"),
        ("uniqueMemberMatch", "cn=a,dc=x#'0101'B", "cn=a,dc=x#'01010'B"),
        ("generalizedTimeMatch", "20260131120000.1Z", "20260131120000Z"),
        ("bitStringMatch", "'0101'B", "'01010'B"),
        ("octetStringMatch", "a", "A"),
        ("CSNMatch", "20260131120000.000000Z#000000#000#000000", "20260131120000.000000Z#000000#001#000000"),
    ],
)
def test_different_values_are_not_equal(rule: str, first: str, second: str) -> None:
    assert not equal(rule, first, second)


@pytest.mark.parametrize(
    ("rule", "value", "nearly"),
    [
        ("caseIgnoreMatch", b"Bj\xf6rn", b"BJ\xf6RN"),
        ("caseIgnoreListMatch", b"a$\xff", b"A$\xff"),
        ("numericStringMatch", b"12a", b"1 2a"),
        ("telephoneNumberMatch", b"1\xff", b"1 \xff"),
        ("integerMatch", b"1.0", b"01.0"),
        ("integerMatch", b"9" * 5000, b"09" + b"9" * 4999),
        ("booleanMatch", b"yes", b"YES"),
        ("distinguishedNameMatch", b"no name", b"NO NAME"),
        ("distinguishedNameMatch", b"cn=#4", b"CN=#4"),
        ("distinguishedNameMatch", b'cn="a', b'CN="a'),
        ("distinguishedNameMatch", b"cn=a,,dc=x", b"CN=a,,dc=x"),
        ("distinguishedNameMatch", b"cn=\xff", b"CN=\xff"),
        ("uniqueMemberMatch", b"me#'01'B", b"ME#'01'B"),
        ("uuidMatch", b"597ae2f616a6102798f4d28b5365dc14", b"597AE2F616a6102798f4d28b5365dc14"),
        ("generalizedTimeMatch", b"20260231120000Z", b"202602311200Z"),
        ("generalizedTimeMatch", b"99991231235959-0100", b"99991231235959-01"),
        ("objectIdentifierMatch", b"in valid", b"IN valid"),
    ],
)
def test_a_value_that_breaks_its_rule_equals_the_same_octets_alone(rule: str, value: bytes, nearly: bytes) -> None:
    form = matching.equality(rule)

    assert form is not None
    assert value == form(value)
    assert form(value) != form(nearly)


@given(RULES, VALUES, VALUES)
def test_no_value_breaks_a_rule(rule: str, first: bytes, second: bytes) -> None:
    form, key = matching.equality(rule), matching.ordering(rule)
    assert form is not None
    assert key is not None

    assert hash(form(first)) == hash(form(first))
    assert (form(first) == form(second)) == (key(first) == key(second))
    assert (key(first) < key(second)) + (key(first) > key(second)) + (key(first) == key(second)) == 1


@given(NAMES)
def test_every_name_is_compared_as_a_name(name: str) -> None:
    form = matching.equality("distinguishedNameMatch")
    assert form is not None

    assert names.normalize(name) == form(name.encode())


def test_the_root_is_a_name() -> None:
    assert equal("distinguishedNameMatch", "", " ")


@pytest.mark.parametrize(
    ("rule", "in_order"),
    [
        ("integerOrderingMatch", [b"-10", b"-9", b"0", b"9", b"10", b"100", b"x"]),
        ("caseIgnoreOrderingMatch", [b"", b"a", b"B", b"c  d", b"C E", b"\xff"]),
        ("2.5.13.6", [b"B", b"a"]),
        ("numericStringOrderingMatch", [b"1 0", b"101", b"1 2", b"a"]),
        ("generalizedTimeOrderingMatch", [b"2026013112Z", b"20260131120000.001Z", b"202601311100-0200", b"now"]),
        ("octetStringOrderingMatch", [b"", b"\x00", b"A", b"a", b"aa"]),
        (
            "CSNOrderingMatch",
            [b"20260131120000.000000Z#000000#001#000000", b"20260131120000.000001Z#000000#000#000000"],
        ),
        ("uuidOrderingMatch", [b"00000000-0000-0000-0000-00000000000A", b"00000000-0000-0000-0000-00000000000b"]),
    ],
)
def test_values_come_in_order_and_those_that_break_the_rule_last(rule: str, in_order: list[bytes]) -> None:
    key = matching.ordering(rule)

    assert key is not None
    backwards = in_order[::-1]
    backwards.sort(key=key)
    assert in_order == backwards


@pytest.mark.parametrize(
    ("rule", "pieces", "value", "found"),
    [
        ("caseIgnoreSubstringsMatch", ("ba", (), ""), "Babs Jensen", True),
        ("caseIgnoreSubstringsMatch", ("", (), "SEN"), "Babs Jensen ", True),
        ("caseIgnoreSubstringsMatch", ("", ("bs  je",), ""), "Babs Jensen", True),
        ("caseIgnoreSubstringsMatch", ("", ("bs ", " je"), ""), "Babs Jensen", True),
        ("caseIgnoreSubstringsMatch", ("", ("bsj",), ""), "Babs Jensen", False),
        ("caseIgnoreSubstringsMatch", ("ab", (), "ba"), "aba", False),
        ("caseIgnoreSubstringsMatch", ("ab", (), "ba"), "abba", True),
        ("caseIgnoreSubstringsMatch", ("", ("b", "a"), ""), "ab", False),
        ("caseIgnoreSubstringsMatch", ("a", ("b", "b"), "c"), "abc", False),
        ("caseIgnoreSubstringsMatch", ("", ("ö",), ""), "BJÖRN", True),
        ("caseIgnoreSubstringsMatch", ("", (), ""), "anything", True),
        ("caseIgnoreSubstringsMatch", ("", (" ",), ""), "a b", True),
        ("caseExactSubstringsMatch", ("B", (), ""), "Babs", True),
        ("caseExactSubstringsMatch", ("b", (), ""), "Babs", False),
        ("1.3.6.1.4.1.1466.109.114.3", ("A@", (), ""), "a@b", True),
        ("numericStringSubstringsMatch", ("1 2", ("3",), ""), "123 4", True),
        ("telephoneNumberSubstringsMatch", ("+41 44", (), "-1"), "+4144 551", True),
        ("octetStringSubstringsMatch", ("a", (), "B"), "aB", True),
        ("octetStringSubstringsMatch", ("a", (), "b"), "aB", False),
        ("caseIgnoreListSubstringsMatch", ("1 ma", ("anyt",), "USA"), "1 Main St.$Anytown$USA", True),
        ("caseIgnoreListSubstringsMatch", ("", ("st. any",), ""), "1 Main St.$Anytown$USA", False),
        ("caseIgnoreListSubstringsMatch", ("", ("$",), ""), "1\\242$3", True),
    ],
)
def test_pieces_are_found(rule: str, pieces: tuple[str, tuple[str, ...], str], value: str, found: bool) -> None:  # noqa: FBT001
    initial, middle, final = pieces
    substrings = matching.substrings(rule)
    assert substrings is not None

    matches = substrings.matcher(initial.encode(), [piece.encode() for piece in middle], final.encode())

    assert found is matches(value.encode())


def test_pieces_that_break_the_rule_are_looked_for_as_octets() -> None:
    substrings = matching.substrings("caseIgnoreSubstringsMatch")
    assert substrings is not None

    assert substrings.matcher(b"B", [], b"\xff")(b"Ba\xff")
    assert not substrings.matcher(b"b", [], b"\xff")(b"Ba\xff")
    assert substrings.matcher(b"B", [], b"")(b"Ba\xff")
    assert not substrings.matcher(b"b", [], b"")(b"Ba\xff")


@given(
    st.sampled_from(["caseIgnoreSubstringsMatch", "caseExactSubstringsMatch", "telephoneNumberSubstringsMatch"]),
    st.text(st.sampled_from("aB é\t-"), max_size=8),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_what_a_value_is_cut_into_is_found_in_it(rule: str, text: str, first: int, second: int) -> None:
    low, high = sorted((first, second))
    pieces = [piece.encode() for piece in (text[:low], text[low:high], text[high:])]
    substrings = matching.substrings(rule)
    assert substrings is not None

    # A cut through the spaces at the end leaves a piece of spaces alone, of which the value has no second one.
    if all(piece.strip() or not piece for piece in pieces):
        assert substrings.matcher(pieces[0], [pieces[1]], pieces[2])(text.encode())


@pytest.mark.parametrize("rule", ["", "integerFirstComponentMatch", "certificateExactMatch", "1.2.3"])
def test_rules_that_are_not_known_are_none(rule: str) -> None:
    assert matching.equality(rule) is None
    assert matching.ordering(rule) is None
    assert matching.substrings(rule) is None


def test_a_rule_for_order_and_one_for_equality_may_stand_in_each_other_s_place() -> None:
    """ApacheDS has types with ``EQUALITY caseIgnoreOrderingMatch`` and with ``ORDERING distinguishedNameMatch``."""
    form, key = matching.equality("caseIgnoreOrderingMatch"), matching.ordering("distinguishedNameMatch")

    assert form is not None
    assert key is not None
    assert form(b"A") == "a"
    assert key(b"CN=a") == (0, "cn=a")


def test_octets_are_their_own_normal_form() -> None:
    assert matching.octets(b"\x00A") == b"\x00A"
    assert matching.equality("octetStringMatch") is matching.octets
