"""The table of traps itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import TRAPS_COLLECTED
from tests.traps import SERVERS, TRAPS

if TYPE_CHECKING:
    import pytest


def test_every_trap_has_a_test(request: pytest.FixtureRequest) -> None:
    """Of all tests, those that take long included; only where all were collected."""
    marked = request.config.stash[TRAPS_COLLECTED]

    assert {server for _, server in marked} <= SERVERS.keys()
    assert {trap for trap, _ in marked} <= TRAPS.keys()
    if request.config.args_source.name != "TESTPATHS":
        return
    assert TRAPS.keys() == {trap for trap, _ in marked}
