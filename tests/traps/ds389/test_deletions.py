"""Deletions that are none, and deletions that nobody is told of."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from syncrepl_client.exceptions import ConnectionLost, LDAPResultError
from syncrepl_client.ldap.messages import IntermediateResponse, Message, SearchResultDone
from syncrepl_client.model import Origin
from tests.convergence.client import Clients, Job
from tests.ns_slapd import NsSlapd
from tests.slapd import SUFFIX, empty_tree
from tests.traps.copies import MODES, PERSIST, REFRESH, Copy, add_person, add_unit, move
from tests.traps.line import Line

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client import SyncreplMode

BOTH = pytest.mark.parametrize("mode", MODES)
VERIFICATION = Origin.VERIFICATION


def size_limited(server: NsSlapd, limit: int) -> str:
    """Make somebody who gets few entries of a search."""
    name = f"cn=limited,{SUFFIX}"
    server.add(
        name,
        {
            "objectClass": ["person", "extensibleObject"],
            "sn": ["s"],
            "userPassword": ["secret"],
            "nsSizeLimit": [str(limit)],
        },
    )
    rule = f'(targetattr="*")(version 3.0; acl "all"; allow(read,search,compare) userdn="ldap:///{name}";)'
    server.replace(SUFFIX, "aci", [rule])
    return name


# --- A: deletions that are none ---------------------------------------------------------------------------------------


@pytest.mark.trap("A1", server="389")
def test_an_update_is_no_present_phase_whatever_its_end_says(server: NsSlapd, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", REFRESH, base, verify_every=0) as copy:
        copy.sync()
        for title in ("one", "two"):
            server.replace(f"cn=a,{base}", "title", [title])
            assert copy.sync() == [("change", f"cn=a,{base}")]
            # Those who were not mentioned are not even asked for: besides the root DSE, and a look whether the schema
            # has changed, there was the refresh alone.
            assert sum(line.startswith("> ") and " search " in line for line in copy.trace) == 3
        assert copy.sync() == []


def is_search_done(message: Message) -> bool:
    return isinstance(message.operation, SearchResultDone) and any(
        control.oid.endswith(".1.9.1.3") for control in message.controls
    )


def is_id_set(message: Message) -> bool:
    return isinstance(message.operation, IntermediateResponse) and (message.operation.value or b"")[0] == 0xA3


@pytest.mark.trap("A2", server="389")
def test_an_update_without_its_end_is_none(server: NsSlapd, base: str, tmp_path: Path) -> None:
    with (
        Line(server.port, is_search_done) as line,
        Copy(server, tmp_path / "data", REFRESH, base, verify_every=0) as copy,
    ):
        copy.sync()
        cookie, names = copy.cookie(), copy.names()
        server.delete(f"cn=b,{base}")
        server.replace(f"cn=c,{base}", "title", ["new"])

        copy.port = line.port
        with pytest.raises(ConnectionLost):
            copy.run()

        assert line.broken
        assert (copy.cookie(), copy.names(), copy.news()) == (cookie, names, [])
        assert copy.sync() == [("delete", f"cn=b,{base}"), ("change", f"cn=c,{base}")]


@pytest.mark.trap("A2", server="389")
def test_a_content_that_the_size_limit_cuts_is_none(server: NsSlapd, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", REFRESH, base, verify_every=0) as copy:
        copy.sync()
        names = copy.names()
        copy.bind_dn = size_limited(server, 2)

        with pytest.raises(LDAPResultError, match=r"^sync search of .* failed: sizeLimitExceeded"):
            copy.run()

        assert (copy.names(), copy.news()) == (names, [])
        server.replace(copy.bind_dn, "nsSizeLimit", ["-1"])
        assert copy.sync() == []


@BOTH
@pytest.mark.trap("A6", server="389")
def test_a_cookie_meets_its_own_parameters_only(
    server: NsSlapd, base: str, out: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    """The server looks at base, filter and identity, but not at the scope, nor at the attributes."""
    inner = add_person(server, "cn=x", add_unit(server, "ou=inner", base))
    with Copy(server, tmp_path / "data", mode, base, scope="one", attributes=("cn",), verify_every=0) as copy:
        copy.sync()
        assert inner not in copy.names()
        for change in (
            {"scope": "sub"},
            {"attributes": ("cn", "sn")},
            {"filter": "(description=keep)"},
            {"base": out},
            {"base": base},
        ):
            copy.close()
            vars(copy).update(change)
            copy.sync()
            assert all("(4096)" not in line for line in copy.trace), change


@BOTH
@pytest.mark.trap("A6", server="389")
def test_a_cookie_is_of_one_identity(server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode) -> None:
    reader = add_person(server, f"cn=reader{mode}", SUFFIX, userPassword=["secret"])
    rule = '(targetattr="*")(version 3.0; acl "r"; allow(read,search,compare) userdn="ldap:///{}";)'
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        copy.close()
        server.replace(base, "aci", [rule.format(reader)])
        server.replace(
            f"cn=a,{base}", "aci", ['(targetattr="*")(version 3.0; acl "n"; deny(all) userdn="ldap:///all";)']
        )

        copy.bind_dn = reader
        copy.step_until(lambda: not copy.open().refreshing) if mode is PERSIST else copy.run()

        assert copy.news() == [("delete", f"cn=a,{base}")]
        assert all("(4096)" not in line for line in copy.trace)


@BOTH
@pytest.mark.trap("A8", "E2", server="389")
def test_a_full_refresh_that_the_server_wants_replaces_the_copy_at_its_end(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        copy.close()
        cookie, names = copy.cookie(), copy.names()
        assert cookie is not None
        copy.execute("UPDATE syncrepl_state SET cookie = ?", b"elsewhere" + cookie[cookie.index(b":") :])
        server.delete(f"cn=b,{base}")
        add_person(server, "cn=d", base)

        seen: list[set[str]] = []
        copy.listener.before = lambda _: seen.append(copy.names())

        assert copy.sync() == [("delete", f"cn=b,{base}"), ("add", f"cn=d,{base}")]
        assert any("(4096)" in line for line in copy.trace)
        assert seen == [names, names]


@BOTH
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM syncrepl_entry", "UPDATE syncrepl_state\n"],
    ids=["before its first deletion", "after its last change"],
)
@pytest.mark.trap("A8", server="389")
def test_a_full_refresh_that_is_killed_leaves_the_copy(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, statement: str
) -> None:
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy, Clients() as clients:
        copy.sync()
        copy.close()
        names = copy.names()
        copy.execute("UPDATE syncrepl_state SET cookie = ?", b"elsewhere:389#cn=nobody:dc=x:(cn=y)#1")
        server.delete(f"cn=b,{base}")

        assert clients.run(replace(job_of(copy), kill_at=1, counting=statement)).killed

        assert copy.names() == names
        assert copy.sync() == [("delete", f"cn=b,{base}")]


@BOTH
@pytest.mark.trap("E2", server="389")
def test_a_cookie_that_the_server_cannot_read_is_never_sent(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    """It divides its cookies at each #, also at those in filter and base."""
    with Copy(server, tmp_path / "data", mode, base, filter="(|(cn=*)(ou=*)(cn=#))", verify_every=0) as copy:
        copy.sync()
        copy.close()
        assert copy.cookie() is None
        server.delete(f"cn=b,{base}")
        assert copy.sync() == [("delete", f"cn=b,{base}")]
        assert all("(4096)" not in line for line in copy.trace)


