"""What another process sees of a refresh that is held, and how it decides."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.contentsync.events import EntriesDeleted
from syncrepl_client.exceptions import DBError, DBSchemaError
from syncrepl_client.model import Origin
from syncrepl_client.store import held
from syncrepl_client.store.decisions import Decisions, copy_file
from syncrepl_client.store.refresh import Update
from syncrepl_client.store.store import Ending, Store
from tests.store.listeners import copy_of, refresh, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A, B, C = "cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def other(store: Store, path: Path) -> Iterator[Decisions]:
    """Another process, as it were."""
    refresh(store, sent(1, A), sent(2, B), sent(3, C))
    with closing(Decisions(path)) as opened:
        yield opened


def hold(store: Store, *numbers: int, origin: Origin = Origin.REFRESH) -> Update:
    """Hold a refresh that would delete these."""
    staged = store.begin_refresh(None)
    assert isinstance(staged, Update)
    staged.deleted(tuple(uuid(number) for number in numbers))
    store.hold(staged, staged.entries(), origin)
    return staged


def test_what_is_held_is_seen_with_its_names(store: Store, other: Decisions) -> None:
    assert other.held() is None

    hold(store, 1, 3)

    assert held.Held(number=1, entries=3, approved=False, deletions=2) == other.held()
    assert list(other.listed()) == [(uuid(1), A), (uuid(3), C)]
    assert len(copy_of(store)) == 3


def test_an_approval_is_of_these_deletions_alone(store: Store, other: Decisions) -> None:
    hold(store, 1)
    other.ask(held.APPROVE, other.held())
    assert store.execute_requests() == {held.APPROVE}

    staged = store.begin_refresh(None)
    assert isinstance(staged, Update)
    staged.deleted((uuid(1), uuid(2)))
    assert store.not_approved(staged) == 1
    # The next refresh uses it up.
    refresh(store, sent(1, A))
    assert other.held() is None


def test_a_rejection_forgets_what_is_held_and_the_cookie(store: Store, other: Decisions) -> None:
    hold(store, 1)
    assert not store.decided()
    other.ask(held.REJECT, other.held())

    assert store.decided()
    assert store.execute_requests() == {held.REJECT}
    assert not store.decided()
    assert store.execute_requests() == set()
    assert (store.held(), store.state().cookie) == (None, None)


def test_what_is_settled_otherwise_is_not_held_any_more(store: Store, other: Decisions) -> None:
    staged = hold(store, 1)
    other.ask(held.APPROVE, other.held())
    assert store.execute_requests() == {held.APPROVE}
    assert store.not_approved(staged) == 0

    store.release()

    assert (store.held(), other.held(), list(other.listed())) == (None, None, [])
    assert store.not_approved(staged) == 1


@pytest.mark.parametrize("kind", [held.APPROVE, held.REJECT])
def test_a_decision_about_what_is_not_held_any_more_is_dropped(store: Store, other: Decisions, kind: str) -> None:
    """Nobody has seen what the one that is held now would delete."""
    hold(store, 1)
    other.ask(kind, other.held())
    hold(store, 1, 2, 3)

    assert store.execute_requests() == set()
    now = store.held()
    assert now is not None
    assert (now.deletions, now.approved) == (3, False)


def test_a_comparison_may_be_asked_for_at_any_time(store: Store, other: Decisions) -> None:
    other.ask(held.REPAIR)

    assert store.execute_requests() == {held.REPAIR}


def test_a_file_that_cannot_be_written_to_is_said(store: Store, other: Decisions, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as third:
        third.execute("BEGIN IMMEDIATE")
        other._connection.execute("PRAGMA busy_timeout = 0")  # noqa: SLF001 - not to wait for five seconds
        with pytest.raises(DBError, match="locked") as caught:
            other.ask(held.REPAIR)

    assert "try again" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (None, DBError, "there is no data file"),
        ("letter", DBError, "not a database"),
        ("other", DBSchemaError, "not a data file of this version"),
    ],
)
def test_a_file_of_no_use_is_refused(path: Path, content: str | None, kind: type[DBError], reason: str) -> None:
    if content == "letter":
        path.write_text("a letter\n" * 1000)
    elif content == "other":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (a)")

    with pytest.raises(kind, match=reason) as caught:
        Decisions(path)

    assert caught.value.hint


def test_a_copy_of_the_file_is_one_that_can_be_opened(store: Store, other: Decisions, path: Path) -> None:
    target = path.with_name("target")
    copy_file(path, target)

    with closing(Store(target, lambda: False)) as copied:
        assert copy_of(copied) == copy_of(store)
    assert target.stat().st_mode & 0o077 == 0
    with pytest.raises(DBError, match="cannot copy"):
        copy_file(path, path / "impossible")


def test_a_decision_holds_if_the_same_or_less_comes_again(store: Store, other: Decisions) -> None:
    hold(store, 1, 2)
    other.ask(held.APPROVE, other.held())
    hold(store, 1)

    assert store.execute_requests() == {held.APPROVE}
    assert held.Held(number=1, entries=3, approved=True, deletions=1) == other.held()


def test_a_refresh_settles_no_repair_that_is_held(store: Store, other: Decisions) -> None:
    staged = hold(store, 1, 2, origin=Origin.VERIFICATION)
    other.ask(held.APPROVE, other.held())
    store.execute_requests()

    refresh(store, EntriesDeleted((uuid(1),)), sweep=False)
    now = store.held()
    assert now is not None
    assert (now.approved, now.deletions) == (True, 1)

    store.finish_refresh(staged, Ending("f", origin=Origin.VERIFICATION), None)
    assert store.held() is None


def test_a_decision_is_about_what_was_seen_not_about_what_came_meanwhile(store: Store, other: Decisions) -> None:
    hold(store, 1)
    seen = other.held()
    hold(store, 1, 2, 3)
    other.ask(held.APPROVE, seen)

    assert store.execute_requests() == set()
    now = store.held()
    assert now is not None
    assert not now.approved
