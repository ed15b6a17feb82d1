"""The copy at one moment, where there is no changelog."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import DBError
from syncrepl_client.store.listing import Listing
from syncrepl_client.store.store import Store
from tests.store.listeners import refresh, sent

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = "cn=a,dc=x", "dc=x", "cn=b,dc=x"


def test_it_is_the_same_each_time_with_parents_first(store: Store) -> None:
    refresh(store, sent(1, A), sent(2, B))
    with Listing(store.database.path) as listing:
        refresh(store, sent(3, C), sweep=True)
        for _ in range(2):
            assert [entry.dn for entry in listing.all()] == [B, A]
    with Listing(store.database.path) as listing:
        assert [entry.dn for entry in listing.all()] == [C]


def test_a_file_that_cannot_be_read_keeps_no_connection(tmp_path: Path) -> None:
    path = tmp_path / "data"
    Store(path, lambda: False).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP VIEW syncrepl_copy")

    with pytest.raises(DBError, match="syncrepl_copy") as caught:
        Listing(path)

    # The last connection takes the log away, though the traceback holds on to what was begun.
    assert caught.traceback
    assert [file.name for file in tmp_path.iterdir() if "wal" in file.name] == []
