"""Units that leave the content, come back, and take each other's names, while the client is anywhere in between.

What the client is told of is a moment ago, and what it is answered is now.  Both are of units that were somewhere else
in between, so it may hear of what is below one without hearing of the one above.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

import pytest

from syncrepl_client import Syncrepl, SyncreplMode
from tests.convergence.mirror import Mirror, content_of, difference, look
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UNITS: Final = 3
_PEOPLE: Final = 3
_STEPS: Final = 25
# How long it follows between two operations, in seconds.
_MOMENTS: Final = (0.0, 0.001, 0.01, 0.05, 0.2)
_PATIENCE: Final = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=1000) as slapd:
        slapd.load(empty_tree())
        slapd.start()
        _add_unit(slapd, f"ou=out,{SUFFIX}")
        yield slapd


def _add_unit(server: Slapd, dn: str) -> None:
    name = dn.partition(",")[0].partition("=")[2]
    server.add(dn, {"objectClass": ["organizationalUnit"], "ou": [name]})


class _Units:
    """Writes."""

    def __init__(self, server: Slapd, seed: int) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self.base, self._out = f"ou=in {seed},{SUFFIX}", f"ou={seed},ou=out,{SUFFIX}"
        _add_unit(server, self.base)
        _add_unit(server, self._out)
        self._places = [(f"ou={number}", self.base) for number in range(_UNITS)]
        for number in range(_UNITS):
            _add_unit(server, f"ou={number},{self.base}")
            for one in range(_PEOPLE):
                person = f"cn={number} {one},ou={number},{self.base}"
                server.add(person, {"objectClass": ["person"], "sn": ["x"], "cn": [f"{number} {one}"]})

    def step(self) -> float:
        """Move a unit, and perhaps change one of its people; tells how long the client follows then."""
        chance, number = self._chance, self._chance.randrange(_UNITS)
        place = rdn, parent = self._places[number]
        new = chance.choice([f"ou={one}" for one in range(_UNITS + 4)]), chance.choice([self.base, self._out])
        if new not in self._places:
            self._server.rename(f"{rdn},{parent}", new[0], None if new[1] == parent else new[1])
            self._places[number] = place = new
        if chance.random() < 0.3:
            person = f"cn={number} {chance.randrange(_PEOPLE)},{','.join(place)}"
            self._server.replace(person, "description", [str(chance.random())])
        return chance.choice(_MOMENTS) if chance.random() < 0.5 else 0.0


def _follow(server: Slapd, path: Path, seed: int) -> None:
    units = _Units(server, seed)
    url = f"{server.url}/{units.base}"
    mode = SyncreplMode.REFRESH_AND_PERSIST
    with Syncrepl(path, Mirror, mode, url, max_deletes=None, verify_every=0) as client:
        while difference(content_of(server.uuids(units.base)), look(path).copy):
            client.poll(0.05)
        for _ in range(_STEPS):
            until = time.monotonic() + units.step()
            while time.monotonic() < until:
                client.poll(0.001)
        expected = content_of(server.uuids(units.base))
        deadline = time.monotonic() + _PATIENCE
        while difference(expected, look(path).copy) and time.monotonic() < deadline:
            client.poll(0.05)
    sight = look(path)
    sight.check(f"seed {seed}")
    assert not difference(expected, sight.copy), f"seed {seed}"


@pytest.mark.parametrize("seed", range(8))
def test_whoever_comes_and_leaves_the_copy_is_the_content(server: Slapd, tmp_path: Path, seed: int) -> None:
    _follow(server, tmp_path / "data", seed)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_whoever_comes_and_leaves_the_copy_is_the_content_hundreds_of_times(server: Slapd, tmp_path: Path) -> None:
    for seed in range(1000, 1400):
        _follow(server, tmp_path / f"data {seed}", seed)
