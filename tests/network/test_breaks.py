"""Connections that break in each way there is: back in step, nothing lost, nothing told twice, no busy loop."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.network.cable import Cable
from tests.network.following import Following, Idleness, until
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PEOPLE = 20


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=1000) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def cable(server: Slapd) -> Iterator[Cable]:
    with Cable(server.port) as cable:
        yield cable


@pytest.fixture
def follower(server: Slapd, cable: Cable, tmp_path: Path) -> Iterator[Following]:
    """A client at the other end of the cable, in step."""
    with Following(server, cable.url, tmp_path / "data") as following:
        following.wait_in_step()
        yield following


def person(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def change(server: Slapd, times: int = 1, *, size: int = 100) -> None:
    """Add, change, rename and delete."""
    for number in range(1, times + 1):
        server.replace(person(number), "description", [os.urandom(size // 2).hex()])
    server.add(f"uid=new,ou=people,{SUFFIX}", {"objectClass": ["account"], "uid": ["new"]})
    server.rename(f"uid=new,ou=people,{SUFFIX}", f"uid=new{os.urandom(4).hex()}")
    gone = f"uid=gone,ou=people,{SUFFIX}"
    server.add(gone, {"objectClass": ["account"], "uid": ["gone"]})
    server.delete(gone)


def test_the_server_is_killed(server: Slapd, follower: Following) -> None:
    change(server)
    server.kill()
    with Idleness(follower):
        until(lambda: len(follower.lost()) > 3, follower.log)
    server.start()
    change(server)

    follower.wait_in_step()
    # The kernel tells who sends at that moment otherwise than who reads.
    ends = ("closed the connection", "Broken pipe", "Connection reset", "Connection refused")
    assert all(any(end in line for end in ends) for line in follower.lost()), follower.lost()


def test_the_server_is_frozen(server: Slapd, follower: Following) -> None:
    """Its kernel goes on answering for it, also to new connections."""
    os.kill(server.pid, signal.SIGSTOP)
    with Idleness(follower):
        until(lambda: len(follower.lost()) > 1, follower.log)
    os.kill(server.pid, signal.SIGCONT)
    change(server)

    follower.wait_in_step()
    assert "answers nothing any more" in follower.lost()[0]


@pytest.mark.parametrize(
    "directions",
    [
        {},
        pytest.param({"to_client": False}, marks=pytest.mark.long),
        pytest.param({"to_server": False}, marks=pytest.mark.long),
    ],
    ids=["both", "to-server", "to-client"],
)
def test_the_cable_is_pulled(server: Slapd, cable: Cable, follower: Following, directions: dict[str, bool]) -> None:
    """No end of the connection comes, and what answers the heartbeat, or the heartbeat itself, is lost."""
    cable.pull(**directions)
    change(server)
    with Idleness(follower):
        until(lambda: len(follower.lost()) > 1, follower.log)
    cable.plug()
    change(server)

    follower.wait_in_step()
    assert "answers nothing any more" in follower.lost()[0]


@pytest.mark.parametrize("size", [100, pytest.param(200_000, marks=pytest.mark.long)])
def test_the_connection_is_reset_in_the_middle_of_a_message(
    server: Slapd, cable: Cable, follower: Following, size: int
) -> None:
    for part in (1, 37, size // 2):
        before = len(follower.lost())
        cable.reset_after = part
        change(server, 3, size=size)
        until(lambda: len(follower.lost()) > before, follower.log)  # noqa: B023 - called at once
        follower.wait_in_step()
    assert any("Connection reset" in line for line in follower.lost())


@pytest.mark.long
def test_one_byte_at_a_time_is_no_dead_connection(server: Slapd, cable: Cable, follower: Following) -> None:
    cable.trickle = (1, 0.5)
    change(server)
    with Idleness(follower):
        # Longer than the heartbeat and its answer may take.
        threading.Event().wait(8)
    assert follower.lost() == []
    cable.trickle = None

    follower.wait_in_step()
    assert follower.connections() == 1


@pytest.mark.long
def test_a_first_copy_comes_one_byte_at_a_time(server: Slapd, cable: Cable, tmp_path: Path) -> None:
    cable.trickle = (1, 0.0002)
    with Following(server, cable.url, tmp_path / "data") as following:
        following.wait_in_step()
        assert following.connections() == 1


@pytest.mark.long
def test_a_name_gets_another_address(server: Slapd, cable: Cable, tmp_path: Path) -> None:
    """It is looked up for each connection."""
    hosts = tmp_path / "hosts"

    def name(address: str) -> None:
        hosts.write_text(json.dumps({"directory.test": address}), encoding="utf-8")

    name("127.0.0.1")
    url = f"ldap://directory.test:{cable.port}"
    with Following(server, url, tmp_path / "data", hosts=hosts) as following:
        following.wait_in_step()
        # Where nobody listens, and where nobody can be asked.
        for nowhere in ("127.0.0.77", "nowhere.invalid"):
            name(nowhere)
            before = len(following.lost())
            server.restart()
            change(server)
            with Idleness(following):
                until(lambda: len(following.lost()) > before + 2, following.log)  # noqa: B023 - called at once
            name("127.0.0.1")
            following.wait_in_step()
        assert any("cannot find the host" in line for line in following.lost())


@pytest.mark.long
def test_everything_at_once_for_a_while(server: Slapd, cable: Cable, follower: Following) -> None:
    troubles: list[Callable[[], object]] = [
        lambda: setattr(cable, "reset_after", 300),
        server.restart,
        cable.pull,
        cable.plug,
        lambda: cable.pull(to_server=False),
        cable.plug,
        lambda: setattr(cable, "reset_after", 1),
    ]
    for trouble in troubles:
        trouble()
        change(server, 5)
    follower.wait_in_step()


@pytest.mark.long
def test_a_client_that_nobody_talks_to_sleeps(server: Slapd, follower: Following) -> None:
    with Idleness(follower):
        threading.Event().wait(5)
    assert follower.lost() == []
