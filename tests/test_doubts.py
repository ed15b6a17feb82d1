"""What a batch of the persist stage leaves open, with a server whose answers are written down."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest

from syncrepl_client.connection.inquiry import TooMuchToAsk
from syncrepl_client.consumer import doubts
from syncrepl_client.contentsync.events import EntriesDeleted, EntriesPresent, EntriesSent
from syncrepl_client.contentsync.search import ONE_LEVEL, SUBTREE, Search
from syncrepl_client.ldap import dn as names
from syncrepl_client.store.refresh import Update
from syncrepl_client.store.store import Store
from tests.store.listeners import refresh, row, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from syncrepl_client.connection.inquiry import Inquiry
    from syncrepl_client.contentsync.events import Event, SentEntry

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

    def entries(
        self, uuids: set[bytes], *, witnesses: Iterable[bytes], name_of: Callable[[bytes], str | None]
    ) -> list[SentEntry]:
        return [row for row in self.rows if row[0] in uuids]

    def wait(self, seconds: float) -> None:
        """Nothing more comes."""

    def named(self, dns: Iterable[str]) -> list[SentEntry]:
        wanted = {names.normalize(dn) for dn in dns}
        return [row for row in self.rows if names.normalize(row[1].decode()) in wanted]

    def settle(self, store: Store, *events: Event, search: Search = SEARCH) -> list[Event]:
        inquiry = cast("Inquiry", self)
        return doubts.settle_batch(list(events), lambda: list(self.pending), store, search, inquiry)

    def settle_refresh(self, store: Store, *events: Event) -> dict[int, str | None]:
        """Settle a refresh with a delete phase; returns what becomes of the entries that were mentioned."""
        staged = store.begin_refresh(None)
        assert isinstance(staged, Update)
        mentioned: list[bytes] = []
        for event in events:
            match event:
                case EntriesSent(rows):
                    staged.sent(rows)
                    mentioned += (row[0] for row in rows)
                case EntriesPresent(uuids):
                    staged.present(uuids)
                    mentioned += uuids
                case EntriesDeleted(uuids):
                    staged.deleted(uuids)
                    mentioned += uuids
                case _:
                    raise TypeError(event)
        inquiry = cast("Inquiry", self)
        doubts.settle_refresh(staged, store, SEARCH, inquiry, swept=False)
        mentioned += (row[0] for row in self.rows)
        return {int.from_bytes(octets): staged.outcome(octets) for octets in mentioned}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "data", lambda: False)) as opened:
        refresh(opened, EntriesSent([row(1, A)]))
        yield opened


def gone(number: int, dn: str) -> EntriesDeleted:
    return EntriesDeleted((uuid(number),), dn.encode())


def test_an_entry_without_others_below_it_is_settled(store: Store) -> None:
    assert Server(row(2, B)).settle(store, sent(2, B)) == [sent(2, B)]


def test_a_change_of_what_is_here_leaves_nothing_open(store: Store) -> None:
    change = sent(1, A, "new")

    assert doubts.settle_batch([change], list, store, SEARCH, cast("Inquiry", None)) == [change]


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


def test_who_is_found_under_another_name_is_told_of_by_the_stream(store: Store) -> None:
    """The answer is newer than the message: what led to it is on its way."""
    child = f"cn=c,{A}"
    refresh(store, EntriesSent([row(3, child)]))

    with pytest.raises(doubts.Unsettled):
        Server(row(3, f"cn=c,{B}")).settle(store, gone(1, A))


def test_who_is_told_of_after_its_parent_is_not_asked_for(store: Store) -> None:
    child = f"cn=c,{A}"
    refresh(store, EntriesSent([row(3, child)]))
    server = Server()
    server.pending = [sent(3, f"cn=c,{B}")]

    assert server.settle(store, gone(1, A)) == [gone(1, A)]


def test_below_one_level_nobody_comes_along(store: Store) -> None:
    one_level = Search("dc=x", ONE_LEVEL, b"", ())

    assert Server(row(3, f"cn=c,{B}")).settle(store, sent(2, B), search=one_level) == [sent(2, B)]


def test_so_many_new_entries_are_a_refresh_of_everything(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "_MOST_SUBTREES", 1)

    with pytest.raises(TooMuchToAsk):
        Server().settle(store, sent(2, B), sent(3, "cn=c,dc=x"))


# --- a refresh --------------------------------------------------------------------------------------------------------


def test_a_refresh_without_surprises_is_settled(store: Store) -> None:
    assert Server(row(1, A), row(2, B)).settle_refresh(store, sent(1, A), sent(2, B)) == {1: A, 2: B}


def test_who_came_along_unmentioned_takes_part_in_the_next_refresh(store: Store) -> None:
    with pytest.raises(doubts.Unsettled) as unsettled:
        Server(row(2, B), row(3, f"cn=c,{B}")).settle_refresh(store, sent(2, B))

    assert {brought[0] for brought in unsettled.value.brought} == {uuid(2), uuid(3)}


def test_who_was_named_as_present_but_never_sent_is_fetched(store: Store) -> None:
    """With what lies below: it may have come along, too."""
    child = f"cn=c,{B}"

    assert Server(row(2, B)).settle_refresh(store, EntriesPresent((uuid(2), uuid(9)))) == {2: B, 9: None}
    with pytest.raises(doubts.Unsettled) as unsettled:
        Server(row(2, B), row(3, child)).settle_refresh(store, EntriesPresent((uuid(2),)))

    assert {brought[0] for brought in unsettled.value.brought} == {uuid(2), uuid(3)}


def test_whose_parent_is_gone_is_asked_for_down_to_the_leaves(store: Store) -> None:
    child, grandchild = f"cn=c,{A}", f"cn=d,cn=c,{A}"
    refresh(store, EntriesSent([row(3, child), row(4, grandchild)]))

    settled = Server().settle_refresh(store, gone(1, A), EntriesPresent((uuid(3), uuid(4))))

    assert settled == {1: None, 3: None, 4: None}


def test_a_new_name_must_fit_those_above(store: Store) -> None:
    """Else what is below a container that left again, before its new name was told, would stay for ever."""
    below = "cn=c,cn=new,dc=x"
    renamed = Server(row(1, "cn=new,dc=x"), row(2, below))
    hidden = Server(row(1, A), row(2, below))

    with pytest.raises(doubts.Unsettled):
        renamed.settle_refresh(store, sent(2, below))
    assert hidden.settle_refresh(store, sent(2, below)) == {1: A, 2: below}


def test_who_is_sent_below_one_that_came_back_waits_for_it(store: Store) -> None:
    child = f"cn=c,{A}"
    refresh(store, EntriesSent([row(3, child)]))

    with pytest.raises(doubts.Unsettled):
        Server(row(1, A), row(3, child, "new")).settle_refresh(store, sent(3, child, "new"), gone(1, A))
    assert Server(row(3, child, "new")).settle_refresh(store, sent(3, child, "new"), gone(1, A)) == {3: child, 1: None}


def test_who_is_found_below_one_that_came_back_waits_for_it(store: Store) -> None:
    child, now = f"cn=c,{A}", "cn=c,cn=new,dc=x"
    refresh(store, EntriesSent([row(3, child)]))

    with pytest.raises(doubts.Unsettled):
        Server(row(1, "cn=new,dc=x"), row(3, now)).settle_refresh(store, gone(1, A))
