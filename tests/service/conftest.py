"""What tests of the service begin with: a small directory, and a file for what is delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.running import PEOPLE
from tests.slapd import Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=1000) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "changes.jsonl"
