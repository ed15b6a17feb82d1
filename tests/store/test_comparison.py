"""The copy compared with a listing of the server, by values or by change markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.contentsync.events import EntriesDeleted
from syncrepl_client.store.comparison import Comparison
from tests.store.listeners import refresh, row, sent, uuid

if TYPE_CHECKING:
    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.store.store import Store

A, B, C = "cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"
OLD, NEW = b"20260101000000Z", b"20260102000000Z"


def load(store: Store) -> None:
    refresh(store, sent(1, A, "a"), sent(2, B, "b"), sent(3, C, "c"))


def bare(number: int, dn: str) -> SentEntry:
    """List an entry by its marker alone."""
    return uuid(number), dn.encode(), b"\x30\x00"


def numbers(uuids: list[bytes]) -> list[int]:
    return [int.from_bytes(one) for one in uuids]


def test_whole_entries_are_compared_by_their_values(store: Store) -> None:
    load(store)
    comparison = Comparison(store.database)

    listed = [row(1, A, "a"), row(2, "CN=B, dc=x", "other"), row(4, "cn=d,dc=x")]
    differing = comparison.differing([(one, None) for one in listed], whole=True)

    assert numbers(differing) == [2, 4]
    assert numbers(list(comparison.unmentioned())) == [3]


def test_an_entry_under_another_name_differs_whatever_its_values(store: Store) -> None:
    load(store)

    assert numbers(Comparison(store.database).differing([(row(1, B, "a"), OLD)], whole=True)) == [1]


def test_a_marker_under_which_an_entry_was_equal_stands_for_it(store: Store) -> None:
    load(store)
    first = Comparison(store.database)
    assert not first.has_markers()
    assert first.differing([(row(1, A, "a"), OLD), (row(2, B, "b"), OLD), (row(3, C, "c"), None)], whole=True) == []
    # The same once more has nothing to remember.
    assert first.differing([(row(1, A, "a"), OLD)], whole=True) == []

    second = Comparison(store.database)
    assert second.has_markers()
    listed = [(bare(1, A), OLD), (bare(2, B), NEW), (bare(3, C), OLD), (bare(3, C), None)]
    assert numbers(second.differing(listed, whole=False)) == [2, 3, 3]


def test_a_marker_says_nothing_of_a_row_that_is_another_one_now(store: Store) -> None:
    """Whoever wrote to the file behind the stream's back did not take the marker along."""
    load(store)
    Comparison(store.database).differing([(row(1, A, "a"), OLD)], whole=True)
    with store.database.transaction() as connection:
        connection.execute("UPDATE syncrepl_entry SET attrs = ? WHERE uuid = ?", (row(1, A, "broken")[2], uuid(1)))

    assert numbers(Comparison(store.database).differing([(bare(1, A), OLD)], whole=False)) == [1]


def test_markers_are_forgotten_with_their_entries_and_where_time_has_not_passed(store: Store) -> None:
    load(store)
    comparison = Comparison(store.database)
    comparison.differing([(row(1, A, "a"), OLD), (row(2, B, "b"), NEW), (row(3, C, "c"), OLD)], whole=True)
    refresh(store, EntriesDeleted((uuid(1),)))

    comparison.forget_markers(None)
    assert numbers(Comparison(store.database).differing([(bare(2, B), NEW)], whole=False)) == []
    comparison.forget_markers(NEW)

    again = Comparison(store.database)
    assert numbers(again.differing([(bare(2, B), NEW), (bare(3, C), OLD)], whole=False)) == [2]
    # The row of the entry that is gone has no entry any more.
    assert list(again.unmentioned()) == []