# --- B: deletions and moves that nobody is told of --------------------------------------------------------------------


@BOTH
@pytest.mark.trap("B1", server="389")
def test_a_refresh_without_a_cookie_deletes_what_it_does_not_bring(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        copy.close()
        copy.execute("UPDATE syncrepl_state SET cookie = NULL")
        server.delete(f"cn=b,{base}")
        assert copy.sync() == [("delete", f"cn=b,{base}")]


@BOTH
@pytest.mark.parametrize("live", [True, False], ids=["live", "offline"])
@pytest.mark.trap("B4", "D3", server="389")
def test_a_subtree_goes_where_its_top_goes(
    server: NsSlapd, base: str, out: str, tmp_path: Path, mode: SyncreplMode, *, live: bool
) -> None:
    family = [add_unit(server, "ou=g1", base)]
    family += [add_person(server, "cn=x", family[0]), add_unit(server, "ou=inner", family[0])]
    family += [add_person(server, "cn=y", family[2])]
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()

        def away() -> None:
            if not live:
                copy.close()

        away()
        server.rename(family[0], "ou=g2")
        renamed = [dn.replace("ou=g1", "ou=g2") for dn in family]
        assert set(copy.sync()) == set(zip(["rename"] * 4, family, renamed, strict=True))

        away()
        move(server, renamed[0], out)
        assert set(copy.sync()) == {("delete", dn) for dn in renamed}

        away()
        move(server, f"ou=g2,{out}", base)
        assert set(copy.sync()) == {("add", dn) for dn in renamed}


@pytest.mark.trap("B5", server="389")
def test_who_left_the_filter_while_nobody_listened_is_found_out(server: NsSlapd, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", REFRESH, base) as copy:
        copy.sync()
        server.replace(f"cn=b,{base}", "description", ["other"])
        copy.run()
        copy.check()
        assert copy.news_with_origin() == [(("delete", f"cn=b,{base}"), VERIFICATION)]


@BOTH
@pytest.mark.trap("B5", server="389")
def test_who_moves_past_a_base_of_one_level_is_found_out(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    inner = add_unit(server, "ou=inner", base)
    deep = add_person(server, "cn=deep", inner)
    with Copy(server, tmp_path / "data", mode, base, scope="one") as copy:
        copy.sync()
        copy.close()
        move(server, f"cn=b,{base}", inner)
        move(server, deep, base)
        copy.run()
        copy.consistent()
        assert set(copy.news()) == {("delete", f"cn=b,{base}"), ("add", f"cn=deep,{base}")}


@pytest.mark.trap("B5", server="389")
def test_a_name_that_leaves_the_filter_is_found_out_by_the_next_comparison(
    server: NsSlapd, base: str, tmp_path: Path
) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base, filter="(cn=b)", verify_every=0.3) as copy:
        copy.sync()
        server.rename(f"cn=b,{base}", "cn=z")
        copy.run()
        copy.consistent()
        assert copy.news_with_origin() == [(("delete", f"cn=b,{base}"), VERIFICATION)]


@BOTH
@pytest.mark.trap("B6", server="389")
def test_the_51st_deletion_arrives_by_itself(server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode) -> None:
    people = [add_person(server, f"cn=p{number}", base) for number in range(120)]
    with Copy(server, tmp_path / "data", mode, base, max_deletes=None) as copy:
        copy.sync()
        copy.close()
        for dn in people:
            server.delete(dn)

        copy.run()

        copy.check()
        told = copy.news_with_origin()
        assert {("delete", dn) for dn in people} == {call for call, _ in told}
        assert [call for call, origin in told if origin is VERIFICATION] == [
            ("delete", people[50]),
            ("delete", people[101]),
        ]


@BOTH
@pytest.mark.trap("B7", server="389")
def test_changes_that_the_changelog_has_lost_are_read_anew(tmp_path: Path, mode: SyncreplMode) -> None:
    with NsSlapd(changelog_max_age="1s", changelog_trim_interval=1) as server:
        server.start()
        server.load(empty_tree())
        base = f"ou=people,{SUFFIX}"
        for name in "abc":
            add_person(server, f"cn={name}", base)
        with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
            copy.sync()
            copy.close()
            server.delete(f"cn=b,{base}")
            server.replace(f"cn=c,{base}", "title", ["new"])
            last = int((copy.cookie() or b"").rpartition(b"#")[2])
            deadline = time.monotonic() + 20
            # What is removed is seen by the next change only.
            while first_change(server) <= last + 3:
                assert time.monotonic() < deadline
                server.replace(f"ou=groups,{SUFFIX}", "description", [str(time.monotonic())])
                time.sleep(0.2)

            assert copy.sync() == [("delete", f"cn=b,{base}"), ("change", f"cn=c,{base}")]


def first_change(server: NsSlapd) -> int:
    [root] = server.search("", 0, attrs=["firstchangenumber"]).values()
    return int(root["firstchangenumber"][0])


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted since", "still there"])
@pytest.mark.parametrize(
    ("kill_at", "committed"),
    [(0, True), (1, False), (2, True)],
    ids=["after the commit", "before the commit", "before another commit"],
)
@pytest.mark.trap("B9", server="389")
def test_an_entry_that_was_seen_before_a_kill_and_deleted_since_is_gone(
    server: NsSlapd, base: str, tmp_path: Path, *, kill_at: int, committed: bool, deleted: bool
) -> None:
    """Between a cookie from before it came and one from after it went, the server tells neither.

    So the change and its cookie are one commit: the next one is of another change.
    """
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0) as copy, Clients() as clients:
        copy.sync()
        copy.close()
        job = replace(job_of(copy), kill_at=kill_at, counting="COMMIT", later=True)
        run = clients.start(job)
        marker = add_person(server, "cn=marker", base)
        copy.wait_until(lambda: marker in copy.names())
        run.send(signal.SIGUSR1)
        seen = add_person(server, "cn=seen", base)
        if kill_at:
            add_person(server, "cn=another", base)
            copy.wait_until(lambda: run.ended)
        else:
            copy.wait_until(lambda: seen in copy.names())
        assert run.kill().killed
        assert committed is (seen in copy.names())
        if deleted:
            server.delete(seen)

        copy.run()

        copy.check()


def job_of(copy: Copy) -> Job:
    """Make what lets another process follow as a copy does."""
    url = f"{copy.url},x-bindpw={quote(copy.password)}"
    return Job(url=url, path=str(copy.path), mode=copy.mode.value, verify_every=0)


@BOTH
@pytest.mark.trap("B5", "D2", "D11", server="389")
def test_a_name_that_somebody_left_unsaid_is_free_for_another(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    """One who follows by names alone could not take the new entry while the old one is there."""
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        copy.close()
        server.replace(f"cn=b,{base}", "description", ["other"])
        server.rename(f"cn=b,{base}", "cn=z")
        server.rename(f"cn=c,{base}", "cn=b")
        assert copy.sync() == [("delete", f"cn=b,{base}"), ("rename", f"cn=c,{base}", f"cn=b,{base}")]
        copy.close()
        server.replace(f"cn=b,{base}", "description", ["other"])
        server.rename(f"cn=b,{base}", "cn=y")
        add_person(server, "cn=b", base)
        assert copy.sync() == [("delete", f"cn=b,{base}"), ("add", f"cn=b,{base}")]
