"""Random histories on two providers that replicate each other, and clients that go from one to the other.

Who writes changes from round to round, and so does whom the client asks and in which mode.  It asks while changes are
on their way between the two as well, and dies of it or not.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from syncrepl_client import SyncreplMode
from tests.convergence.client import Clients
from tests.convergence.history import FILTER, History
from tests.convergence.mirror import content_of, difference, look
from tests.convergence.runs import Follower
from tests.providers import Providers
from tests.slapd import empty_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.convergence.client import Job, Result
    from tests.convergence.mirror import Content
    from tests.slapd import Slapd

BOTH_LOGS = pytest.mark.parametrize("sessionlog", [None, 1000], ids=["present", "sessionlog"])
ROUNDS = 4


class Replicated(History):
    """What one slapd gets from another as it was written: no other spelling of a name, no old one as a value."""

    keep_old: ClassVar[float] = 0.0

    def respell(self) -> None:
        self.rename()


class Traveller(Follower):
    """A data file whose clients ask now the one and now the other provider."""

    def __init__(self, clients: Clients, history: History, path: Path, providers: Providers) -> None:
        super().__init__(clients, history, path, SyncreplMode.REFRESH_ONLY)
        self.providers = providers
        self.provider = providers.first
        self._way = random.Random(-history.seed)

    def job(self, *, kill_at: int = 0, path: Path | None = None) -> Job:
        job = super().job(kill_at=kill_at, path=path)
        return replace(job, url=job.url.replace(self.history.slapd.url, self.provider.url))

    def turn(self) -> None:
        """Choose whom to ask, and how."""
        self.provider = self._way.choice(list(self.providers))
        self.mode = self._way.choice(list(SyncreplMode))
        self.history.told.append(f"-- a client of {self.provider.server_id}, {self.mode}")

    def travel(self, rounds: int) -> None:
        """Write a history in rounds, and follow it."""
        statements = self.arrive().statements
        for _ in range(rounds):
            # Two writers at a time would contradict each other.
            self.history.slapd = self._way.choice(list(self.providers))
            self.history.told.append(f"-- written to {self.history.slapd.server_id}")
            self.history.steps(self._way.randrange(1, 12))
            self.on_the_way(self._way.choice([0, 0, self._way.randrange(1, max(statements, 2))]))
            statements = self.arrive().statements

    def on_the_way(self, kill_at: int) -> None:
        """Ask a provider that may not have everything yet."""
        self.turn()
        if self.mode is SyncreplMode.REFRESH_AND_PERSIST:
            self.converge(kill_at=kill_at)
        else:
            self.told(self.clients.run(self.job(kill_at=kill_at)))
        self.consistent()

    def arrive(self) -> Result:
        """Wait until both providers hold the same; then the copy becomes that."""
        self.providers.wait_replicated()
        self.turn()
        return self.converge()

    def check(self, path: Path | None = None) -> None:
        """Compare the copy with both providers, and with the table of the callbacks."""
        self.providers.wait_replicated()
        first, second = map(self.held, self.providers)
        apart = difference(first, second)
        assert not apart, f"the providers hold different contents: {apart}\n{self.history}"
        sight = look(path or self.path)
        wrong = difference(first, sight.copy)
        assert not wrong, f"the copy is not the content: {wrong}\n{self.history}"
        sight.check(self.history)

    def held(self, provider: Slapd) -> Content:
        return content_of(provider.uuids(self.history.base, filter=FILTER))


def travel(seeds: range, folder: Path, sessionlog: int | None) -> None:
    with Providers(sessionlog=sessionlog) as providers, Clients() as clients:
        providers.load(empty_tree())
        providers.start()
        for seed in seeds:
            providers.wait_replicated()
            Traveller(clients, Replicated(providers.first, seed), folder / f"{seed}.db", providers).travel(ROUNDS)


@BOTH_LOGS
@pytest.mark.timeout(300)
def test_ten_histories_on_two_providers_converge(tmp_path: Path, sessionlog: int | None) -> None:
    travel(range(10), tmp_path, sessionlog)


@pytest.mark.long
@BOTH_LOGS
@pytest.mark.timeout(1800)
def test_a_hundred_histories_on_two_providers_converge(tmp_path: Path, sessionlog: int | None) -> None:
    travel(range(2000, 2100), tmp_path, sessionlog)
