"""What does not count when strings are compared: RFC 4518."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.ldap import preparation

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SPACED = st.text(st.sampled_from("aB  \t\u3000\u0301\u00b4Åß"), max_size=8)


def prepared(text: str, *, fold: bool = True) -> str:
    return preparation.joined(preparation.text(text.encode(), fold=fold))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Babs  JENSEN ", "babs jensen"),
        ("a\tb\r\nc", "a b c"),
        ("a\u00a0b\u2003c\u3000d\u2028e", "a b c d e"),
        ("a\u00adb\u200bc\ufeffd\ufe0fe", "abcde"),
        ("a\x00b\x7fc\x9fd\x1ce", "abcde"),
        ("Straße", "strasse"),
        ("ﬁn", "fin"),
        ("Å", "å"),
        ("A\u030a", "å"),
        ("Ⅷ", "viii"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("  ", ""),
        ("", ""),
    ],
)
def test_what_does_not_count_is_taken_away(text: str, form: str) -> None:
    assert form == prepared(text)


def test_where_case_counts_it_is_kept() -> None:
    assert prepared(" Straße  ", fold=False) == "Straße"
    assert prepared("A\tB", fold=False) == "A B"
    assert prepared("Å", fold=False) == "Å"


def test_a_space_that_bears_a_mark_is_none_that_separates() -> None:
    """RFC 4518 section 2.6: "a space followed by no combining marks"."""
    assert prepared("a\u00b4") == "a \u0301"
    assert prepared("a \u00b4") == "a  \u0301"
    assert preparation.unspaced("a \u0301 b") == "a \u0301b"
    assert prepared("\u0301a") == "\u0301a"


@given(st.one_of(TEXTS, SPACED), st.booleans())
def test_the_normal_form_is_its_own_normal_form(text: str, fold: bool) -> None:  # noqa: FBT001
    form = prepared(text, fold=fold)

    assert form == prepared(form, fold=fold)


@given(st.one_of(TEXTS, SPACED))
def test_what_is_equal_with_its_case_is_equal_without_it(text: str) -> None:
    assert prepared(text) == prepared(prepared(text, fold=False))


@given(st.text(st.characters(max_codepoint=127), max_size=12))
def test_the_quick_way_for_ascii_and_the_long_way_agree(text: str) -> None:
    long_way = preparation.text(("é" + text).encode(), fold=True)

    assert long_way == "é" + preparation.text(text.encode(), fold=True)


@pytest.mark.parametrize(
    ("text", "initial", "final", "piece"),
    [
        ("a b", False, False, "a  b"),
        (" a", False, False, " a"),
        ("a ", False, False, "a "),
        ("a", True, False, " a"),
        ("  a ", True, False, " a "),
        ("a", False, True, "a "),
        ("  ", False, False, " "),
        ("", True, True, " "),
    ],
)
def test_the_spaces_of_a_piece_are_as_many_as_in_a_value(text: str, initial: bool, final: bool, piece: str) -> None:  # noqa: FBT001
    """RFC 4518 section 2.6.1."""
    assert piece == preparation.piece(text, initial=initial, final=final)


def test_a_value_in_which_pieces_are_looked_for_has_two_spaces_inside_and_one_around_it() -> None:
    assert preparation.whole(" a  b ") == " a  b "
    assert preparation.whole("a b") == " a  b "
    assert preparation.whole("") == "  "


def test_hyphens_are_taken_out_where_a_rule_says_so() -> None:
    assert preparation.unspaced("+1 555-\u20101 2", hyphens=True) == "+155512"
    assert preparation.unspaced("1 - 2") == "1-2"
