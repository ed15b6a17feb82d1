"""The numbers, as Prometheus' own library reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from syncrepl_client.envelope.base import Kind
from syncrepl_client.exceptions import ConnectionLost, ProviderBehind
from syncrepl_client.relay import State
from syncrepl_client.service.metrics import FAMILIES, Form, Type, form_for, reason, write
from syncrepl_client.service.snapshot import Process, Snapshot
from tests.service.snapshots import BUSY, CORP, QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

READERS: dict[Form, Callable[[str], Iterable[Metric]]] = {Form.TEXT: read_text, Form.OPENMETRICS: read_openmetrics}
EMPTY = Snapshot(version="1.2.3", python="3.11.7", process=Process(None, 0.5, None, None))


def read(snapshot: Snapshot, form: Form = Form.TEXT) -> list[Metric]:
    return list(READERS[form](write(snapshot, form).decode()))


def value(snapshot: Snapshot, name: str, labels: Mapping[str, str] | None = None) -> float | None:
    found = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in read(snapshot)
        for sample in metric.samples
    }
    return found.get((name, frozenset((labels or {}).items())))


@pytest.mark.parametrize("form", Form)
def test_all_numbers_are_read(form: Form) -> None:
    read_back = {sample.name: metric for metric in read(BUSY, form) for sample in metric.samples}

    assert set(read_back) == {family.name for family in FAMILIES}
    for family in FAMILIES:
        metric = read_back[family.name]
        assert metric.documentation == family.help
        expected = "gauge" if family.type is Type.INFO and form is Form.TEXT else family.type.value
        assert metric.type == expected
        assert {tuple(sample.labels) for sample in metric.samples} == {family.labels}


@pytest.mark.parametrize("form", Form)
def test_both_forms_say_the_same(form: Form) -> None:
    samples = [(one.name, one.labels, one.value) for metric in read(BUSY, form) for one in metric.samples]

    assert samples == [(one.name, one.labels, one.value) for metric in read(BUSY) for one in metric.samples]
    assert len({(name, tuple(labels.items())) for name, labels, _ in samples}) == len(samples)


def test_a_source_is_told() -> None:
    source = {"source": "corp"}

    assert value(BUSY, "syncrepl_entries", source) == 1234
    assert value(BUSY, "syncrepl_connected", source) == 1
    assert value(BUSY, "syncrepl_copy_complete", source) == 1
    assert value(BUSY, "syncrepl_lag_seconds", source) == 0.25
    assert value(BUSY, "syncrepl_last_event_timestamp_seconds", source) == 1_800_000_000.5
    assert value(BUSY, "syncrepl_reconnects_total", source | {"reason": "ConnectionLost"}) == 2
    assert value(BUSY, "syncrepl_changes_total", source | {"op": "renamed"}) == 1
    held = replace(BUSY, sources=(replace(CORP, deletes_held=99),))
    assert value(held, "syncrepl_deletes_held", source) == 99


def test_a_sink_is_told() -> None:
    sink = {"sink": "queue", "source": "corp"}

    assert value(BUSY, "syncrepl_outbox_pending_events", sink) == 7
    assert value(BUSY, "syncrepl_events_total", sink | {"op": "read"}) == 1234
    assert value(BUSY, "syncrepl_sink_errors_total", sink) == 5
    assert value(BUSY, "syncrepl_sink_lag_seconds", sink) == 1.5


@pytest.mark.parametrize("state", State)
def test_a_sink_is_in_one_state(state: State) -> None:
    snapshot = replace(BUSY, sinks=(replace(QUEUE, state=state),))

    ones = [
        one
        for one in State
        if value(snapshot, "syncrepl_sink_state", {"sink": "queue", "source": "corp", "state": one})
    ]
    assert ones == [state]


def test_what_is_counted_begins_at_nought() -> None:
    """Or the first one would not be seen as a growth."""
    quiet = replace(BUSY, sources=(replace(CORP, changes={}),), sinks=(replace(QUEUE, delivered={}),))

    for op in Kind:
        assert value(quiet, "syncrepl_events_total", {"sink": "queue", "source": "corp", "op": op}) == 0
        expected = None if op in {Kind.READ, Kind.HEARTBEAT} else 0
        assert value(quiet, "syncrepl_changes_total", {"source": "corp", "op": op}) == expected


def test_what_is_not_known_is_left_out() -> None:
    unknown = replace(
        BUSY, sources=(replace(CORP, lag=None, last_event=None),), sinks=(replace(QUEUE, lag=None, pending=None),)
    )

    assert value(unknown, "syncrepl_lag_seconds", {"source": "corp"}) is None
    assert value(unknown, "syncrepl_outbox_pending_events", {"sink": "queue", "source": "corp"}) is None


@pytest.mark.parametrize("form", Form)
def test_a_service_without_anything_tells_of_itself(form: Form) -> None:
    assert {metric.name for metric in read(EMPTY, form)} == {
        "syncrepl_build" if form is Form.OPENMETRICS else "syncrepl_build_info",
        "syncrepl_config_last_reload_successful",
        "process_cpu_seconds",
    }


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\\nb", "Ä€𝄞", "a,b={c}", " "])
def test_a_name_of_any_characters_stays_what_it_is(form: Form, name: str) -> None:
    snapshot = replace(BUSY, sources=(replace(CORP, name=name),), sinks=())

    (entries,) = (metric for metric in read(snapshot, form) if metric.name == "syncrepl_entries")
    assert [sample.labels for sample in entries.samples] == [{"source": name}]


def test_a_name_that_is_no_text_does_no_harm() -> None:
    """The environment may hold octets that are none."""
    snapshot = replace(BUSY, sources=(replace(CORP, name="a\udcff"),))

    assert value(snapshot, "syncrepl_entries", {"source": "a?"}) == 1234


def test_large_and_small_numbers_are_exact() -> None:
    exact = replace(CORP, entries=2**53 - 1, lag=0.1 + 0.2)
    snapshot = replace(BUSY, sources=(exact,))

    assert value(snapshot, "syncrepl_entries", {"source": "corp"}) == 2**53 - 1
    assert value(snapshot, "syncrepl_lag_seconds", {"source": "corp"}) == 0.1 + 0.2


def test_names_are_as_prometheus_wants_them() -> None:
    """See "Metric and label naming" in its documentation."""
    for family in FAMILIES:
        assert re.fullmatch(r"(syncrepl|process)_[a-z_]+[a-z]", family.name)
        assert family.name.endswith("_total") == (family.type is Type.COUNTER)
        assert family.name.endswith("_info") == (family.type is Type.INFO)
        assert {"dn", "uuid", "entry", "le", "quantile"}.isdisjoint(family.labels)
        assert not re.search(r"milli|micro|minutes|kilo|mega", family.name)
        assert re.fullmatch(r"[A-Z][^\n\"\\]+\.", family.help)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.TEXT),
        ("*/*", Form.TEXT),
        ("text/html, */*;q=0.1", Form.TEXT),
        ("application/openmetrics-text", Form.OPENMETRICS),
        (
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
                "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            Form.OPENMETRICS,
        ),
        ("text/plain;q=0.9, Application/OpenMetrics-Text ; Q=0.5", Form.TEXT),
        ("application/openmetrics-text;q=0", Form.TEXT),
        ("application/openmetrics-text;q=much", Form.TEXT),
        (";;,,;q=", Form.TEXT),
    ],
)
def test_a_reader_gets_the_form_that_it_asks_for(accept: str, form: Form) -> None:
    assert form_for(accept) is form


def test_reasons_are_a_short_list() -> None:
    assert reason(ConnectionLost("no route to 10.0.0.1")) == "ConnectionLost"
    assert reason(ProviderBehind(b"1", b"2")) == "ProviderBehind"
    assert reason(OSError(5, "uid=ann: Input/output error")) == "other"
