"""A program's own handle on the data file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.contentsync.events import EntriesSent
from syncrepl_client.db import DBInterface
from syncrepl_client.exceptions import CallbackError, DBError, DBSettingError
from syncrepl_client.store.store import Store
from tests.store.listeners import Noting, refresh, row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "data", lambda: False)) as opened:
        refresh(opened, EntriesSent([row(1, "cn=a,dc=x")]))
        yield opened


@pytest.fixture
def handle(store: Store, tmp_path: Path) -> Iterator[DBInterface]:
    with closing(DBInterface(tmp_path / "data")) as opened:
        yield opened


def test_a_handle_is_of_a_file_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(DBError, match="cannot open"):
        DBInterface(tmp_path / "none")


def test_the_copy_can_be_read_through_it(handle: DBInterface) -> None:
    assert handle.execute("SELECT dn FROM syncrepl_copy").fetchall() == [("cn=a,dc=x",)]
    assert handle.cursor().execute("SELECT count(*) FROM syncrepl_copy").fetchone() == (1,)


def test_what_is_written_is_seen_by_others_once_it_is_committed(handle: DBInterface) -> None:
    with closing(handle.clone()) as other:
        handle.execute("CREATE TABLE own (a)")
        handle.commit()
        handle.execute("INSERT INTO own VALUES (:a)", {"a": 1})
        assert other.execute("SELECT a FROM own").fetchall() == []
        handle.rollback()
        handle.execute("INSERT INTO own VALUES (?)", (2,))
        handle.commit()

        assert other.execute("SELECT a FROM own").fetchall() == [(2,)]


def test_settings_are_kept_by_name(handle: DBInterface) -> None:
    handle.set_setting("mine", b"first")
    handle.set_setting("mine", b"second")
    handle.commit()

    with closing(handle.clone()) as other:
        assert other.get_setting("mine") == b"second"
        with pytest.raises(DBSettingError, match="'other'"):
            other.get_setting("other")


def test_an_error_of_sqlite_is_one_of_ours_with_its_cause(handle: DBInterface) -> None:
    with pytest.raises(DBError, match="no such table: none") as caught:
        handle.execute("SELECT * FROM none")

    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_upkeep_does_no_harm(handle: DBInterface) -> None:
    handle.optimize()
    handle.vacuum()

    assert handle.execute("SELECT count(*) FROM syncrepl_copy").fetchone() == (1,)


def test_a_statement_in_another_thread_can_be_ended(handle: DBInterface) -> None:
    errors: list[DBError] = []
    started = threading.Event()

    def begin() -> int:
        started.set()
        return 0

    def count() -> None:
        handle.cursor().connection.create_function("begin", 0, begin)
        try:
            handle.execute(
                "WITH RECURSIVE n (i) AS (SELECT begin() UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
            )
        except DBError as error:
            errors.append(error)

    worker = threading.Thread(target=count)
    worker.start()
    assert started.wait(10)
    handle.interrupt()
    worker.join(10)

    assert [str(error.__cause__) for error in errors] == ["interrupted"]


def test_a_write_from_inside_a_callback_would_wait_for_itself(
    store: Store, handle: DBInterface, tmp_path: Path
) -> None:
    errors = []

    class Writing(Noting):
        def cookie(self, cookie: bytes) -> None:
            # To read is no harm.
            assert handle.execute("SELECT dn FROM syncrepl_copy").fetchall() == [("cn=a,dc=x",)]
            with pytest.raises(CallbackError, match="waits for the callback itself") as caught:
                handle.set_setting("mine", b"value")
            errors.append(caught.value)

    refresh(store, EntriesSent([row(1, "cn=b,dc=x")]), listener=Writing(), cookie=b"new")

    assert "through the cursor" in errors[0].hint
    handle.set_setting("mine", b"value")
    handle.commit()
