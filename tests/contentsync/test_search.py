"""The parameters of a search: what a cookie belongs to, and which names lie within."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncrepl_client.contentsync.search import BASE, ONE_LEVEL, SUBTREE, Search
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages

SEARCH = Search("dc=x", SUBTREE, filters.encode("(cn=a)"), ("cn", "mail"), "cn=reader,dc=x")


@pytest.mark.parametrize(
    "change",
    [
        {"base": "dc=y"},
        {"scope": ONE_LEVEL},
        {"filter_": filters.encode("(cn=b)")},
        {"attributes": ("cn",)},
        {"attributes": ()},
        {"identity": "cn=other,dc=x"},
        {"identity": ""},
        {"redaction": "rules"},
    ],
)
def test_a_cookie_is_of_all_parameters(change: dict[str, Any]) -> None:
    """RFC 4533 section 3.1; servers do not check it."""
    assert SEARCH.fingerprint != replace(SEARCH, **change).fingerprint


@pytest.mark.parametrize(
    "change",
    [{"base": "DC=X"}, {"attributes": ("MAIL", "cn", "CN")}, {"identity": "CN=Reader, DC=x"}],
)
def test_spelling_and_order_do_not_make_another_search(change: dict[str, Any]) -> None:
    assert SEARCH.fingerprint == replace(SEARCH, **change).fingerprint


def test_the_request_asks_for_what_the_search_says() -> None:
    assert SEARCH.request() == messages.search_request("dc=x", 2, filters.encode("(cn=a)"), ["cn", "mail"])


def test_all_user_attributes_may_be_asked_for_by_name() -> None:
    anything = filters.encode("(cn=a)")
    assert messages.search_request("dc=x", 2, anything, []) == replace(SEARCH, attributes=()).request()
    assert SEARCH.request() == SEARCH.request(asterisk=True)
    assert messages.search_request("dc=x", 2, anything, ["*"]) == replace(SEARCH, attributes=()).request(asterisk=True)


@pytest.mark.parametrize(
    ("dn", "within"),
    [
        ("ou=p,dc=x", {BASE, SUBTREE}),
        ("OU=P, DC=X", {BASE, SUBTREE}),
        ("cn=a,ou=p,dc=x", {ONE_LEVEL, SUBTREE}),
        ("cn=a\\,b,OU=p,dc=x", {ONE_LEVEL, SUBTREE}),
        ("cn=a,cn=b,ou=p,dc=x", {SUBTREE}),
        ("dc=x", set()),
        ("cn=a,dc=x", set()),
        ("cn=a\\,ou=p,dc=x", set()),
        ("", set()),
    ],
)
def test_a_name_lies_within_base_and_scope(dn: str, within: set[int]) -> None:
    assert within == {scope for scope in (BASE, ONE_LEVEL, SUBTREE) if Search("ou=p,dc=x", scope, b"", ()).holds(dn)}


def test_the_root_holds_its_children_but_is_not_one_of_them() -> None:
    root = Search("", ONE_LEVEL, b"", ())

    assert root.holds("dc=x")
    assert not root.holds("")
    assert not root.holds("dc=y,dc=x")


def test_without_redaction_the_fingerprint_is_what_older_files_hold() -> None:
    assert SEARCH.fingerprint == "f883419d21cb3d7cbb5687293c29021f0e24a5bffd2864fd1d9975056981b6ad"
