"""The wiring: what a replica does before, while and after it is open."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from syncrepl_client import Reader, Replica, SyncreplMode
from syncrepl_client.exceptions import ClosedError, ConnectionFailed, InvalidCredentials, LDAPUrlError, UsageError
from syncrepl_client.ldap import url as urls
from syncrepl_client.model import Refreshed
from syncrepl_client.testing import Provider
from tests.following import until
from tests.slapd import free_port

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.ns_slapd import NsSlapd
    from tests.slapd import Slapd

ONCE = SyncreplMode.REFRESH_ONLY


def where(slapd: Slapd, rest: str = "") -> str:
    return f"{slapd.url}/{slapd.suffix}{rest}"


def bound(slapd: Slapd) -> str:
    return where(slapd, "????bindname=" + slapd.rootdn.replace(",", "%2C"))


# --- life -------------------------------------------------------------------------------------------------------------


def test_before_it_is_open_there_is_nothing_to_look_at(slapd: Slapd, tmp_path: Path) -> None:
    replica = Replica(None, tmp_path / "data")

    assert not replica.refreshing
    replica.finish()
    replica.wake()
    look: list[Callable[[], object]] = [
        replica.step,
        lambda: replica.url,
        lambda: replica.store,
        lambda: replica.entries,
        replica.refresh,
    ]
    for call in look:
        with pytest.raises(ClosedError):
            call()


def test_after_it_is_closed_it_stays_closed(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
    replica.close()

    for call in (replica.connect, replica.step):
        with pytest.raises(ClosedError, match="the client is closed"):
            call()
    with pytest.raises(ClosedError):
        assert replica.entries


def test_a_failure_to_open_leaves_the_file_to_others(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed):
        Replica(f"ldap://127.0.0.1:{free_port()}/dc=x", tmp_path / "data").connect()

    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == 3


def test_the_url_is_remembered_from_one_run_to_the_next(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(urls.parse(where(slapd, "?cn")), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
        url = replica.url

    with Replica(None, tmp_path / "data", mode=ONCE) as replica:
        assert url == replica.url
    with pytest.raises(LDAPUrlError, match="no URL was given") as caught:
        Replica(None, tmp_path / "other").connect()
    assert caught.value.hint


def test_the_store_may_be_opened_before_the_connection(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
    replica = Replica(None, tmp_path / "data", mode=ONCE)
    replica.open_store()

    assert len(replica.entries) == 3
    with replica:
        assert replica.refresh().entries == 3


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_the_password_that_is_given_goes_before_that_of_the_url(slapd: Slapd, tmp_path: Path) -> None:
    url = bound(slapd) + ",X-BINDPW=wrong"
    with pytest.raises(InvalidCredentials):
        Replica(url, tmp_path / "data", mode=ONCE).connect()

    with Replica(url, tmp_path / "data", mode=ONCE, password=b"secret") as replica:
        assert replica.refresh().entries == 3


@pytest.mark.parametrize("password", [None, b""])
def test_a_name_without_a_password_is_refused_here(slapd: Slapd, tmp_path: Path, password: bytes | None) -> None:
    """RFC 4513 section 5.1.2: the server would take it for an anonymous bind."""
    with pytest.raises(UsageError, match="no password for"):
        Replica(bound(slapd), tmp_path / "data", password=password).connect()


# --- work -------------------------------------------------------------------------------------------------------------


class Everything:
    """Has all the methods of a listener."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def bound(self, connection: Any) -> None:
        self.heard.append(f"bound {connection.whoami_s()}")
        self.connection = connection

    def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
        self.heard.append(f"{type(change).__name__} {change.origin}")

    def refresh_done(self, entries: Mapping[str, Any], cursor: sqlite3.Cursor) -> None:
        self.heard.append(f"done {len(entries)}")

    def cookie(self, cookie: bytes) -> None:
        self.heard.append("cookie")


def test_a_listener_hears_everything_in_its_order(slapd: Slapd, tmp_path: Path) -> None:
    listener = Everything()
    with Replica(bound(slapd), tmp_path / "data", mode=ONCE, listener=listener, password=b"secret") as replica:
        replica.refresh()

    assert listener.heard == [f"bound dn:{slapd.rootdn}", *["Added snapshot"] * 3, "cookie", "done 3"]
    with pytest.raises(ClosedError):
        listener.connection.whoami_s()


