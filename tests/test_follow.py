"""Following: connections that are lost are made again, as long as that is worth it, and nothing is told twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Backoff, BaseCallback, MaxDeletes, Replica, Syncrepl, SyncreplMode
from syncrepl_client.consumer import resumption
from syncrepl_client.exceptions import (
    ClosedError,
    ConnectionLost,
    InvalidCredentials,
    LDAPResultError,
    MassDeletionHeld,
    ProviderBehind,
)
from syncrepl_client.store.decisions import Decisions
from syncrepl_client.store.held import APPROVE
from syncrepl_client.testing import Provider, script
from tests.following import Follower, Heard
from tests.providers import Providers
from tests.server import free_port
from tests.slapd import SUFFIX, Slapd, empty_tree, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


SOON = Backoff(0.01, 0.1)
LATE = Backoff(100_000.0, 100_000.0)
"""A wait that nobody sits out: a thousandth of it is longer than any test."""


def lost_more_than(heard: Heard, count: int) -> bool:
    return len(heard.losses) > count


def added(heard: Heard) -> list[str]:
    return [one.removeprefix("add ") for one in heard.changes if one.startswith("add ")]


def where(server: Slapd) -> str:
    return f"{server.url}/{SUFFIX}"


def person(server: Slapd, name: str) -> str:
    dn = f"cn={name},{SUFFIX}"
    server.add(dn, {"objectClass": ["person"], "cn": [name], "sn": [name]})
    return dn


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    with Slapd(debug="stats") as server:
        server.load(empty_tree())
        server.start()
        yield server


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as one:
        yield one


@contextmanager
def _late_signal(act: Callable[[], None]) -> Iterator[None]:
    former = signal.signal(signal.SIGUSR1, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, former)


# --- back again -------------------------------------------------------------------------------------------------------


def test_what_happens_while_the_server_is_away_arrives_exactly_once(slapd: Slapd, tmp_path: Path) -> None:
    heard = Heard()
    wanted = [person(slapd, "zero")]
    with Follower(where(slapd), tmp_path / "data", listener=heard, backoff=SOON):
        heard.wait_until(lambda: heard.count("refresh done"))
        for number in range(3):
            seen = len(heard.losses)
            slapd.kill()
            heard.wait_until(partial(lost_more_than, heard, seen))
            slapd.start()
            wanted.append(person(slapd, f"n{number}"))
            heard.wait_until(lambda: set(wanted) <= set(added(heard)))
    assert sorted(name for name in added(heard) if name.startswith("cn=")) == sorted(wanted)
    assert heard.count("connected") == 4
    error, url, delay, attempt = heard.losses[0]
    assert isinstance(error, ConnectionLost)
    assert url in slapd.url
    assert 0 <= delay <= SOON.base
    assert attempt == 1


def test_the_data_file_stays_locked_while_there_is_no_server(tmp_path: Path) -> None:
    heard = Heard()
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    with Follower(url, tmp_path / "data", listener=heard, backoff=LATE):
        heard.wait_until(lambda: heard.losses)
        with pytest.raises(Exception, match=r"(?i)another|lock|use"):
            Replica(url, tmp_path / "data").open_store()


def test_attempts_are_counted_and_begin_anew_once_in_step(provider: Provider, tmp_path: Path) -> None:
    heard = Heard()
    provider.script(script.search_done(51, "busy"), times=3)
    with Follower(f"{provider.url}/{provider.suffix}", tmp_path / "data", listener=heard, backoff=SOON):
        heard.wait_until(lambda: heard.count("refresh done"))
        assert [attempt for *_, attempt in heard.losses] == [1, 2, 3]
        provider.wait_for_requests(4)
        provider.disconnect()
        heard.wait_until(lambda: len(heard.losses) == 4)
    assert heard.losses[3][3] == 1


@pytest.mark.parametrize(("code", "text"), [(51, "busy"), (53, "Too many active synchronization sessions")])
def test_a_server_that_is_busy_is_asked_again(provider: Provider, tmp_path: Path, code: int, text: str) -> None:
    heard = Heard()
    provider.script(script.search_done(code, text), times=2)
    with Follower(f"{provider.url}/{provider.suffix}", tmp_path / "data", listener=heard, backoff=SOON):
        heard.wait_until(lambda: heard.count("refresh done"))
    assert [error.code for error, *_ in heard.losses if isinstance(error, LDAPResultError)] == [code, code]


# --- what is not worth it ---------------------------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once(slapd: Slapd, tmp_path: Path) -> None:
    url = f"{where(slapd)}????bindname=cn=admin%2C{SUFFIX.replace(',', '%2C')}"
    before = slapd.log.count(" BIND dn=")
    replica = Replica(url, tmp_path / "data", password="wrong", backoff=SOON)
    with pytest.raises(InvalidCredentials):
        replica.follow()
    assert slapd.log.count(" BIND dn=") - before == 1
    with pytest.raises(ClosedError):
        replica.follow()


def test_without_following_a_lost_connection_is_raised_and_the_replica_closed(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        slapd.kill()
        with pytest.raises(ConnectionLost):
            replica.run()
        with pytest.raises(ClosedError):
            replica.step()


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "finish"])
def test_a_thread_ends_the_wait(tmp_path: Path, how: str) -> None:
    heard = Heard()
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    with Follower(url, tmp_path / "data", listener=heard, backoff=LATE) as follower:
        heard.wait_until(lambda: heard.losses)
        getattr(follower.replica, how)()
        follower.join()
    assert len(heard.losses) == 1


def test_a_signal_ends_the_wait(tmp_path: Path) -> None:
    heard = Heard()
    replica = Replica(f"ldap://127.0.0.1:{free_port()}/{SUFFIX}", tmp_path / "data", listener=heard, backoff=LATE)

    def kill() -> None:
        heard.wait_until(lambda: heard.losses)
        os.kill(os.getpid(), signal.SIGUSR1)

    with _late_signal(replica.stop), closing(replica):
        killer = threading.Thread(target=kill)
        killer.start()
        replica.follow()
        killer.join()


def test_a_refused_port_costs_no_time_of_the_processor(tmp_path: Path) -> None:
    heard = Heard()
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    replica = Replica(url, tmp_path / "data", listener=heard, backoff=Backoff(0.2, 0.4))
    with closing(replica):
        replica.follow_step(0)
        before, until = time.process_time(), time.monotonic() + 2
        while time.monotonic() < until:
            assert replica.follow_step(0.5)
        assert time.process_time() - before < 0.7
    assert len(heard.losses) < 100


def test_poll_goes_on_while_there_is_no_server_and_ends_when_asked(slapd: Slapd, tmp_path: Path) -> None:
    with Syncrepl(
        tmp_path, BaseCallback, SyncreplMode.REFRESH_AND_PERSIST, where(slapd), reconnect=True, backoff=LATE
    ) as client:
        assert client.poll(0.1)
        slapd.kill()
        for _ in range(5):
            assert client.poll(0.1)
        client.please_stop()
        assert not client.poll(20.0)


def test_poll_raises_by_default(slapd: Slapd, tmp_path: Path) -> None:
    with Syncrepl(tmp_path, BaseCallback, SyncreplMode.REFRESH_AND_PERSIST, where(slapd)) as client:
        client.poll(0.1)
        slapd.kill()
        with pytest.raises(ConnectionLost):
            client.run()


# --- held -------------------------------------------------------------------------------------------------------------


def test_what_is_held_is_served_as_it_was_until_somebody_decides(tmp_path: Path) -> None:
    with Slapd() as slapd:
        slapd.load(sample_ldif(20))
        slapd.start()
        path = tmp_path / "data"
        with Replica(where(slapd), path, mode=SyncreplMode.REFRESH_ONLY) as replica:
            entries = replica.refresh().entries
        people = [dn for dn in slapd.search() if dn.lower().startswith("uid=")]
        for dn in people[:10]:
            slapd.delete(dn)
        heard = Heard()
        options: dict[str, Any] = {"listener": heard, "max_deletes": MaxDeletes(0.1, 1), "backoff": SOON}
        with Follower(where(slapd), path, **options) as follower:
            heard.wait_until(lambda: heard.losses)
            assert isinstance(heard.losses[0][0], MassDeletionHeld)
            with closing(Decisions(follower.replica.path)) as decisions:
                held = decisions.held()
                assert held is not None
                assert held.entries == entries
                assert not heard.changes
                decisions.ask(APPROVE, held)
            heard.wait_until(lambda: len(heard.changes) == 10)
        assert len(heard.losses) == 1


# --- several servers --------------------------------------------------------------------------------------------------


def test_the_next_provider_is_tried_at_once(slapd: Slapd, tmp_path: Path) -> None:
    heard = Heard()
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    with Follower(url, tmp_path / "data", listener=heard, providers=[slapd.url], backoff=LATE):
        heard.wait_until(lambda: heard.count("refresh done"))
    assert [(delay, attempt) for _, _, delay, attempt in heard.losses] == [(0.0, 1)]
    with Replica(url, tmp_path / "data", providers=[slapd.url]) as replica:
        assert replica.refresh().entries >= 1


def test_one_that_lags_takes_nothing_away_and_is_followed_when_it_has_caught_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumption, "_PATIENCE", 0.2)
    monkeypatch.setattr(resumption, "_PAUSE", 0.05)
    heard = Heard()
    with Providers(sessionlog=100) as both:
        first, second = both
        both.load(empty_tree())
        both.start()
        person(first, "one")
        person(second, "two")
        both.wait_replicated()
        options: dict[str, Any] = {"listener": heard, "providers": [second.url], "backoff": SOON}
        with Follower(where(first), tmp_path / "data", **options):
            heard.wait_until(lambda: heard.count("refresh done"))
            both.cut(second)
            late = person(first, "late")
            heard.wait_until(lambda: late in added(heard))
            # Not killed: it would forget how far it had come, and the other would not ask it for more.
            first.stop()
            heard.wait_until(lambda: any(isinstance(error, ProviderBehind) for error, *_ in heard.losses))
            assert len(added(heard)) == len(set(added(heard)))
            first.start()
            both.restore(second)
            both.wait_replicated()
            # Not killed: it would forget how far it had come, and the other would not ask it for more.
            first.stop()
            last = person(second, "last")
            heard.wait_until(lambda: last in added(heard))
    assert len(added(heard)) == len(set(added(heard)))
    assert len(heard.changes) == len(added(heard))
