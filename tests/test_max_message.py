"""A message larger than what is accepted is one error that says what to do, and the copy stays as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.exceptions import ProtocolError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slapd import Slapd

LIMIT = 100_000
ONCE = SyncreplMode.REFRESH_ONLY


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{slapd.suffix}"


def sync(slapd: Slapd, path: Path, **options: Any) -> int:
    with Replica(where(slapd), path, mode=ONCE, **options) as replica:
        return replica.refresh().entries


def file_of(path: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Read the copy and its cookie."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        copy = connection.execute("SELECT uuid, dn, attrs FROM syncrepl_copy ORDER BY dn").fetchall()
        return copy, connection.execute("SELECT cookie FROM syncrepl_state").fetchall()


def add_person(slapd: Slapd, name: str, size: int) -> str:
    dn = f"cn={name},ou=people,{slapd.suffix}"
    slapd.add(dn, {"objectClass": ["person"], "cn": [name], "sn": ["x"], "description": ["x" * size]})
    return dn


def check(error: ProtocolError, size: int) -> None:
    assert f"limit of {LIMIT}" in str(error)
    assert size < int(str(error).split()[3]) < size + 1000
    assert "max_message" in error.hint


def test_a_first_load_with_a_large_message_leaves_nothing(slapd: Slapd, tmp_path: Path) -> None:
    add_person(slapd, "large", 150_000)

    for _ in range(2):
        with pytest.raises(ProtocolError, match="is larger than the limit") as caught:
            sync(slapd, tmp_path / "data", max_message=LIMIT)
        check(caught.value, 150_000)
        assert file_of(tmp_path / "data") == ([], [(None,)])

    assert sync(slapd, tmp_path / "data") == 4


def test_a_refresh_with_a_large_message_keeps_the_copy(slapd: Slapd, tmp_path: Path) -> None:
    assert sync(slapd, tmp_path / "data", max_message=LIMIT) == 3
    before = file_of(tmp_path / "data")
    slapd.delete(f"ou=groups,{slapd.suffix}")
    add_person(slapd, "large", 150_000)

    with pytest.raises(ProtocolError) as caught:
        sync(slapd, tmp_path / "data", max_message=LIMIT)

    check(caught.value, 150_000)
    assert file_of(tmp_path / "data") == before
    assert sync(slapd, tmp_path / "data", max_message=2 * LIMIT) == 3


def test_a_large_change_keeps_the_copy_until_more_is_accepted(slapd: Slapd, tmp_path: Path) -> None:
    with Replica(where(slapd), tmp_path / "data", max_message=LIMIT) as replica:
        replica.refresh()
        before = file_of(tmp_path / "data")
        dn = add_person(slapd, "large", 200_000)
        with pytest.raises(ProtocolError) as caught:
            replica.run()

        check(caught.value, 200_000)
        assert file_of(tmp_path / "data") == before

    with Replica(where(slapd), tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == 4
        assert replica.entries[dn]["description"] == [b"x" * 200_000]


def test_messages_up_to_the_limit_are_accepted(slapd: Slapd, tmp_path: Path) -> None:
    """Large ones come in many pieces."""
    add_person(slapd, "large", LIMIT - 1000)

    assert sync(slapd, tmp_path / "data", max_message=LIMIT) == 4
