"""What the service does, in numbers: the text that Prometheus reads, made of a `Snapshot`.

All there is stands in one table.  Pure: no clock, no socket, no log, and nothing is counted here.

Two forms are written, which differ little: the text format 0.0.4, and OpenMetrics 1.0, which a reader asks for.  In
the latter the name of a counter or of an info lacks its suffix where its type is said, and the text has an end.

No label holds the name of an entry or a UUID: each of them would be a time series of its own, and personal data.  The
labels are names of the configuration and words of short lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from syncrepl_client.envelope.base import CHANGES, Kind
from syncrepl_client.exceptions import SyncreplError
from syncrepl_client.relay import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncrepl_client.service.snapshot import SinkState, Snapshot, SourceState

__all__ = ["FAMILIES", "Family", "Form", "Sample", "Type", "form_for", "reason", "write"]

Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the number."""

_OPS: Final = tuple(kind for kind in CHANGES if kind is not Kind.READ)


class Type(Enum):
    """What kind of number it is."""

    COUNTER = "counter"
    """It only grows, from 0 at the start of the service."""
    GAUGE = "gauge"
    """It goes up and down."""
    INFO = "info"
    """It is always 1, and its labels say something."""


class Form(Enum):
    """How the text is written; the value is its media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name.

    Args:
        name: the name.
        type: what kind of number it is.
        help: what it says, in one sentence without line breaks, quotation marks and backslashes.
        labels: the names of the labels.
        samples: finds the numbers.
    """

    name: str
    type: Type
    help: str
    labels: tuple[str, ...]
    samples: Callable[[Snapshot], Iterable[Sample]]


# --- where the numbers are --------------------------------------------------------------------------------------------


def _one(find: Callable[[Snapshot], float | None]) -> Callable[[Snapshot], Iterator[Sample]]:
    return lambda snapshot: _known([((), find(snapshot))])


def _sources(find: Callable[[SourceState], float | None]) -> Callable[[Snapshot], Iterator[Sample]]:
    return lambda snapshot: _known(((source.name,), find(source)) for source in snapshot.sources)


def _sinks(find: Callable[[SinkState], float | None]) -> Callable[[Snapshot], Iterator[Sample]]:
    return lambda snapshot: _known(((sink.sink, sink.source), find(sink)) for sink in snapshot.sinks)


def _known(found: Iterable[tuple[tuple[str, ...], float | None]]) -> Iterator[Sample]:
    return ((labels, value) for labels, value in found if value is not None)


def _changes(snapshot: Snapshot) -> Iterator[Sample]:
    for source in snapshot.sources:
        yield from (((source.name, op), source.changes.get(op, 0)) for op in _OPS)


def _reconnects(snapshot: Snapshot) -> Iterator[Sample]:
    for source in snapshot.sources:
        yield from (((source.name, why), count) for why, count in sorted(source.reconnects.items()))


def _events(snapshot: Snapshot) -> Iterator[Sample]:
    for sink in snapshot.sinks:
        yield from (((sink.sink, sink.source, op), sink.delivered.get(op, 0)) for op in Kind)


def _states(snapshot: Snapshot) -> Iterator[Sample]:
    for sink in snapshot.sinks:
        yield from (((sink.sink, sink.source, state), sink.state is state) for state in State)


def _silences(snapshot: Snapshot) -> Iterator[Sample]:
    yield from (((thread.name,), thread.silent) for thread in snapshot.threads)


_OF_SOURCE: Final = ("source",)
_OF_SINK: Final = ("sink", "source")

