"""Attributes as JSON."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.envelope.values import Octets, State, Values, encode
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.redaction import Redaction
from tests.envelope.changes import ANN, CHANGES, SCHEMA, VALUES, entry, entry_of


def written(name: str, *values: bytes, schema: Schema = SCHEMA) -> Any:
    found = json.loads(encode(Values().of(entry_of({name: list(values)}, schema=schema))))
    assert list(found) == [name]
    return found[name]


def octets(value: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cn", "Änne".encode(), "Änne"),
        ("commonName;lang-de", b"a\tb\r\nc", "a\tb\r\nc"),
        ("uidNumber", b"-1000", -1000),
        ("uidNumber", b"0010", 10),
        ("active", b"TRUE", True),
        ("active", b"false", False),
        ("modifyTimestamp", b"20260131120000Z", "2026-01-31T12:00:00Z"),
        ("modifyTimestamp", b"20260131120000.5+0100", "2026-01-31T11:00:00.500000Z"),
        ("modifyTimestamp", b"00010101000000Z", "0001-01-01T00:00:00Z"),
        ("entryUUID", str(ANN).upper().encode(), str(ANN)),
        ("userPassword", b"secret", octets(b"secret")),
        ("userCertificate", b"MII", octets(b"MII")),
        ("vendor", b"text", "text"),
        ("vendor", b"\xff", octets(b"\xff")),
        ("bare", b"1000", "1000"),
        ("unknown", b"1000", "1000"),
        ("unknown;binary", b"1000", octets(b"1000")),
        ("unknown", b"\xff\xd8", octets(b"\xff\xd8")),
        ("cn", b"", ""),
        ("userPassword", b"", octets(b"")),
    ],
)
def test_a_value_is_what_the_syntax_of_its_attribute_says(name: str, value: bytes, expected: object) -> None:
    assert written(name, value) == [expected]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cn", b"\xff"),
        ("uidNumber", b"many"),
        ("uidNumber", b"9" * 4001),
        ("active", b"yes"),
        ("modifyTimestamp", b"yesterday"),
        ("modifyTimestamp", b"99999999999999Z"),
        ("entryUUID", b"none"),
    ],
)
def test_a_value_that_breaks_its_syntax_is_octets(name: str, value: bytes) -> None:
    assert written(name, value) == [octets(value)]


@pytest.mark.parametrize("value", [b"\0", b"a\x1bb", b"\x7f", "\x9b".encode()])
@pytest.mark.parametrize("name", ["cn", "unknown"])
def test_text_with_control_characters_is_octets(name: str, value: bytes) -> None:
    assert written(name, value) == [octets(value)]


def test_an_attribute_is_an_array_however_many_values_it_has() -> None:
    assert written("cn") == []
    assert written("cn", b"Ann") == ["Ann"]
    assert written("cn", b"Ann", b"\xff", b"Anna") == ["Ann", octets(b"\xff"), "Anna"]


@pytest.mark.parametrize("number", [(1 << 53) - 1, -(1 << 53) + 1])
def test_an_integer_is_a_number_as_far_as_all_readers_of_json_are_exact(number: int) -> None:
    beyond = number + (1 if number > 0 else -1)

    assert written("uidNumber", b"%d" % number, b"%d" % beyond) == [number, str(beyond)]
    assert written("uidNumber", b"9" * 4000) == ["9" * 4000]


def test_without_schema_text_is_text_and_everything_else_octets() -> None:
    assert written("uidNumber", b"1000", schema=NO_SCHEMA) == ["1000"]
    assert written("userPassword", b"secret", schema=NO_SCHEMA) == ["secret"]
    assert written("jpegPhoto", b"\xff\xd8", schema=NO_SCHEMA) == [octets(b"\xff\xd8")]


def test_what_redaction_left_can_be_read_in_every_attribute() -> None:
    rules = Redaction(mask=["userPassword", "uidNumber"], hash=["userCertificate"], key=b"0123456789abcdef")
    given = entry(userPassword=[b"hush"], uidNumber=[b"1"], userCertificate=[b"MII"])
    kept = type(given.attributes)(rules.of(given.attributes.wire))
    values = Values().of(type(given)(given.uuid_octets, given.dn, kept, SCHEMA))

    assert values["userPassword"] == values["uidNumber"] == ["{REDACTED}"]
    (hashed,) = values["userCertificate"]
    assert str(hashed).startswith("{HMAC-SHA256}")


def test_values_are_read_by_the_schema_of_their_entry() -> None:
    values = Values()
    for _ in range(2):
        assert values.of(entry(uidNumber=[b"1"])) == {"uidNumber": [1]}
        assert values.of(entry_of({"uidNumber": [b"1"]}, schema=NO_SCHEMA)) == {"uidNumber": ["1"]}


def test_what_is_remembered_of_attributes_has_a_limit() -> None:
    values = Values()
    for number in range(10_000):
        values.of(entry_of({f"cn;x-{number}": [b"a"]}))

    assert len(values._readers) < 5000  # noqa: SLF001 - nothing else shows it
    assert values.of(entry(uidNumber=[b"1"])) == {"uidNumber": [1]}


def test_an_entry_is_there_before_and_after_as_the_change_says() -> None:
    values = Values()

    before, after = values.states(CHANGES["renamed"])
    assert before == State("uid=ann,dc=example,dc=com", {"cn": ["Ann"], "uidNumber": [1000]})
    assert after == State("uid=anna,dc=example,dc=com", {"cn": ["Ann"], "uidNumber": [1000]})
    assert values.states(CHANGES["deleted"]) == (before, None)
    assert values.states(CHANGES["created"])[0] is None


def test_nothing_is_left_that_a_terminal_obeys() -> None:
    encoded = encode({"dn": "a\x1b\x7f\x9b\x80\xa0é\u2028"})

    assert encoded == rb'{"dn":"a\u001b\u007f\u009b\u0080' + "\xa0é\u2028".encode() + b'"}'
    assert json.loads(encoded) == {"dn": "a\x1b\x7f\x9b\x80\xa0é\u2028"}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_escaping_changes_nothing_of_what_is_said(text: str) -> None:
    assert json.loads(encode([text])) == [text]


@given(st.sampled_from(["cn", "uidNumber", "active", "modifyTimestamp", "userPassword", "vendor", "bare"]), VALUES)
def test_every_value_can_be_written_and_octets_are_exact(name: str, value: bytes) -> None:
    (found,) = Values().of(entry_of({name: [value]}))[name]
    (read,) = written(name, value)

    if isinstance(found, Octets):
        assert base64.b64decode(read["base64"]) == value
    elif isinstance(found, datetime):
        assert datetime.fromisoformat(read) == found
        assert found.tzinfo is UTC
    elif isinstance(found, str) and name in {"cn", "vendor", "bare"}:
        assert found.encode() == value
    else:
        assert read == found
