"""Changes that come too early, too late, or under other names."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import ldap
import pytest

from syncrepl_client import Replica
from syncrepl_client.contentsync.dialects import DS389
from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.ldap.messages import Message, SearchResultEntry
from tests.draining import wait_until_taken
from tests.ns_slapd import CONFIG, CONTENT_SYNC, NsSlapd
from tests.slapd import SUFFIX, empty_tree, sample_ldif
from tests.traps.copies import KEEP, MODES, PERSIST, REFRESH, Copy, add_person, move
from tests.traps.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from syncrepl_client import SyncreplMode
    from syncrepl_client.model import Change

BOTH = pytest.mark.parametrize("mode", MODES)
LIVE = pytest.mark.parametrize("live", [True, False], ids=["live", "offline"])
REPLICA: Final = "cn=replica,cn=dc\\3Dexample\\2Cdc\\3Dcom,cn=mapping tree,cn=config"


# --- C: missed changes ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.trap("C1", server="389")
def test_the_cookie_of_a_deletion_does_not_cover_what_follows(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    def is_change(message: Message) -> bool:
        return isinstance(message.operation, SearchResultEntry) and b"title" in message.operation.attributes

    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy, Line(server.port, is_change) as line:
        copy.sync()
        copy.close()
        cookie = copy.cookie()
        server.delete(f"cn=b,{base}")
        server.replace(f"cn=c,{base}", "title", ["new"])

        copy.port = line.port
        with pytest.raises(ConnectionLost):
            copy.run()
        copy.close()

        assert line.broken
        assert (copy.cookie(), copy.news()) == (cookie, [])
        assert copy.sync() == [("delete", f"cn=b,{base}"), ("change", f"cn=c,{base}")]


@contextmanager
def modifying(server: NsSlapd, names: Iterable[str]) -> Iterator[threading.Event]:
    """Modify one entry after the other, as fast as the server can; tells when all are done."""
    done, stop = threading.Event(), threading.Event()

    def write() -> None:
        connection = ldap.initialize(server.url)
        connection.simple_bind_s(server.rootdn, server.rootpw)
        for name in names:
            if stop.is_set():
                break
            connection.modify_s(name, [(ldap.MOD_REPLACE, "title", b"modified")])
        connection.unbind_s()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


@pytest.mark.trap("C7", server="389")
def test_a_change_between_refresh_and_stream_is_found_out(tmp_path: Path) -> None:
    base = f"ou=people,{SUFFIX}"
    # So many clients that are gone count all the same, for a second.
    many = {CONTENT_SYNC: {"nsslapd-pluginarg0": ["1000"]}}
    with (
        NsSlapd(settings=many) as server,
        Copy(server, tmp_path / "data", PERSIST, base, filter="(objectClass=*)", verify_every=0) as copy,
    ):
        server.load(sample_ldif(400))
        server.start()
        copy.open().refresh()
        with modifying(server, sorted(copy.names() - {base})) as done:
            while not done.is_set():
                copy.close()
                copy.open().refresh()
        last = add_person(server, "cn=last", base)
        copy.step_until(lambda: last in copy.names())
        copy.close()
        copy.options["verify_every"] = None
        copy.run()
        copy.check()


@pytest.mark.trap("C8", server="389")
def test_a_slow_reader_loses_nothing(server: NsSlapd, base: str, tmp_path: Path) -> None:
    """Newer servers drop changes for who does not take them; so they are taken while a callback runs."""
    writes, large = 40, 600_000
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0) as copy:
        copy.sync()
        seen: list[bytes] = []

        def slowly(change: Change) -> None:
            copy.listener.before = note
            note(change)
            for number in range(1, writes):
                photo = bytes([number]) * large
                server.modify(
                    f"cn=a,{base}",
                    [(ldap.MOD_REPLACE, "jpegPhoto", [photo]), (ldap.MOD_REPLACE, "title", [str(number)])],
                )
            wait_until_taken(copy.open(), (writes - 1) * large)

        def note(change: Change) -> None:
            seen.append(change.entry.attributes["title"][0])

        copy.listener.before = slowly
        server.replace(f"cn=a,{base}", "title", ["0"])
        copy.run()
        copy.check()
        assert seen == [str(number).encode() for number in range(writes)]


# --- D: names ---------------------------------------------------------------------------------------------------------


@BOTH
@LIVE
@pytest.mark.trap("D1", server="389")
def test_names_go_round(server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, *, live: bool) -> None:
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        before = server.uuids(base, filter=KEEP)
        for circle in ("ab", "abc", "cba"):
            if not live:
                copy.close()
            server.rename(f"cn={circle[0]},{base}", "cn=aside")
            for free, name in pairwise(circle):
                server.rename(f"cn={name},{base}", f"cn={free}")
            server.rename(f"cn=aside,{base}", f"cn={circle[-1]}")
            server.replace(f"cn={circle[0]},{base}", "title", [circle])
            copy.sync()
        assert before.keys() == server.uuids(base, filter=KEEP).keys()


@BOTH
@LIVE
@pytest.mark.trap("D2", server="389")
def test_an_entry_made_anew_is_another_one(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, *, live: bool
) -> None:
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        if not live:
            copy.close()
        server.delete(f"cn=a,{base}")
        add_person(server, "cn=a", base, title=["another"])
        assert copy.sync() == [("delete", f"cn=a,{base}"), ("add", f"cn=a,{base}")]


@BOTH
@LIVE
@pytest.mark.trap("D5", server="389")
def test_another_spelling_is_the_same_name(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, *, live: bool
) -> None:
    odd = add_person(server, 'cn=x\\, y \\+ \\"z\\"+sn=Łukasz', base, sn=["Łukasz"])
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        if not live:
            copy.close()
        server.rename(f"cn=a,{base}", "CN=A")
        server.replace(odd, "title", ["Dr"])
        # Where the server changes nothing but the spelling, programs that know the name by its octets are told of it.
        assert {call[0] for call in copy.sync()} <= {"rename", "change"}
        entries = copy.open().entries
        for spelling in (
            f"cn=a,{base}",
            f"CN=a, {base.upper()}",
            f"sn=\\C5\\81ukasz + cn=x\\2c y \\2b \\22z\\22,{base}",
            f'SN=łUKASZ+CN=X\\, Y \\+ \\"Z\\",{base}',
        ):
            assert spelling in entries, spelling


@LIVE
@BOTH
@pytest.mark.trap("D7", "D8", server="389")
def test_who_comes_back_is_the_same_entry(
    server: NsSlapd, base: str, out: str, tmp_path: Path, mode: SyncreplMode, *, live: bool
) -> None:
    """A deletion comes with the name that the entry has elsewhere; what is told is the name that it had here."""
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        uuids = server.uuids(base, filter=KEEP).keys()
        if not live:
            copy.close()
        away = move(server, f"cn=a,{base}", out)
        if mode is PERSIST and live:
            assert copy.sync() == [("delete", f"cn=a,{base}")]
        server.replace(away, "title", ["been away"])
        move(server, away, base)
        told = copy.sync()
        assert told == ([("add", f"cn=a,{base}")] if mode is PERSIST and live else [("change", f"cn=a,{base}")])
        assert uuids == server.uuids(base, filter=KEEP).keys()


@BOTH
@LIVE
@pytest.mark.trap("D8", server="389")
def test_a_tombstone_is_no_entry(tmp_path: Path, mode: SyncreplMode, *, live: bool) -> None:
    """It keeps the UUID; who is revived under the old name has another one."""
    with NsSlapd() as server:
        server.start()
        server.load(empty_tree())
        base = f"ou=people,{SUFFIX}"
        server.add(
            REPLICA,
            {
                "objectClass": ["nsDS5Replica"],
                "cn": ["replica"],
                "nsDS5ReplicaRoot": [SUFFIX],
                "nsDS5ReplicaId": ["1"],
                "nsDS5ReplicaType": ["3"],
                "nsDS5Flags": ["1"],
                "nsDS5ReplicaBindDN": [f"cn=replication,{CONFIG}"],
            },
        )
        gone = add_person(server, "cn=gone", base)
        with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
            copy.sync()
            url, behind = f"{copy.url},x-bindpw={copy.password}", tmp_path / "behind"
            with Replica(url, behind, mode=REFRESH) as replica:
                replica.refresh()
            if not live:
                copy.close()
            server.delete(gone)
            assert copy.sync() == [("delete", gone)]
            # Nor does it answer to its UUID, by which who still has it asks.
            with closing(Replica(url, behind, mode=REFRESH)) as replica:
                assert not replica.verify().drift
            if not live:
                copy.close()
            [tombstone] = server.search(filter="(&(objectClass=nsTombstone)(cn=gone))", attrs=["entryUUID"]).values()
            add_person(server, "cn=gone", base, entryUUID=tombstone["entryUUID"])
            assert copy.sync() == [("add", gone)]


# --- D9: the OpenLDAP mode --------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.trap("D9", server="389")
def test_the_openldap_mode_is_for_others(tmp_path: Path, mode: SyncreplMode) -> None:
    """Only a first cookie that looks like OpenLDAP's makes the server use other UUIDs."""
    with NsSlapd() as server:
        server.start()
        server.load(empty_tree())
        base = f"ou=people,{SUFFIX}"
        person = add_person(server, "cn=a", base)
        with Copy(server, tmp_path / "data", mode, base) as copy:
            copy.sync()
            copy.close()
            server.allow_openldap = True
            server.kill()
            server.start()
            # What the copy is compared with are the UUIDs of its own mode.
            server.allow_openldap = False
            server.replace(person, "title", ["Dr"])
            assert copy.sync() == [("change", person)]
            assert all("(4096)" not in line for line in copy.trace)


@BOTH
@pytest.mark.trap("D9", server="389")
def test_a_copy_in_the_openldap_mode_is_read_anew(
    tmp_path: Path, mode: SyncreplMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NsSlapd(allow_openldap=True) as server:
        server.start()
        server.load(empty_tree())
        base = f"ou=people,{SUFFIX}"
        people = {add_person(server, f"cn={name}", base) for name in "abc"}
        with Copy(server, tmp_path / "data", REFRESH, base, verify_every=0) as copy:
            with monkeypatch.context() as patch:
                patch.setattr(type(DS389.cookies), "to_send", lambda *_: b"rid=000")
                copy.sync()
            copy.options["verify_every"] = None
            assert (copy.cookie() or b"").startswith(b"rid=000,csn=")
            server.allow_openldap = False
            copy.mode = mode
            told = copy.sync()
            assert told[: len(told) // 2] == [*[("delete", dn) for dn in sorted(people)], ("delete", base)]
            assert {dn for _, dn in told[len(told) // 2 :]} == {base, *people}
            copy.close()
            assert copy.sync() == []
