"""Whatever a server says in the place of the truth, nobody is taken for gone; and the truth counts when it comes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Backoff, Change, Deleted, Reader, Replica
from syncrepl_client.testing import Provider
from tests.network.cable import Cable
from tests.network.lies import LIES, half_of_them

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

BASE = "dc=example,dc=com"
PEOPLE = 120


class Listening:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Change] = []
        self.refreshed = threading.Event()

    def refresh_done(self, entries: object, cursor: object) -> None:
        del entries, cursor
        self.refreshed.set()

    def change(self, change: Change, cursor: object) -> None:
        del cursor
        self.told.append(change)


@pytest.mark.parametrize("name", [*LIES, "half of them are there"])
def test_a_lie_takes_nobody_away(name: str, tmp_path: Path) -> None:
    listening = Listening()
    with (
        Provider(BASE) as provider,
        Cable(int(provider.url.rpartition(":")[2])) as cable,
    ):
        for one in range(PEOPLE):
            provider.add(f"cn={one},{BASE}", {"objectClass": "person", "sn": "Berg"})
        with Replica(
            f"{cable.url}/{BASE}",
            tmp_path / "data",
            listener=listening,
            max_deletes=None,
            backoff=Backoff(0.02, 0.05),
        ) as replica:
            worker = threading.Thread(target=replica.follow)
            worker.start()
            assert listening.refreshed.wait(10)
            cable.lie = LIES.get(name) or half_of_them(_uuids(tmp_path / "data")[::2])
            cable.cut()
            _until(lambda: cable.lied > 0)
            # What was understood of it is known when it comes to what was written meanwhile.
            provider.add(f"cn=new,{BASE}", {"objectClass": "person", "sn": "Berg"})
            cable.lie = None
            cable.cut()
            _until(lambda: listening.told[-1].dn == f"cn=new,{BASE}")
            replica.stop()
            worker.join()
    assert len(_uuids(tmp_path / "data")) == PEOPLE + 2
    assert not [change for change in listening.told if isinstance(change, Deleted)]


def _uuids(path: Path) -> list[UUID]:
    with Reader(path) as reader:
        return [entry.uuid for entry in reader.entries.all()]


def _until(comes: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not comes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
