"""Whatever goes wrong is one exception with its cause and a hint, and the copy from before is intact."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Replica, SyncreplMode, exceptions
from syncrepl_client.db import DBInterface
from syncrepl_client.exceptions import (
    CallbackError,
    ConnectionFailed,
    ConnectionLost,
    DatabaseInUse,
    DBError,
    DBSchemaError,
    InsufficientAccess,
    InvalidCredentials,
    LDAPResultError,
    LDAPUrlParseError,
    NoSuchBase,
    SchemaVersionError,
    SyncNotSupported,
    SyncreplError,
    UsageError,
)
from tests.slapd import Slapd, empty_tree, free_port, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONCE = SyncreplMode.REFRESH_ONLY


def sync(url: str, path: Path, listener: object | None = None, **options: Any) -> int:
    with Replica(url, path, mode=ONCE, listener=listener, **options) as replica:
        return replica.refresh().entries


def copy(path: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT uuid, dn, attrs FROM syncrepl_copy ORDER BY dn").fetchall()
    connection.close()
    return rows


def where(slapd: Slapd, rest: str = "") -> str:
    return f"{slapd.url}/{slapd.suffix}{rest}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://h/dc=x", "does not begin with"),
        ("ldap://h:port/dc=x", "host and port"),
        ("ldap://h/dc=x??tree", "scope"),
        ("ldap://h/dc=x???(cn=a", r"expected '\)'"),
        ("ldap://h/x", "attribute type"),
        ("ldap://h/dc=x????!x-other=1", "critical extension"),
    ],
)
def test_an_unusable_url_is_refused_before_anything_happens(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(LDAPUrlParseError, match=reason):
        sync(text, tmp_path / "data")

    assert not list(tmp_path.iterdir())


def test_a_base_that_was_mistyped_does_not_claim_the_data_file(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(NoSuchBase, match="'dc=exmaple,dc=com'"):
        sync(f"{slapd.url}/dc=exmaple,dc=com", tmp_path / "data")

    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        replica.refuse_another_search()
        assert replica.refresh().added > 0


def test_no_error_about_a_url_shows_its_password(tmp_path: Path) -> None:
    with pytest.raises(LDAPUrlParseError) as caught:
        sync("ldap://h/x????bindname=cn=a,X-BINDPW=geheim", tmp_path / "data")

    assert "geheim" not in str(caught.value)


def test_an_unknown_host_is_a_failed_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="cannot find the host"):
        sync("ldap://no-such-host.invalid/dc=x", tmp_path / "data")


def test_a_refused_connection_is_a_failed_connection(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="cannot connect") as caught:
        sync(f"ldap://127.0.0.1:{free_port()}/dc=x", tmp_path / "data")

    assert caught.value.hint


def test_a_wrong_password_is_said_with_the_servers_own_words(slapd: Slapd, tmp_path: Path) -> None:
    name = slapd.rootdn.replace(",", "%2C")
    with pytest.raises(InvalidCredentials) as caught:
        sync(where(slapd, f"????bindname={name}"), tmp_path / "data", password=b"wrong")

    assert caught.value.code == 49
    with pytest.raises(UsageError, match="no password"):
        sync(where(slapd, f"????bindname={name}"), tmp_path / "data")


def test_a_server_without_the_provider_says_that_sync_is_not_supported(tmp_path: Path) -> None:
    with Slapd(sync_provider=False) as slapd:
        slapd.load(empty_tree())
        slapd.start()
        with pytest.raises(SyncNotSupported, match="unavailableCriticalExtension") as caught:
            sync(where(slapd), tmp_path / "data")

    assert "syncprov" in caught.value.hint


def test_no_permission_is_said(tmp_path: Path) -> None:
    with Slapd(extra_global="require authc") as slapd:
        slapd.load(empty_tree())
        slapd.start()
        with pytest.raises((InsufficientAccess, LDAPResultError)):
            sync(where(slapd), tmp_path / "data")


def test_a_missing_base_keeps_the_copy(slapd: Slapd, tmp_path: Path) -> None:
    url = f"{slapd.url}/ou=people,{slapd.suffix}"
    sync(url, tmp_path / "data")
    before = copy(tmp_path / "data")
    slapd.delete(f"ou=people,{slapd.suffix}")

    with pytest.raises(NoSuchBase):
        sync(url, tmp_path / "data")

    assert len(before) == 1
    assert before == copy(tmp_path / "data")


@pytest.mark.parametrize("sessionlog", [None, 100])
def test_a_base_that_was_renamed_keeps_the_copy_until_it_is_back(tmp_path: Path, sessionlog: int | None) -> None:
    """With a session log slapd streams deletions first and says that the base is gone after them (trap A9)."""
    with Slapd(sessionlog=sessionlog) as slapd:
        slapd.load(sample_ldif(5))
        slapd.start()
        people = f"ou=people,{slapd.suffix}"
        url = f"{slapd.url}/{people}"
        sync(url, tmp_path / "data")
        before = copy(tmp_path / "data")
        slapd.delete(next(dn for dn in slapd.search(people) if dn.startswith("uid=")))
        slapd.rename(people, "ou=folk")

        with pytest.raises(NoSuchBase):
            sync(url, tmp_path / "data")
        assert before == copy(tmp_path / "data")

        slapd.rename(f"ou=folk,{slapd.suffix}", "ou=people")
        assert len(slapd.search(people)) == sync(url, tmp_path / "data") == len(before) - 1


def test_a_size_limit_leaves_the_copy_as_it_was(tmp_path: Path) -> None:
    with Slapd() as slapd:
        slapd.load(sample_ldif(20))
        slapd.start()
        sync(where(slapd), tmp_path / "data")
        before = copy(tmp_path / "data")
        for dn in [dn for dn in slapd.search() if dn.startswith("uid=")][:10]:
            slapd.replace(dn, "title", ["changed"])
        slapd.sizelimit = "3"
        slapd.limits = ""
        slapd.restart()

        with pytest.raises(LDAPResultError, match="sizeLimitExceeded"):
            sync(where(slapd), tmp_path / "data")

        assert before == copy(tmp_path / "data")


def test_two_consumers_on_one_file_are_refused(slapd: Slapd, tmp_path: Path) -> None:
    with (
        Replica(where(slapd), tmp_path / "data"),
        pytest.raises(DatabaseInUse),
    ):
        sync(where(slapd), tmp_path / "data")


def test_files_of_others_are_refused_and_left_as_they_are(slapd: Slapd, tmp_path: Path) -> None:
    for name, statements, kind in (
        ("other", ["CREATE TABLE mine (a)"], DBSchemaError),
        ("reference", ["CREATE TABLE syncrepl_schema (a)"], DBSchemaError),
        ("newer", ["PRAGMA application_id = 1398361667", "PRAGMA user_version = 99"], SchemaVersionError),
    ):
        path = tmp_path / name
        connection = sqlite3.connect(path)
        for statement in statements:
            connection.execute(statement)
        connection.close()
        content = path.read_bytes()
        with pytest.raises(kind) as caught:
            sync(where(slapd), path)
        assert caught.value.hint
        assert content == path.read_bytes()
    (tmp_path / "text").write_text("not a database at all, but long enough to look at" * 100)
    with pytest.raises(DBError, match="not a database"):
        sync(where(slapd), tmp_path / "text")


def test_a_folder_that_does_not_exist_is_said(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(DBError, match="cannot create"):
        sync(where(slapd), tmp_path / "none" / "data")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes, mounted: root may write anywhere else."""
    point = tmp_path / "disk"
    point.mkdir()
    mount = shutil.which("mount") or "/bin/mount"
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", point], check=True)
    yield point
    subprocess.run([shutil.which("umount") or "/bin/umount", point], check=True)


