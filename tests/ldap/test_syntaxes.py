"""Syntaxes: values as objects, and broken ones as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import syntaxes

NUMBERED = "1.3.6.1.4.1.1466.115.121.1."
UUID_SYNTAX = "1.3.6.1.1.16.1"
SYNTAXES = st.one_of(st.integers(1, 58).map(lambda number: f"{NUMBERED}{number}"), st.just(UUID_SYNTAX))


@pytest.mark.parametrize(
    ("syntax", "value", "decoded"),
    [
        (f"{NUMBERED}7", b"TRUE", True),
        (f"{NUMBERED}7", b"FALSE", False),
        (f"{NUMBERED}7", b"true", True),
        (f"{NUMBERED}27", b"1000", 1000),
        (f"{NUMBERED}27", b"-7", -7),
        (f"{NUMBERED}24", b"202601311200+0100", datetime(2026, 1, 31, 11, tzinfo=UTC)),
        (f"{NUMBERED}53", b"260131120000Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (UUID_SYNTAX, b"597ae2f6-16A6-1027-98f4-d28b5365dc14", UUID("597ae2f6-16a6-1027-98f4-d28b5365dc14")),
        (f"{NUMBERED}15", "Björn".encode(), "Björn"),
        (f"{NUMBERED}12", b"cn=a,dc=x", "cn=a,dc=x"),
        (f"{NUMBERED}11", b"CH", "CH"),
        (f"{NUMBERED}36", b"12 34", "12 34"),
        (f"{NUMBERED}38", b"person", "person"),
        (f"{NUMBERED}50", b"+41 44 1", "+41 44 1"),
        (f"{NUMBERED}40", b"text", b"text"),
        (f"{NUMBERED}28", b"\xff\xd8", b"\xff\xd8"),
        ("1.2.3.4", b"text", b"text"),
    ],
)
def test_a_value_becomes_what_its_syntax_says(syntax: str, value: bytes, decoded: object) -> None:
    found = syntaxes.decoder(syntax)(value)

    assert decoded == found
    assert type(decoded) is type(found)


@pytest.mark.parametrize(
    ("syntax", "value"),
    [
        (f"{NUMBERED}7", b"yes"),
        (f"{NUMBERED}27", b"one"),
        (f"{NUMBERED}27", b"1.5"),
        (f"{NUMBERED}27", b" 1"),
        (f"{NUMBERED}27", b"1_000"),
        (f"{NUMBERED}27", b""),
        (f"{NUMBERED}27", b"9" * 5000),
        (f"{NUMBERED}24", b"yesterday"),
        (f"{NUMBERED}24", b"99991231235959-0100"),
        (f"{NUMBERED}53", b"yesterday"),
        (UUID_SYNTAX, b"{597ae2f6-16a6-1027-98f4-d28b5365dc14}"),
        (UUID_SYNTAX, b"597ae2f616a6102798f4d28b5365dc14"),
        (f"{NUMBERED}15", b"Bj\xf6rn"),
    ],
)
def test_a_value_that_breaks_its_syntax_stays_as_it_is(syntax: str, value: bytes) -> None:
    assert value == syntaxes.decoder(syntax)(value)


@given(SYNTAXES, st.one_of(st.binary(max_size=30), st.from_regex(rb"[-0-9A-Z+.,]{0,40}", fullmatch=True)))
def test_no_value_makes_the_reading_fail(syntax: str, value: bytes) -> None:
    assert isinstance(syntaxes.decoder(syntax)(value), bool | int | str | bytes | datetime | UUID)
