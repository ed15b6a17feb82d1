"""Which provider is tried next, and when: with a clock that does not tick by itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Backoff
from syncrepl_client.exceptions import ConnectionFailed, ConnectionLost, MassDeletionHeld, ProviderBehind, UsageError
from syncrepl_client.ldap import url as urls
from syncrepl_client.provider import follow
from syncrepl_client.provider.follow import Follower
from syncrepl_client.provider.providers import Listed
from syncrepl_client.retry import Verdict, verdict

if TYPE_CHECKING:
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.provider.providers import Providers

HELD = MassDeletionHeld(60, 100)
BEHIND = ProviderBehind(b"csn=2", b"csn=1")


@dataclass
class Line:
    """A connection that does what a test says, and the time that passes with it."""

    # By host, what comes of each try: None for a connection, and what comes of each listening: whether to go on, or
    # how many seconds it takes.
    tries: dict[str, deque[Exception | None]] = field(default_factory=dict)
    heard: deque[Exception | bool | float] = field(default_factory=deque)
    connected: bool = False
    refreshing: bool = True
    decided: bool = False
    now: float = 1000.0
    # What happened, with the seconds since the beginning.
    log: list[tuple[float, str]] = field(default_factory=list)

    def connect(self, url: LDAPUrl) -> None:
        self.log.append((self.now - 1000, url.host))
        row = self.tries.get(url.host)
        outcome = row.popleft() if row else ConnectionFailed(f"{url.host} refuses")
        if outcome is not None:
            raise outcome
        self.connected = self.refreshing = True

    def disconnect(self) -> None:
        self.connected = False

    def listen(self, timeout: float) -> bool:
        assert self.connected
        outcome = self.heard.popleft()
        if isinstance(outcome, Exception):
            raise outcome
        self.refreshing = False
        if isinstance(outcome, float):
            self.now += outcome
        return bool(outcome)

    def worth_another_try(self, error: Exception) -> bool:
        return verdict(error) is not Verdict.STOP

    def pause(self, seconds: float) -> None:
        assert not self.connected
        self.now += seconds


class Heard:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, float, int]] = []

    def connected(self, url: str) -> None:
        self.told.append(("connected", url.partition(":")[0], 0.0, 0))

    def disconnected(self, error: Exception, *, url: str, delay: float, attempt: int) -> None:
        self.told.append((type(error).__name__, url.partition(":")[0], delay, attempt))


def listed(*hosts: str) -> Listed:
    first, *others = (urls.parse(f"ldap://{host}/dc=x") for host in hosts)
    return Listed(first, tuple(others))


def make(line: Line, providers: Providers, told: Heard | None = None, backoff: Backoff = Backoff(1, 8)) -> Follower:  # noqa: B008
    return Follower(line, providers, told, backoff, random=lambda: 1.0, clock=lambda: line.now)


def run(follower: Follower, line: Line, seconds: float, timeout: float = 3.0) -> None:
    """Step until so much time has passed, or nothing is left to be heard."""
    until = line.now + seconds
    while line.now < until and not (line.connected and not line.heard):
        follower.step(timeout)


def test_one_server_is_tried_again_after_longer_and_longer_waits() -> None:
    line, heard = Line(), Heard()

    run(make(line, listed("a"), heard), line, 30)

    assert [when for when, _ in line.log] == [0, 1, 3, 7, 15, 23]
    assert heard.told[:3] == [
        ("ConnectionFailed", "a", 1, 1),
        ("ConnectionFailed", "a", 2, 2),
        ("ConnectionFailed", "a", 4, 3),
    ]


@pytest.mark.parametrize("error", [ConnectionLost("x"), HELD])
def test_who_cannot_wait_has_the_next_try_at_once(error: Exception) -> None:
    line = Line({"a": deque([None, None])})
    line.heard.append(error)
    follower = make(line, listed("a"))
    follower.step(3)
    # It is of no use to who is connected, now or later.
    follower.hurry()
    follower.step(3)
    follower.step(0.5)
    assert line.log == [(0, "a")]

    follower.hurry()
    follower.step(3)

    assert line.log == [(0, "a"), (0.5, "a")]


def test_who_comes_while_a_try_is_made_has_the_next_one_at_once() -> None:
    """The network is there again, but the try had begun without it."""

    class Hanging(Line):
        def connect(self, url: LDAPUrl) -> None:
            if not self.log:
                follower.hurry()
            super().connect(url)

    line = Hanging()
    follower = make(line, listed("a"))
    run(follower, line, 4)

    assert [when for when, _ in line.log] == [0, 0, 1, 3]


def test_who_cannot_wait_does_not_make_the_later_waits_longer() -> None:
    line, heard = Line(), Heard()
    follower = make(line, listed("a"), heard)
    for _ in range(4):
        follower.step(3)
        follower.hurry()

    run(follower, line, 5)

    assert [delay for _, _, delay, _ in heard.told] == [1, 1, 1, 1, 1, 2, 4]


def test_a_step_waits_no_longer_than_it_may() -> None:
    line = Line()
    follower = make(line, listed("a"), backoff=Backoff(4, 8))
    follower.step(3)

    waited = []
    while len(line.log) < 2:
        before = line.now
        assert follower.step(1.5)
        waited.append(line.now - before)

    assert waited == [1.5, 1.5, 1.0, 0.0]


@pytest.mark.parametrize(("seconds", "then"), [(40.5, 1), (39.5, 8)])
def test_to_be_in_step_for_much_longer_than_the_wait_begins_the_waits_anew(seconds: float, then: int) -> None:
    line, heard = Line({"a": deque([ConnectionLost("x")] * 3 + [None, None])}), Heard()
    line.heard.extend([True, seconds, ConnectionLost("broke"), True])

    run(make(line, listed("a"), heard), line, 60)

    assert [told[0::2] for told in heard.told] == [
        ("ConnectionLost", 1),
        ("ConnectionLost", 2),
        ("ConnectionLost", 4),
        ("connected", 0),
        ("ConnectionLost", then),
        ("connected", 0),
    ]
    # Each complete refresh begins a new row of failures all the same.
    assert [told[3] for told in heard.told if told[0] == "ConnectionLost"] == [1, 2, 3, 1]


def test_a_server_that_breaks_after_each_refresh_is_not_asked_for_everything_again_and_again() -> None:
    line, heard = Line({"a": deque([None] * 9)}), Heard()
    line.heard.extend([True, 2.5, ConnectionLost("broke")] * 6)

    run(make(line, listed("a"), heard), line, 60)

    assert [told[2] for told in heard.told if told[0] == "ConnectionLost"] == [1, 2, 4, 8, 8, 8]


def test_a_connection_alone_does_not_begin_them_anew() -> None:
    """A server that accepts everybody and drops them in the middle of a refresh is not asked without a pause."""
    line, heard = Line({"a": deque([None] * 9)}), Heard()
    line.heard.extend([ConnectionLost("in the middle")] * 4)

    run(make(line, listed("a"), heard), line, 60)

    assert [told[2] for told in heard.told if told[0] != "connected"] == [1, 2, 4, 8]


def test_another_server_is_tried_at_once_and_then_the_first_again() -> None:
    line = Line()

    run(make(line, listed("a", "b", "c")), line, 5)

    assert line.log == [(0, "a"), (0, "b"), (0, "c"), (1, "a"), (1, "b"), (1, "c"), (3, "a"), (3, "b"), (3, "c")]


def test_a_server_that_lags_is_left_for_another_and_come_back_to() -> None:
    line = Line({"b": deque([BEHIND, None])})

    run(make(line, listed("a", "b")), line, 60)

    assert line.log == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert line.connected


def test_servers_that_drop_in_turn_are_not_tried_as_fast_as_the_network_carries_it() -> None:
    line = Line({host: deque([None] * 50) for host in "ab"})
    line.heard.extend([True, ConnectionLost("dropped")] * 20)

    run(make(line, listed("a", "b")), line, 5)

    assert line.log == [(second, host) for second in (0, 1, 3) for host in "ab"]


def test_servers_are_looked_up_for_each_try() -> None:
    class Changing:
        """Loses a server and gets another one at each look."""

        looks = 0

        def known(self) -> list[LDAPUrl]:
            return []

        def urls(self) -> list[LDAPUrl]:
            self.looks += 1
            if self.looks == 3:
                raise ConnectionFailed("the DNS does not answer")
            return listed(*(f"h{number}" for number in range(self.looks, self.looks + 2))).urls()

    line, heard = Line(), Heard()

    run(make(line, Changing(), heard), line, 4)

    # Each look tells of others, which makes no more tries without a wait than servers of one look.
    assert line.log == [(0, "h1"), (0, "h2"), (3, "h4"), (3, "h5")]
    assert ("ConnectionFailed", "", 2, 3) in heard.told


def test_what_is_not_worth_another_try_is_raised() -> None:
    line = Line({"a": deque([UsageError("no")])})

    with pytest.raises(UsageError):
        make(line, listed("a", "b")).step(3)
    assert line.log == [(0, "a")]


def test_a_search_that_is_over_is_over() -> None:
    line = Line({"a": deque([None])})
    line.heard.extend([True, False])
    follower = make(line, listed("a"))

    assert [follower.step(3) for _ in range(3)] == [True, True, False]


def test_what_is_held_waits_until_somebody_has_decided() -> None:
    line, heard = Line({"a": deque([None, None])}), Heard()
    line.heard.append(HELD)
    follower = make(line, listed("a", "b"), heard)
    run(follower, line, 100)
    assert line.log == [(0, "a")]

    line.decided = True
    before = line.now
    follower.step(3)

    # The first again: it is no failure of the server.
    assert line.log[1:] == [(before - 1000, "a")]
    assert heard.told == [
        ("connected", "a", 0, 0),
        ("MassDeletionHeld", "a", follow._HELD_FOR, 1),  # noqa: SLF001
        ("connected", "a", 0, 0),
    ]


def test_a_decision_is_looked_for_often() -> None:
    line = Line({"a": deque([None])}, deque([HELD]))
    follower = make(line, listed("a"))
    follower.step(3)
    follower.step(3)

    before = line.now
    follower.step(3600)

    assert line.now - before == 1.0


def test_what_is_held_is_asked_for_once_more_after_a_while() -> None:
    """What would be deleted may have come back."""
    line = Line({"a": deque([None, None])}, deque([HELD, True]))

    run(make(line, listed("a")), line, 2000)

    assert line.log == [(0, "a"), (600, "a")]
    assert line.connected
    assert not line.refreshing


def test_opening_takes_the_first_that_can_be_had() -> None:
    line = Line({"b": deque([None])})
    follower = make(line, listed("a", "b", "c"))

    follower.open(line.connect)

    assert line.log == [(0, "a"), (0, "b")]
    line.heard.append(ConnectionLost("broke"))
    run(follower, line, 0.5)
    assert line.log[2:] == [(0, "c")]


def test_opening_waits_for_none() -> None:
    line = Line()

    with pytest.raises(ConnectionFailed, match="b refuses"):
        make(line, listed("a", "b")).open(line.connect)

    assert line.log == [(0, "a"), (0, "b")]
