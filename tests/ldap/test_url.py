"""LDAP URLs (RFC 4516)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import LDAPUrlParseError
from syncrepl_client.ldap import dn
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap.url import LDAPUrl, Scope, parse


def test_every_part_is_read() -> None:
    url = parse("ldap://h:1389/dc=ex%2Cdc=com?cn,mail?one?(cn=a*)?bindname=cn=r%2Cdc=x,X-BINDPW=p%2Cw")

    assert (url.scheme, url.host, url.port, url.base) == ("ldap", "h", 1389, "dc=ex,dc=com")
    assert (url.attributes, url.scope, url.filter) == (("cn", "mail"), Scope.ONE, "(cn=a*)")
    assert (url.bind_name, url.bind_password) == ("cn=r,dc=x", "p,w")


def test_what_is_left_out_has_a_default() -> None:
    url = parse("ldaps://h")

    assert (
        url.port,
        url.base,
        url.attributes,
        url.scope,
        url.filter,
        url.bind_name,
        url.bind_password,
    ) == (636, "", (), Scope.SUB, "(objectClass=*)", None, None)


@pytest.mark.parametrize(
    "name", ["*", "+", "1.1", "@person", "2.5.4.3", "cn;lang-de;x-a", "under_score", "userCert;binary"]
)
def test_whatever_names_attributes_may_be_asked_for(name: str) -> None:
    assert parse(f"ldap://h/dc=x?{name}").attributes == (name,)


def test_an_extension_that_is_not_known_is_ignored() -> None:
    url = parse("ldap://h/dc=x????bindname=cn=a,x-colour=red")

    assert url.bind_name == "cn=a"


def test_a_socket_is_named_by_its_path() -> None:
    assert parse("ldapi://%2Frun%2Fx%2Fldapi/dc=x").socket_path == "/run/x/ldapi"
    assert str(parse("ldapi://%2Frun%2Fx/dc=x")) == "ldapi://%2Frun%2Fx/dc=x??sub?(objectClass=*)"
    assert parse("ldapi:///dc=x").socket_path == "/var/run/slapd/ldapi"
    assert parse("ldapi://%2Frun%2Fx/dc=x").address == "/run/x"


def test_addresses_of_version_six_stand_in_brackets() -> None:
    url = parse("ldap://[::1]:390/dc=x")

    assert (url.host, url.port) == ("::1", 390)
    assert str(url) == "ldap://[::1]:390/dc=x??sub?(objectClass=*)"


def test_the_address_is_of_the_server_alone() -> None:
    assert parse("ldap://h:390/dc=x").address == "h:390"
    assert parse("ldaps://h/dc=x").address == "h:636"


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("ldapi:///", True),
        ("ldap:///", True),
        ("ldap://LocalHost.", True),
        ("ldap://127.8.9.1", True),
        ("ldap://[::1]", True),
        ("ldap://192.0.2.1", False),
        ("ldap://example.com", False),
    ],
)
def test_a_server_on_this_machine_is_recognised(text: str, *, local: bool) -> None:
    assert local is parse(text).is_local


def test_the_password_is_never_shown() -> None:
    url = parse("ldap://h/dc=x????x-bindpw=geheim,bindname=cn=a")

    assert "geheim" not in f"{url} {url!r} {url.search_url()}"
    assert parse(str(url)).bind_name == "cn=a"


@pytest.mark.parametrize(
    "text", ["ldap://h/dc=x?X-BINDPW=geheim", "ldap://h/dc=x???x-bindpw=geheim", "ldap://h/x%2dbindpw=geheim"]
)
def test_a_password_in_the_wrong_place_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(LDAPUrlParseError, match="before the fourth") as caught:
        parse(text)

    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "other", ["ldaps://g/DC=X?mail,CN??", "ldap://h/dc=x?cn,mail?sub?(objectClass=*)?bindname=cn=a,x-bindpw=b"]
)
def test_one_search_on_another_host_is_the_same_search(other: str) -> None:
    assert parse("ldap://h/dc=x?cn,mail").search_url() == parse(other).search_url()


@pytest.mark.parametrize("other", ["ldap://h/dc=y", "ldap://h/dc=x?cn", "ldap://h/dc=x??one", "ldap://h/dc=x???(cn=a)"])
def test_another_search_has_another_name(other: str) -> None:
    assert parse("ldap://h/dc=x").search_url() != parse(other).search_url()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h/dc=x",
        "ldap:/h",
        "ldap://h:99999/",
        "ldap://[::1/",
        "ldap://h/dc=x?a?b",
        "ldap://h/dc=x????!x=1",
        "ldap://h/dc=x?bindname=cn=a",
        "ldap://h/dc=x?cn mail",
        "ldap://h/dc=x????bindname=cn=a,dc=x",
        "ldap://h/dc=x?a?sub?(a=b)?e?f",
        "ldap://h/dc=x???(a",
        "ldap://h/xx",
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(LDAPUrlParseError):
        parse(text)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10),
)
def test_the_text_of_a_url_is_read_back(base: str, value: str) -> None:
    url = LDAPUrl("ldap", "h", 389, f"cn={dn.escape_value(base)}", ("cn",), Scope.BASE, f"(cn={filters.escape(value)})")

    assert url == parse(str(url))


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "%C3%A4" * 64])
def test_a_host_that_nobody_can_look_up_is_refused(host: str) -> None:
    with pytest.raises(LDAPUrlParseError, match="is not a host and port"):
        parse(f"ldap://{host}/dc=x")
