"""What the tests of sinks share for as long as they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sinks import postgresql_server, rabbitmq_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _brokers() -> Iterator[None]:
    """End the brokers that were started, after the last test."""
    yield
    rabbitmq_server.stop_shared()
    postgresql_server.stop_shared()
