"""What a data file held before it was redacted is not in it any more."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import Interrupted, UsageError
from syncrepl_client.ldap.attributes import encode_attributes
from syncrepl_client.redaction import MASK, Redaction
from syncrepl_client.store.store import Ending, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = b"0123456789abcdef"
SECRET = b"open sesame"
MASKED = Redaction(mask=["userPassword"])
HASHED = Redaction(hash=["userPassword"], key=KEY)
ENTRIES = 2000
FINGERPRINT = "of a search"


def rows(first: int = 0, *, password: bytes = SECRET, entries: int = ENTRIES) -> list[tuple[bytes, bytes, bytes]]:
    attrs = encode_attributes({"cn": [b"x" * 60], "userPassword": [password]})
    return [(number.to_bytes(16), b"cn=%d,dc=x" % number, attrs) for number in range(first, first + entries)]


def load(
    path: Path,
    redaction: Redaction | None = None,
    *,
    password: bytes = SECRET,
    finish: bool = True,
    entries: int = ENTRIES,
) -> None:
    with closing(Store(path, bool, redaction=redaction)) as store:
        store.set_search("ldap://h/dc=x", FINGERPRINT)
        staged = store.begin_refresh(None)
        staged.sent(rows(password=password, entries=entries))
        staged.settle()
        if finish:
            store.finish_refresh(staged, Ending(FINGERPRINT, b"cookie"), None)


def leaks(path: Path, secret: bytes = SECRET) -> list[str]:
    """Name the files beside each other that hold a value."""
    return [file.name for file in path.parent.iterdir() if secret in file.read_bytes()]


def passwords(store: Store) -> set[bytes]:
    return {value for entry in store.entries.all() for value in entry.attributes["userPassword"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_copy_is_redacted_when_it_is_opened_before_any_server_is_asked(path: Path) -> None:
    load(path)
    assert leaks(path) == ["data"]

    with closing(Store(path, bool, redaction=MASKED)) as store:
        assert passwords(store) == {MASK}
        assert len(store.entries) == ENTRIES
        assert leaks(path) == []
        assert store.state().cookie == b"cookie"
    assert leaks(path) == []


def test_what_was_deleted_before_is_erased_from_the_free_space_too(path: Path) -> None:
    load(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA secure_delete = OFF").fetchone()
        connection.execute("DELETE FROM syncrepl_entry WHERE id > 10")
    assert leaks(path) == ["data"]

    Store(path, bool, redaction=MASKED).close()

    assert leaks(path) == []


def test_what_an_unfinished_load_and_an_unfinished_refresh_left_is_erased(path: Path, tmp_path: Path) -> None:
    load(path, finish=False)
    assert leaks(path) == ["data"]
    Store(path, bool, redaction=MASKED).close()
    assert leaks(path) == []

    other = tmp_path / "other"
    load(other)
    load(other, password=b"staged secret", finish=False)
    assert leaks(other, b"staged secret") == []
    # Whoever is killed leaves it there.
    other.with_name("other-staged").write_bytes(b"staged secret")
    assert leaks(other, b"staged secret") == ["other-staged"]
    Store(other, bool, redaction=MASKED).close()
    assert leaks(other, b"staged secret") == leaks(other) == []


def test_no_checksum_of_what_was_there_is_kept(path: Path) -> None:
    load(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO syncrepl_marker VALUES (1, x'00', x'00', 4711)")

    Store(path, bool, redaction=MASKED).close()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM syncrepl_marker").fetchone() == (0,)


def test_a_hash_is_not_hashed_again_and_a_masked_value_stays_masked(path: Path) -> None:
    load(path)
    with closing(Store(path, bool, redaction=HASHED)) as store:
        (hashed,) = passwords(store)
    assert hashed.startswith(b"{HMAC-SHA256}")
    assert leaks(path) == []

    with closing(Store(path, bool, redaction=Redaction(hash=["userPassword"], key=KEY + b"x"))) as store:
        assert passwords(store) == {hashed}
    with closing(Store(path, bool, redaction=MASKED)) as store:
        assert passwords(store) == {MASK}
    assert leaks(path, hashed) == []
    with closing(Store(path, bool, redaction=HASHED)) as store:
        assert passwords(store) == {MASK}


def test_a_file_is_written_anew_only_when_the_rules_change(path: Path) -> None:
    load(path)
    Store(path, bool, redaction=MASKED).close()
    before = path.read_bytes()

    Store(path, bool, redaction=MASKED).close()

    assert path.read_bytes() == before


def test_while_somebody_reads_the_old_octets_they_wait_for_the_next_chance(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(path)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM syncrepl_entry").fetchone()
        with closing(Store(path, bool, redaction=MASKED)) as store:
            assert passwords(store) == {MASK}
            assert leaks(path) != []
            reader.rollback()
            staged = store.begin_refresh(None)
            staged.settle()
            store.finish_refresh(staged, Ending(FINGERPRINT), None)
            assert leaks(path) == []
    assert [getattr(record, "what", "") for record in caplog.records] == ["not-erased-yet"]


def test_what_was_interrupted_is_made_up_for_at_the_next_start(path: Path) -> None:
    load(path)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM syncrepl_entry").fetchone()
        Store(path, bool, redaction=MASKED).close()
        assert leaks(path) != []

    Store(path, bool, redaction=MASKED).close()

    assert leaks(path) == []


@contextmanager
def unerased(path: Path, entries: int = ENTRIES) -> Iterator[None]:
    """Redact a file of which somebody reads how it was, so that its octets stay."""
    load(path, entries=entries)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM syncrepl_entry").fetchone()
        Store(path, bool, redaction=MASKED).close()
        yield


def test_while_somebody_writes_the_old_octets_wait_for_the_next_chance(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        with unerased(path):
            writer.execute("BEGIN IMMEDIATE")
            store = Store(path, bool, redaction=MASKED)
            assert "stays in free space" in caplog.records[-1].message
            assert "locked" in caplog.records[-1].message
            assert leaks(path) != []
        writer.rollback()
        store.close()

        assert leaks(path) == []


def test_a_stop_while_old_octets_are_erased_leaves_them_to_the_next_start(path: Path) -> None:
    """Both when the file is opened and when it is closed."""
    stopping = True
    with unerased(path, 5 * ENTRIES):
        with pytest.raises(Interrupted):
            Store(path, lambda: stopping, redaction=MASKED)
        stopping = False
        store = Store(path, lambda: stopping, redaction=MASKED)
        stopping = True
        store.close()
        assert leaks(path) != []

    Store(path, bool, redaction=MASKED).close()

    assert leaks(path) == []


def test_who_goes_back_to_no_redaction_is_redacted_again_when_it_returns(path: Path) -> None:
    load(path, MASKED, password=MASK)
    with pytest.raises(UsageError, match="none are given now"):
        Store(path, bool)
    with closing(Store(path, bool, redaction=Redaction())) as store:
        store.set_search("ldap://h/dc=x", "of a search without redaction")
        staged = store.begin_refresh(None)
        staged.sent(rows())
        staged.settle()
        store.finish_refresh(staged, Ending("of a search without redaction"), None)
        assert passwords(store) == {SECRET}

    with closing(Store(path, bool, redaction=MASKED)) as store:
        assert passwords(store) == {MASK}
    assert leaks(path) == []


def test_a_file_without_redaction_has_no_table_for_it(path: Path) -> None:
    load(path)

    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%redaction%'").fetchall()
    assert found == []
