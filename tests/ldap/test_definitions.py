"""Definitions of schema elements: the grammar of RFC 4512, and what servers make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import definitions
from syncrepl_client.ldap.definitions import Definition
from tests.fuzz.limits import bounded

WORDS = st.sampled_from(
    "( ) 1.2.3 NAME DESC SUP SYNTAX SINGLE-VALUE X-A 'a' 'it\\27s' ' \" { } {3} $ name OBSOLETE".split()
)


@pytest.mark.parametrize(
    ("text", "oid", "fields"),
    [
        ("( 1.2.3 )", "1.2.3", {}),
        (
            "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
            "2.5.4.3",
            {"NAME": ("cn", "commonName"), "SUP": ("name",)},
        ),
        (
            "( 1.2.3 NAME 'a' DESC 'it\\27s \\5Cthis\\5c' OBSOLETE SYNTAX 1.3.6.1{32} SINGLE-VALUE )",
            "1.2.3",
            {
                "NAME": ("a",),
                "DESC": ("it's \\this\\",),
                "OBSOLETE": (),
                "SYNTAX": ("1.3.6.1{32}",),
                "SINGLE-VALUE": (),
            },
        ),
        (
            "( 1.2.3 NAME 'a' MUST ( cn $ sn ) X-ORIGIN ( 'one' 'two' ) X-EMPTY )",
            "1.2.3",
            {"NAME": ("a",), "MUST": ("cn", "sn"), "X-ORIGIN": ("one", "two"), "X-EMPTY": ()},
        ),
    ],
)
def test_a_definition_is_an_oid_and_words_with_values(text: str, oid: str, fields: dict[str, tuple[str, ...]]) -> None:
    assert Definition(oid, fields) == definitions.parse(text)


@pytest.mark.parametrize(
    ("text", "oid", "fields"),
    [
        ("( aName-oid NAME 'aName'  SUP name )", "aName-oid", {"NAME": ("aName",), "SUP": ("name",)}),
        ("( '1.2.3' NAME 'a' SUP 'name' )", "1.2.3", {"NAME": ("a",), "SUP": ("name",)}),
        ("(1.2.3 NAME('a''b')SYNTAX 1.2{3}SINGLE-VALUE)", "1.2.3", None),
        ("( 1.2.3 NAME'a'DESC'b'SUP name)", "1.2.3", {"NAME": ("a",), "DESC": ("b",), "SUP": ("name",)}),
        ("( 1.2.3\n\tNAME 'a'\n\tEQUALITY b )\n", "1.2.3", {"NAME": ("a",), "EQUALITY": ("b",)}),
        ("( NAME 'a' SINGLE-VALUE )", "a", {"NAME": ("a",), "SINGLE-VALUE": ()}),
        ("( 1.2.3 name 'a' single-value )", "1.2.3", {"NAME": ("a",), "SINGLE-VALUE": ()}),
        (
            "( 1.2.3 NAME 'a' DESC 'the user's own' SUP name )",
            "1.2.3",
            {"NAME": ("a",), "DESC": ("the user's own",), "SUP": ("name",)},
        ),
        ('( 1.2.3 NAME "a" X-ORIGIN "it\'s" )', "1.2.3", {"NAME": ("a",), "X-ORIGIN": ("it's",)}),
        ("( 1.2.3 NAME 'a' UNHEARD-OF SUP name )", "1.2.3", {"NAME": ("a",), "UNHEARD-OF": (), "SUP": ("name",)}),
    ],
)
def test_what_servers_print_is_read(text: str, oid: str, fields: dict[str, tuple[str, ...]] | None) -> None:
    expected = fields or {"NAME": ("a", "b"), "SYNTAX": ("1.2{3}",), "SINGLE-VALUE": ()}

    assert Definition(oid, expected) == definitions.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3",
        "( 1.2.3 NAME 'a'",
        "1.2.3 NAME 'a' )",
        "( 1.2.3 NAME )",
        "( 1.2.3 NAME ( 'a' )",
        "( 1.2.3 NAME () )",
        "( ( ) )",
        "( ) )",
        "( 1.2.3 'a' )",
        "( 1.2.3 NAME 'a' DESC 'not closed )",
        "( 1.2.3 NAME 'a' ) 'b' )",
    ],
)
def test_what_is_no_definition_is_none(text: str) -> None:
    assert definitions.parse(text) is None


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_nothing_makes_the_reading_fail(text: str) -> None:
    found = definitions.parse(f"( {text} )")

    assert found is None or found.oid


@pytest.mark.parametrize("piece", ["'", "'a", '"', "a{", "(", "a'b", "( 'a' ", "SUP "])
def test_the_work_grows_with_the_length_of_a_definition_and_not_faster(piece: str) -> None:
    with bounded(0, seconds=8):
        definitions.parse("( 1.2.3 NAME 'a' DESC " + piece * 300_000 + " )")