def test_a_full_disk_keeps_the_copy(small_disk: Path) -> None:
    with Slapd() as slapd:
        slapd.load(sample_ldif(4000))
        slapd.start()
        narrow = f"{slapd.url}/{slapd.suffix}?objectClass?sub?(objectClass=organizationalUnit)"
        sync(narrow, small_disk / "data")
        before = copy(small_disk / "data")

        with pytest.raises(DBError, match="full") as caught:
            sync(where(slapd), small_disk / "data")

        assert before == copy(small_disk / "data")
        assert "space" in caught.value.hint


def test_a_read_only_disk_keeps_the_copy(slapd: Slapd, small_disk: Path) -> None:
    sync(where(slapd), small_disk / "data")
    before = copy(small_disk / "data")
    mount = shutil.which("mount") or "/bin/mount"
    subprocess.run([mount, "-o", "remount,ro", small_disk], check=True)

    with pytest.raises(DBError) as caught:
        sync(where(slapd), small_disk / "data")

    subprocess.run([mount, "-o", "remount,rw", small_disk], check=True)
    assert before == copy(small_disk / "data")
    assert caught.value.hint


class _Callback:
    """Does something that a callback cannot do."""

    def __init__(self, act: Any) -> None:
        self.act = act

    def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
        self.act(cursor)


@pytest.mark.parametrize(
    "act",
    [
        lambda cursor: cursor.connection.commit(),
        lambda cursor: cursor.connection.rollback(),
        lambda cursor: cursor.execute("COMMIT"),
        lambda cursor: cursor.execute("ROLLBACK"),
        lambda cursor: cursor.executescript("SELECT 1"),
        lambda cursor: cursor.execute("DELETE FROM syncrepl_entry"),
        lambda cursor: cursor.execute("DROP TABLE syncrepl_state"),
        lambda cursor: cursor.execute("ATTACH ':memory:' AS other"),
    ],
    ids=["commit", "rollback", "COMMIT", "ROLLBACK", "script", "delete", "drop", "attach"],
)
def test_a_callback_that_ends_the_transaction_or_touches_our_tables_changes_nothing(
    slapd: Slapd, tmp_path: Path, act: Any
) -> None:
    sync(where(slapd), tmp_path / "data")
    before = copy(tmp_path / "data")
    slapd.delete(f"ou=groups,{slapd.suffix}")

    for _ in range(2):
        with pytest.raises(CallbackError) as caught:
            sync(where(slapd), tmp_path / "data", _Callback(act))
        assert before == copy(tmp_path / "data")

    assert caught.value.hint
    assert sync(where(slapd), tmp_path / "data") == 2


