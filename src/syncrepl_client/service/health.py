"""What is well and what is not, by rules over a `Snapshot`.  Pure.

*Live* is a service whose threads are at work: one that is not should be started anew.  *Ready* is one that does what it
is for: its copies are whole and in step, and its events are delivered.  Servers and receivers that are away make a
service unready, never dead: a new start would not bring them back.

Some things have to be said although they are as they should be, such as deletions that wait for a decision.  Whether
they make the service unready as well is a matter of policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, assert_never

from syncrepl_client.exceptions import UsageError
from syncrepl_client.relay import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.service.snapshot import SinkState, Snapshot, SourceState, ThreadState

__all__ = ["Finding", "Policy", "Verdict", "liveness", "readiness", "summary"]


class Verdict(Enum):
    """How something is; the value is the mark before it in a list."""

    WELL = "+"
    NOTED = "!"
    """It is as it should be, and somebody should know."""
    UNWELL = "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a source, a sink or a thread is.

    Args:
        subject: which, such as ``source corp``.
        verdict: how it is.
        text: why, for people.
    """

    subject: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What makes a service unready.

    Args:
        grace: how many seconds a server or a receiver may be away; they are restarted now and then.
        lag: how many seconds a copy may lack what the provider has; None for any number.
        delivery_lag: how old a change may be that is not delivered, in seconds; None for any age.
        held: whether deletions that wait for a decision do.
        paused: whether a sink that is paused does.

    Raises:
        UsageError: a number of seconds is less than 0.
    """

    grace: float = 60.0
    lag: float | None = None
    delivery_lag: float | None = None
    held: bool = False
    paused: bool = False

    def __post_init__(self) -> None:
        for name, seconds in (("grace", self.grace), ("lag", self.lag), ("delivery_lag", self.delivery_lag)):
            if seconds is not None and not seconds >= 0:
                raise UsageError(f"{name} is {seconds:g} s", hint="give a number of seconds that is not less than 0")


def liveness(snapshot: Snapshot) -> list[Finding]:
    """Tell how each thread is; the service is live if none is unwell."""
    return [_thread(thread) for thread in snapshot.threads]


def readiness(snapshot: Snapshot, policy: Policy) -> list[Finding]:
    """Tell how each source and each sink is; the service is ready if none is unwell."""
    sources = [_source(source, policy) for source in snapshot.sources]
    return [*sources, *(_sink(sink, policy) for sink in snapshot.sinks)]


def _thread(thread: ThreadState) -> Finding:
    verdict = Verdict.UNWELL if thread.silent > thread.limit else Verdict.WELL
    text = f"it was at work {thread.silent:.1f} s ago, and may be silent for {thread.limit:g} s"
    return Finding(f"thread {thread.name}", verdict, text)


def _source(source: SourceState, policy: Policy) -> Finding:
    verdict, text = _source_found(source, policy)
    return Finding(f"source {source.name}", verdict, text)


def _source_found(source: SourceState, policy: Policy) -> tuple[Verdict, str]:
    if source.stopped:
        return Verdict.UNWELL, f"it has ended{_because(source.error)}"
    if source.deletes_held:
        verdict = Verdict.UNWELL if policy.held else Verdict.NOTED
        return verdict, (
            f"{source.deletes_held} deletions are held, and the copy is as it was; syncrepl-client deletes lists them"
        )
    if not source.whole:
        doing = "the first load runs" if source.connected else f"no connection{_because(source.error)}"
        return Verdict.UNWELL, f"there is no copy yet: {doing}"
    if not source.connected:
        verdict = Verdict.UNWELL if source.away > policy.grace else Verdict.NOTED
        return verdict, f"no connection for {source.away:.0f} s{_because(source.error)}"
    if policy.lag is not None and source.lag is not None and source.lag > policy.lag:
        return Verdict.UNWELL, f"it is {source.lag:.0f} s behind the provider"
    return Verdict.WELL, f"{source.entries} entries, {'a refresh is in progress' if source.refreshing else 'in step'}"


def _sink(sink: SinkState, policy: Policy) -> Finding:
    verdict, text = _sink_found(sink, policy)
    return Finding(f"sink {sink.sink} from {sink.source}", verdict, text)


def _sink_found(sink: SinkState, policy: Policy) -> tuple[Verdict, str]:
    match sink.state:
        case State.STOPPED:
            return Verdict.UNWELL, f"it has ended{_because(sink.error)}"
        case State.PAUSED:
            verdict = Verdict.UNWELL if policy.paused else Verdict.NOTED
            return verdict, f"paused{_because(sink.error)}{_left(sink)}"
        case State.WAITING:
            verdict = Verdict.NOTED if sink.lag is not None and sink.lag <= policy.grace else Verdict.UNWELL
            return verdict, f"the receiver is away, {sink.retries} tries have failed{_because(sink.error)}{_left(sink)}"
        case State.RUNNING:
            late = policy.delivery_lag is not None and sink.lag is not None and sink.lag > policy.delivery_lag
            return Verdict.UNWELL if late else Verdict.WELL, f"it delivers{_left(sink)}"
        case _:
            assert_never(sink.state)


def _because(error: str) -> str:
    return f": {error}" if error else ""


def _left(sink: SinkState) -> str:
    parts = [
        *([f"{sink.pending} changes are left"] if sink.pending else []),
        *([f"the oldest is {sink.lag:.1f} s old"] if sink.lag else []),
        *([f"{sink.dead_letters} events are set aside"] if sink.dead_letters else []),
    ]
    return f"; {', '.join(parts)}" if parts else ""


def summary(snapshot: Snapshot, policy: Policy) -> str:
    """Say in one line how the service is."""
    findings = readiness(snapshot, policy)
    entries = sum(source.entries for source in snapshot.sources)
    parts = [
        f"{_well(findings[: len(snapshot.sources)])} of {len(snapshot.sources)} sources in step, {entries:,} entries",
        f"{_well(findings[len(snapshot.sources) :])} of {len(snapshot.sinks)} sinks deliver",
    ]
    unwell = next((one for one in findings if one.verdict is not Verdict.WELL), None)
    return "; ".join(parts) + (f"; {unwell.subject}: {unwell.text}" if unwell else "")


def _well(findings: Iterable[Finding]) -> int:
    return sum(one.verdict is Verdict.WELL for one in findings)
