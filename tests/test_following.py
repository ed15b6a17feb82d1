"""Replicas that follow, whatever servers do: against real ones, and against ones that do it on demand."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Backoff, Deleted, Replica, Syncrepl, SyncreplMode, watch
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import (
    CleartextPassword,
    ConnectionFailed,
    ConnectionLost,
    InvalidCredentials,
    LDAPResultError,
    MassDeletionHeld,
    NoSuchBase,
    ProtocolError,
    UsageError,
)
from syncrepl_client.ldap import url as urls
from syncrepl_client.testing import Provider, script
from tests.cli.command import run
from tests.following import QUICK, Follower, Heard, until
from tests.slapd import SUFFIX, Slapd, empty_tree, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = f"ou=people,{SUFFIX}"
# The promise is a tenth of a second; on a machine that does other things as well it may take longer.
PROMPT = 0.5
SLOW = Backoff(base=3600, cap=3600)
ONCE = SyncreplMode.REFRESH_ONLY


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def where(server: Provider | Slapd) -> str:
    return f"{server.url}/{SUFFIX}"


def shown(url: str) -> str:
    """Return a server as listeners are told it."""
    return urls.parse(url).address


def nowhere() -> str:
    return f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"


def add(server: Slapd, name: str) -> str:
    dn = f"cn={name},{PEOPLE}"
    server.add(dn, {"objectClass": ["device"], "cn": [name]})
    return dn


def dns(path: Path) -> set[str]:
    """Read the copy as another process does."""
    with closing(sqlite3.connect(path)) as connection:
        return {dn for (dn,) in connection.execute("SELECT dn FROM syncrepl_copy")}


# --- servers that go away ---------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_yet_is_waited_for(provider: Provider, tmp_path: Path) -> None:
    url = where(provider)
    provider.stop()
    with Follower(url, tmp_path / "data") as follower:
        follower.heard.wait_for("lost ConnectionFailed", 3)
        provider.start()
        follower.heard.wait_for("refresh done")
    assert [attempt for *_, attempt in follower.heard.losses][:3] == [1, 2, 3]
    assert {told for _, told, _, _ in follower.heard.losses} == {shown(url)}


def test_a_first_load_that_was_cut_off_is_begun_anew(provider: Provider, tmp_path: Path) -> None:
    for number in range(5):
        provider.add(f"cn={number},{SUFFIX}", {})
    provider.script(script.entry(f"cn=cut,{SUFFIX}", {"cn": ["cut"]}, uuid=bytes(16)), script.cut())
    with Follower(where(provider), tmp_path / "data") as follower:
        follower.heard.wait_for("refresh done")
        until(lambda: dns(tmp_path / "data") == set(provider.search()))
    assert follower.heard.count("add") == 6
    assert follower.heard.count("lost ConnectionLost") == 1


def test_a_replica_that_was_opened_follows_from_there(provider: Provider, tmp_path: Path) -> None:
    heard = Heard()
    with Replica(where(provider), tmp_path / "data", listener=heard, backoff=QUICK) as replica:
        replica.refresh()
        provider.disconnect()
        while not heard.count("connected") or replica.refreshing:
            assert replica.follow_step(0.05)
        assert heard.told == [
            "bound",
            f"add {SUFFIX}",
            "refresh done",
            "lost ConnectionLost",
            "bound",
            f"connected {shown(where(provider))}",
            "refresh done",
        ]


def test_one_refresh_is_not_given_up(provider: Provider, tmp_path: Path) -> None:
    provider.script(script.search_done(51, "busy"), times=2)
    heard = Heard()
    with closing(Replica(where(provider), tmp_path / "data", mode=ONCE, listener=heard, backoff=QUICK)) as replica:
        replica.follow()
        assert len(replica.entries) == 1
    assert heard.count("lost LDAPResultError") == 2


# --- servers that refuse ----------------------------------------------------------------------------------------------


def test_a_server_that_says_why_it_goes_is_come_back_to(provider: Provider, tmp_path: Path) -> None:
    with Follower(where(provider), tmp_path / "data") as follower:
        follower.heard.wait_for("refresh done")
        provider.disconnect(notice=52, diagnostic="maintenance")
        follower.heard.wait_for("refresh done", 2)
    assert "maintenance" in str(follower.heard.losses[0][0])


def test_a_password_that_was_changed_meanwhile_is_tried_once(tmp_path: Path) -> None:
    reader = f"cn=reader,{PEOPLE}"
    with Slapd(debug="stats") as slapd:
        slapd.load(empty_tree())
        slapd.start()
        slapd.add(reader, {"objectClass": ["person"], "cn": ["reader"], "sn": ["x"], "userPassword": ["secret"]})
        url = f"{where(slapd)}????bindname={reader.replace(',', '%2C')}"
        with Follower(url, tmp_path / "data", password="secret") as follower:
            follower.heard.wait_for("refresh done")
            slapd.replace(reader, "userPassword", ["other"])
            slapd.restart()
            assert isinstance(follower.failure(), InvalidCredentials)
        slapd.stop()

        assert slapd.log.count(f'BIND dn="{reader}" method=') == 2


@pytest.mark.parametrize("code", [12, 32, 50])
def test_what_is_missing_while_a_directory_is_restored_is_waited_for(
    provider: Provider, tmp_path: Path, code: int
) -> None:
    with Follower(where(provider), tmp_path / "data") as follower:
        heard = follower.heard
        heard.wait_for("refresh done")
        provider.script(script.search_done(code), times=3)
        provider.disconnect()
        heard.wait_for("refresh done", 2)
    assert sum(isinstance(error, LDAPResultError) for error, *_ in heard.losses) == 3
    assert heard.changes == [f"add {SUFFIX}"]


def test_what_worked_in_an_earlier_run_is_waited_for_too(provider: Provider, tmp_path: Path) -> None:
    with Replica(where(provider), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
    provider.script(script.search_done(32))
    with Follower(where(provider), tmp_path / "data") as follower:
        follower.heard.wait_for("refresh done")
    assert follower.heard.count("lost NoSuchBase") == 1


def test_another_search_has_not_worked_because_this_one_has(provider: Provider, tmp_path: Path) -> None:
    with Replica(where(provider), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
    with Follower(f"{provider.url}/ou=none,{SUFFIX}", tmp_path / "data") as follower:
        assert isinstance(follower.failure(), NoSuchBase)


def test_somebody_else_has_not_worked_because_this_one_has(provider: Provider, tmp_path: Path) -> None:
    with Replica(where(provider), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
    provider.script(script.search_done(32))
    with Follower(f"{where(provider)}????bindname=cn=b", tmp_path / "data", password="b") as follower:
        assert isinstance(follower.failure(), NoSuchBase)


@pytest.mark.parametrize("before", [False, True])
def test_what_breaks_the_protocol_is_tried_again_where_it_worked(
    provider: Provider,
    tmp_path: Path,
    before: bool,  # noqa: FBT001
) -> None:
    if before:
        with Replica(where(provider), tmp_path / "data", mode=ONCE) as replica:
            replica.refresh()
    provider.script(script.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with Follower(where(provider), tmp_path / "data") as follower:
        if before:
            follower.heard.wait_for("refresh done")
            assert follower.heard.count("lost ProtocolError") == 1
        else:
            assert isinstance(follower.failure(), ProtocolError)


# --- what programs do -------------------------------------------------------------------------------------------------


class Failing(Heard):
    """Raises in one of its methods, each time."""

    def __init__(self, method: str, error: Exception) -> None:
        super().__init__()
        self.calls = 0

        def fail(*_: Any, **__: Any) -> None:
            self.calls += 1
            raise error

        setattr(self, method, fail)


@pytest.mark.parametrize("error", [LookupError("own"), ConnectionLost("of another connection that the program has")])
@pytest.mark.parametrize("method", ["change", "refresh_done", "connected"])
def test_what_a_callback_raises_ends_it(provider: Provider, tmp_path: Path, method: str, error: Exception) -> None:
    with Follower(where(provider), tmp_path / "data", listener=(listener := Failing(method, error))) as follower:
        assert follower.failure() is error
    assert listener.calls == 1
    assert listener.losses == []


def test_what_is_raised_for_a_lost_connection_ends_it(tmp_path: Path) -> None:
    error = LookupError("enough")
    with Follower(nowhere(), tmp_path / "data", listener=Failing("disconnected", error)) as follower:
        assert follower.failure() is error


@pytest.mark.parametrize("options", [{"providers": ["ldap://b/ou=other"]}, {"srv": "example.com"}])
def test_what_contradicts_itself_leaves_the_file_to_others(
    provider: Provider, tmp_path: Path, options: dict[str, Any]
) -> None:
    replica = Replica(where(provider), tmp_path / "data", **options)
    with pytest.raises(UsageError):
        replica.follow()

    with Replica(where(provider), tmp_path / "data", mode=ONCE) as other:
        assert other.refresh().entries == 1


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "finish"])
def test_a_stop_ends_a_try_at_once(provider: Provider, tmp_path: Path, how: str) -> None:
    """The server accepts and says nothing."""
    with Follower(where(provider), tmp_path / "data") as follower:
        follower.heard.wait_for("refresh done")
        provider.stop()
        with socket.create_server(("127.0.0.1", int(provider.url.rpartition(":")[2]))) as deaf:
            accepted, _ = deaf.accept()
            with accepted:
                asked = time.monotonic()
                getattr(follower.replica, how)()
                follower.join()
                assert time.monotonic() - asked < PROMPT


def test_finishing_lets_a_refresh_come_to_its_end(provider: Provider, tmp_path: Path) -> None:
    stall = script.stall()
    provider.script(stall, script.from_directory())
    with Follower(where(provider), tmp_path / "data") as follower:
        stall.wait_until_reached()
        follower.replica.finish()
        stall.release()
        follower.join()
    assert follower.heard.count("refresh done") == 1


def test_who_hears_that_the_network_is_there_again_need_not_wait(provider: Provider, tmp_path: Path) -> None:
    url = where(provider)
    provider.stop()
    with Follower(url, tmp_path / "data", backoff=SLOW) as follower:
        follower.replica.retry()
        follower.heard.wait_for("lost ConnectionFailed")
        provider.start()
        follower.replica.retry()
        follower.heard.wait_for("refresh done")


# --- what is held -----------------------------------------------------------------------------------------------------


@pytest.fixture
def emptied(provider: Provider, tmp_path: Path) -> Provider:
    """A copy of hundred entries, of which the server has lost most since."""
    for number in range(100):
        provider.add(f"cn={number},{SUFFIX}", {})
    with Replica(where(provider), tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == 101
    for number in range(90):
        provider.delete(f"cn={number},{SUFFIX}")
    return provider


def test_what_was_rejected_is_read_anew_and_held_again(emptied: Provider, tmp_path: Path) -> None:
    with Follower(where(emptied), tmp_path / "data") as follower:
        follower.heard.wait_for("lost MassDeletionHeld")
        assert run("deletes", "reject", str(tmp_path / "data")).returncode == ExitCode.OK
        follower.heard.wait_for("lost MassDeletionHeld", 2)

        assert emptied.requests[-1].cookie is None
        assert len(dns(tmp_path / "data")) == 101


def test_who_wants_one_refresh_is_told_that_it_is_held(emptied: Provider, tmp_path: Path) -> None:
    with pytest.raises(MassDeletionHeld):
        list(watch(where(emptied), tmp_path / "data", mode=ONCE))
    assert run("deletes", "approve", str(tmp_path / "data")).returncode == ExitCode.OK

    gone = list(watch(where(emptied), tmp_path / "data", mode=ONCE))

    assert [type(change) for change in gone] == [Deleted] * 90


def test_a_stop_ends_the_wait_for_a_decision(emptied: Provider, tmp_path: Path) -> None:
    with Follower(where(emptied), tmp_path / "data") as follower:
        follower.heard.wait_for("lost MassDeletionHeld")
        asked = time.monotonic()
        follower.replica.stop()
        follower.join()
        assert time.monotonic() - asked < PROMPT


# --- several servers --------------------------------------------------------------------------------------------------


def test_what_quotes_the_server_is_not_logged_above_debug(
    provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold what is nobody's business."""
    with Follower(where(provider), tmp_path / "data") as follower:
        follower.heard.wait_for("refresh done")
        provider.script(script.raw(b"0\x05secret"))
        provider.disconnect()
        follower.heard.wait_for("refresh done", 2)
    (error,) = [error for error, *_ in follower.heard.losses if isinstance(error, ProtocolError)]
    told = [record for record in caplog.records if record.name == "syncrepl_client.follow"]
    assert any("ProtocolError" in record.getMessage() for record in told)
    assert all(str(error) not in record.getMessage() for record in told)


