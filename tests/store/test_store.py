"""What the data file says of itself: its search, its cookie, and whether the copy is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import Interrupted
from syncrepl_client.store.loading import FirstLoad
from syncrepl_client.store.store import Ending, Store
from tests.store.listeners import Noting, copy_of, refresh, row, sent, uuid

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = "cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"


def said(store: Store) -> tuple[str | None, str | None, bytes | None, bool]:
    state = store.state()
    return state.url, state.fingerprint, state.cookie, state.whole


def test_a_new_file_holds_nothing(store: Store) -> None:
    assert said(store) == (None, None, None, False)
    assert copy_of(store) == {}


def test_the_same_search_at_another_host_keeps_the_cookie(store: Store) -> None:
    store.set_search("ldap://a/dc=x", "fingerprint")
    refresh(store, sent(1, A), cookie=b"cookie")

    store.set_search("ldap://b/dc=x", "fingerprint")
    store.set_search("ldap://b/dc=x", "fingerprint")

    assert said(store) == ("ldap://b/dc=x", "fingerprint", b"cookie", True)


def test_other_parameters_forget_the_cookie_and_keep_the_copy(store: Store) -> None:
    store.set_search("ldap://a/dc=x", "fingerprint")
    refresh(store, sent(1, A), cookie=b"cookie")

    store.set_search("ldap://a/dc=x?cn", "other")

    assert said(store) == ("ldap://a/dc=x?cn", "other", None, True)
    assert copy_of(store) == {1: (A, "")}


def test_a_first_load_keeps_less_of_the_file_in_memory_than_what_follows(store: Store) -> None:
    """Its rows come in one piece; SQLite lets the sorting for their index have as much memory again."""

    def kept() -> int:
        (size,) = store.database.connection.execute("PRAGMA cache_size").fetchone()
        return -int(size)

    at_first = kept()
    staged = store.begin_refresh(None)
    staged.sent([row(1, A)])
    while_loading = kept()
    staged.settle()

    assert while_loading < at_first == kept()


def test_who_has_one_name_with_another_in_a_first_load_can_be_set_right(store: Store) -> None:
    noting = Noting()
    staged = store.begin_refresh(noting)
    assert isinstance(staged, FirstLoad)
    staged.sent([row(1, A), row(2, f"cn=1,{A}"), row(3, B), row(4, A.upper()), row(5, f"cn=5,{A}")])
    staged.settle()
    assert sorted(staged.doubles()) == [uuid(1), uuid(4)]

    staged.sent([row(1, C, "renamed")])
    staged.deleted((uuid(3), uuid(9)))
    assert list(staged.doubles()) == []
    assert staged.counts()["added"] == 4
    store.finish_refresh(staged, Ending("fingerprint", b"cookie"), noting)

    assert copy_of(store) == {1: (C, "renamed"), 2: (f"cn=1,{A}", ""), 4: (A.upper(), ""), 5: (f"cn=5,{A}", "")}
    told = [dn for _, dn in noting.told]
    assert sorted(told[:2]) == sorted([A.upper(), C])
    assert sorted(told[2:]) == [f"cn=1,{A}", f"cn=5,{A}"]


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
        assert said(store) == ("ldap://a/dc=x", "fingerprint", b"cookie", True)
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


@pytest.mark.parametrize(("dialect", "kept"), [("openldap", b"cookie"), ("389", None), (None, b"cookie")])
def test_a_cookie_of_another_kind_of_server_is_forgotten(store: Store, dialect: str | None, kept: bytes | None) -> None:
    """Once a refresh has shown what the server speaks, not before: it may yet fail."""
    for cookie, spoken in ((b"cookie", "openldap"), (None, dialect)):
        staged = store.begin_refresh(None)
        store.finish_refresh(staged, Ending("fingerprint", cookie, spoken), None)

    assert (dialect or "openldap", kept) == (store.state().dialect, store.state().cookie)


def test_who_is_told_of_the_changes_is_remembered(store: Store) -> None:
    assert store.state().listener is None

    for name in ("one", "one", "another"):
        store.set_listener(name)
        assert name == store.state().listener


def test_a_cookie_may_be_forgotten_with_the_refresh_that_came_without_one(store: Store) -> None:
    """A provider that lags sweeps what it has not got yet: all will have to be read again."""
    refresh(store, sent(1, A), cookie=b"cookie")
    staged = store.begin_refresh(None)
    store.finish_refresh(staged, Ending("fingerprint", forget=True), None)

    assert store.state().cookie is None
    assert store.row(uuid(1)) == (A, row(1, A)[2])
    assert store.row(uuid(2)) is None
