"""The data file: who may open it, what a transaction keeps, and what a callback may do inside one."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import (
    CallbackError,
    DatabaseInUse,
    DBError,
    DBSchemaError,
    Interrupted,
    SchemaVersionError,
)
from syncrepl_client.store import database as module
from syncrepl_client.store.database import Database, owner_in_callback
from syncrepl_client.store.files import connect, data_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path, lambda: False)) as opened:
        yield opened


@pytest.fixture
def other(database: Database, path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that has the file open."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE own (a)")
        yield connection


def rows(connection: sqlite3.Connection) -> list[int]:
    return [a for (a,) in connection.execute("SELECT a FROM own")]


def write(database: Database, *statements: str, error: type[BaseException] | None = None) -> None:
    """Execute statements in one transaction, and then perhaps raise."""
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(statement)
        if error is not None:
            raise error


def call_back(database: Database, act: Callable[[sqlite3.Connection], object]) -> None:
    """Write something, and let a callback act inside the transaction."""
    with database.transaction() as connection:
        connection.execute("INSERT INTO own VALUES (1)")
        with database.guarded():
            act(connection)


# --- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file"), [("copy.db", "copy.db"), ("folder", "folder/syncrepl.db"), ("new/", "new/syncrepl.db")]
)
def test_a_folder_gets_a_file_in_it(tmp_path: Path, name: str, file: str) -> None:
    (tmp_path / "folder").mkdir()

    assert tmp_path / file == data_file(f"{tmp_path}/{name}")


def test_a_file_has_one_owner_until_it_is_closed(path: Path) -> None:
    with closing(Database(path, lambda: False)), pytest.raises(DatabaseInUse) as caught:
        Database(path, lambda: False)

    assert "one consumer per data file" in caught.value.hint
    Database(path, lambda: False).close()


def test_who_is_closed_again_closes_nothing_of_others(path: Path) -> None:
    database = Database(path, lambda: False)
    database.close()
    with path.open("rb") as other:
        database.close()
        assert other.read(6) == b"SQLite"


def test_an_owner_that_comes_back_takes_no_lock_from_who_reads_here(path: Path) -> None:
    """Else a command of another process deletes the write-ahead log when it leaves, and all that follows is lost."""
    look = "import sqlite3, sys; found = sqlite3.connect(sys.argv[1]); print(*found.execute('SELECT a FROM own'))"
    first = Database(path, lambda: False)
    with closing(connect(path)) as reader:
        reader.execute("CREATE TABLE own (a)")
        first.close()
        with closing(Database(path, lambda: False)) as again:
            for number in (1, 2):
                with again.transaction():
                    again.connection.execute("INSERT INTO own VALUES (?)", (number,))
                # A process that comes and goes.
                done = subprocess.run([sys.executable, "-c", look, path], capture_output=True, text=True, check=True)
    assert done.stdout == "(1,) (2,)\n"


def test_a_file_that_cannot_be_opened_has_no_owner_after(tmp_path: Path) -> None:
    """A lock that stayed would keep out the next one, who has put it right."""
    (tmp_path / "data").mkdir()
    for _ in range(2):
        with pytest.raises(DBError, match="cannot open the data file") as caught:
            Database(tmp_path / "data", lambda: False)
    assert caught.value.hint

    (tmp_path / "data").rmdir()
    Database(tmp_path / "data", lambda: False).close()


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    with pytest.raises(DBError, match="cannot create") as caught:
        Database(tmp_path / "none" / "data", lambda: False)

    assert "a folder that can be written to" in caught.value.hint


def test_a_process_without_files_left_to_open_is_told_so_and_owns_nothing(path: Path) -> None:
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lock is the last one that can be opened.
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, limits[1]))
    try:
        with pytest.raises(DBError, match=r"cannot open the data file .*Too many open files") as caught:
            Database(path, lambda: False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert caught.value.hint
    Database(path, lambda: False).close()


@pytest.mark.parametrize(
    ("statement", "kind", "reason"),
    [
        ("CREATE TABLE mine (a)", DBSchemaError, "the database of another program"),
        ("PRAGMA application_id = 7", DBSchemaError, "the database of another program"),
        ("CREATE TABLE syncrepl_schema (a)", DBSchemaError, "made by another implementation"),
        ("PRAGMA user_version = 99; PRAGMA application_id = 1398361667", SchemaVersionError, "schema version 99"),
    ],
)
def test_a_file_that_is_not_ours_is_left_as_it_is(path: Path, statement: str, kind: type[DBError], reason: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)
    content = path.read_bytes()

    with pytest.raises(kind, match=reason) as caught:
        Database(path, lambda: False)

    assert caught.value.hint
    assert content == path.read_bytes()


def test_a_file_that_is_no_database_is_left_as_it_is(path: Path) -> None:
    path.write_text("a letter\n" * 1000)

    with pytest.raises(DBError, match="not a database") as caught:
        Database(path, lambda: False)

    assert "use another data file" in caught.value.hint
    assert path.read_text() == "a letter\n" * 1000


def test_a_program_can_open_only_a_file_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(DBError, match="cannot open the data file"):
        connect(tmp_path / "none")

    assert not (tmp_path / "none").exists()


# --- transactions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_is_kept_whole(database: Database, other: sqlite3.Connection, *, durable: bool) -> None:
    with database.transaction(durable=durable) as connection:
        connection.execute("INSERT INTO own VALUES (1)")
        connection.execute("INSERT INTO own VALUES (2)")
        assert rows(other) == []

    assert rows(other) == [1, 2]


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_an_exception_undoes_all_of_it(
    database: Database, other: sqlite3.Connection, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        write(database, "INSERT INTO own VALUES (1)", error=error)

    assert rows(other) == []
    write(database, "INSERT INTO own VALUES (3)")
    assert rows(other) == [3]


def test_an_error_of_sqlite_is_one_of_ours_with_its_cause(database: Database, other: sqlite3.Connection) -> None:
    with pytest.raises(DBError, match="no such table: none") as caught:
        write(database, "INSERT INTO own VALUES (1)", "INSERT INTO none VALUES (1)")

    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert rows(other) == []


def test_an_error_after_which_sqlite_itself_undid_everything_is_reported_as_it_is(
    database: Database, other: sqlite3.Connection
) -> None:
    write(database, "CREATE UNIQUE INDEX one ON own (a)", "INSERT INTO own VALUES (1)")

    with pytest.raises(DBError, match="UNIQUE constraint failed"):
        write(database, "INSERT INTO own VALUES (2)", "INSERT OR ROLLBACK INTO own VALUES (1)")

    assert rows(other) == [1]


def test_a_writer_that_does_not_commit_is_waited_for_and_then_named(
    database: Database, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSY_LIMIT", 0.05)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DBError, match="locked") as caught:
        write(database)

    assert "let it commit" in caught.value.hint
    other.execute("COMMIT")
    write(database, "INSERT INTO own VALUES (1)")
    assert rows(other) == [1]


def test_a_stop_ends_the_waiting_for_another_writer(path: Path) -> None:
    stopping = False
    with closing(Database(path, lambda: stopping)) as database, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        stopping = True
        with pytest.raises(Interrupted):
            write(database)


COUNT = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < LAST) SELECT count(*) FROM n"


def test_a_stop_ends_a_long_statement_but_not_one_of_a_callback(path: Path) -> None:
    stopping = True
    with closing(Database(path, lambda: stopping)) as database:
        with pytest.raises(Interrupted), database.working():
            write(database, COUNT.replace("LAST", "1000000000"))

        with database.working(), database.transaction() as connection, database.guarded():
            assert connection.execute(COUNT.replace("LAST", "200000")).fetchone() == (200_000,)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (sqlite3.SQLITE_FULL, "free some space"),
        (sqlite3.SQLITE_READONLY, "cannot be written to"),
        (sqlite3.SQLITE_IOERR | 0x0300, "check the disk"),
        (sqlite3.SQLITE_BUSY, "let it commit"),
        (sqlite3.SQLITE_NOTADB, "not an SQLite database"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
        (sqlite3.SQLITE_ERROR, ""),
        (None, ""),
    ],
)
def test_each_kind_of_error_says_what_to_do(database: Database, code: int | None, hint: str) -> None:
    error = sqlite3.DatabaseError("what SQLite says")
    if code is not None:
        error.sqlite_errorcode = code

    translated = database.translated(error)

    assert isinstance(translated, DBError)
    assert "what SQLite says" in str(translated)
    assert hint in translated.hint
    assert bool(hint) == bool(translated.hint)


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_what_a_callback_writes_is_committed_with_the_change(database: Database, other: sqlite3.Connection) -> None:
    with database.transaction() as connection, database.guarded():
        connection.execute("INSERT INTO own VALUES (1)")
        connection.execute("CREATE TABLE second (b)")

    assert rows(other) == [1]


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda connection: connection.commit(), "commit inside"),
        (lambda connection: connection.execute("ROLLBACK"), "rollback inside"),
        (lambda connection: connection.execute("ATTACH ':memory:' AS x"), "attach or detach a database inside"),
        (lambda connection: connection.execute("DETACH x"), "attach or detach a database inside the"),
        (lambda connection: connection.execute("DELETE FROM syncrepl_entry"), "write to the table syncrepl_entry"),
        (
            lambda connection: connection.execute("UPDATE Syncrepl_State SET url = 1"),
            "write to the table syncrepl_state",
        ),
        (lambda connection: connection.execute("DROP VIEW syncrepl_copy"), "write to the table"),
        (lambda connection: connection.execute("CREATE TABLE syncrepl_mine (a)"), "write to the table syncrepl_mine"),
    ],
)
def test_what_a_callback_may_not_do_is_named_and_undone(
    database: Database, other: sqlite3.Connection, act: Callable[[sqlite3.Connection], object], what: str
) -> None:
    with pytest.raises(CallbackError, match=f"a callback tried to .*{what}") as caught:
        call_back(database, act)

    assert "must not commit" in caught.value.hint
    assert rows(other) == []


def test_a_callback_may_read_our_tables(database: Database) -> None:
    with database.transaction() as connection, database.guarded():
        assert connection.execute("SELECT count(*) FROM syncrepl_entry").fetchone() == (0,)


def test_a_callback_that_waits_for_its_own_transaction_is_told_so(
    database: Database, other: sqlite3.Connection
) -> None:
    with pytest.raises(CallbackError, match="another connection") as caught:
        call_back(database, lambda _: other.execute("INSERT INTO own VALUES (2)"))

    assert "through the cursor" in caught.value.hint


def test_only_the_thread_that_is_inside_a_callback_is_inside_it(database: Database, path: Path) -> None:
    def inside_another_thread() -> bool:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(owner_in_callback, path).result()

    assert not owner_in_callback(path)
    with database.transaction(), database.guarded():
        assert owner_in_callback(path)
        assert not inside_another_thread()
        assert not owner_in_callback(path.with_name("other"))
    assert not owner_in_callback(path)


def test_another_error_of_a_callback_is_its_own(database: Database, other: sqlite3.Connection) -> None:
    with pytest.raises(DBError, match="no such table: none") as caught:
        call_back(database, lambda connection: connection.execute("SELECT * FROM none"))

    assert not isinstance(caught.value, CallbackError)
    # The guard ended with the callback.
    write(database, "UPDATE syncrepl_state SET url = 'ldap://h/'")


@pytest.mark.parametrize("suffix", ["", "-lock"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_went_away_under_its_owner_ends_the_work(
    database: Database,
    path: Path,
    suffix: str,
    replaced: bool,  # noqa: FBT001
) -> None:
    with database.working():
        pass
    gone = path.with_name(path.name + suffix)
    gone.rename(path.with_name("elsewhere"))
    if replaced:
        gone.write_bytes(b"")
    with pytest.raises(DBError, match="deleted or replaced"), database.working():
        pytest.fail("the step was run")


def test_a_path_that_leads_back_to_itself_is_an_error_of_the_file(path: Path) -> None:
    path.symlink_to(path)

    with pytest.raises(DBError, match="cannot open the data file") as caught:
        Database(path, lambda: False)
    assert caught.value.hint


def test_where_there_is_no_room_to_stage_it_is_tried_again(database: Database) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DBError, match="the data file") as caught, database.staging():
            pytest.fail("there was room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint

    with database.staging() as connection:
        connection.execute("INSERT INTO syncrepl_changed VALUES (1, x'00')")
    assert database.connection.execute("SELECT entry FROM syncrepl_changed").fetchall() == [(1,)]


def test_a_folder_that_is_gone_is_no_place_to_stage(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with closing(Database(folder / "data", lambda: False)) as database:
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(DBError, match=r"cannot create .*-staged: No such file") as caught, database.staging():
            pytest.fail("there was room")
    assert caught.value.hint


def test_a_name_that_is_taken_where_a_refresh_is_staged_is_an_error(database: Database, path: Path) -> None:
    taken = path.with_name(f"{path.name}-staged")
    taken.mkdir()
    with pytest.raises(DBError, match=r"cannot remove .*-staged") as caught, database.staging():
        pytest.fail("there was room")
    assert caught.value.hint
    taken.rmdir()


def test_an_error_of_sqlite_in_a_step_is_one_of_the_file(database: Database) -> None:
    with pytest.raises(DBError, match="no such table"), database.working():
        database.connection.execute("SELECT * FROM no_table")


def test_a_log_that_cannot_be_moved_now_is_told_of_and_stays(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with database.transaction():
        database.log_large_wal()

    (record,) = caplog.records
    assert record.__dict__["what"] == "wal-stays"
    assert record.__dict__["path"] == str(database.path)
