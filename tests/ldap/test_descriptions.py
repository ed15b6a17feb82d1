"""Attribute descriptions: case and the order of options make no difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import descriptions

DESCRIPTIONS = st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,6}", fullmatch=True), min_size=1, max_size=4).map(
    ";".join
)


@pytest.mark.parametrize(
    ("description", "parts"),
    [
        ("cn", ("cn", ())),
        ("CN;lang-DE", ("cn", ("lang-de",))),
        ("2.5.4.3;x-b;Lang-a;x-b", ("2.5.4.3", ("lang-a", "x-b"))),
        ("userCertificate;binary", ("usercertificate", ("binary",))),
        ("cn;", ("cn", ())),
        ("", ("", ())),
    ],
)
def test_a_description_is_a_type_and_options(description: str, parts: tuple[str, tuple[str, ...]]) -> None:
    assert parts == descriptions.split(description)


def test_binary_says_how_values_travel_and_not_which_they_are() -> None:
    """RFC 4522 section 3."""
    assert descriptions.for_lookup("userCertificate;Binary") == "usercertificate"
    assert descriptions.for_lookup("userCertificate;x-a;binary") == "usercertificate;x-a"
    assert not descriptions.same("userCertificate", "userCertificate;binary")


def test_the_type_alone_keeps_its_spelling() -> None:
    assert descriptions.type_of("CommonName;lang-de") == descriptions.type_of("CommonName") == "CommonName"


@given(DESCRIPTIONS)
def test_spellings_of_one_description_are_the_same(description: str) -> None:
    kind, *options = description.split(";")
    other = ";".join([kind.upper(), *reversed(options)]).swapcase()

    assert descriptions.same(description, other)
    assert descriptions.normalize(description) == descriptions.normalize(descriptions.normalize(other))
    assert not descriptions.same(description, description + ";other-option")
