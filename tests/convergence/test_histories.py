"""Random histories, clients that die at random, and a copy that must become what the directory holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client import SyncreplMode
from tests.convergence.client import Clients
from tests.convergence.history import History
from tests.convergence.runs import Follower
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    from pathlib import Path

BOTH_LOGS = pytest.mark.parametrize("sessionlog", [None, 1000], ids=["present", "sessionlog"])
BOTH_MODES = pytest.mark.parametrize("mode", list(SyncreplMode))
ROUNDS = 4


def follow(seeds: range, folder: Path, sessionlog: int | None, mode: SyncreplMode) -> None:
    with Slapd(sessionlog=sessionlog) as slapd, Clients() as clients:
        slapd.load(empty_tree())
        slapd.start()
        for seed in seeds:
            Follower(clients, History(slapd, seed), folder / f"{seed}.db", mode).live(ROUNDS)


@BOTH_LOGS
@BOTH_MODES
@pytest.mark.timeout(300)
def test_fifty_histories_converge(tmp_path: Path, sessionlog: int | None, mode: SyncreplMode) -> None:
    follow(range(50), tmp_path, sessionlog, mode)


@pytest.mark.long
@BOTH_LOGS
@BOTH_MODES
@pytest.mark.timeout(1800)
def test_two_hundred_histories_converge(tmp_path: Path, sessionlog: int | None, mode: SyncreplMode) -> None:
    follow(range(1000, 1200), tmp_path, sessionlog, mode)
