"""Addresses of receivers: what they say, and what is refused."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.sinks.addresses import Address, is_here

SCHEMES = {"nats": False, "tls": True}
PORTS = {"nats": 4222, "tls": 4223}


def parse(url: str, *, cleartext: bool = False) -> Address:
    return Address.parse(url, SCHEMES, PORTS, cleartext=cleartext)


def test_an_address_has_a_host_a_port_a_path_and_a_user() -> None:
    assert parse("tls://a%40b@example.com:99/some/path") == Address(
        "tls", "example.com", 99, "/some/path", "a@b", encrypted=True
    )


def test_the_port_depends_on_the_scheme() -> None:
    assert parse("nats://127.0.0.1").port == 4222
    assert parse("tls://127.0.0.1").port == 4223


def test_an_error_shows_neither_user_nor_path() -> None:
    assert str(parse("tls://somebody@[::1]/secret")) == "tls://[::1]:4223"


@pytest.mark.parametrize(
    "url", ["", "nats", "nats://", "http://host", "nats://host:port", "nats://[::1", "nats://127.0.0.1?a=b"]
)
def test_what_is_no_address_is_refused_and_one_is_shown(url: str) -> None:
    with pytest.raises(UsageError, match="not the address") as caught:
        parse(url)
    assert "nats://host:4222 or tls://host:4223" in caught.value.hint


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="password") as caught:
        parse("tls://me:s3cret@example.com")
    assert "s3cret" not in str(caught.value) + caught.value.hint


def test_nothing_goes_to_another_machine_in_clear_unless_it_may() -> None:
    with pytest.raises(UsageError, match="in clear") as caught:
        parse("nats://example.com")
    assert "tls" in caught.value.hint
    assert parse("nats://example.com", cleartext=True).host == "example.com"
    assert parse("nats://localhost").host == "localhost"


def test_this_machine_is_told_by_its_name_or_address() -> None:
    assert [is_here(host) for host in ("127.0.0.2", "::1", "localhost", "192.0.2.1", "localhost.example.com")] == [
        True,
        True,
        True,
        False,
        False,
    ]
