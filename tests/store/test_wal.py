"""Readers of the data file: what they see, and what it costs when one of them reads for long."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.contentsync.events import EntriesDeleted, EntriesSent
from syncrepl_client.model import Attributes
from syncrepl_client.store.store import Ending
from tests.store.listeners import Noting, copy_of, refresh, row, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.store.store import Store

A, B, C = "cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"
MEBIBYTE = 1024 * 1024

# Reads the copy each time it gets a line; an empty one begins or ends a transaction first.
READER = """if True:
    import sqlite3, sys
    connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
    for line in sys.stdin:
        if line.strip():
            connection.execute(line)
        print(*(dn for dn, in connection.execute("SELECT dn FROM syncrepl_copy ORDER BY dn")), sep=" ", flush=True)
"""


class Reader:
    """Another process that reads the data file."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def see(self, statement: str = "") -> list[str]:
        """Let it execute a statement, if any, and return the names that it sees then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(statement, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().split()


@pytest.fixture
def reader(store: Store, tmp_path: Path) -> Iterator[Reader]:
    command = [sys.executable, "-c", READER, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Reader(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


@contextmanager
def transaction_of_another(path: Path) -> Iterator[sqlite3.Connection]:
    """Read, and hold what was read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM syncrepl_copy").fetchone()
        yield connection


def photo(number: int, version: int) -> SentEntry:
    """Make an entry of twelve mebibytes: so the log grows by few rows."""
    picture = bytes((version,)) * (12 * MEBIBYTE)
    return uuid(number), A.encode(), Attributes.of({"description": [b""], "jpegPhoto": [picture]}).wire


# --- what readers see -------------------------------------------------------------------------------------------------


def test_a_first_load_is_not_seen_before_its_commit(store: Store, reader: Reader) -> None:
    staged = store.begin_refresh(None)
    assert reader.see() == []
    staged.sent([row(1, A), row(2, B)])
    assert reader.see() == []
    staged.settle()
    assert reader.see() == []

    store.finish_refresh(staged, Ending("fingerprint", b"cookie"), None)
    assert reader.see() == [A, B]


def test_a_refresh_is_not_seen_before_its_commit(store: Store, reader: Reader) -> None:
    refresh(store, sent(1, A), sent(2, B))
    seen = []

    class Looking(Noting):
        def refresh_done(self, *_: object) -> None:
            seen.append(reader.see())

    staged = store.begin_refresh(listener := Looking())
    staged.sent([row(1, C), row(3, A)])
    staged.deleted((uuid(2),))
    staged.settle()
    assert reader.see() == [A, B]
    store.finish_refresh(staged, Ending("fingerprint", b"cookie"), listener)

    assert seen == [[A, B]]
    assert reader.see() == [A, C]


def test_who_reads_in_one_transaction_sees_one_copy(store: Store, reader: Reader) -> None:
    refresh(store, sent(1, A), sent(2, B))
    assert reader.see("BEGIN") == [A, B]

    refresh(store, EntriesDeleted((uuid(1),)))
    store.apply([sent(2, C)], None, lambda _: True)
    assert reader.see() == [A, B]

    assert reader.see("COMMIT") == [C]


def test_changes_of_the_persist_stage_are_seen_batch_by_batch(store: Store, reader: Reader) -> None:
    refresh(store, sent(1, A))
    for dn in (B, C):
        store.apply([sent(1, dn), sent(2, A), EntriesDeleted((uuid(2),))], None, lambda _: True)
        assert reader.see() == [dn]


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_log_that_a_reader_lets_grow_is_told_of_with_its_size(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refresh(store, EntriesSent([photo(1, 0)]))
    with caplog.at_level(logging.WARNING, "syncrepl_client.store"):
        with transaction_of_another(tmp_path / "data"):
            for version in range(1, 8):
                refresh(store, EntriesSent([photo(1, version)]))
        size = (tmp_path / "data-wal").stat().st_size
        told = [record.__dict__["wal_bytes"] for record in caplog.records]

        # Nobody reads any more: the log is written back, and there is nothing to tell.
        caplog.clear()
        refresh(store, EntriesSent([photo(1, 9)]))
        assert not caplog.records

    assert told
    assert sorted(told) == told
    assert told[0] > 64 * MEBIBYTE
    # The log has a header for each of its pages.
    assert size * 0.99 < told[-1] < size


def test_a_reader_of_a_small_log_is_not_worth_a_word(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refresh(store, sent(1, A))
    with (
        caplog.at_level(logging.WARNING, "syncrepl_client.store"),
        transaction_of_another(tmp_path / "data"),
    ):
        for dn in (B, C):
            refresh(store, sent(1, dn))

    assert not caplog.records
    assert copy_of(store) == {1: (C, "")}


def test_a_large_log_that_nobody_holds_is_not_told_of(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "syncrepl_client.store"):
        for version in range(3):
            refresh(store, EntriesSent([photo(number, version) for number in range(2)]))

    assert not caplog.records
