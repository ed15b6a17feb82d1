"""The 389 Directory Server that other tests rely on does what they believe."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING
from uuid import UUID

import ldap
import pytest
from ldap.syncrepl import SyncDoneControl, SyncRequestControl, SyncStateControl

from tests.ns_slapd import CONFIG, SEMAPHORES, NsSlapd
from tests.slapd import empty_tree, sample_ldif

if TYPE_CHECKING:
    from tests.server import Server

PEOPLE = "ou=people,dc=example,dc=com"
GROUPS = "ou=groups,dc=example,dc=com"
ALICE = f"uid=alice,{PEOPLE}"


def add_alice(server: Server) -> None:
    server.add(ALICE, {"objectClass": ["inetOrgPerson"], "uid": ["alice"], "cn": ["Alice"], "sn": [b"A"]})


def refresh(server: Server, cookie: str | None = None) -> tuple[set[UUID], str, bool]:
    """Return the UUIDs of the entries sent, the cookie and refreshDeletes."""
    control = SyncRequestControl(criticality=True, mode="refreshOnly", cookie=cookie)
    connection = server.connection
    message = connection.search_ext(server.suffix, ldap.SCOPE_SUBTREE, serverctrls=[control])
    known = {each.controlType: each for each in (SyncDoneControl, SyncStateControl)}
    _, data, _, [done], _, _ = connection.result4(message, add_ctrls=1, add_intermediates=0, resp_ctrl_classes=known)
    return {UUID(state.entryUUID) for _, _, [state] in data if state}, done.cookie, done.refreshDeletes


def changelog(server: Server) -> list[tuple[str, str]]:
    """Return what the retro changelog holds: kind and DN of each change."""
    found = server.search("cn=changelog", filter="(changeNumber=*)", attrs=["changeNumber", "changeType", "targetDn"])
    ordered = sorted(found.values(), key=lambda entry: int(entry["changeNumber"][0]))
    return [(entry["changeType"][0].decode(), entry["targetDn"][0].decode()) for entry in ordered]


def test_an_empty_tree_holds_the_suffix_and_two_units(ns_slapd: NsSlapd) -> None:
    assert set(ns_slapd.search(attrs=["1.1"])) == {ns_slapd.suffix, PEOPLE, GROUPS}


def test_it_says_which_server_it_is(ns_slapd: NsSlapd) -> None:
    root = ns_slapd.search("", ldap.SCOPE_BASE, attrs=["vendorName", "supportedControl"])[""]
    assert root["vendorName"] == [b"389 Project"]
    assert b"1.3.6.1.4.1.4203.1.9.1.1" in root["supportedControl"]


def test_writes_are_seen_by_search_and_come_into_the_changelog(ns_slapd: NsSlapd) -> None:
    before = changelog(ns_slapd)
    add_alice(ns_slapd)
    ns_slapd.modify(ALICE, [(ldap.MOD_ADD, "mail", ["a@example.com"]), (ldap.MOD_REPLACE, "sn", ["B"])])
    ns_slapd.replace(ALICE, "title", ["Dr"])
    ns_slapd.replace(ALICE, "title", [])
    ns_slapd.rename(ALICE, "uid=bob", GROUPS)
    bob = f"uid=bob,{GROUPS}"
    assert ns_slapd.search(filter="(sn=B)", attrs=["uid", "mail"]) == {
        bob: {"uid": [b"bob"], "mail": [b"a@example.com"]}
    }
    ns_slapd.delete(bob)
    assert ns_slapd.search(filter="(sn=B)") == {}
    kinds = [("add", ALICE), *3 * [("modify", ALICE)], ("modrdn", ALICE), ("delete", bob)]
    assert kinds == changelog(ns_slapd)[len(before) :]


def test_uuids_are_those_of_content_synchronization(ns_slapd: NsSlapd) -> None:
    add_alice(ns_slapd)
    uuids, cookie, _ = refresh(ns_slapd)
    assert set(ns_slapd.uuids()) == uuids
    ns_slapd.rename(ALICE, "uid=bob")
    changed, _, _ = refresh(ns_slapd, cookie)
    assert set(ns_slapd.uuids(filter="(uid=bob)")) == changed


def test_it_can_speak_as_slapd_does() -> None:
    with NsSlapd(allow_openldap=True) as server:
        server.start()
        server.load(empty_tree())
        uuids, cookie, refresh_deletes = refresh(server, "rid=001")
        assert set(server.uuids()) == uuids
        assert cookie.startswith("rid=001,csn=")
        assert refresh_deletes
        add_alice(server)
        changed, _, _ = refresh(server, cookie)
        assert set(server.uuids(filter="(uid=alice)")) == changed


def test_the_changelog_may_be_for_one_suffix_only() -> None:
    with NsSlapd(include_suffix=[GROUPS]) as server:
        server.start()
        server.load(empty_tree())
        assert changelog(server) == [("add", GROUPS)]
        add_alice(server)
        assert changelog(server) == [("add", GROUPS)]


def test_old_changes_are_trimmed() -> None:
    with NsSlapd(changelog_max_age="1s", changelog_trim_interval=1) as server:
        server.start()
        server.load(empty_tree())
        deadline = time.monotonic() + 20
        # What is removed is seen by the next change only.
        while ("add", PEOPLE) in changelog(server):
            assert time.monotonic() < deadline
            server.replace(PEOPLE, "description", [str(time.monotonic())])
            time.sleep(0.5)


def test_data_uuids_and_changelog_outlive_the_process(ns_slapd: NsSlapd) -> None:
    add_alice(ns_slapd)
    held, changes, url, pid = ns_slapd.uuids(), changelog(ns_slapd), ns_slapd.url, ns_slapd.pid
    for end in (ns_slapd.kill, ns_slapd.stop):
        end()
        assert not ns_slapd.running
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", ns_slapd.port))
        ns_slapd.start()
        assert (held, changes, url) == (ns_slapd.uuids(), changelog(ns_slapd), ns_slapd.url)
        assert pid != ns_slapd.pid
    ns_slapd.delete(ALICE)
    add_alice(ns_slapd)
    assert len(held) + 1 == len(held | ns_slapd.uuids())


def test_restart_reads_changed_settings(ns_slapd: NsSlapd) -> None:
    before = changelog(ns_slapd)
    ns_slapd.include_suffix = [GROUPS]
    ns_slapd.settings = {CONFIG: {"nsslapd-errorlog-level": ["8"]}}
    ns_slapd.restart()
    add_alice(ns_slapd)
    assert before == changelog(ns_slapd)
    assert f'ADD dn="{ALICE}"' in ns_slapd.access_log
    assert "DEBUG - connection" in ns_slapd.log


def test_an_import_is_not_in_the_changelog() -> None:
    with NsSlapd() as server:
        server.load(sample_ldif(50))
        server.start()
        assert len(server.uuids(PEOPLE, ldap.SCOPE_ONELEVEL)) == 50
        assert changelog(server) == []


def test_the_suffix_may_be_another() -> None:
    with NsSlapd(suffix="o=acme") as server:
        server.start()
        server.load(empty_tree("o=acme"))
        assert "ou=people,o=acme" in server.search()


def test_two_run_side_by_side(ns_slapd: NsSlapd) -> None:
    with NsSlapd() as other:
        other.start()
        other.load(empty_tree())
        add_alice(other)
        assert ALICE in other.search()
        assert ALICE not in ns_slapd.search()


def test_close_ends_the_process_and_leaves_nothing() -> None:
    semaphores = set(SEMAPHORES.glob("sem.*"))
    with NsSlapd() as server:
        server.start()
        pid = server.pid
        assert semaphores < set(SEMAPHORES.glob("sem.*"))
    assert not server.directory.exists()
    assert not set(SEMAPHORES.glob("sem.*")) - semaphores
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_says_why() -> None:
    with NsSlapd(settings={CONFIG: {"nsslapd-port": ["nonsense"]}}) as server:
        with pytest.raises(RuntimeError, match="ldif2db failed"):
            server.load(empty_tree())
        with pytest.raises(RuntimeError, match="nonsense"):
            server.start()


def test_a_port_that_is_taken_is_no_server_of_ours() -> None:
    with NsSlapd() as server, socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        with pytest.raises(RuntimeError, match="did not start"):
            server.start()
