"""For how long a copy has lacked what its provider has: what is asked, and what follows from the answers."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Heartbeat, Replica
from syncrepl_client.connection.client import Client
from syncrepl_client.consumer.lag import Lag, Question
from syncrepl_client.contentsync.dialects import APACHEDS, DS389, FREEIPA, OPENLDAP, UNKNOWN
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import filter as filters
from syncrepl_client.testing import wire
from tests.following import until
from tests.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.slapd import Slapd

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
SEARCH = Search(PEOPLE, SUBTREE, filters.encode("(objectClass=account)"), ())


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- what follows -----------------------------------------------------------------------------------------------------


def test_nothing_is_known_before_the_first_answer(clock: Clock) -> None:
    assert Lag(10, clock=clock).seconds is None


def test_a_copy_in_step_is_not_behind(clock: Clock) -> None:
    lag = Lag(10, clock=clock)
    lag.in_step()
    clock.now += 20

    assert lag.seconds == 0


def test_at_first_it_is_as_far_behind_as_the_provider_says(clock: Clock) -> None:
    lag = Lag(10, clock=clock)
    lag.behind(3600.0)

    assert lag.seconds == 3600
    clock.now += 21
    # Nobody answers.
    assert lag.seconds == 3621


def test_it_is_not_behind_for_longer_than_since_it_was_in_step(clock: Clock) -> None:
    """After a quiet night the next change is hours newer than the last one."""
    lag = Lag(10, clock=clock)
    lag.in_step()
    clock.now += 10
    lag.behind(8 * 3600.0)

    assert lag.seconds == 10
    clock.now += 10
    lag.behind(8 * 3600.0 + 10)
    assert lag.seconds == 20


def test_nor_for_longer_than_the_changes_that_it_lacks(clock: Clock) -> None:
    lag = Lag(10, clock=clock)
    lag.in_step()
    clock.now += 10
    lag.behind(0.25)

    assert lag.seconds == 0.25


def test_without_answers_it_may_lack_something_since_it_was_in_step(clock: Clock) -> None:
    lag = Lag(10, clock=clock)
    lag.in_step()
    clock.now += 21

    assert lag.seconds == 21
    lag.in_step()
    assert lag.seconds == 0


@pytest.mark.parametrize("every", [0, -1.0, float("nan")])
def test_no_time_between_questions_is_refused(every: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"asked each .* how far it is") as refused:
        Replica(f"ldap://localhost/{SUFFIX}", tmp_path, lag_every=every)
    assert refused.value.hint


# --- what is asked ----------------------------------------------------------------------------------------------------


def csn(second: int, sid: int = 0) -> bytes:
    return b"20260101%06d.000000Z#000000#%03x#000000" % (second, sid)


def context(*csns: bytes) -> Callable[[int], bytes]:
    """Say how far a provider is."""
    return lambda number: wire.message(number, wire.entry(SUFFIX, {"contextCSN": [*csns]})) + wire.done(number)


def person(number: int) -> bytes:
    """Find somebody."""
    return wire.message(number, wire.entry(f"uid=a,{PEOPLE}", {})) + wire.done(number, 4)


class Asking:
    """Questions to a server whose answers are written down, each second."""

    def __init__(self, *answers: Callable[[int], bytes] | None, ours: bytes, suffix: str | None = SUFFIX) -> None:
        self.server = ScriptedServer(*answers)
        self.client = Client(self.server)
        self.ours: bytes | None = b"rid=000,csn=" + ours
        self.lag = Lag(1.0, clock=time.monotonic)
        self._question = Question(self.client, SEARCH, suffix, lambda: self.ours, self.lag)

    def look(self) -> float | None:
        """Look as a consumer does between two steps, and once more for what it leads to."""
        for _ in range(3):
            self._question.look(OPENLDAP)
            assert self.client.receive(0) == []
        return self.lag.seconds

    @property
    def bases(self) -> list[str]:
        return [asked.base for asked in self.server.asked]


def test_a_provider_that_has_no_more_is_asked_once() -> None:
    asking = Asking(context(csn(5)), ours=csn(5))

    assert asking.look() == 0
    assert asking.bases == [SUFFIX]
    (asked,) = asking.server.asked
    assert asked.scope == 0


def test_who_is_ahead_is_asked_whether_that_is_in_the_content() -> None:
    asking = Asking(context(csn(9)), person, ours=csn(5))

    assert asking.look() == 4
    assert asking.bases == [SUFFIX, PEOPLE]
    assert asking.server.asked[1].filter == filters.encode(f"(&(objectClass=account)(|(entryCSN={csn(9).decode()})))")


def test_what_is_not_in_the_content_is_not_missing() -> None:
    assert Asking(context(csn(9)), wire.done, ours=csn(5)).look() == 0


def test_what_has_come_meanwhile_is_not_missing() -> None:
    def comes(number: int) -> bytes:
        asking.ours = b"rid=000,csn=" + csn(9)
        return person(number)

    asking = Asking(context(csn(9)), comes, ours=csn(5))

    assert asking.look() == 0


def test_each_server_that_writes_is_compared_with_itself() -> None:
    provider = context(csn(9, 1), csn(30, 2), csn(12, 3))

    asking = Asking(provider, person, ours=csn(7, 1) + b";" + csn(30, 2) + b";" + csn(2, 3))

    assert asking.look() == 10
    assert asking.server.asked[1].filter == filters.encode(
        f"(&(objectClass=account)(|(entryCSN={csn(9, 1).decode()})(entryCSN={csn(12, 3).decode()})))"
    )


def test_a_server_that_is_new_had_nothing_before_the_newest_change() -> None:
    assert Asking(context(csn(5, 1), csn(8, 2)), person, ours=csn(5, 1)).look() == 3


@pytest.mark.parametrize(
    "newest", [csn(2, 2), b"20269999999999.000000Z#000000#000#000000"], ids=["a slow clock", "no date"]
)
def test_what_clocks_do_not_tell_is_not_known_until_it_was_in_step(
    newest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    asking = Asking(context(newest), person, context(csn(5, 1)), context(newest), person, ours=csn(5, 1))

    assert asking.look() is None
    clock.now += 1
    assert asking.look() == 0
    clock.now += 1
    assert asking.look() == 1
    assert len(asking.bases) == 5


def test_changes_of_one_moment_are_behind_by_nothing() -> None:
    """They are told apart by a counter."""
    later = csn(5).replace(b"#000000#", b"#000001#", 1)

    assert Asking(context(later), person, ours=csn(5)).look() == 0


@pytest.mark.parametrize(
    "answer",
    [context(), context(b"soon"), wire.done, lambda number: wire.done(number, 50)],
    ids=["no values", "no number", "no entry", "refused"],
)
def test_who_does_not_show_it_leaves_it_unknown(answer: Callable[[int], bytes]) -> None:
    assert Asking(answer, ours=csn(5)).look() is None


def test_a_copy_without_a_cookie_leaves_it_unknown() -> None:
    asking = Asking(context(csn(5)), ours=csn(5))
    asking.ours = None

    assert asking.look() is None


def test_a_server_whose_suffix_is_not_known_is_not_asked() -> None:
    assert Asking(ours=csn(5), suffix=None).look() is None


@pytest.mark.parametrize("dialect", [DS389, FREEIPA, APACHEDS, UNKNOWN], ids=lambda dialect: dialect.name)
def test_servers_that_do_not_count_so_are_not_asked(dialect: object) -> None:
    server = ScriptedServer()
    lag = Lag(1.0)

    Question(Client(server), SEARCH, SUFFIX, lambda: b"rid=000,csn=" + csn(5), lag).look(dialect)  # type: ignore[arg-type]

    assert (server.asked, lag.seconds) == ([], None)


def test_a_question_that_is_not_answered_is_asked_again_when_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    asking = Asking(None, context(csn(5)), ours=csn(5))

    assert asking.look() is None
    clock.now += 0.9
    assert asking.look() is None
    assert asking.bases == [SUFFIX]
    clock.now += 0.2
    assert asking.look() == 0
    # The first answer comes after all, and counts for nothing.
    asking.ours = b"rid=000,csn=" + csn(1)
    asking.server.say(context(csn(5))(asking.server.asked[0].message_id))
    assert asking.look() == 0
    assert asking.bases == [SUFFIX, SUFFIX]


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


def follow(replica: Replica, condition: Callable[[], object]) -> None:
    """Step until something is so."""
    until(lambda: replica.follow_step(0.05) and condition())


def test_a_copy_of_a_part_is_in_step_whatever_happens_elsewhere(slapd: Slapd, tmp_path: Path) -> None:
    """Slapd tells nobody of a deletion outside of the content."""
    for name in ("a", "b"):
        slapd.add(f"ou={name},ou=groups,{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": [name]})
    lines: list[str] = []
    url = f"{slapd.url}/{PEOPLE}?*?sub?(objectClass=account)"
    with Replica(url, tmp_path / "copy.db", lag_every=0.05, trace=lines.append) as replica:
        assert replica.lag is None
        follow(replica, lambda: replica.lag == 0)
        slapd.add(f"uid=ann,{PEOPLE}", {"objectClass": ["account"], "uid": ["ann"]})
        follow(replica, lambda: len(replica.entries) == 1 and replica.lag == 0)
        lines.clear()
        slapd.delete(f"ou=a,ou=groups,{SUFFIX}")

        # A question that begins after the deletion is answered; it takes the second question to know.
        follow(replica, lambda: any("(entryCSN=" in line for line in lines))
        follow(replica, lambda: replica.lag == 0)

    assert replica.lag is None


def test_a_server_that_hangs_leaves_the_copy_behind(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(f"{slapd.url}/{SUFFIX}", tmp_path / "copy.db", lag_every=0.05, heartbeat=Heartbeat(60, 60)) as replica:
        follow(replica, lambda: replica.lag == 0)
        os.kill(slapd.pid, signal.SIGSTOP)
        try:
            follow(replica, lambda: (replica.lag or 0) > 0.3)
            before = replica.lag
            follow(replica, lambda: (replica.lag or 0) > (before or 0))
        finally:
            os.kill(slapd.pid, signal.SIGCONT)
        follow(replica, lambda: replica.lag == 0)


def test_it_is_known_while_connections_come_and_go(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(f"{slapd.url}/{SUFFIX}", tmp_path / "copy.db", lag_every=0.05) as replica:
        follow(replica, lambda: replica.lag == 0)
        slapd.kill()
        follow(replica, lambda: (replica.lag or 0) > 0.3)
        slapd.start()
        follow(replica, lambda: replica.lag == 0)


def test_nobody_is_asked_unless_somebody_wants_to_know(slapd: Slapd, tmp_path: Path) -> None:
    lines: list[str] = []
    with Replica(f"{slapd.url}/{SUFFIX}", tmp_path / "copy.db", trace=lines.append) as replica:
        replica.refresh()
        began = time.monotonic()
        follow(replica, lambda: time.monotonic() > began + 0.2)

        assert replica.lag is None
    assert not [line for line in lines if line.startswith(">") and "contextCSN" in line]
