"""What a batch of the persist stage leaves open, with a server whose answers are written down."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest

from syncrepl_client import doubts
from syncrepl_client.contentsync.events import EntriesDeleted, EntriesSent
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.ldap import dn as names
from syncrepl_client.store.store import Store
from tests.store.listeners import refresh, row, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.inquiry import Inquiry

SEARCH = Search("dc=x", SUBTREE, b"", ())
A, B = "cn=a,dc=x", "cn=b,dc=x"


class Server:
    """A directory that is what it is told to be, and a stream that goes on while it is asked."""

    def __init__(self, *rows: SentEntry) -> None:
        self.rows = list(rows)
        self.pending: list[Event] = []
        # What happens once the first question is answered.
        self.after_answer: list[Event] = []

    def below(self, bases: Iterable[str]) -> list[list[SentEntry]]:
        found = [[row for row in self.rows if names.is_under(row[1].decode(), base)] for base in bases]
        self.pending += self.after_answer
        self.after_answer = []
        return found

    def entries(self, uuids: set[bytes], *, witnesses: Iterable[bytes]) -> list[SentEntry]:
        return [row for row in self.rows if row[0] in uuids]

    def wait(self, seconds: float) -> None:
        """Nothing more comes."""

    def settle(self, store: Store, *events: Event) -> list[Event]:
        inquiry = cast("Inquiry", self)
        return doubts.settle_batch(list(events), lambda: list(self.pending), store, SEARCH, inquiry)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "data", lambda: False)) as opened:
        refresh(opened, EntriesSent([row(1, A)]))
        yield opened


def gone(number: int, dn: str) -> EntriesDeleted:
    return EntriesDeleted((uuid(number),), dn.encode())


def test_an_entry_without_others_below_it_is_settled(store: Store) -> None:
    assert Server(row(2, B)).settle(store, sent(2, B)) == [sent(2, B)]


def test_who_came_along_takes_part_in_a_refresh(store: Store) -> None:
    with pytest.raises(doubts.Unsettled) as unsettled:
        Server(row(2, B), row(3, f"cn=c,{B}")).settle(store, sent(2, B))

    assert {brought[0] for brought in unsettled.value.brought} == {uuid(2), uuid(3)}


def test_who_is_told_of_later_did_not_come_along(store: Store) -> None:
    server = Server(row(2, B), row(3, f"cn=c,{B}"))
    server.after_answer = [sent(3, f"cn=c,{B}")]

    assert server.settle(store, sent(2, B)) == [sent(2, B)]


@pytest.mark.parametrize("already", [True, False], ids=["before the question", "during the question"])
def test_an_entry_that_came_and_went_is_not_applied_alone(store: Store, already: bool) -> None:  # noqa: FBT001
    """The copy would hold it without those that came along, and nobody would ask again when it comes back."""
    server = Server()
    away: list[Event] = [gone(2, "cn=b,dc=outside")]
    server.pending, server.after_answer = (away, []) if already else ([], away)

    with pytest.raises(doubts.Unfinished):
        server.settle(store, sent(2, B))

    server.pending = []
    assert server.settle(store, sent(2, B), *away) == [sent(2, B), *away]


def test_who_lost_its_parent_is_asked_for(store: Store) -> None:
    child, stranger = f"cn=c,{A}", f"cn=d,{A}"
    refresh(store, EntriesSent([row(3, child), row(4, stranger)]))

    settled = Server(row(3, child)).settle(store, gone(1, A))

    assert settled == [gone(1, A), sent(3, child), EntriesDeleted((uuid(4),))]
