"""The table of checks: which are made, in which order, and on what they depend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.diagnosis import connection, content, defects, providers
from syncrepl_client.diagnosis.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from syncrepl_client.diagnosis.facts import Facts
    from syncrepl_client.diagnosis.finding import Finding

__all__ = ["CHECKS", "diagnose", "works"]


def _always(_facts: Facts) -> bool:
    return True


def _connected(facts: Facts) -> bool:
    return facts.link.connecting is None


def _known(facts: Facts) -> bool:
    return _connected(facts) and facts.server.known


CHECKS: Final[tuple[tuple[Callable[[Facts], bool], Callable[[Facts], Iterator[Finding]]], ...]] = (
    (_always, connection.connection),
    (_connected, connection.product),
    (_connected, connection.encryption),
    (_connected, connection.certificate),
    (_connected, connection.identity),
    (_connected, content.base),
    (_connected, content.trial),
    (_known, connection.dialect),
    (_connected, providers.change_numbers),
    (_connected, providers.context),
    (_connected, providers.overlay),
    (_connected, providers.changelog),
    (_connected, providers.apacheds),
    (_connected, content.limits),
    (_connected, content.containers),
    (_known, connection.cancel),
    (_connected, content.clock),
    (_known, defects.defects),
)
"""When a check is made, and the check; in the order in which findings are told."""


def diagnose(facts: Facts) -> list[Finding]:
    """Find out what follows from what is known."""
    return [finding for wanted, check in CHECKS if wanted(facts) for finding in check(facts)]


def works(findings: Iterable[Finding]) -> bool:
    """Tell whether synchronization works without losing changes or giving a password away."""
    return all(finding.severity is not Severity.PROBLEM for finding in findings)
