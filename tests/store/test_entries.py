"""The copy as a read-only mapping."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from syncrepl_client.contentsync.events import EntriesSent
from syncrepl_client.ldap import dn as names
from tests.store.listeners import refresh, row, sent

if TYPE_CHECKING:
    from syncrepl_client.store.store import Store

# Two names with one hash.
A, B = "cn=plumless,dc=x", "cn=buckeroo,dc=x"


def test_the_two_names_have_one_key() -> None:
    assert zlib.crc32(b"cn=plumless") == zlib.crc32(b"cn=buckeroo")
    assert names.key(A) == names.key(B)


def test_an_entry_is_found_by_its_name_and_not_by_its_hash(store: Store) -> None:
    refresh(store, sent(1, A, "a"))
    assert B not in store.entries
    assert store.entries.entry(B) is None

    refresh(store, sent(1, A, "a"), sent(2, B, "b"))
    assert store.entries[A]["description"] == [b"a"]
    assert store.entries["CN=Buckeroo, DC=x"]["description"] == [b"b"]


def test_the_exact_spelling_comes_first(store: Store) -> None:
    """While changes are applied a name may be held twice."""
    refresh(store, sent(1, "CN=A,dc=x", "other"), sent(2, "cn=a,dc=x", "exact"))

    entry = store.entries.entry("cn=a,dc=x")

    assert entry is not None
    assert entry.attributes["description"] == [b"exact"]


def test_an_entry_is_found_by_its_uuid(store: Store) -> None:
    refresh(store, sent(1, A))

    entry = store.entries.by_uuid(UUID(int=1))

    assert entry is not None
    assert (UUID(int=1), A) == (entry.uuid, entry.dn)
    assert store.entries.by_uuid(UUID(int=2)) is None


def test_all_entries_come_once_in_pages(store: Store) -> None:
    refresh(store, EntriesSent([row(number, f"cn={number},dc=x") for number in range(1, 1202)]))

    assert [UUID(int=number) for number in range(1, 1202)] == [entry.uuid for entry in store.entries.all()]
    assert len(list(store.entries)) == len(store.entries) == 1201
    assert repr(store.entries) == "<1201 entries>"


def test_the_copy_cannot_be_changed_through_it(store: Store) -> None:
    refresh(store, sent(1, A))
    entries = store.entries

    with pytest.raises(AttributeError, match="cannot be changed"):
        entries[A] = {}
    with pytest.raises(AttributeError, match="cannot be changed"):
        del entries[A]
    with pytest.raises(AttributeError, match="cannot be changed"):
        entries.anything = 1
    with pytest.raises(KeyError):
        entries[B]
    assert list(entries) == [A]
