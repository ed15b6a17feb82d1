"""What is well, what is said, and what is not well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.relay import State
from syncrepl_client.service.health import Finding, Policy, Verdict, liveness, readiness, summary
from syncrepl_client.service.snapshot import SinkState, Snapshot, SourceState, ThreadState
from tests.service.snapshots import BUSY, CORP, QUEUE

AWAY = replace(CORP, connected=False, away=59.0, error="ConnectionFailed: no route to ldap.example.com")
LATE = replace(QUEUE, state=State.WAITING, retries=4, lag=61.0, error="SinkUnavailable: refused")


def source(state: SourceState, policy: Policy = Policy()) -> Finding:  # noqa: B008 - a frozen value
    (found,) = readiness(replace(BUSY, sources=(state,), sinks=()), policy)
    return found


def sink(state: SinkState, policy: Policy = Policy()) -> Finding:  # noqa: B008 - a frozen value
    (found,) = readiness(replace(BUSY, sources=(), sinks=(state,)), policy)
    return found


def test_all_is_well() -> None:
    assert readiness(BUSY, Policy()) == [
        Finding("source corp", Verdict.WELL, "1234 entries, in step"),
        Finding("sink queue from corp", Verdict.WELL, "it delivers; 7 changes are left, the oldest is 1.5 s old"),
    ]
    assert {one.verdict for one in liveness(BUSY)} == {Verdict.WELL}


@pytest.mark.parametrize(("silent", "verdict"), [(60.0, Verdict.WELL), (60.1, Verdict.UNWELL)])
def test_a_thread_may_be_silent_for_its_time(silent: float, verdict: Verdict) -> None:
    snapshot = replace(BUSY, threads=(ThreadState("corp", silent, 60.0), ThreadState("other", 0.0, 1.0)))

    found, other = liveness(snapshot)
    assert (found.subject, found.verdict) == ("thread corp", verdict)
    assert other.verdict is Verdict.WELL


def test_servers_and_receivers_that_are_away_make_nobody_dead() -> None:
    broken = replace(BUSY, sources=(replace(AWAY, away=1e6, stopped=True),), sinks=(LATE,))

    assert {one.verdict for one in liveness(broken)} == {Verdict.WELL}
    assert {one.verdict for one in readiness(broken, Policy())} == {Verdict.UNWELL}


def test_before_the_first_load_is_over_nothing_is_ready() -> None:
    loading = replace(CORP, whole=False, refreshing=True)

    assert source(loading).verdict is Verdict.UNWELL
    assert source(loading).text == "there is no copy yet: the first load runs"
    unreachable = replace(AWAY, whole=False, away=0.0)
    assert source(unreachable).verdict is Verdict.UNWELL
    assert source(unreachable).text.endswith("no connection: ConnectionFailed: no route to ldap.example.com")


def test_a_later_refresh_leaves_it_ready() -> None:
    assert source(replace(CORP, refreshing=True)).verdict is Verdict.WELL


@pytest.mark.parametrize(
    ("away", "grace", "verdict"),
    [
        (59.0, 60.0, Verdict.NOTED),
        (60.0, 60.0, Verdict.NOTED),
        (61.0, 60.0, Verdict.UNWELL),
        (1.0, 0.0, Verdict.UNWELL),
    ],
)
def test_a_server_may_be_away_for_a_while(away: float, grace: float, verdict: Verdict) -> None:
    found = source(replace(AWAY, away=away), Policy(grace=grace))

    assert found.verdict is verdict
    assert found.text == f"no connection for {away:.0f} s: ConnectionFailed: no route to ldap.example.com"


def test_a_source_that_has_ended_has_no_time_of_grace() -> None:
    ended = replace(AWAY, away=0.0, stopped=True, error="InvalidCredentials")

    assert source(ended) == Finding("source corp", Verdict.UNWELL, "it has ended: InvalidCredentials")


def test_deletions_that_are_held_are_said_and_the_policy_decides() -> None:
    # The connection is closed until somebody decides: that says less.
    held = replace(AWAY, away=3600.0, deletes_held=99)

    assert source(held).verdict is Verdict.NOTED
    assert source(held).text.startswith("99 deletions are held")
    assert source(held, Policy(held=True)).verdict is Verdict.UNWELL


@pytest.mark.parametrize(
    ("lag", "limit", "verdict"),
    [(11.0, 10.0, Verdict.UNWELL), (10.0, 10.0, Verdict.WELL), (1e6, None, Verdict.WELL), (None, 10.0, Verdict.WELL)],
)
def test_a_copy_may_be_behind_as_far_as_the_policy_says(
    lag: float | None, limit: float | None, verdict: Verdict
) -> None:
    assert source(replace(CORP, lag=lag), Policy(lag=limit)).verdict is verdict
    assert sink(replace(QUEUE, lag=lag), Policy(delivery_lag=limit)).verdict is verdict


@pytest.mark.parametrize(("lag", "verdict"), [(60.0, Verdict.NOTED), (60.5, Verdict.UNWELL), (None, Verdict.UNWELL)])
def test_a_receiver_may_be_away_as_long_as_nothing_is_too_old(lag: float | None, verdict: Verdict) -> None:
    assert sink(replace(LATE, lag=lag)).verdict is verdict


def test_a_receiver_that_is_away_is_told_with_its_reason() -> None:
    assert sink(replace(LATE, dead_letters=2)).text == (
        "the receiver is away, 4 tries have failed: SinkUnavailable: refused; "
        "7 changes are left, the oldest is 61.0 s old, 2 events are set aside"
    )


def test_a_sink_that_is_paused_is_said_and_the_policy_decides() -> None:
    paused = replace(QUEUE, state=State.PAUSED, pending=0, lag=0.0, error="EventRejected: too large")

    assert sink(paused) == Finding("sink queue from corp", Verdict.NOTED, "paused: EventRejected: too large")
    assert sink(paused, Policy(paused=True)).verdict is Verdict.UNWELL


def test_a_sink_that_has_ended_is_not_ready() -> None:
    ended = sink(replace(QUEUE, state=State.STOPPED, error="UsageError: no such topic"))

    assert (ended.verdict, ended.text) == (Verdict.UNWELL, "it has ended: UsageError: no such topic")


def test_one_line_says_it_all() -> None:
    assert summary(BUSY, Policy()) == "1 of 1 sources in step, 1,234 entries; 1 of 1 sinks deliver"
    trouble = replace(BUSY, sources=(CORP, replace(AWAY, name="lab")), sinks=(LATE,))
    assert summary(trouble, Policy()) == (
        "1 of 2 sources in step, 2,468 entries; 0 of 1 sinks deliver; "
        "source lab: no connection for 59 s: ConnectionFailed: no route to ldap.example.com"
    )


def test_a_service_without_anything_has_nothing_unwell() -> None:
    empty = Snapshot(version="1", python="3")

    assert (liveness(empty), readiness(empty, Policy())) == ([], [])


@pytest.mark.parametrize("wrong", [{"grace": -1.0}, {"lag": float("nan")}, {"delivery_lag": -0.1}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Policy(**wrong)  # type: ignore[arg-type]
