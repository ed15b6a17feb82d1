"""The set of those who were named but are not here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.store.unknown import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B, C = (bytes([number]) * 16 for number in range(3))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        yield opened


def test_it_is_a_set(connection: sqlite3.Connection) -> None:
    unknown = Unknown(connection)
    assert not unknown
    unknown.discard([A])

    unknown.add([A, B, A])
    unknown.add([B])
    assert (len(unknown), set(unknown)) == (2, {A, B})
    assert A in unknown
    assert C not in unknown

    unknown.discard(uuid for uuid in (A, C))
    assert (len(unknown), list(unknown)) == (1, [B])
    unknown.add([A, C])
    unknown.discard([C])
    assert (len(unknown), set(unknown)) == (2, {A, B})
    unknown.clear()
    assert not unknown
    assert list(unknown) == []


def test_a_new_one_is_empty(connection: sqlite3.Connection) -> None:
    Unknown(connection).add([A])

    assert list(Unknown(connection)) == []
