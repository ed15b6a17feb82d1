"""Schemas: attributes found by any name, with what they inherit; tolerant of what servers print."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import matching
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema

STRING = "1.3.6.1.4.1.1466.115.121.1.15"
TYPES = f"""
( 2.5.4.41 NAME 'name' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX {STRING}{{32768}} )
( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )
( 2.5.4.6 NAME ( 'c' 'countryName' ) SUP 2.5.4.41 SYNTAX 1.3.6.1.4.1.1466.115.121.1.11 SINGLE-VALUE )
( 1.3.6.1.1.1.1.0 NAME 'uidNumber' EQUALITY integerMatch ORDERING integerOrderingMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
( 2.5.4.36 NAME 'userCertificate' EQUALITY certificateExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.8 )
( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.38 )
( 2.5.18.2 NAME 'modifyTimestamp' EQUALITY generalizedTimeMatch ORDERING generalizedTimeOrderingMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation )
( aDomain-oid NAME 'aDomain' EQUALITY houseMatch SYNTAX DirectoryString )
( 1.9.1 NAME 'first' SUP second EQUALITY caseExactMatch )
( 1.9.2 NAME 'second' SUP third )
( 1.9.3 NAME 'third' SUP first ORDERING caseExactOrderingMatch )
( 1.9.4 NAME 'orphan' SUP nobody )
( 1.9.5 EQUALITY integerMatch )
( 1.9.6 NAME 'cn' EQUALITY integerMatch )
"""


def octets(text: str) -> list[bytes]:
    """Take definitions that begin in a line of their own apart."""
    return [b"(" + definition for definition in text.encode().split(b"\n(")[1:]]


SCHEMA = Schema.parse(
    {
        "attributeTypes": octets(TYPES),
        "matchingRules": [b"( 2.5.13.2 NAME ( 'caseIgnoreMatch' 'houseMatch' ) SYNTAX 1.2.3 )"],
        "LDAPSYNTAXES": [f"( {STRING} DESC 'Directory String' )".encode()],
        "objectClasses": [b"( 2.5.6.6 NAME 'person' SUP top )", b"(2.5.6.7 NAME ( 'one' 'other' ) )", b"( 2.5.6.8 )"],
    }
)


@pytest.mark.parametrize("description", ["cn", "CN", "commonname", "2.5.4.3", "OID.2.5.4.3", "cn;lang-de", "CN;binary"])
def test_an_attribute_is_found_by_any_name_in_any_case_and_with_options(description: str) -> None:
    found = SCHEMA.attribute(description)

    assert found is not None
    assert found.names == ("cn", "commonName")
    assert found is SCHEMA.attribute(description)


def test_an_attribute_may_have_further_names() -> None:
    renamed = SCHEMA.renamed({"given": "cn", "Name": "uidNumber", "uidNumber": "2.5.4.36", "nothing": "unheard"})
    meant = {"given": "cn", "GIVEN;lang-de": "cn", "name": "uidNumber", "uidNumber": "userCertificate", "c": "c"}
    for further, usual in meant.items():
        assert renamed.attribute(further) == SCHEMA.attribute(usual) is not None
    assert renamed.attribute("nothing") is renamed.attribute("unheard") is None
    assert renamed.key("given;lang-de") == SCHEMA.key("cn;lang-de")
    assert renamed.decode("name", b"7") == 7
    assert renamed.equality("given") is SCHEMA.equality("cn")
    # What it inherits from is found by the names that the server uses.
    assert renamed.attribute("cn") is SCHEMA.attribute("cn")
    assert SCHEMA.attribute("given") is None


def test_what_is_not_said_is_inherited() -> None:
    name, cn, country = (SCHEMA.attribute(each) for each in ("name", "cn", "c"))

    assert name
    assert cn
    assert country
    assert (cn.superior, cn.equality, cn.substring, cn.ordering) == ("name", name.equality, name.substring, None)
    assert cn.syntax == STRING
    assert country.syntax == "1.3.6.1.4.1.1466.115.121.1.11"
    assert country.equality == "caseIgnoreMatch"
    assert country.single_valued
    assert not cn.single_valued


def test_who_writes_and_who_is_sent_an_attribute_is_known() -> None:
    stamp, cn = SCHEMA.attribute("modifyTimestamp"), SCHEMA.attribute("cn")

    assert stamp
    assert cn
    assert (stamp.usage, stamp.operational, stamp.no_user_modification) == ("directoryOperation", True, True)
    assert (cn.usage, cn.operational, cn.no_user_modification) == ("userApplications", False, False)
    assert cn.name == "cn"


def test_a_circle_of_types_ends() -> None:
    second = SCHEMA.attribute("second")

    assert second is not None
    assert (second.equality, second.ordering, second.syntax) == ("caseExactMatch", "caseExactOrderingMatch", None)


def test_a_type_that_is_derived_from_an_unknown_one_inherits_nothing() -> None:
    orphan = SCHEMA.attribute("orphan")

    assert orphan is not None
    assert (orphan.superior, orphan.equality) == ("nobody", None)


def test_a_type_without_a_name_is_found_by_its_oid() -> None:
    found = SCHEMA.attribute("1.9.5")

    assert found is not None
    assert (found.names, found.name) == ((), "1.9.5")


def test_of_two_types_of_one_name_the_first_has_it() -> None:
    other = SCHEMA.attribute("1.9.6")

    assert other is not None
    assert other.equality == "integerMatch"
    assert SCHEMA.equality("cn")(b"A") == "a"


def test_all_names_of_one_attribute_have_one_key() -> None:
    assert SCHEMA.key("cn") == SCHEMA.key("CommonName") == SCHEMA.key("2.5.4.3") == "2.5.4.3"
    assert SCHEMA.key("CN;lang-DE;x-a") == SCHEMA.key("commonName;X-A;lang-de") == "2.5.4.3;lang-de;x-a"
    assert SCHEMA.key("userCertificate;binary") == SCHEMA.key("userCertificate")
    assert SCHEMA.key("unKnown;B;a") == "unknown;a;b"
    assert SCHEMA.key("ADomain") == "adomain-oid"
    assert NO_SCHEMA.key("CN;binary") == "cn"


def test_values_compare_by_the_rules_of_their_attribute() -> None:
    key, pieces = SCHEMA.ordering("uidNumber"), SCHEMA.substrings("cn")

    assert SCHEMA.equality("uidNumber;x-a")(b"010") == 10
    assert key is not None
    assert sorted([b"10", b"9"], key=key) == [b"9", b"10"]
    assert pieces is not None
    assert pieces.matcher(b"b", [], b"")(b"Babs")
    assert SCHEMA.ordering("cn") is None
    assert SCHEMA.substrings("uidNumber") is None


@pytest.mark.parametrize("description", ["userCertificate", "unknown", "orphan"])
def test_without_a_rule_that_is_known_octets_are_compared(description: str) -> None:
    assert matching.octets is SCHEMA.equality(description)
    assert SCHEMA.ordering(description) is None
    assert SCHEMA.substrings(description) is None


def test_a_rule_or_a_syntax_may_have_the_name_that_the_schema_gives_it() -> None:
    assert SCHEMA.equality("aDomain")(b"A") == "a"
    assert SCHEMA.decode("aDomain", b"A") == "A"


def test_names_of_schema_elements_stand_for_their_oids() -> None:
    form = SCHEMA.equality("objectClass")

    assert form(b"Person") == form(b"2.5.6.6")
    assert form(b"one") == form(b"OTHER") == "2.5.6.7"
    assert form(b"commonName") == form(b"cn")
    assert form(b"unKnown") == "unknown"
    assert form(b"in valid") == b"in valid"


def test_values_are_read_by_the_syntax_of_their_attribute() -> None:
    assert SCHEMA.decode("uidNumber", b"1000") == 1000
    assert SCHEMA.decode("commonName;lang-de", "Björn".encode()) == "Björn"
    assert SCHEMA.decode("userCertificate;binary", b"0") == b"0"
    assert SCHEMA.decode("unknown", b"1") == b"1"
    assert SCHEMA.decode("uidNumber", b"many") == b"many"
    assert SCHEMA.decode("orphan", b"a") == b"a"


def test_definitions_that_cannot_be_read_are_left_out_and_listed() -> None:
    schema = Schema.parse(
        {
            "attributeTypes": [b"( 1.2.3 NAME", b"( 1.2.4 NAME 'a' DESC '\xff' SYNTAX 1.2 )", b"\xff"],
            "matchingRules": [b"()"],
            "ldapSyntaxes": [b""],
        }
    )

    assert schema.broken == ("( 1.2.3 NAME", "\ufffd", "()", "")
    assert schema.attribute("a") is not None
    assert SCHEMA.broken == ()


def test_of_no_schema_nothing_is_known() -> None:
    assert NO_SCHEMA.attribute("cn") is None
    assert NO_SCHEMA.equality("cn") is matching.octets
    assert NO_SCHEMA.decode("cn", b"a") == b"a"
    assert Schema.parse({}).attribute("cn") is None
    assert Schema.parse({}).types_below("cn") == []


def test_a_long_line_of_types_is_followed_without_recursion() -> None:
    types = [f"( 1.9.{number} NAME 'a{number}' SUP a{number + 1} )".encode() for number in range(20_000)]

    found = Schema.parse({"attributeTypes": [*types, b"( 1.8 NAME 'a20000' EQUALITY integerMatch )"]}).attribute("a0")

    assert found is not None
    assert found.equality == "integerMatch"


def test_what_is_asked_for_in_vain_is_not_remembered_for_ever() -> None:
    schema = Schema.parse({"attributeTypes": octets(TYPES)})

    tracemalloc.start()
    try:
        for number in range(40_000):
            assert schema.key(f"x{number}") == f"x{number}"
        remembered, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # All of them would take five megabytes and more.
    assert remembered < 2_000_000


@given(st.lists(st.binary(max_size=40).map(lambda middle: b"( 1.2 " + middle + b" )"), max_size=4))
def test_no_schema_makes_the_reading_fail(values: list[bytes]) -> None:
    schema = Schema.parse(dict.fromkeys(("attributeTypes", "matchingRules", "ldapSyntaxes", "objectClasses"), values))

    assert len(schema.broken) <= 3 * len(values)
    schema.attribute("1.2")
    schema.equality("1.2")(b"x")


@pytest.mark.parametrize(
    ("definition", "names"),
    [
        (b"( 1.2 NAME 'entryCSN' SINGLE-VALUE USAGE directoryOperation )", {"entrycsn"}),
        (b"( 1.2 NAME ( 'one' 'Two' ) DESC 'both' USAGE dSAOperation )", {"one", "two"}),
        (b"( 1.2 NAME 'ref' USAGE DISTRIBUTEDOPERATION )", {"ref"}),
        (b"( 1.2 NAME 'cn' SUP name )", set()),
        (b"( 1.2 NAME 'mail' USAGE userApplications )", set()),
        (b"( 1.2 NAME 'x' DESC '\xff' USAGE dSAOperation )", {"x"}),
    ],
)
def test_the_schema_tells_which_attributes_are_operational(definition: bytes, names: set[str]) -> None:
    schema = Schema.parse({"attributeTypes": [b"( 9.9 NAME 'other' )", definition]})
    assert schema.operational == names | ({"1.2"} if names else set())
