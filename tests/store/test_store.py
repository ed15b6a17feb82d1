"""What the data file says of itself: its search, its cookie, and whether the copy is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import Interrupted
from syncrepl_client.store.store import State, Store
from tests.store.listeners import Noting, copy_of, refresh, row, sent, uuid

if TYPE_CHECKING:
    from pathlib import Path

A, B = "cn=a,dc=x", "cn=b,dc=x"


def test_a_new_file_holds_nothing(store: Store) -> None:
    assert State(None, None, None, whole=False) == store.state()
    assert copy_of(store) == {}


def test_the_same_search_at_another_host_keeps_the_cookie(store: Store) -> None:
    store.set_search("ldap://a/dc=x", "fingerprint")
    refresh(store, sent(1, A), cookie=b"cookie")

    store.set_search("ldap://b/dc=x", "fingerprint")
    store.set_search("ldap://b/dc=x", "fingerprint")

    assert State("ldap://b/dc=x", "fingerprint", b"cookie", whole=True) == store.state()


def test_other_parameters_forget_the_cookie_and_keep_the_copy(store: Store) -> None:
    store.set_search("ldap://a/dc=x", "fingerprint")
    refresh(store, sent(1, A), cookie=b"cookie")

    store.set_search("ldap://a/dc=x?cn", "other")

    assert State("ldap://a/dc=x?cn", "other", None, whole=True) == store.state()
    assert copy_of(store) == {1: (A, "")}


def test_a_refresh_without_a_cookie_keeps_the_former_one(store: Store) -> None:
    noting = Noting()
    refresh(store, sent(1, A), cookie=b"first", listener=noting)
    refresh(store, sent(1, B), cookie=None, listener=noting)
    refresh(store, sent(1, A), cookie=b"first", listener=noting)

    assert store.state().cookie == b"first"
    assert noting.cookies == [b"first"]
    assert len(noting.refreshes) == 3


def test_all_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", lambda: False)) as store:
        store.set_search("ldap://a/dc=x", "fingerprint")
        refresh(store, sent(1, A), cookie=b"cookie")

    with closing(Store(tmp_path / "data", lambda: False)) as store:
        assert State("ldap://a/dc=x", "fingerprint", b"cookie", whole=True) == store.state()
        assert copy_of(store) == {1: (A, "")}


def test_a_stop_while_a_file_is_opened_leaves_it_to_the_next_one(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", lambda: False)) as store:
        store.begin_refresh(None).sent([row(1, A)])
    with closing(sqlite3.connect(tmp_path / "data", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Interrupted):
            Store(tmp_path / "data", lambda: True)

    with closing(Store(tmp_path / "data", lambda: False)) as store:
        assert store.database.connection.execute("SELECT count(*) FROM syncrepl_entry").fetchone() == (0,)


def test_witnesses_are_others_than_those_that_are_asked_for(store: Store) -> None:
    refresh(store, *(sent(number, f"cn={number},dc=x") for number in range(1, 7)))

    assert [uuid(number) for number in (6, 4, 2)] == store.some_uuids(exclude={uuid(number) for number in (5, 3)})
    assert store.some_uuids(exclude={uuid(number) for number in range(1, 7)}) == []
