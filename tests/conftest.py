"""What every test may ask for: the --long option and real directory servers."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import hypothesis
import pytest

from tests.ns_slapd import NsSlapd
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAPS_COLLECTED: Final = pytest.StashKey[set[tuple[str, str]]]()
"""The traps that the collected tests are marked with, each with its server; those that take long included."""
TRAPS_RUN: Final = pytest.StashKey[dict[tuple[str, str], list[bool]]]()
"""Whether the tests of each trap that ran passed."""
TABLE: Final = Path(__file__).parent.parent / "docs" / "_build" / "traps.json"

# A busy machine is no failure, so examples have no deadline.
hypothesis.settings.register_profile("short", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
# For those who only ask whether a test fails: to look for the smallest example takes most of the time.
hypothesis.settings.register_profile(
    "whether", deadline=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run the tests marked long too, and more examples of the others"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Whoever runs the tests under nohup ignores SIGHUP, and processes inherit that; some are to be ended by it.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.pluginmanager.register(_Traps(config))
    long = config.getoption("--long")
    if long and config.option.markexpr == "not long":
        config.option.markexpr = ""
    # Whoever chose a profile on the command line keeps it.
    if not config.getoption("--hypothesis-profile", default=None):
        hypothesis.settings.load_profile("long" if long else "short")


def _traps(item: pytest.Item) -> list[tuple[str, str]]:
    return [(trap, mark.kwargs["server"]) for mark in item.iter_markers("trap") for trap in mark.args]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[TRAPS_COLLECTED] = {trap for item in items for trap in _traps(item)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]  # a wrapper is sent what it wraps
    if report.when == "call":
        # Reports travel from the processes that run tests to the one that writes the table.
        report.user_properties += [("trap", trap) for trap in _traps(item)]
    return report  # type: ignore[return-value]


class _Traps:
    """Notes which traps were tried, and what came out."""

    def __init__(self, config: pytest.Config) -> None:
        self._ran = config.stash[TRAPS_RUN] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, value in report.user_properties:
                if name == "trap":
                    trap, server = cast("tuple[str, str]", value)
                    self._ran.setdefault((trap, server), []).append(report.passed)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down which traps were tried in this run and what came out: the documentation shows it."""
    ran = session.config.stash.get(TRAPS_RUN, {})
    if ran and not hasattr(session.config, "workerinput"):
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {"trap": trap, "server": server, "passed": sum(results), "failed": len(results) - sum(results)}
            for (trap, server), results in sorted(ran.items())
        ]
        TABLE.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


@pytest.fixture
def slapd() -> Iterator[Slapd]:
    """Run a provider without session log, over an empty tree."""
    with Slapd() as server:
        server.load(empty_tree())
        server.start()
        yield server


@pytest.fixture
def slapd_log() -> Iterator[Slapd]:
    """Run a provider that remembers its last 1000 changes, over an empty tree."""
    with Slapd(sessionlog=1000) as server:
        server.load(empty_tree())
        server.start()
        yield server


@pytest.fixture
def ns_slapd() -> Iterator[NsSlapd]:
    """Run a 389 Directory Server over an empty tree."""
    with NsSlapd() as server:
        server.start()
        server.load(empty_tree())
        yield server