def test_a_listener_may_have_no_method_at_all(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", listener=object()) as replica:
        replica.refresh()
        slapd.delete(f"ou=groups,{slapd.suffix}")
        while len(replica.entries) == 3:
            assert replica.step(20)


def test_a_listener_that_raises_when_it_is_bound_ends_the_client(slapd: Slapd, tmp_path: Path) -> None:
    class Refusing:
        def bound(self, connection: Any) -> None:
            self.connection = connection
            raise LookupError

    listener = Refusing()
    with pytest.raises(LookupError):
        Replica(where(slapd), tmp_path / "data", listener=listener).connect()

    with pytest.raises(ClosedError):
        listener.connection.whoami_s()
    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == 3


def test_finish_ends_it_cleanly(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        assert replica.refreshing
        replica.refresh()
        assert (replica.refreshing, replica.step(0)) == (False, True)
        replica.finish()
        replica.run()
        assert not replica.step()


def test_a_wake_ends_a_step_and_nothing_else(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        timer = threading.Timer(0.05, replica.wake)
        timer.start()
        assert replica.step(3600)
        timer.join()


def test_two_threads_do_not_work_with_it_at_once(tmp_path: Path) -> None:
    with Provider() as provider, Replica(f"{provider.url}/{provider.suffix}", tmp_path / "data") as replica:
        replica.refresh()
        changes = replica.changes()
        pump = threading.Thread(target=replica.follow)
        pump.start()
        try:
            for number in range(300):
                provider.replace(provider.suffix, "description", str(number))
            with Reader(tmp_path / "data") as reader:
                until(lambda: reader.status().sequence == 300)
            with pytest.raises(UsageError, match="another thread") as caught:
                list(changes)
            assert caught.value.hint
        finally:
            began = time.monotonic()
            # It lets the other thread end.
            replica.close()
            pump.join()
        assert time.monotonic() - began < 2


# --- refresh after refresh --------------------------------------------------------------------------------------------


def test_each_refresh_after_the_first_makes_another_one(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh() == Refreshed(3, added=3)
        assert replica.refresh() == Refreshed(3)
        slapd.replace(f"ou=people,{slapd.suffix}", "description", ["x"])
        slapd.delete(f"ou=groups,{slapd.suffix}")
        assert replica.refresh() == Refreshed(2, modified=1, deleted=1)
        assert replica.refresh() == Refreshed(2)


@pytest.mark.parametrize("gone", ["killed", "disconnected"])
def test_a_connection_that_is_gone_by_the_next_refresh_is_made_again(
    slapd_log: Slapd, tmp_path: Path, gone: str
) -> None:
    slapd = slapd_log
    listener = Everything()
    with Replica(where(slapd), tmp_path / "data", mode=ONCE, listener=listener) as replica:
        replica.refresh()
        if gone == "killed":
            slapd.kill()
        else:
            slapd.stop()
        slapd.start()
        slapd.replace(f"ou=people,{slapd.suffix}", "description", ["x"])
        assert replica.refresh() == Refreshed(3, modified=1)
        assert sum(line.startswith("bound") for line in listener.heard) == 2
        slapd.kill()
        with pytest.raises(ConnectionFailed):
            replica.refresh()
    with pytest.raises(ClosedError):
        replica.refresh()


def test_a_replica_that_was_stopped_makes_no_other_refresh(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
        slapd.delete(f"ou=groups,{slapd.suffix}")
        replica.stop()
        assert replica.refresh().entries == 3


@pytest.mark.parametrize("mode", SyncreplMode)
def test_values_in_another_order_are_no_modification(tmp_path: Path, mode: SyncreplMode) -> None:
    with Provider() as provider:
        url, dn = f"{provider.url}/{provider.suffix}", f"cn=a,{provider.suffix}"
        provider.add(dn, {"description": ["one", "two"]})
        with Replica(url, tmp_path / "data", mode=ONCE) as replica:
            replica.refresh()
        provider.replace(dn, "description", ["two", "one"])
        provider.replace(provider.suffix, "description", ["new"])
        with Replica(url, tmp_path / "data", mode=mode) as replica:
            assert replica.refresh() == Refreshed(2, modified=1)
            assert replica.status().sequence == 1
            assert replica.entries[dn]["description"] == [b"two", b"one"]


def test_a_389_is_asked_each_time_how_far_its_changelog_reaches(ns_slapd: NsSlapd, tmp_path: Path) -> None:
    """Where it has begun and ended is in the root DSE, which was read when there were fewer changes."""

    class Telling:
        def __init__(self) -> None:
            self.told: list[str] = []

        def debug(self, message: str) -> None:
            self.told.append(message)

    telling = Telling()
    url = f"{ns_slapd.url}/{ns_slapd.suffix}????bindname={quote(ns_slapd.rootdn, safe='')}"
    with Replica(url, tmp_path / "data", mode=ONCE, password=ns_slapd.rootpw, listener=telling) as replica:
        assert replica.refresh().added == 3
        for number in range(3):
            ns_slapd.replace(f"ou=people,{ns_slapd.suffix}", "description", [str(number)])
            until(lambda: replica.refresh().modified)
    assert telling.told == []


def test_each_message_is_traced_without_the_password(slapd: Slapd, tmp_path: Path) -> None:
    lines: list[str] = []
    with Replica(bound(slapd), tmp_path / "data", mode=ONCE, password=b"secret", trace=lines.append) as replica:
        replica.refresh()

    assert lines[0].startswith("> 1 bind")
    assert sum(" entry " in line and "Sync State add " in line for line in lines) == 3
    assert lines[-1].endswith(" unbind")
    assert "secret" not in "".join(lines)
