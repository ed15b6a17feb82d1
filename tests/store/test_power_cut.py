"""What a reader of the changelog can see is on the disk: a number is never given to another change after a power cut.

With ``synchronous=FULL`` SQLite syncs the write-ahead log before it lets readers see what was committed.
"""

from __future__ import annotations

import re
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

from syncrepl_client import Retention
from syncrepl_client.store.store import Store
from tests.store.changing import Changing

if TYPE_CHECKING:
    from pathlib import Path

_LEVEL = re.compile(r"PRAGMA synchronous = (\w+)")
_LOGS = re.compile(r"\s*(INSERT INTO syncrepl_change\b|UPDATE syncrepl_state SET sequence\b)")


class Disk:
    """Follows what SQLite is told, and notes how a transaction that logs is committed."""

    def __init__(self) -> None:
        self._level = "FULL"
        self._logs = False
        self.levels: list[str] = []

    def __call__(self, statement: str) -> None:
        level = _LEVEL.match(statement)
        if level:
            self._level = level[1]
        elif statement.startswith("BEGIN"):
            self._logs = False
        elif _LOGS.match(statement):
            self._logs = True
        elif statement == "COMMIT" and self._logs:
            self.levels.append(self._level)


def test_each_commit_that_gives_a_number_to_a_change_waits_for_the_disk(tmp_path: Path) -> None:
    disk = Disk()
    with closing(Store(tmp_path / "data", lambda: False, retention=Retention(age=None, octets=None))) as store:
        connection = store.database.connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        changing = Changing(store, Random(3))
        connection.set_trace_callback(disk)
        for _ in range(60):
            changing.change()
        connection.set_trace_callback(None)
    assert len(disk.levels) > 20
    assert set(disk.levels) == {"FULL"}
