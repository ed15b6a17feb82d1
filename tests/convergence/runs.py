"""Runs of clients along a history, and the comparisons after each."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from syncrepl_client import SyncreplMode
from tests.convergence.client import Job
from tests.convergence.mirror import content_of, difference, look
from tests.convergence.stream import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.convergence.client import Clients, Result, Run
    from tests.convergence.history import History
    from tests.convergence.mirror import Content

__all__ = ["Follower"]

_PATIENCE = 20.0


class Follower:
    """A data file that follows a history through clients that die."""

    def __init__(self, clients: Clients, history: History, path: Path, mode: SyncreplMode) -> None:
        self.clients = clients
        self.history = history
        self.path = path
        self.mode = mode
        # Reads the changelog, which client after client writes.
        self.stream = Stream()
        self._chance = random.Random(history.seed)

    def job(self, *, kill_at: int = 0, path: Path | None = None) -> Job:
        return Job(url=self.history.url, path=str(path or self.path), mode=self.mode.value, kill_at=kill_at)

    def converge(self, *, kill_at: int = 0, path: Path | None = None) -> Result:
        """Run a client until the copy is what the directory holds now, or until it dies at its failpoint."""
        path = path or self.path
        mark = self.history.mark() if self.mode is SyncreplMode.REFRESH_AND_PERSIST else ""
        run = self.clients.start(self.job(kill_at=kill_at, path=path))
        if mark:
            self.await_mark(run, mark, path)
            result = run.stop()
        else:
            result = run.wait()
        self.told(result)
        if not result.killed:
            self.check(path)
        if path == self.path:
            self.stream.check(path, self.history)
        return result

    def await_mark(self, run: Run, mark: str, path: Path) -> None:
        """Wait until callbacks were told of a mark, or the client is dead."""
        deadline = time.monotonic() + _PATIENCE
        dn = f"cn=marker,{self.history.base}"
        while not run.ended:
            seen = look(path).mirror.get(dn, {}).get("description", [])
            if mark.encode().hex() in seen:
                return
            if time.monotonic() > deadline:
                run.send(signal.SIGUSR2)
                time.sleep(0.5)
                raise AssertionError(f"{mark} never came\n{self.history}")
            time.sleep(0.005)

    def told(self, result: Result) -> None:
        """Accept an end by failpoint or by request, and nothing else."""
        self.history.told.append(f"-- client ended: {result.status}, {result.statements} statements")
        assert result.killed or result.status == 0, f"{result.error}\n{self.history}"

    def consistent(self) -> None:
        """Compare the copy with the table of the callbacks, and with what the changelog leads to."""
        look(self.path).check(self.history)
        self.stream.check(self.path, self.history)

    def expected(self, copy: Content) -> Content:
        """Tell what a copy has to be, in view of what it is: some servers are less exact."""
        return content_of(self.history.content())

    def check(self, path: Path | None = None) -> None:
        """Compare the copy with the directory, and with the table of the callbacks."""
        sight = look(path or self.path)
        wrong = difference(self.expected(sight.copy), sight.copy)
        assert not wrong, f"the copy is not the content: {wrong}\n{self.history}"
        sight.check(self.history)

    # --- a history with deaths ----------------------------------------------------------------------------------------

    def live(self, rounds: int) -> None:
        """Write a history in rounds; in each a client dies, and another one catches up."""
        statements = self.converge().statements
        for _ in range(rounds):
            operations = self._chance.randrange(1, 12)
            kind = self._chance.randrange(3)
            if kind == 0:
                self.history.steps(operations)
                self._die_at(self._chance.randrange(1, max(statements, 2)))
            elif kind == 1 or self.mode is SyncreplMode.REFRESH_ONLY:
                self._die_while_written(operations)
            else:
                self._all_at_once(operations)
            statements = self.converge().statements

    def _die_at(self, failpoint: int) -> None:
        self.converge(kill_at=failpoint)
        self.consistent()

    def _die_while_written(self, operations: int) -> None:
        run = self.clients.start(self.job())
        if self._chance.random() < 0.7:
            time.sleep(self._chance.random() * 0.04)
        for _ in range(operations):
            self.history.step()
            if self._chance.random() < 0.3:
                time.sleep(self._chance.random() * 0.01)
        self.told(run.kill())
        self.consistent()

    def _all_at_once(self, operations: int) -> None:
        """Stop the client while it listens, so that one read brings all; it dies in the middle of that, or not."""
        job = replace(self.job(kill_at=self._chance.choice([0, self._chance.randrange(1, 40)])), later=True)
        run = self.clients.start(job)
        self.await_mark(run, self.history.mark(), self.path)
        run.send(signal.SIGUSR1)
        run.send(signal.SIGSTOP)
        self.history.steps(operations)
        mark = self.history.mark()
        run.send(signal.SIGCONT)
        self.await_mark(run, mark, self.path)
        if not run.ended:
            self.check()
        self.told(run.stop())
        self.consistent()
