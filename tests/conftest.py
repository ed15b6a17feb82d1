"""What every test may ask for: the --long option and real directory servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.ns_slapd import NsSlapd
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

# A busy machine is no failure, so examples have no deadline.
hypothesis.settings.register_profile("short", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run the tests marked long too, and more examples of the others"
    )


def pytest_configure(config: pytest.Config) -> None:
    long = config.getoption("--long")
    if long and config.option.markexpr == "not long":
        config.option.markexpr = ""
    # Whoever chose a profile on the command line keeps it.
    if not config.getoption("--hypothesis-profile", default=None):
        hypothesis.settings.load_profile("long" if long else "short")


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
