"""Servers found in the DNS, by a name server of the test's own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import discovery
from syncrepl_client.discovery import providers_of
from syncrepl_client.exceptions import ConnectionFailed, UsageError
from syncrepl_client.ldap import url as urls
from tests.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "ldap:///dc=example,dc=com??sub?(cn=*)"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with NameServer() as server:
        monkeypatch.setattr(discovery, "_resolver", server.resolver)
        yield server


def found(url: str = BASE, domain: str = "example.com", share: float = 0.0) -> list[str]:
    providers = providers_of(urls.parse(url), (), domain, lambda: share)
    return [str(one) for one in providers.urls()]


def test_servers_come_in_the_order_of_their_records(names: NameServer) -> None:
    names.set("_ldap._tcp.example.com", "20 0 389 last.test.", "10 1 3389 a.example.com.", "10 999 389 b.test.")

    rest = "/dc=example,dc=com??sub?(cn=*)"
    assert found(share=0.5) == [f"ldap://{host}{rest}" for host in ("b.test", "a.example.com:3389", "last.test")]


def test_encrypted_servers_have_records_of_their_own(names: NameServer) -> None:
    names.set("_ldaps._tcp.example.com", "0 0 636 secure.example.com.")

    assert found(BASE.replace("ldap:", "ldaps:")) == ["ldaps://secure.example.com/dc=example,dc=com??sub?(cn=*)"]
    assert names.asked == ["_ldaps._tcp.example.com"]


def test_records_that_change_are_followed(names: NameServer) -> None:
    providers = providers_of(urls.parse(BASE), (), "example.com", lambda: 0.0)
    names.set("_ldap._tcp.example.com", "0 0 389 old.example.com.")
    assert [one.host for one in providers.urls()] == ["old.example.com"]

    names.set("_ldap._tcp.example.com", "0 0 389 new.example.com.")

    assert [one.host for one in providers.urls()] == ["new.example.com"]


def test_a_domain_without_records_is_an_error_that_may_pass(names: NameServer) -> None:
    names.set("_ldap._tcp.empty.example.com")
    for domain in ("example.com", "empty.example.com"):
        with pytest.raises(ConnectionFailed, match="cannot find servers by _ldap") as caught:
            found(domain=domain)
        assert "SRV records" in caught.value.hint


def test_a_domain_that_offers_no_such_service_says_so(names: NameServer) -> None:
    """RFC 2782: a target of "."."""
    names.set("_ldap._tcp.example.com", "0 0 0 .")

    with pytest.raises(ConnectionFailed, match="says that there is no such service"):
        found()


def test_a_name_server_that_is_silent_is_not_waited_for_long(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names.silent = True
    monkeypatch.setattr(discovery, "_PATIENCE", 0.2)

    with pytest.raises(ConnectionFailed, match="cannot find servers"):
        found()


@pytest.mark.parametrize("domain", ["a..b", "x" * 64, "\N{SNOWMAN}" * 64])
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(UsageError, match="no name that the DNS can have"):
        found(domain=domain)


@pytest.mark.parametrize(
    ("url", "others", "reason"),
    [
        ("ldap://a/dc=x", (), "names the host 'a'"),
        ("ldapi:///dc=x", (), "is for no host"),
        ("ldap:///dc=x", ("ldap://b",), "either listed or looked up"),
    ],
)
def test_what_contradicts_a_look_up_is_refused(url: str, others: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        providers_of(urls.parse(url), map(urls.parse, others), "example.com", lambda: 0.0)
    assert caught.value.hint


def test_before_the_look_up_it_is_known_that_they_are_elsewhere() -> None:
    (known,) = providers_of(urls.parse(BASE), (), "example.com", lambda: 0.0).known()

    assert not known.is_local


def test_the_resolver_is_made_from_what_the_system_says_now() -> None:
    assert discovery._resolver() is not discovery._resolver()  # noqa: SLF001


def test_what_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "dns" or name.startswith("dns.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dns", None)

    with pytest.raises(UsageError, match="dnspython") as caught:
        found()
    assert caught.value.hint == 'pip install "syncrepl[srv]"'


def test_who_lists_his_servers_does_not_load_it() -> None:
    program = "import sys, syncrepl_client.replica; sys.exit('dns' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
