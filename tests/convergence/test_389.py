"""Random histories on 389 Directory Server: equal once the copy was compared with the server, which it is by itself."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from syncrepl_client import SyncreplMode
from tests.convergence.client import Clients
from tests.convergence.history import History
from tests.convergence.mirror import content_of, difference, look
from tests.convergence.runs import Follower
from tests.ns_slapd import CONFIG, CONTENT_SYNC, NsSlapd
from tests.slapd import empty_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.convergence.client import Job, Run

BOTH_MODES = pytest.mark.parametrize("mode", list(SyncreplMode))
ROUNDS: Final = 4
PATIENCE: Final = 20.0
SETTINGS: Final = {
    # Those who were killed count for a second.
    CONTENT_SYNC: {"nsslapd-pluginarg0": ["1000"]},
    CONFIG: {"passwordStorageScheme": ["CLEAR"]},
    # It refuses what is not ASCII in some attributes.
    "cn=7-bit check,cn=plugins,cn=config": {"nsslapd-pluginEnabled": ["off"]},
}


class Bound(History):
    """A history whose clients have to bind; the server drops spaces at the end of names that it gives again."""

    @property
    def url(self) -> str:
        return f"{super().url}?bindname={quote(self.slapd.rootdn, safe='')},x-bindpw={self.slapd.rootpw}"

    def _rdn(self, kind: str) -> str:
        return super()._rdn(kind).removesuffix("\\ ")


class Compared(Follower):
    """A data file whose client compares it with the server, each half a second while it listens."""

    def job(self, *, kill_at: int = 0, path: Path | None = None) -> Job:
        return replace(super().job(kill_at=kill_at, path=path), verify_every=0.5)

    def await_mark(self, run: Run, mark: str, path: Path) -> None:
        """Wait until what the stream did not tell was found as well."""
        super().await_mark(run, mark, path)
        deadline = time.monotonic() + PATIENCE
        content = content_of(self.history.content())
        while not run.ended and (wrong := difference(content, look(path).copy)):
            assert time.monotonic() < deadline, f"never found: {wrong}\n{self.history}"
            time.sleep(0.01)


def follow(seeds: range, folder: Path, mode: SyncreplMode) -> None:
    with NsSlapd(settings=SETTINGS) as server, Clients() as clients:
        server.start()
        server.load(empty_tree())
        for seed in seeds:
            Compared(clients, Bound(server, seed), folder / f"{seed}.db", mode).live(ROUNDS)


@BOTH_MODES
@pytest.mark.timeout(300)
def test_a_few_histories_converge(tmp_path: Path, mode: SyncreplMode) -> None:
    follow(range(8), tmp_path, mode)


@pytest.mark.long
@BOTH_MODES
@pytest.mark.timeout(3600)
def test_two_hundred_histories_converge(tmp_path: Path, mode: SyncreplMode) -> None:
    follow(range(1000, 1200), tmp_path, mode)
