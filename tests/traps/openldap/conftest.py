"""A slapd for each test, over a small tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.slapd import Slapd
from tests.traps.openldap.tree import SESSION_LOGS, small_tree

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Slapd]:
    """Run the kind of slapd that `on` names."""
    with Slapd(sessionlog=SESSION_LOGS[request.param]) as slapd:
        slapd.load(small_tree())
        slapd.start()
        yield slapd
