"""The server that other tests rely on does what they believe."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import ldap
import pytest
import trustme

from tests.slapd import Slapd, empty_tree, ldif_entry, sample_ldif

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = "ou=people,dc=example,dc=com"
ALICE = f"uid=alice,{PEOPLE}"


def add_alice(server: Slapd) -> None:
    server.add(ALICE, {"objectClass": ["inetOrgPerson"], "uid": ["alice"], "cn": ["Alice"], "sn": [b"A"]})


def test_an_empty_tree_holds_the_suffix_and_two_units(slapd: Slapd) -> None:
    assert set(slapd.search(attrs=["1.1"])) == {slapd.suffix, PEOPLE, "ou=groups,dc=example,dc=com"}


def test_a_loaded_server_has_a_context_csn(slapd_log: Slapd) -> None:
    assert slapd_log.search(scope=ldap.SCOPE_BASE, attrs=["contextCSN"])[slapd_log.suffix]["contextCSN"]


def test_a_provider_announces_the_sync_control(slapd: Slapd) -> None:
    controls = slapd.search("", ldap.SCOPE_BASE, attrs=["supportedControl"])[""]["supportedControl"]
    assert b"1.3.6.1.4.1.4203.1.9.1.1" in controls


def test_writes_are_seen_by_search(slapd: Slapd) -> None:
    add_alice(slapd)
    slapd.modify(ALICE, [(ldap.MOD_ADD, "mail", ["a@example.com"]), (ldap.MOD_REPLACE, "sn", ["B"])])
    slapd.replace(ALICE, "title", ["Dr"])
    slapd.replace(ALICE, "title", [])
    slapd.rename(ALICE, "uid=bob", "ou=groups,dc=example,dc=com")
    bob = "uid=bob,ou=groups,dc=example,dc=com"
    assert slapd.search(filter="(sn=B)") == {
        bob: {
            "objectClass": [b"inetOrgPerson"],
            "uid": [b"bob"],
            "cn": [b"Alice"],
            "sn": [b"B"],
            "mail": [b"a@example.com"],
        }
    }
    slapd.delete(bob)
    assert slapd.search(filter="(sn=B)") == {}


def test_uuids_stay_when_an_entry_is_renamed(slapd: Slapd) -> None:
    add_alice(slapd)
    [before] = slapd.uuids(filter="(uid=alice)")
    slapd.rename(ALICE, "uid=bob", delete_old=False)
    assert slapd.uuids(filter="(uid=bob)", attrs=["cn"]) == {before: (f"uid=bob,{PEOPLE}", {"cn": [b"Alice"]})}


def test_referral_objects_are_entries(slapd: Slapd) -> None:
    dn = f"ou=away,{slapd.suffix}"
    slapd.add(dn, {"objectClass": ["referral", "extensibleObject"], "ou": ["away"], "ref": ["ldap://other.example"]})
    slapd.replace(dn, "ref", ["ldap://another.example"])
    assert slapd.search(filter="(objectClass=referral)", attrs=["ref"]) == {dn: {"ref": [b"ldap://another.example"]}}
    slapd.delete(dn)


@pytest.mark.parametrize("end", [Slapd.stop, Slapd.kill])
def test_data_and_port_outlive_the_process(slapd: Slapd, end: object) -> None:
    add_alice(slapd)
    held, url, pid = slapd.uuids(), slapd.url, slapd.pid
    assert callable(end)
    end(slapd)
    assert not slapd.running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", slapd.port))
    slapd.start()
    assert (held, url) == (slapd.uuids(), slapd.url)
    assert pid != slapd.pid


def test_restart_reads_changed_settings(slapd: Slapd) -> None:
    slapd.debug = "stats"
    slapd.extra_database = "readonly on"
    slapd.restart()
    with pytest.raises(ldap.UNWILLING_TO_PERFORM):
        add_alice(slapd)
    assert f'ADD dn="{ALICE}"' in slapd.log


def test_close_ends_the_process_and_removes_the_folder() -> None:
    with Slapd() as server:
        server.load(empty_tree())
        server.start()
        pid = server.pid
    assert not server.directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why() -> None:
    with Slapd(extra_global="nonsense on") as server:
        with pytest.raises(RuntimeError, match="nonsense"):
            server.load(empty_tree())
        with pytest.raises(RuntimeError, match="nonsense"):
            server.start()


def test_a_port_that_is_taken_is_no_server_of_ours() -> None:
    with Slapd() as server, socket.socket() as other:
        server.load(empty_tree())
        other.bind(("127.0.0.1", server.port))
        other.listen()
        with pytest.raises(RuntimeError, match="did not start"):
            server.start()


def test_the_suffix_may_be_another() -> None:
    with Slapd(suffix="o=acme") as server:
        server.load(empty_tree("o=acme"))
        server.start()
        assert "ou=people,o=acme" in server.search()


def test_ldif_is_loaded_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data.ldif"
    odd = {"objectClass": ["device"], "cn": ["x"], "description": [" leading", "trailing ", "äöü", ":colon", "a\nb"]}
    path.write_text(empty_tree() + ldif_entry("cn=x,dc=example,dc=com", odd))
    with Slapd() as server:
        server.load(path)
        server.start()
        [entry] = server.search(filter="(cn=x)").values()
    assert {value.encode() for value in odd["description"]} == set(entry["description"])


def test_sample_data_are_like_real_ones() -> None:
    with Slapd(sessionlog=10) as server:
        server.load(sample_ldif(50, random_uuids=True))
        server.start()
        held = server.uuids(PEOPLE, ldap.SCOPE_ONELEVEL)
    sizes = [sum(len(n) + sum(map(len, values)) for n, values in attrs.items()) for _, attrs in held.values()]
    assert len(held) == 50
    assert {uuid.version for uuid in held} == {4}
    assert all(len(attrs) == 15 for _, attrs in held.values())
    assert 450 < sum(sizes) / len(sizes) < 700


def test_sample_data_repeat_and_depend_on_the_seed() -> None:
    first = list(sample_ldif(5, random_uuids=True))
    assert first == list(sample_ldif(5, random_uuids=True))
    assert first != list(sample_ldif(5, random_uuids=True, seed=1))


def test_tls_is_offered_both_ways(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    ca, key, cert = tmp_path / "ca.pem", tmp_path / "key.pem", tmp_path / "cert.pem"
    authority.cert_pem.write_to_path(str(ca))
    certificate.private_key_pem.write_to_path(str(key))
    certificate.cert_chain_pems[0].write_to_path(str(cert))
    with Slapd(tls_cert=cert, tls_key=key, tls_ca=ca) as server:
        server.load(empty_tree())
        server.start()
        for url in (server.url, server.ldaps_url):
            connection = ldap.initialize(url)
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(ca))
            connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
            if url == server.url:
                connection.start_tls_s()
            assert connection.search_s(server.suffix, ldap.SCOPE_BASE, attrlist=["1.1"]) == [(server.suffix, {})]
            connection.unbind_s()
