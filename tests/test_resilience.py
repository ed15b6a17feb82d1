"""What must not happen after something went wrong: found by breaking the client on purpose."""

from __future__ import annotations

import gc
import socket
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldap
import pytest
from ldapurl import LDAPUrl as ForeignUrl

from syncrepl_client import BaseCallback, Replica, Syncrepl, SyncreplMode
from syncrepl_client.exceptions import (
    CallbackError,
    ClosedError,
    ConnectionFailed,
    ConnectionLost,
    DatabaseInUse,
    LDAPUrlParseError,
)
from syncrepl_client.store.entries import children
from syncrepl_client.testing import script
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from syncrepl_client.testing import Provider
PEOPLE = f"ou=people,{SUFFIX}"


def search(slapd: Slapd) -> str:
    return f"{slapd.url}/{PEOPLE}?*?one"


def person(number: int) -> str:
    return f"uid=p{number},{PEOPLE}"


def add(slapd: Slapd, number: int) -> None:
    slapd.add(person(number), {"objectClass": ["account"], "uid": [f"p{number}"]})


def refreshed(url: Any, path: Path) -> dict[str, Any]:
    with Replica(url, path, mode=SyncreplMode.REFRESH_ONLY) as replica:
        replica.refresh()
        return dict(replica.entries)


