"""The ApacheDS that other tests rely on does what they believe."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import ldap
import pytest

from tests.apacheds import LDAP_SERVER, ApacheDS
from tests.slapd import empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = "ou=people,dc=example,dc=com"
GROUPS = "ou=groups,dc=example,dc=com"
ALICE = f"uid=alice,{PEOPLE}"

pytestmark = pytest.mark.long


@pytest.fixture
def apacheds() -> Iterator[ApacheDS]:
    with ApacheDS() as server:
        server.start()
        server.load(empty_tree())
        yield server


def add_alice(server: ApacheDS) -> None:
    server.add(ALICE, {"objectClass": ["inetOrgPerson"], "uid": ["alice"], "cn": ["Alice"], "sn": [b"A"]})


def test_an_empty_tree_holds_the_suffix_and_two_units(apacheds: ApacheDS) -> None:
    assert set(apacheds.search(attrs=["1.1"])) == {apacheds.suffix, PEOPLE, GROUPS}


def test_it_says_which_server_it_is_and_offers_synchronization(apacheds: ApacheDS) -> None:
    root = apacheds.search("", ldap.SCOPE_BASE, attrs=["vendorName", "supportedControl"])[""]
    assert root["vendorName"] == [b"Apache Software Foundation"]
    assert b"1.3.6.1.4.1.4203.1.9.1.1" in root["supportedControl"]


def test_writes_are_seen_by_search(apacheds: ApacheDS) -> None:
    add_alice(apacheds)
    [before] = apacheds.uuids(filter="(uid=alice)")
    apacheds.modify(ALICE, [(ldap.MOD_ADD, "mail", ["a@example.com"]), (ldap.MOD_REPLACE, "sn", ["B"])])
    apacheds.replace(ALICE, "title", ["Dr"])
    apacheds.replace(ALICE, "title", [])
    apacheds.rename(ALICE, "uid=bob", GROUPS)
    bob = f"uid=bob,{GROUPS}"
    assert apacheds.uuids(filter="(sn=B)", attrs=["uid", "mail"]) == {
        before: (bob, {"uid": [b"bob"], "mail": [b"a@example.com"]})
    }
    apacheds.delete(bob)
    assert apacheds.search(filter="(sn=B)") == {}


def test_data_and_port_outlive_the_process(apacheds: ApacheDS) -> None:
    add_alice(apacheds)
    held, url, pid = apacheds.uuids(), apacheds.url, apacheds.pid
    for end in (apacheds.stop, apacheds.kill):
        end()
        assert not apacheds.running
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", apacheds.port))
        apacheds.start()
        assert (held, url) == (apacheds.uuids(), apacheds.url)
        assert pid != apacheds.pid


def test_two_run_side_by_side(apacheds: ApacheDS) -> None:
    with ApacheDS() as other:
        other.start()
        other.load(empty_tree())
        add_alice(apacheds)
        assert ALICE in apacheds.search()
        assert ALICE not in other.search()


def test_close_ends_the_process_and_leaves_nothing() -> None:
    with ApacheDS() as server:
        server.start()
        pid = server.pid
    assert not server.directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why() -> None:
    settings = {LDAP_SERVER: {"ads-maxSizeLimit": ["nonsense"]}}
    with ApacheDS(settings=settings) as server, pytest.raises(RuntimeError, match="Failed to start the service"):
        server.start()
