"""The short run: everything at once for two minutes; see the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soak.plan import make_plan
from tests.soak.report import report
from tests.soak.run import run
from tests.soak.troubles import TROUBLES

if TYPE_CHECKING:
    from pathlib import Path

SEED = 7
# No round begins later; the last one and the start come on top.
SECONDS = 100.0
# Others work beside it.
RATE = 30.0


@pytest.mark.timeout(500)
def test_everything_at_once_loses_and_invents_nothing(tmp_path: Path) -> None:
    plan = make_plan(SEED, SECONDS, RATE, TROUBLES)
    said: list[str] = []

    outcome = run(plan, tmp_path, SECONDS, said.append)

    assert not outcome.wrong, f"python -m tests.soak --seed {SEED}\n{outcome.wrong}\n{report(outcome)}"
    assert outcome.rounds >= 2, report(outcome)
    assert min(outcome.received.values()) > 0