def test_a_password_goes_to_no_other_server_in_clear(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url, other = f"{nowhere()}????bindname=cn=reader", ["ldap://server.invalid"]
    with pytest.raises(CleartextPassword, match=r"server\.invalid:389"):
        Replica(url, tmp_path / "data", providers=other, password="secret").open_store()

    with pytest.raises(ConnectionFailed):
        Syncrepl(tmp_path / "data", Said(), SyncreplMode.REFRESH_ONLY, url, providers=other, password="secret")
    warned = [record.getMessage() for record in caplog.records if record.name == "syncrepl_client.access"]
    assert warned == ["the password for server.invalid:389 goes over the network in clear; use StartTLS or ldaps://"]


def test_a_password_goes_to_no_server_in_clear_that_the_dns_names(tmp_path: Path) -> None:
    url = f"ldap:///{SUFFIX}????bindname=cn=reader"
    with pytest.raises(UsageError, match=r"example.com:389 would go over the network in clear"):
        Replica(url, tmp_path / "data", srv="example.com", password="secret").follow()


# --- the seed's class -------------------------------------------------------------------------------------------------


class Said:
    def __init__(self) -> None:
        self.done = 0
        self.said: list[str] = []

    def refresh_done(self, items: Any, cursor: sqlite3.Cursor) -> None:
        self.done += 1

    def debug(self, message: str) -> None:
        self.said.append(message)


def test_the_seeds_client_reconnects_if_asked_to(provider: Provider, tmp_path: Path) -> None:
    url, callback = where(provider), Said()
    provider.stop()
    with Syncrepl(
        tmp_path / "data", callback, SyncreplMode.REFRESH_AND_PERSIST, url, reconnect=True, backoff=QUICK
    ) as client:
        began = time.monotonic()
        assert client.poll(0)
        assert client.poll(0.01)
        assert time.monotonic() - began < PROMPT
        provider.start()
        while callback.done < 1:
            assert client.poll(0.05)
        provider.disconnect()
        while callback.done < 2:
            assert client.poll(0.05)
        before = len(callback.said)
        provider.stop()
        while not any("the next try is in" in said for said in callback.said[before:]):
            assert client.poll(0.05)
        client.please_stop()
        assert not client.poll()
        assert not client.poll()
    assert any("the next try is in" in said for said in callback.said)
    assert f"connected to {shown(url)}" in callback.said


def test_please_stop_ends_the_wait_of_the_seeds_client(tmp_path: Path) -> None:
    client = Syncrepl(
        tmp_path / "data", Said(), SyncreplMode.REFRESH_AND_PERSIST, nowhere(), reconnect=True, backoff=SLOW
    )
    worker = threading.Thread(target=client.run)
    worker.start()
    asked = time.monotonic()
    client.please_stop()
    worker.join(10)
    assert time.monotonic() - asked < PROMPT
    client.unbind()
