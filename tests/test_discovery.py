"""Servers found in the DNS, by a small DNS server on this machine; and the order that weights ask for."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client import Replica
from syncrepl_client.exceptions import ConnectionFailed, UsageError
from syncrepl_client.ldap import url as urls
from syncrepl_client.provider import discovery
from syncrepl_client.provider.discovery import Discovered, providers_of
from syncrepl_client.provider.providers import Target, by_weight
from syncrepl_client.testing import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "_ldap._tcp.example.com."
TARGETS = st.lists(
    st.builds(
        Target, st.integers(0, 3), st.integers(0, 65535), st.sampled_from(["a", "b", "c"]), st.integers(1, 65535)
    ),
    max_size=12,
)


class NameServer(threading.Thread):
    """Answers questions for SRV records; whatever it does not know does not exist."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def run(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text()
            self.asked.append(name)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.AA
            if name in self.records:
                response.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *self.records[name]))
            else:
                response.set_rcode(dns.rcode.NXDOMAIN)
            self._socket.sendto(response.to_wire(), sender)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.join()
        self._socket.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with NameServer() as server:

        def resolver() -> dns.resolver.Resolver:
            made = dns.resolver.Resolver(configure=False)
            made.nameservers = ["127.0.0.1"]
            made.port = server.port
            return made

        monkeypatch.setattr(discovery, "_resolver", resolver)
        yield server


def found(domain: str = "example.com") -> list[str]:
    return [url.address for url in Discovered(urls.parse("ldap:///dc=a"), domain, random.Random(1).random).urls()]


def test_priorities_give_the_order_and_each_look_up_is_made_anew(names: NameServer) -> None:
    names.records[SERVICE] = ["20 0 389 second.example.com.", "10 0 1389 first.example.com."]
    assert found() == ["first.example.com:1389", "second.example.com:389"]
    names.records[SERVICE] = ["0 0 389 third.example.com."]
    assert found("example.com.") == ["third.example.com:389"]
    assert names.asked == [SERVICE, SERVICE]


def test_a_domain_without_the_service_is_a_failure_that_may_pass(names: NameServer) -> None:
    with pytest.raises(ConnectionFailed, match="cannot find servers"):
        found()
    names.records[SERVICE] = ["0 0 0 ."]
    with pytest.raises(ConnectionFailed, match="no such service"):
        found()


def test_a_replica_goes_where_the_dns_sends_it(names: NameServer, tmp_path: Path) -> None:
    with Provider() as provider:
        port = provider.url.rpartition(":")[2]
        names.records[SERVICE] = [f"0 0 {port} localhost."]
        with Replica("ldap:///dc=example,dc=com", tmp_path / "data", srv="example.com") as replica:
            assert replica.refresh().entries >= 1


@pytest.mark.parametrize("url", ["ldap://host/dc=a", "ldapi:///dc=a"])
def test_what_contradicts_a_look_up_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        providers_of(urls.parse(url), (), "example.com", random.random)


def test_servers_are_either_listed_or_looked_up() -> None:
    with pytest.raises(UsageError, match="either"):
        providers_of(urls.parse("ldap:///dc=a"), [urls.parse("ldap://b/")], "example.com", random.random)


@given(TARGETS, st.randoms(use_true_random=False))
def test_an_order_has_all_of_them_by_priority(targets: list[Target], chance: random.Random) -> None:
    ordered = by_weight(targets, chance.random)
    assert Counter(ordered) == Counter(targets)
    assert [one.priority for one in ordered] == sorted(one.priority for one in targets)


def test_weights_are_shares() -> None:
    chance = random.Random(4533).random
    targets = [Target(0, 30, "often", 389), Target(0, 10, "seldom", 389), Target(0, 0, "hardly", 389)]
    first = Counter(by_weight(targets, chance)[0].host for _ in range(4000))
    assert first["often"] == pytest.approx(3 * first["seldom"], rel=0.2)
    assert 0 < first["hardly"] < 200