def wait_for(replica: Replica, condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        replica.step(0.1)


class Failing(BaseCallback):
    """Fails once."""

    def __init__(self, *, fails_on: str = "") -> None:
        self.told: list[str] = []
        self.fails_on = fails_on

    def record_add(self, dn: str, attrs: Any, cursor: sqlite3.Cursor) -> None:  # type: ignore[override]
        if dn == self.fails_on:
            self.fails_on = ""
            raise LookupError("for a moment")
        self.told.append(dn)


@pytest.mark.parametrize("mode", list(SyncreplMode))
@pytest.mark.trap("C9", server="slapd")
def test_a_client_whose_callback_raised_cannot_go_on(slapd: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    """A later cookie would cover the change that was undone."""
    add(slapd, 1)
    callback = Failing(fails_on=person(2))
    client = Syncrepl(tmp_path / "data", callback, mode, search(slapd))
    if mode is SyncreplMode.REFRESH_AND_PERSIST:
        while callback.told != [person(1)]:
            client.poll(0.1)
    add(slapd, 2)
    if mode is SyncreplMode.REFRESH_ONLY:
        client.unbind()
        client = Syncrepl(tmp_path / "data", callback, mode, search(slapd))

    with pytest.raises(LookupError):
        client.run()

    with pytest.raises(ClosedError, match="LookupError"):
        client.poll()
    # Nobody has to close what closed itself.
    with Syncrepl(tmp_path / "data", callback, SyncreplMode.REFRESH_ONLY) as again:
        while again.poll():
            pass
    assert callback.told[-1] == person(2)
    assert len(refreshed(search(slapd), tmp_path / "data")) == 2


def test_after_a_lost_connection_a_new_client_goes_on(slapd: Slapd, tmp_path: Path) -> None:
    lost = Replica(search(slapd), tmp_path / "data").connect()
    lost.refresh()
    slapd.restart()

    with pytest.raises(ConnectionLost):
        lost.run()

    assert refreshed(search(slapd), tmp_path / "data") == {}


def test_one_file_has_one_consumer_by_whatever_name(slapd: Slapd, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")

    with Replica(search(slapd), tmp_path / "link"), pytest.raises(DatabaseInUse):
        Replica(search(slapd), tmp_path / "data").connect()


@pytest.fixture(scope="module")
def crowd() -> Iterator[Slapd]:
    with Slapd() as server:
        server.load(sample_ldif(3000))
        server.start()
        yield server


def test_what_a_stopped_replica_holds_can_be_read(crowd: Slapd, tmp_path: Path) -> None:
    with Replica(search(crowd), tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY) as replica:
        replica.refresh()
        replica.stop()

        assert len(replica.entries) == len(list(replica.entries.all())) == 3000


def test_a_stop_in_a_refresh_over_a_copy_is_no_error(crowd: Slapd, tmp_path: Path) -> None:
    refreshed(search(crowd), tmp_path / "data")
    for delay in range(12):
        # Another attribute list: everything is read anew.
        url = f"{crowd.url}/{PEOPLE}?{'cn' if delay % 2 else 'sn'}?one"
        with Replica(url, tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY) as replica:
            timer = threading.Timer(delay * 0.01, replica.stop)
            timer.start()
            replica.run()
            timer.join()


@contextmanager
def silent_server() -> Iterator[str]:
    """Accept connections and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.trap("E10", server="scripted")
@pytest.mark.parametrize("mode", list(SyncreplMode))
def test_a_server_that_falls_silent_in_a_refresh_is_a_lost_connection(
    syncrepl_provider: Provider, tmp_path: Path, mode: SyncreplMode
) -> None:
    syncrepl_provider.script(script.stall())
    url = f"{syncrepl_provider.url}/{SUFFIX}"

    with Replica(url, tmp_path / "data", mode=mode, patience=0.2) as replica, pytest.raises(ConnectionLost):
        replica.run()


def test_a_stop_while_tls_is_negotiated_is_noticed(tmp_path: Path) -> None:
    with silent_server() as address, closing(Replica(f"ldaps://{address}/dc=x", tmp_path / "data")) as replica:
        timer = threading.Timer(0.2, replica.stop)
        timer.start()
        began = time.monotonic()
        replica.connect()

        assert replica.step() is False
        assert time.monotonic() - began < 5
        timer.join()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_failed_connections_leave_no_descriptors(slapd: Slapd, tmp_path: Path) -> None:
    def attempt() -> None:
        with pytest.raises(ConnectionFailed):
            Replica(f"ldaps://127.0.0.1:{slapd.port}/dc=x", tmp_path / "data").connect()

    attempt()
    gc.collect()
    before = descriptors()
    for _ in range(5):
        attempt()

    assert before == descriptors()


@pytest.mark.parametrize(
    "url",
    [
        "ldap://h/dc=x??sub?bindname=cn=a%2Cdc=x,X-BINDPW=s3cr3t",
        "ldap://h/dc=x?bindname=cn=a,X-BINDPW=s3cr3t",
        "ldap://h/dc=x??bad??X-BINDPW=a,s3cr3t",
        "ldap://h/dc=x??bad??X%2DBINDPW=s3cr3t",
        "ldap://h/dc=x??bad??X-BINDPW =s3cr3t",
        "ldap://cn=admin:s3cr3t@h/dc=x",
    ],
)
def test_a_password_in_a_mistyped_url_is_not_shown_nor_stored(tmp_path: Path, url: str) -> None:
    with pytest.raises(LDAPUrlParseError) as caught:
        Replica(url, tmp_path / "data").connect()

    assert "s3cr3t" not in f"{caught.value!r} {caught.value.url} {caught.value.__cause__!r}"
    assert not (tmp_path / "data").exists()


def test_names_that_differ_by_case_alone_keep_what_is_below_each_apart(tmp_path: Path) -> None:
    schema = (
        "attributetype ( 1.1.1.1 NAME 'mapKey' EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
        "objectclass ( 1.1.1.2 NAME 'map' STRUCTURAL MUST mapKey )"
    )
    with Slapd(extra_global=schema) as slapd:
        slapd.load(sample_ldif(0))
        slapd.start()
        for key in ("home", "Home"):
            slapd.add(f"mapKey={key},{PEOPLE}", {"objectClass": ["map"], "mapKey": [key]})
            slapd.add(f"mapKey=a,mapKey={key},{PEOPLE}", {"objectClass": ["map"], "mapKey": ["a"]})
        url = f"{slapd.url}/{PEOPLE}"
        with Replica(url, tmp_path / "data") as replica:
            replica.refresh()

            slapd.rename(f"mapKey=Home,{PEOPLE}", "mapKey=Other")

            wait_for(replica, lambda: f"mapKey=Other,{PEOPLE}" in replica.entries)
            assert set(slapd.search(PEOPLE)) == set(replica.entries)
        slapd.rename(f"mapKey=Other,{PEOPLE}", "mapKey=Last")
        assert set(slapd.search(PEOPLE)) == set(refreshed(url, tmp_path / "data"))


def test_many_deletions_in_a_flat_directory_do_not_scan_it(slapd: Slapd, tmp_path: Path) -> None:
    """By the plan of the statement: a timed test would say nothing on a busy machine."""
    with Replica(search(slapd), tmp_path / "data") as replica:
        replica.refresh()
        connection = replica.store.database.connection
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        list(children(connection, PEOPLE))
        connection.set_trace_callback(None)
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in statements]

    assert len(plans) == 2
    assert all("syncrepl_entry_key" in step for ((_, _, _, step), *_) in plans)


@pytest.mark.parametrize("act", ["poll", "unbind", "run"])
def test_a_client_cannot_be_used_inside_its_own_callbacks(slapd: Slapd, tmp_path: Path, act: str) -> None:
    add(slapd, 1)

    class Inside(BaseCallback):
        client: Syncrepl

        @classmethod
        def record_add(cls, dn: str, attrs: Any, cursor: sqlite3.Cursor) -> None:
            getattr(cls.client, act)()

    Inside.client = Syncrepl(tmp_path / "data", Inside, SyncreplMode.REFRESH_ONLY, search(slapd))

    with pytest.raises(CallbackError):
        Inside.client.run()

    assert len(refreshed(search(slapd), tmp_path / "data")) == 1


def test_a_class_with_plain_methods_is_one_instance(slapd: Slapd, tmp_path: Path) -> None:
    add(slapd, 1)
    seen: list[tuple[str, int]] = []

    class Plain:
        def __init__(self) -> None:
            self.added = 0

        def record_add(self, dn: str, attrs: Any, cursor: sqlite3.Cursor) -> None:
            self.added += 1

        def refresh_done(self, items: Any, cursor: sqlite3.Cursor) -> None:
            seen.append(("done", self.added))

        def cookie_change(self, cookie: bytes) -> None:
            seen.append(("cookie", self.added))

    with Syncrepl(tmp_path / "data", Plain, SyncreplMode.REFRESH_ONLY, search(slapd)) as client:
        client.run()

    assert seen == [("cookie", 1), ("done", 1)]


def test_a_url_parsed_by_python_ldap_is_accepted(slapd: Slapd, tmp_path: Path) -> None:
    add(slapd, 1)

    url = ForeignUrl(hostport=f"127.0.0.1:{slapd.port}", dn=PEOPLE, scope=ldap.SCOPE_ONELEVEL, urlscheme="ldap")

    assert list(refreshed(url, tmp_path / "data")) == [person(1)]
