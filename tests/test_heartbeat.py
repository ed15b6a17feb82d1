"""A server that says nothing: when it is asked, what counts as an answer, and when it is lost."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Heartbeat, Replica
from syncrepl_client.connection.client import Client
from syncrepl_client.consumer.heartbeat import Watch
from syncrepl_client.exceptions import ConnectionLost, UsageError
from syncrepl_client.testing import wire
from tests.apacheds import ApacheDS
from tests.ns_slapd import NsSlapd
from tests.scripted import ScriptedServer, entry
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.server import Server

STREAM = 77
MINUTE = Heartbeat(60, 30)


def nothing_there(message_id: int) -> bytes:
    """Refuse, as a server that shows its root DSE to nobody."""
    return wire.done(message_id, 50)


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Watching:
    """A watch over a server whose answers are written down."""

    def __init__(
        self, clock: Clock, *answers: Callable[[int], bytes] | None, heartbeat: Heartbeat | None = MINUTE
    ) -> None:
        self.server = ScriptedServer(*answers)
        self.client = Client(self.server)
        self._clock = clock
        self._watch = Watch(self.client, patience=300, heartbeat=heartbeat)

    def after(self, seconds: float) -> list[object]:
        """Let time pass, receive once, and look."""
        self._clock.now += seconds
        items = self.client.receive(0)
        self._watch.listening()
        return list(items)

    @property
    def asked(self) -> list[str]:
        return [asked.base for asked in self.server.asked]


def test_a_server_is_asked_after_a_while_of_silence(clock: Clock) -> None:
    watching = Watching(clock, nothing_there, nothing_there)

    watching.after(59)
    assert watching.asked == []
    watching.after(2)
    assert watching.asked == [""]
    # The answer, whatever it is, is told to nobody.
    assert watching.after(29) == []
    watching.after(59)
    assert watching.asked == [""]
    watching.after(2)
    assert watching.asked == ["", ""]


def test_a_server_that_talks_is_not_asked(clock: Clock) -> None:
    watching = Watching(clock)
    for _ in range(5):
        watching.server.say(entry(STREAM, 1, "cn=a,dc=x"))
        assert len(watching.after(59)) == 1
    assert watching.asked == []


def test_whatever_it_says_is_an_answer(clock: Clock) -> None:
    watching = Watching(clock, None, None)
    watching.after(61)
    watching.server.say(entry(STREAM, 1, "cn=a,dc=x")[:5])
    watching.after(29)
    watching.after(59)
    assert len(watching.asked) == 1
    watching.after(2)
    assert len(watching.asked) == 2


def test_a_server_that_does_not_answer_is_lost(clock: Clock) -> None:
    watching = Watching(clock, None)
    watching.after(61)
    watching.after(29)
    with pytest.raises(ConnectionLost, match="no word for 91 s") as caught:
        watching.after(1)
    assert caught.value.hint


def test_time_that_nobody_listened_in_is_not_its_fault(clock: Clock) -> None:
    """A callback took an hour: what came meanwhile is read before anybody is blamed."""
    watching = Watching(clock, None, nothing_there)
    watching.after(61)
    watching.server.say(entry(STREAM, 1, "cn=a,dc=x"))
    assert len(watching.after(3600)) == 1
    watching.after(61)
    watching.after(29)


def test_another_connection_begins_anew(clock: Clock) -> None:
    watching = Watching(clock, None)
    watching.after(61)
    clock.now += 60
    other = ScriptedServer(nothing_there)
    watching.client.renew(other)
    watching.after(1)
    watching.after(60)
    assert len(other.searches()) == 1


def test_nobody_is_asked_without_a_heartbeat(clock: Clock) -> None:
    watching = Watching(clock, heartbeat=None)
    watching.after(100_000)
    assert watching.asked == []


@pytest.mark.parametrize(("every", "answer"), [(0, 1), (1, 0), (-1, 1)])
def test_no_time_at_all_is_refused(every: float, answer: float) -> None:
    with pytest.raises(UsageError, match="heartbeat"):
        Heartbeat(every, answer)


# --- real servers -----------------------------------------------------------------------------------------------------


@pytest.fixture(
    params=[Slapd, NsSlapd, pytest.param(ApacheDS, marks=[pytest.mark.long, pytest.mark.timeout(120)])],
    ids=["slapd", "389", "apacheds"],
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as started:
        if request.param is Slapd:
            started.load(empty_tree())
        started.start()
        if request.param is not Slapd:
            started.load(empty_tree())
        yield started


def test_a_server_answers_while_it_holds_the_search(server: Server, tmp_path: Path) -> None:
    """More often than it has threads for a connection."""
    heartbeat = Heartbeat(0.1, 10)
    name = server.rootdn.replace(",", "%2C").replace(" ", "%20")
    url = f"{server.url}/{SUFFIX}?*?sub?(objectClass=*)?bindname={name}"
    trace: list[str] = []
    options = {"heartbeat": heartbeat, "verify_every": 0, "password": server.rootpw, "trace": trace.append}
    with Replica(url, tmp_path / "data", **options) as replica:  # type: ignore[arg-type]  # a few of many
        replica.refresh()
        trace.clear()
        deadline = time.monotonic() + 30
        while len([line for line in trace if "search done" in line]) < 12:
            assert time.monotonic() < deadline, trace
            replica.step(0.1)
        server.add(f"ou=late,{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": ["late"]})
        while len(replica.entries) < 4:
            assert time.monotonic() < deadline, trace
            replica.step(0.1)


@pytest.mark.trap("E10", server="slapd")
def test_a_server_that_hangs_is_noticed(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(f"{slapd.url}/{SUFFIX}", tmp_path / "data", heartbeat=Heartbeat(0.3, 0.3)) as replica:
        replica.refresh()
        os.kill(slapd.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost, match="answers nothing any more"):
                replica.run()
        finally:
            os.kill(slapd.pid, signal.SIGCONT)
