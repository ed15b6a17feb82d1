"""The pages, from what the service does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncrepl_client.relay import State
from syncrepl_client.service.exchange import Answer, Question
from syncrepl_client.service.health import Policy
from syncrepl_client.service.pages import pages
from syncrepl_client.service.snapshot import Snapshot, ThreadState
from tests.service.snapshots import BUSY, CORP, QUEUE

ANY = Question(frozenset(), "")
VERBOSE = Question(frozenset({"verbose"}), "")


def get(path: str, snapshot: Snapshot, question: Question = ANY, policy: Policy = Policy()) -> Answer:  # noqa: B008
    return pages(lambda: snapshot, lambda: policy)[path](question)


def text(answer: Answer) -> list[str]:
    return answer.body.decode().splitlines()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_metrics_come_as_they_are_asked_for(accept: str, content_type: str) -> None:
    answer = get("/metrics", BUSY, Question(frozenset(), accept))

    assert (answer.status, answer.content_type) == (200, content_type)
    names = {metric.name for metric in text_string_to_metric_families(answer.body.decode())}
    assert "syncrepl_entries" in names


def test_all_that_is_well_needs_a_word() -> None:
    assert (get("/readyz", BUSY).status, text(get("/readyz", BUSY))) == (200, ["ready"])
    assert (get("/livez", BUSY).status, text(get("/livez", BUSY))) == (200, ["live"])


def test_who_asks_for_more_is_told_all() -> None:
    assert text(get("/readyz", BUSY, VERBOSE)) == [
        "ready",
        "[+] source corp: 1234 entries, in step",
        "[+] sink queue from corp: it delivers; 7 changes are left, the oldest is 1.5 s old",
    ]
    assert [line[:15] for line in text(get("/livez", BUSY, VERBOSE))] == ["live", "[+] thread corp", "[+] thread queu"]


def test_what_is_not_well_is_named_with_its_reason() -> None:
    broken = replace(
        BUSY, sources=(CORP, replace(CORP, name="lab", whole=False)), sinks=(replace(QUEUE, state=State.STOPPED),)
    )

    assert get("/readyz", broken).status == 503
    assert text(get("/readyz", broken)) == [
        "not ready",
        "[-] source lab: there is no copy yet: the first load runs",
        "[-] sink queue from corp: it has ended",
    ]
    assert get("/livez", broken).status == 200


def test_a_thread_that_hangs_is_named() -> None:
    hanging = replace(BUSY, threads=(ThreadState("corp", 99.0, 60.0), ThreadState("lab", 0.0, 60.0)))

    assert get("/livez", hanging).status == 503
    assert text(get("/livez", hanging)) == [
        "not live",
        "[-] thread corp: it was at work 99.0 s ago, and may be silent for 60 s",
    ]


def test_what_somebody_should_know_is_said_to_all() -> None:
    held = replace(BUSY, sources=(replace(CORP, deletes_held=5),), sinks=())

    assert get("/readyz", held).status == 200
    assert text(get("/readyz", held))[0] == "ready"
    assert text(get("/readyz", held))[1].startswith("[!] source corp: 5 deletions are held")
    assert get("/readyz", held, policy=Policy(held=True)).status == 503


def test_each_is_told_in_one_line() -> None:
    odd = replace(BUSY, sources=(replace(CORP, name="a\nb", stopped=True, error="x\r\n[+] source c: y"),), sinks=())

    assert text(get("/readyz", odd)) == ["not ready", r"[-] source a\nb: it has ended: x\r\n[+] source c: y"]