FAMILIES: Final = (
    Family(
        "syncrepl_build_info",
        Type.INFO,
        "The versions of the package and of Python.",
        ("version", "python"),
        lambda snapshot: [((snapshot.version, snapshot.python), 1)],
    ),
    Family(
        "syncrepl_copy_complete",
        Type.GAUGE,
        "Whether there is a copy, which is so from the end of the first load on.",
        _OF_SOURCE,
        _sources(lambda source: source.whole),
    ),
    Family(
        "syncrepl_entries",
        Type.GAUGE,
        "How many entries the copy has.",
        _OF_SOURCE,
        _sources(lambda source: source.entries),
    ),
    Family(
        "syncrepl_connected",
        Type.GAUGE,
        "Whether a search runs at a provider.",
        _OF_SOURCE,
        _sources(lambda source: source.connected),
    ),
    Family(
        "syncrepl_refreshing",
        Type.GAUGE,
        "Whether a refresh is in progress.",
        _OF_SOURCE,
        _sources(lambda source: source.refreshing),
    ),
    Family(
        "syncrepl_stopped",
        Type.GAUGE,
        "Whether an error that does not get better has ended it.",
        _OF_SOURCE,
        _sources(lambda source: source.stopped),
    ),
    Family(
        "syncrepl_lag_seconds",
        Type.GAUGE,
        "For how long, at the most, the copy has lacked what the provider has; absent if that is not known.",
        _OF_SOURCE,
        _sources(lambda source: source.lag),
    ),
    Family(
        "syncrepl_last_event_timestamp_seconds",
        Type.GAUGE,
        "When the last change was stored.",
        _OF_SOURCE,
        _sources(lambda source: source.last_event),
    ),
    Family(
        "syncrepl_changes_total",
        Type.COUNTER,
        "How many changes were stored, by what happened.",
        ("source", "op"),
        _changes,
    ),
    Family(
        "syncrepl_reconnects_total",
        Type.COUNTER,
        "How many connections were lost or could not be made, by the class of the error.",
        ("source", "reason"),
        _reconnects,
    ),
    Family(
        "syncrepl_deletes_held",
        Type.GAUGE,
        "How many deletions are held until somebody decides.",
        _OF_SOURCE,
        _sources(lambda source: source.deletes_held),
    ),
    Family(
        "syncrepl_events_total",
        Type.COUNTER,
        "How many events the receiver has confirmed, by what happened.",
        (*_OF_SINK, "op"),
        _events,
    ),
    Family(
        "syncrepl_outbox_pending_events",
        Type.GAUGE,
        "How many changes are not delivered yet.",
        _OF_SINK,
        _sinks(lambda sink: sink.pending),
    ),
    Family(
        "syncrepl_sink_lag_seconds",
        Type.GAUGE,
        "How old the oldest change is that is not delivered yet; 0 if there is none.",
        _OF_SINK,
        _sinks(lambda sink: sink.lag),
    ),
    Family(
        "syncrepl_sink_state",
        Type.GAUGE,
        "What the delivery does: 1 for the state that it is in, 0 for the others.",
        (*_OF_SINK, "state"),
        _states,
    ),
    Family(
        "syncrepl_sink_errors_total",
        Type.COUNTER,
        "How many tries to deliver have failed.",
        _OF_SINK,
        _sinks(lambda sink: sink.errors),
    ),
    Family(
        "syncrepl_sink_retries",
        Type.GAUGE,
        "How many tries have failed since something was delivered.",
        _OF_SINK,
        _sinks(lambda sink: sink.retries),
    ),
    Family(
        "syncrepl_sink_rejected_events_total",
        Type.COUNTER,
        "How many events the receiver would never take, so that they were set aside or left out.",
        _OF_SINK,
        _sinks(lambda sink: sink.rejected),
    ),
    Family(
        "syncrepl_sink_dead_letters",
        Type.GAUGE,
        "How many events are set aside now.",
        _OF_SINK,
        _sinks(lambda sink: sink.dead_letters),
    ),
    Family(
        "syncrepl_thread_silence_seconds",
        Type.GAUGE,
        "For how long a thread has not said that it is at work.",
        ("thread",),
        _silences,
    ),
    Family(
        "syncrepl_config_last_reload_successful",
        Type.GAUGE,
        "Whether the configuration, when it was read last, was one that can be.",
        (),
        _one(lambda snapshot: not snapshot.reload_failed),
    ),
    Family(
        "syncrepl_config_last_reload_success_timestamp_seconds",
        Type.GAUGE,
        "When the configuration that counts now was read.",
        (),
        _one(lambda snapshot: snapshot.reloaded),
    ),
    Family(
        "process_start_time_seconds",
        Type.GAUGE,
        "When the process was started.",
        (),
        _one(lambda snapshot: snapshot.process.started),
    ),
    Family(
        "process_cpu_seconds_total",
        Type.COUNTER,
        "How much time of processors the process has used.",
        (),
        _one(lambda snapshot: snapshot.process.cpu_seconds),
    ),
    Family(
        "process_open_fds",
        Type.GAUGE,
        "How many files and connections the process has open.",
        (),
        _one(lambda snapshot: snapshot.process.open_files),
    ),
    Family(
        "process_resident_memory_bytes",
        Type.GAUGE,
        "How much memory the process has.",
        (),
        _one(lambda snapshot: snapshot.process.resident_bytes),
    ),
)
"""All numbers that there are."""


def reason(error: Exception) -> str:
    """Return the label for an error: one of the package's own, or any other."""
    return type(error).__name__ if isinstance(error, SyncreplError) else "other"


# --- the text ---------------------------------------------------------------------------------------------------------


def form_for(accept: str) -> Form:
    """Choose the form that a reader prefers.

    Args:
        accept: the header Accept of the request; empty if there is none.
    """
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0, "*/*": 0.0, "text/*": 0.0}
    for offer in accept.split(","):
        media, *parameters = (part.strip().lower() for part in offer.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        if media in weights:
            weights[media] = max(weights[media], _quality(quality))
    openmetrics = weights.pop("application/openmetrics-text")
    return Form.OPENMETRICS if openmetrics > 0 and openmetrics >= max(weights.values()) else Form.TEXT


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def write(snapshot: Snapshot, form: Form) -> bytes:
    """Write all numbers of a snapshot."""
    lines = [line for family in FAMILIES for line in _family(family, snapshot, form)]
    if form is Form.OPENMETRICS:
        lines.append("# EOF")
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")


def _family(family: Family, snapshot: Snapshot, form: Form) -> Iterator[str]:
    samples = list(family.samples(snapshot))
    if not samples:
        return
    name, kind = family.name, family.type.value
    if form is Form.OPENMETRICS:
        name = name.removesuffix({Type.COUNTER: "_total", Type.INFO: "_info"}.get(family.type, ""))
    elif family.type is Type.INFO:
        kind = Type.GAUGE.value
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {kind}"
    for values, number in samples:
        pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, values, strict=True))
        labels = f"{{{pairs}}}" if pairs else ""
        yield f"{family.name}{labels} {_number(number)}"


def _number(number: float) -> str:
    # A truth becomes a number by it.
    return str(number + 0)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
