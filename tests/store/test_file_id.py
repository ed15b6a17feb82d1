"""The name of a data file, which makes the numbers of its changes unique among all files."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from syncrepl_client.store.backup import backup
from syncrepl_client.store.copy import Copy
from syncrepl_client.store.reset import reset
from syncrepl_client.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def made(path: Path) -> str:
    with closing(Store(path, lambda: False)):
        return named(path)


def named(path: Path) -> str:
    with closing(Copy(path)) as copy:
        return copy.facts().file_id


def test_each_file_has_a_name_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    assert len(first) == 16
    assert first != second
    assert made(tmp_path / "a") == first


def test_a_backup_has_another_name_for_it_would_give_the_same_numbers_to_other_changes(tmp_path: Path) -> None:
    first = made(tmp_path / "a")
    backup(tmp_path / "a", tmp_path / "b")
    assert named(tmp_path / "b") not in {first, ""}
    assert named(tmp_path / "a") == first


def test_a_file_that_starts_afresh_keeps_its_name_for_its_numbers_go_on(tmp_path: Path) -> None:
    first = made(tmp_path / "a")
    reset(tmp_path / "a")
    assert named(tmp_path / "a") == first
