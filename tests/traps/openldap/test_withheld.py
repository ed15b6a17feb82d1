"""Trap E14: slapd withholds what changed after the moment that a search is about.

Its database gives up that moment after 10,000 entries, so that in a larger directory whoever is written to all the time
is withheld from every search.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Modified, Replica
from tests.slapd import SUFFIX, Slapd, sample_ldif
from tests.traps.openldap.copies import BOTH_MODES

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client import Change, SyncreplMode

_PEOPLE = 12_000


class Kinds:
    """Notes the kinds of changes."""

    def __init__(self) -> None:
        self.told: set[type[Change]] = set()

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.told.add(type(change))


@pytest.mark.long
@pytest.mark.trap("E14", server="slapd")
@BOTH_MODES
def test_who_is_written_to_all_the_time_is_not_reported_deleted(tmp_path: Path, mode: SyncreplMode) -> None:
    stop = threading.Event()
    with Slapd() as server:
        server.load(sample_ldif(_PEOPLE))
        server.start()
        hot = f"uid=u{_PEOPLE:06},ou=people,{SUFFIX}"

        titles = map(str, itertools.count())

        def write() -> None:
            while not stop.is_set():
                server.replace(hot, "title", [next(titles)])

        url = f"{server.url}/{SUFFIX}"
        with Replica(url, tmp_path / "data", mode=mode) as replica:
            entries = replica.refresh().entries
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(3):
                with closing(sqlite3.connect(tmp_path / "data")) as connection:
                    connection.execute("UPDATE syncrepl_state SET cookie = NULL")
                    connection.commit()
                kinds = Kinds()
                with Replica(url, tmp_path / "data", mode=mode, listener=kinds) as replica:
                    assert entries == replica.refresh().entries
                assert kinds.told <= {Modified}
        finally:
            stop.set()
            writer.join()
