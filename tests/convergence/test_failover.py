"""Random histories on two providers that replicate each other, and clients that go from one to the other.

Who writes changes from round to round, and so does whom the client asks and in which mode.  It asks while changes are
on their way between the two as well, and dies of it or not.
"""

from __future__ import annotations

import random
import time
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
    from tests.convergence.history import Node
    from tests.convergence.mirror import Content
    from tests.slapd import Slapd

BOTH_LOGS = pytest.mark.parametrize("sessionlog", [None, 1000], ids=["present", "sessionlog"])
ROUNDS = 4
_PATIENCE = 5.0


class Apart(Exception):
    """The providers do not become equal, so there is nothing to compare a copy with."""


class Replicated(History):
    """What one slapd gets from another as it was written, but for rare cases.

    It takes no other spelling of a name, and no old name as a value; of two entries that swap names it may lose one.
    Entries that it gets while a container above them is on its way end up below a container of its own making.
    """

    keep_old: ClassVar[float] = 0.0

    def __init__(self, providers: Providers, seed: int) -> None:
        self._providers = providers
        super().__init__(providers.first, seed)

    def respell(self) -> None:
        self.rename()

    def circle(self) -> None:
        self.move_person()

    def _rename(self, node: Node, parent: Node, rdn: str, *, spare_person: bool = False) -> None:
        if node.unit:
            self._providers.wait_replicated()
        super()._rename(node, parent, rdn, spare_person=spare_person)
        if node.unit:
            self._providers.wait_replicated()


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
        mark = self.history.mark() if self.mode is SyncreplMode.REFRESH_AND_PERSIST else ""
        run = self.clients.start(self.job(kill_at=kill_at))
        if mark:
            self.await_mark(run, mark, self.path)
        self.told(run.stop() if mark else run.wait())
        self.consistent()

    def arrive(self) -> Result:
        """Wait until both providers hold the same; then the copy becomes that."""
        self.settle()
        self.turn()
        return self.converge()

    def settle(self) -> Content:
        """Return what both providers hold once it is the same."""
        deadline = time.monotonic() + _PATIENCE
        self.providers.wait_replicated()
        while difference(*(held := [self.held(provider) for provider in self.providers])):
            if time.monotonic() > deadline:
                raise Apart
            time.sleep(0.05)
        return held[0]

    def held(self, provider: Slapd) -> Content:
        return content_of(provider.uuids(self.history.base, filter=FILTER))

    def check(self, path: Path | None = None) -> None:
        """Compare the copy with both providers, and with the table of the callbacks."""
        held = self.settle()
        sight = look(path or self.path)
        wrong = difference(held, sight.copy)
        assert not wrong, f"the copy is not the content: {wrong}\n{self.history}"
        sight.check(self.history)


def travel(seeds: range, folder: Path, sessionlog: int | None) -> None:
    """Follow histories; where two providers went apart the next history gets two others."""
    left = list(seeds)
    apart = 0
    while left:
        with Providers(sessionlog=sessionlog) as providers, Clients() as clients:
            providers.load(empty_tree())
            providers.start()
            try:
                while left:
                    seed = left.pop()
                    Traveller(clients, Replicated(providers, seed), folder / f"{seed}.db", providers).travel(ROUNDS)
            except Apart:
                apart += 1
    assert apart <= max(1, len(seeds) // 20)


@BOTH_LOGS
@pytest.mark.timeout(300)
def test_ten_histories_on_two_providers_converge(tmp_path: Path, sessionlog: int | None) -> None:
    travel(range(10), tmp_path, sessionlog)


@pytest.mark.long
@BOTH_LOGS
@pytest.mark.timeout(1800)
def test_a_hundred_histories_on_two_providers_converge(tmp_path: Path, sessionlog: int | None) -> None:
    travel(range(2000, 2100), tmp_path, sessionlog)
