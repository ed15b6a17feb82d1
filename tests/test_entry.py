"""Entries: what they hold as octets, as text, and as what the schema says it is."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from uuid import UUID

import pytest

from syncrepl_client import model
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.model.entry import Entry

UUID_OF_ANN = UUID("597ae2f6-16a6-1027-98f4-d28b5365dc14")
SYNTAX = "1.3.6.1.4.1.1466.115.121.1."
SCHEMA = Schema.parse(
    {
        "attributeTypes": [
            f"( 2.5.4.3 NAME ( 'cn' 'commonName' ) EQUALITY caseIgnoreMatch SYNTAX {SYNTAX}15 )".encode(),
            f"( 1.3.6.1.1.1.1.0 NAME 'uidNumber' SYNTAX {SYNTAX}27 SINGLE-VALUE )".encode(),
            f"( 2.5.4.36 NAME 'userCertificate' SYNTAX {SYNTAX}8 )".encode(),
            f"( 2.5.18.1 NAME 'createTimestamp' SYNTAX {SYNTAX}24 SINGLE-VALUE )".encode(),
            f"( 2.5.4.4 NAME ( 'sn' 'surname' ) SYNTAX {SYNTAX}15 )".encode(),
        ]
    }
)
VALUES = {
    "cn": [b"Ann", b"Anna"],
    "cn;lang-de": ["Änne".encode()],
    "CommonName;x-a;lang-de": [b"Anne"],
    "uidNumber": [b"1000"],
    "userCertificate;binary": [b"0\x82"],
    "createTimestamp": [b"20260131120000Z", b"yesterday"],
    "jpegPhoto": [b"\xff\xd8"],
    "empty": [],
}


def entry(schema: Schema = SCHEMA, **values: list[bytes]) -> Entry:
    return Entry(UUID_OF_ANN.bytes, "cn=Ann,dc=x", Attributes.of(values or VALUES), schema)


@pytest.mark.parametrize("name", ["cn", "CN", "commonName", "COMMONNAME", "2.5.4.3"])
def test_an_attribute_is_found_by_any_name_in_any_case(name: str) -> None:
    assert entry()[name] == [b"Ann", b"Anna"]
    assert name in entry()


def test_options_are_part_of_the_name_and_binary_is_not() -> None:
    ann = entry()

    assert ann["userCertificate"] == ann["userCertificate;binary"] == ann["2.5.4.36;BINARY"] == [b"0\x82"]
    assert ann["commonName;lang-DE"] == ["Änne".encode()]
    assert ann["cn;lang-de;x-a"] == ann["cn;x-a;lang-de"] == [b"Anne"]
    assert ann.get("cn;lang-fr") is None


def test_what_an_entry_does_not_have_is_missing() -> None:
    ann = entry()

    with pytest.raises(KeyError, match="surname"):
        ann["surname"]
    assert "surname" not in ann
    assert 5 not in ann
    assert ann.get("mail") is None
    assert ann.get("mail", [b"none"]) == [b"none"]
    assert ann.text("mail") is None
    assert ann.texts("mail") == []
    assert ann.value("mail") is None
    assert ann.values("mail") == ann.values("empty") == []
    assert ann.value("empty") is ann.text("empty") is None
    assert ann.variants("mail") == {}


def test_without_schema_names_are_found_in_any_case_and_options_in_any_order() -> None:
    ann = entry(NO_SCHEMA)

    assert ann["CN"] == [b"Ann", b"Anna"]
    assert ann["usercertificate"] == [b"0\x82"]
    assert ann["commonname;lang-de;x-a"] == [b"Anne"]
    assert "2.5.4.3" not in ann
    assert ann.values("uidNumber") == [b"1000"]
    assert ann.single_valued("uidNumber") is None
    assert list(ann.variants("cn")) == ["cn", "cn;lang-de"]


def test_text_is_for_people() -> None:
    assert entry().text("cn") == "Ann"
    assert entry().texts("commonName") == ["Ann", "Anna"]
    assert entry().text("cn;lang-de") == "Änne"
    assert entry().text("jpegPhoto") == "\ufffd\ufffd"


def test_values_are_what_the_syntax_says() -> None:
    ann = entry()

    assert ann.values("uidNumber") == [1000]
    assert ann.value("uidNumber") == 1000
    assert ann.values("createTimestamp") == [datetime(2026, 1, 31, 12, tzinfo=UTC), b"yesterday"]
    assert ann.values("cn;lang-de") == ["Änne"]
    assert ann.values("userCertificate") == [b"0\x82"]
    assert ann.values("jpegPhoto") == [b"\xff\xd8"]


def test_it_is_known_whether_an_attribute_has_one_value() -> None:
    assert entry().single_valued("UIDNUMBER") is True
    assert entry().single_valued("cn;lang-de") is False
    assert entry().single_valued("jpegPhoto") is None


def test_an_attribute_is_found_with_all_its_options() -> None:
    ann = entry()

    assert list(ann.variants("commonName")) == ["cn", "cn;lang-de", "CommonName;x-a;lang-de"]
    assert list(ann.variants("cn;lang-de")) == ["cn;lang-de", "CommonName;x-a;lang-de"]
    assert ann.variants("userCertificate") == {"userCertificate;binary": [b"0\x82"]}


def test_the_names_are_those_of_the_server() -> None:
    assert list(entry()) == list(VALUES)


def test_an_entry_without_attributes_is_an_entry() -> None:
    """Who asks whether there is one must not be told that there is none."""
    assert bool(Entry(UUID_OF_ANN.bytes, "dc=x", Attributes.of({})))


@pytest.mark.parametrize("name", ["dn", "uuid", "uuid_octets", "attributes", "schema", "mail"])
def test_an_entry_does_not_change(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(entry(), name, "x")


def test_entries_are_equal_whatever_is_known_about_attributes() -> None:
    ann = entry(cn=[b"Ann"])

    assert ann == entry(NO_SCHEMA, cn=[b"Ann"])
    assert hash(ann) == hash(entry(NO_SCHEMA, cn=[b"Ann"]))
    assert ann != entry(cn=[b"Anna"])
    assert ann != Entry(bytes(16), ann.dn, ann.attributes)
    assert ann != Entry(ann.uuid_octets, "cn=ann,dc=x", ann.attributes)
    assert ann != (ann.uuid_octets, ann.dn, ann.attributes)


def test_an_entry_is_copied_and_taken_apart() -> None:
    ann = entry()

    assert ann == copy.copy(ann)
    assert copy.copy(ann).schema is SCHEMA
    match ann:
        case Entry(octets, dn, attributes):
            assert (octets, dn) == (UUID_OF_ANN.bytes, "cn=Ann,dc=x")
            assert attributes is ann.attributes
    assert ann.uuid == UUID_OF_ANN


def test_an_entry_can_be_sent_to_another_process() -> None:
    assert entry() == pickle.loads(pickle.dumps(entry()))  # noqa: S301 - its own


def test_values_are_not_shown_by_accident() -> None:
    shown = repr(entry(userPassword=[b"secret"]))

    assert "secret" not in shown
    assert "cn=Ann,dc=x" in shown


def test_the_model_has_the_same_entry() -> None:
    assert model.Entry is Entry
