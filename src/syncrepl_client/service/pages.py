"""The pages for who watches the service: its metrics, and the two probes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from syncrepl_client.service.exchange import Answer
from syncrepl_client.service.health import Verdict, liveness, readiness
from syncrepl_client.service.metrics import form_for, write
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.service.exchange import Page, Question
    from syncrepl_client.service.health import Finding, Policy
    from syncrepl_client.service.snapshot import Snapshot

__all__ = ["pages"]


def pages(look: Callable[[], Snapshot], policy: Callable[[], Policy]) -> dict[str, Page]:
    """Make the pages ``/metrics``, ``/livez`` and ``/readyz`` for an `Endpoint`.

    Args:
        look: tells what the service does now; it is called by the thread of the endpoint, and must be quick.
        policy: tells what makes it unready; another one may count after a reload.
    """

    def metrics(question: Question) -> Answer:
        form = form_for(question.accept)
        return Answer(write(look(), form), content_type=form.value)

    def livez(question: Question) -> Answer:
        return _probe("live", liveness(look()), question)

    def readyz(question: Question) -> Answer:
        return _probe("ready", readiness(look(), policy()), question)

    return {"/metrics": metrics, "/livez": livez, "/readyz": readyz}


def _probe(word: str, findings: Sequence[Finding], question: Question) -> Answer:
    """Say in a word how it is; with ``?verbose`` all that was looked at, else what somebody should know."""
    well = all(one.verdict is not Verdict.UNWELL for one in findings)
    verbose = "verbose" in question.query
    lines = [word if well else f"not {word}"]
    lines += [
        printable(f"[{one.verdict.value}] {one.subject}: {one.text}")
        for one in findings
        if verbose or one.verdict is not Verdict.WELL
    ]
    body = "".join(f"{line}\n" for line in lines).encode(errors="replace")
    return Answer(body, HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)