def test_a_callback_that_writes_through_another_connection_fails_at_once(slapd: Slapd, tmp_path: Path) -> None:
    sync(where(slapd), tmp_path / "data")
    before = copy(tmp_path / "data")
    slapd.delete(f"ou=groups,{slapd.suffix}")
    handle = DBInterface(tmp_path / "data")
    started = time.monotonic()

    with pytest.raises(CallbackError, match="another connection"):
        sync(where(slapd), tmp_path / "data", _Callback(lambda _: handle.execute("CREATE TABLE own (a)")))

    assert time.monotonic() - started < 2
    assert before == copy(tmp_path / "data")
    handle.close()


def test_an_exception_of_a_callback_undoes_what_it_wrote_and_the_change_comes_again(
    slapd: Slapd, tmp_path: Path
) -> None:
    sync(where(slapd), tmp_path / "data")
    slapd.add(f"cn=a,{slapd.suffix}", {"objectClass": ["person"], "cn": ["a"], "sn": ["a"]})

    def write_and_fail(cursor: sqlite3.Cursor) -> None:
        cursor.execute("CREATE TABLE own (a)")
        raise LookupError

    with pytest.raises(LookupError):
        sync(where(slapd), tmp_path / "data", _Callback(write_and_fail))
    seen: list[int] = []
    sync(
        where(slapd), tmp_path / "data", _Callback(lambda cursor: seen.append(cursor.execute("SELECT 1").fetchone()[0]))
    )

    assert seen == [1]
    connection = sqlite3.connect(tmp_path / "data")
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'own'").fetchall()
    connection.close()


def test_a_stop_from_another_thread_returns_within_a_tenth_of_a_second(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        ended: list[float] = []

        def run() -> None:
            replica.run()
            ended.append(time.monotonic())

        worker = threading.Thread(target=run)
        worker.start()
        time.sleep(0.05)
        asked = time.monotonic()
        replica.stop()
        worker.join(5)

    assert ended[0] - asked < 0.1


def test_a_stop_drops_a_refresh_in_progress(tmp_path: Path) -> None:
    with Slapd() as slapd:
        slapd.load(sample_ldif(3000))
        slapd.start()
        with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
            replica.step()
            replica.stop()
            assert not replica.step()

        assert copy(tmp_path / "data") == []
        assert sync(where(slapd), tmp_path / "data") == 3003


def test_a_server_that_goes_away_is_a_lost_connection(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data") as replica:
        replica.refresh()
        slapd.stop()
        with pytest.raises(ConnectionLost):
            replica.run()

    slapd.start()
    assert sync(where(slapd), tmp_path / "data") == 3


def test_data_files_can_be_read_by_their_owner_alone(slapd: Slapd, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Replica(where(slapd), tmp_path / "data") as replica:
            replica.refresh()
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("data*")}
    finally:
        os.umask(old)

    assert {"data", "data-wal", "data-shm", "data-lock"} == set(modes)
    assert {0o600} == set(modes.values())


def test_readers_in_other_processes_see_the_old_copy_until_the_commit(slapd: Slapd, tmp_path: Path) -> None:
    path = tmp_path / "data"
    sync(where(slapd), path)
    slapd.delete(f"ou=groups,{slapd.suffix}")
    program = """if True:
        import sqlite3, sys
        print(sqlite3.connect(sys.argv[1]).execute("SELECT count(*) FROM syncrepl_copy").fetchone()[0])
    """
    seen = []

    def read(_: sqlite3.Cursor) -> None:
        seen.append(subprocess.check_output([sys.executable, "-c", program, path], text=True).strip())

    sync(where(slapd), path, _Callback(read))

    assert seen == ["3"]
    assert len(copy(path)) == 2


def test_changed_parameters_never_meet_a_stale_cookie(slapd: Slapd, tmp_path: Path) -> None:
    slapd.add(f"cn=a,{slapd.suffix}", {"objectClass": ["person"], "cn": ["a"], "sn": ["a"]})
    assert sync(where(slapd), tmp_path / "data") == 4

    assert sync(where(slapd, "???(sn=a)"), tmp_path / "data") == 1
    assert sync(where(slapd, "???(!(sn=a))"), tmp_path / "data") == 3
    sync(where(slapd, "?sn"), tmp_path / "data")

    with Replica(where(slapd, "?sn"), tmp_path / "data", mode=ONCE) as replica:
        replica.refresh()
        assert dict(replica.entries[f"cn=a,{slapd.suffix}"]) == {"sn": [b"a"]}


def test_every_error_is_of_one_base_class() -> None:
    kinds = [getattr(exceptions, name) for name in exceptions.__all__]
    # What a configuration has wrong is told by an error, and is none.
    errors = [kind for kind in kinds if issubclass(kind, BaseException) and not issubclass(kind, Warning)]
    assert {kind.__name__ for kind in kinds} - {kind.__name__ for kind in errors} == {"DBConsistencyWarning", "Mistake"}
    assert all(issubclass(kind, SyncreplError) for kind in errors)
