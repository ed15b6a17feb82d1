"""A refresh as the store sees it: what was sent becomes a difference, told in an order that names alone can follow."""

from __future__ import annotations

import copy
import random
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.contentsync.events import EntriesDeleted, EntriesPresent, EntriesSent, PresentPhaseEnded
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.model import Attributes
from syncrepl_client.store.feed import Feed
from syncrepl_client.store.files import connect
from syncrepl_client.store.position import Position
from syncrepl_client.store.refresh import Update
from syncrepl_client.store.retention import Retention
from syncrepl_client.store.store import Ending, Store
from tests.store.directory import Directory, operations
from tests.store.listeners import Mirror, Noting, copy_of, refresh, row, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.store.directory import Operation

A, B, C = "cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"


def gone(*numbers: int) -> EntriesDeleted:
    return EntriesDeleted(tuple(uuid(number) for number in numbers))


def present(*numbers: int) -> EntriesPresent:
    return EntriesPresent(tuple(uuid(number) for number in numbers))


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


def load(store: Store, mirror: Mirror, *names: str) -> None:
    """Load entries 1, 2, ... of these names."""
    refresh(store, EntriesSent([row(number, dn) for number, dn in enumerate(names, 1)]), listener=mirror)
    mirror.news()


# --- first load -------------------------------------------------------------------------------------------------------


def test_a_first_load_is_told_parents_first(store: Store, mirror: Mirror) -> None:
    refresh(store, sent(1, f"cn=1,cn=2,{A}"), sent(2, f"cn=2,{A}"), sent(3, A), sent(4, B), listener=mirror)

    assert [A, B, f"cn=2,{A}", f"cn=1,cn=2,{A}"] == [dn for _, dn in mirror.news()]
    assert mirror.snapshots == 4
    assert mirror.cookies == [b"cookie"]
    assert [mirror.held] == mirror.refreshes


@pytest.mark.parametrize("told", [False, True], ids=["untold", "told"])
def test_the_last_message_of_a_first_load_wins(store: Store, *, told: bool) -> None:
    listener = Mirror() if told else None
    refresh(
        store,
        EntriesSent([row(1, A, "old"), row(2, B), row(1, C, "new")]),
        gone(2, 9),
        sent(3, A),
        gone(3),
        sent(3, B, "again"),
        present(8),
        listener=listener,
        sweep=True,
    )

    assert copy_of(store) == {1: (C, "new"), 3: (B, "again")}
    if listener is not None:
        assert listener.content() == {C: "new", B: "again"}


def test_a_first_load_cannot_be_seen_before_its_end(store: Store) -> None:
    staged = store.begin_refresh(None)
    staged.sent([row(1, A)])

    assert copy_of(store) == {}
    assert len(store.entries) == 0
    assert A not in store.entries
    assert not store.state().whole

    staged.settle()
    store.finish_refresh(staged, Ending("fingerprint", None), None)
    assert copy_of(store) == {1: (A, "")}
    assert store.state().whole


def test_a_first_load_that_was_given_up_is_forgotten(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data", lambda: False)) as store:
        staged = store.begin_refresh(None)
        staged.sent([row(1, A), row(2, B)])
        staged.settle()

    with closing(Store(tmp_path / "data", lambda: False)) as store:
        assert copy_of(store) == {}
        refresh(store, sent(2, A))
        assert copy_of(store) == {2: (A, "")}


def test_many_entries_of_one_depth_come_each_once(store: Store, mirror: Mirror) -> None:
    """More than a page, with holes where entries were sent twice and in between those of another depth."""
    top = [row(number, f"cn={number},dc=x") for number in range(1, 600)]
    deep = [row(number, f"cn={number},{A}") for number in range(600, 1200)]
    refresh(store, EntriesSent([*top, *deep, *top[:100], *deep[::7]]), listener=mirror)

    assert 1199 == len(mirror.held) == len(copy_of(store))


@pytest.mark.parametrize("whole", [False, True])
def test_a_name_that_is_not_utf8_is_an_error(store: Store, *, whole: bool) -> None:
    if whole:
        refresh(store, sent(1, A))
    staged = store.begin_refresh(None)

    with pytest.raises(ProtocolError, match="not UTF-8"):
        staged.sent([row(2, B), (uuid(3), b"cn=\xff", row(3, C)[2])])

    assert ({1: (A, "")} if whole else {}) == copy_of(store)


# --- the order of an update -------------------------------------------------------------------------------------------


def test_deletes_come_before_renames_before_changes_before_adds(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B, C, f"cn=1,{C}", "cn=d,dc=x")

    refresh(
        store,
        sent(6, f"cn=new,{A}"),
        sent(7, A),
        sent(5, "cn=d,dc=x", "changed"),
        sent(2, C, "changed"),
        sent(1, B),
        gone(3, 4),
        listener=mirror,
    )

    assert [
        ("delete", f"cn=1,{C}"),
        ("delete", C),
        ("rename", B, C),
        ("rename", A, B),
        ("change", "cn=d,dc=x"),
        ("add", A),
        ("add", f"cn=new,{A}"),
    ] == mirror.news()
    assert {A: "", B: "", C: "changed", "cn=d,dc=x": "changed", f"cn=new,{A}": ""} == mirror.content()


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_a_chain_is_told_from_its_free_end(store: Store, mirror: Mirror, order: tuple[int, ...]) -> None:
    load(store, mirror, A, B, C)
    names = {1: B, 2: C, 3: "cn=d,dc=x"}

    refresh(store, *(sent(number, names[number]) for number in order), listener=mirror)

    assert mirror.news() == [("rename", C, "cn=d,dc=x"), ("rename", B, C), ("rename", A, B)]


def test_two_that_swapped_names_are_a_delete_a_rename_and_an_add(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)

    refresh(store, sent(1, B, "one"), sent(2, A, "two"), listener=mirror)

    assert mirror.news() == [("delete", A), ("rename", B, A), ("add", B)]
    assert mirror.content() == {A: "two", B: "one"}
    assert copy_of(store) == {1: (B, "one"), 2: (A, "two")}


def test_a_circle_of_three_is_cut_once(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B, C)

    refresh(store, sent(1, B), sent(2, C), sent(3, A), listener=mirror)

    assert mirror.news() == [("delete", A), ("rename", C, A), ("rename", B, C), ("add", B)]
    assert copy_of(store) == {1: (B, ""), 2: (C, ""), 3: (A, "")}


def test_a_circle_of_two_spellings_is_a_circle(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)

    refresh(store, sent(1, "CN=B,DC=x"), sent(2, "cn=A, dc=x"), listener=mirror)

    assert mirror.news() == [("delete", A), ("rename", B, "cn=A, dc=x"), ("add", "CN=B,DC=x")]


def test_another_spelling_is_a_rename(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, f"cn=1,{A}")

    refresh(store, sent(1, "CN=A,dc=x"), listener=mirror)

    assert [("rename", A, "CN=A,dc=x"), ("rename", f"cn=1,{A}", "cn=1,CN=A,dc=x")] == mirror.news()


def test_many_renames_are_each_told_once(store: Store, mirror: Mirror) -> None:
    """A chain and circles that are longer than the pages in which they are read."""
    load(store, mirror, *(f"cn={number},dc=x" for number in range(1, 901)))
    chain = [row(number, f"cn={number + 1},dc=x") for number in range(450, 901)]
    circle = [row(number, f"cn={number % 449 + 1},dc=x") for number in range(1, 450)]

    refresh(store, EntriesSent([*circle, *chain]), listener=mirror)

    assert count(told[0] for told in mirror.news()) == {"rename": 451 + 448, "delete": 1, "add": 1}
    assert {dn: "" for dn, _ in copy_of(store).values()} == mirror.content()


def count(kinds: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for kind in kinds:
        counted[kind] = counted.get(kind, 0) + 1
    return counted


# --- names below renamed ones -----------------------------------------------------------------------------------------


def test_who_is_below_a_renamed_entry_follows(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, f"cn=1,{A}", f"cn=2,cn=1,{A}", f"cn=3,{A}", f"cn=4,{A}")

    refresh(store, sent(1, B), present(2, 3), sent(4, C), gone(5), listener=mirror)

    assert {1: (B, ""), 2: (f"cn=1,{B}", ""), 3: (f"cn=2,cn=1,{B}", ""), 4: (C, "")} == copy_of(store)
    assert set(mirror.held) == {dn for dn, _ in copy_of(store).values()}


def test_below_more_than_a_page_of_renamed_entries_all_follow(store: Store, mirror: Mirror) -> None:
    tops = [f"cn={number},dc=x" for number in range(1, 601)]
    load(store, mirror, *tops, *(f"cn=below,{top}" for top in tops))

    refresh(store, EntriesSent([row(number, f"cn=r{number},dc=x") for number in range(1, 601)]), listener=mirror)

    renamed = {f"cn=r{number},dc=x" for number in range(1, 601)}
    assert set(mirror.content()) == renamed | {f"cn=below,{top}" for top in renamed}


def test_who_was_sent_with_its_old_name_does_not_follow(store: Store, mirror: Mirror) -> None:
    """It left its parent and another entry took that parent's name."""
    load(store, mirror, A, f"cn=1,{A}")

    refresh(store, sent(1, B), sent(3, A), sent(2, f"cn=1,{A}"), listener=mirror)

    assert mirror.news() == [("rename", A, B), ("add", A)]
    assert {1: (B, ""), 2: (f"cn=1,{A}", ""), 3: (A, "")} == copy_of(store)


def test_containers_that_swap_names_take_along_who_is_below(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B, f"cn=1,{A}", f"cn=1,{B}")

    refresh(store, sent(1, B), sent(2, A), listener=mirror)

    assert {1: (B, ""), 2: (A, ""), 3: (f"cn=1,{B}", ""), 4: (f"cn=1,{A}", "")} == copy_of(store)
    assert set(mirror.held) == {dn for dn, _ in copy_of(store).values()}


@pytest.mark.parametrize("name", [r"cn=a\,b", r"cn=a\2Cb", r"cn=a\+b+sn=\#c", 'cn="a,b"', r"cn=\ a\ "])
def test_who_is_below_an_escaped_name_follows_it(store: Store, mirror: Mirror, name: str) -> None:
    load(store, mirror, f"{name},dc=x", rf"cn=1\,2,{name},dc=x")

    refresh(store, sent(1, rf"cn=new\,name,{A}"), listener=mirror)

    assert {1: (rf"cn=new\,name,{A}", ""), 2: (rf"cn=1\,2,cn=new\,name,{A}", "")} == copy_of(store)


# --- what the server said ---------------------------------------------------------------------------------------------


def test_an_entry_that_was_deleted_and_sent_again_is_changed_at_most(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)

    refresh(store, gone(1, 2), sent(1, A), sent(2, B, "new"), listener=mirror)

    assert mirror.news() == [("change", B)]


def test_an_entry_that_was_sent_and_deleted_is_gone(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, sent(1, B), sent(2, C), gone(1, 2, 3), listener=mirror)

    assert mirror.news() == [("delete", A)]
    assert copy_of(store) == {}


@pytest.mark.parametrize("together", [False, True])
def test_of_an_entry_that_was_sent_twice_the_last_message_counts(
    store: Store, mirror: Mirror, *, together: bool
) -> None:
    load(store, mirror, A, B)
    rows = [row(1, C, "1"), row(2, C, "2"), row(3, "cn=d,dc=x", "3"), row(1, A), row(2, B, "last"), row(3, C, "last")]

    refresh(store, *([EntriesSent(rows)] if together else [EntriesSent([one]) for one in rows]), listener=mirror)

    assert mirror.news() == [("change", B), ("add", C)]
    assert copy_of(store) == {1: (A, ""), 2: (B, "last"), 3: (C, "last")}


def test_an_entry_made_anew_under_its_old_name_is_a_delete_and_an_add(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, sent(2, A, "new"), gone(1), listener=mirror)

    assert mirror.news() == [("delete", A), ("add", A)]


def test_whoever_was_not_mentioned_in_a_present_phase_is_gone(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B, C, f"cn=1,{C}")

    refresh(store, present(1, 9), sent(2, B, "new"), listener=mirror, sweep=True)

    assert [("delete", f"cn=1,{C}"), ("delete", C), ("change", B)] == mirror.news()


def test_a_delete_phase_may_follow_a_present_phase(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B, C)

    refresh(store, present(1, 2), PresentPhaseEnded(), gone(2), sent(4, B), listener=mirror)

    assert mirror.news() == [("delete", B), ("delete", C), ("add", B)]
    assert copy_of(store) == {1: (A, ""), 4: (B, "")}


def test_whoever_is_still_there_is_not_gone(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)
    staged = store.begin_refresh(mirror)
    assert isinstance(staged, Update)
    staged.present_phase_ended()
    staged.still_there([uuid(2), uuid(9)])
    staged.settle()
    store.finish_refresh(staged, Ending("fingerprint", None), mirror)

    assert mirror.news() == [("delete", A)]


def test_nothing_new_is_nothing_told(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)

    refresh(store, sent(1, A), present(2), listener=mirror, sweep=True, cookie=b"cookie")

    assert mirror.news() == []
    assert mirror.cookies == [b"cookie"]


def test_values_in_another_order_are_no_change(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)
    attributes = store.entries[A]
    turned = Attributes.of(dict(reversed(list(attributes.items()))))
    assert turned.wire != attributes.wire

    refresh(store, EntriesSent([(uuid(1), A.encode(), turned.wire)]), listener=mirror)

    assert mirror.news() == []


def test_names_that_two_entries_hold_are_followed_as_well_as_can_be(store: Store) -> None:
    """Servers send such things while names change hands; the next refresh sets it right."""
    listener = Noting()
    refresh(store, sent(1, A), sent(2, B), sent(3, C), listener=listener)

    refresh(store, sent(1, C), sent(2, C), sent(4, C), listener=listener)
    assert copy_of(store) == {1: (C, ""), 2: (C, ""), 3: (C, ""), 4: (C, "")}

    refresh(store, sent(1, A), sent(2, B), gone(4), listener=listener)
    assert copy_of(store) == {1: (A, ""), 2: (B, ""), 3: (C, "")}


def test_a_refresh_that_is_given_up_leaves_the_copy(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)
    staged = store.begin_refresh(mirror)
    staged.sent([row(1, C), row(3, A)])
    staged.deleted((uuid(2),))
    staged.settle()

    refresh(store, sent(2, B, "new"), listener=mirror)

    assert mirror.news() == [("change", B)]
    assert copy_of(store) == {1: (A, ""), 2: (B, "new")}


def test_a_listener_that_raises_undoes_all_of_it(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B)

    class Failing(Noting):
        def refresh_done(self, *_: object) -> None:
            raise LookupError

    with pytest.raises(LookupError):
        refresh(store, sent(1, C), gone(2), sent(3, A), listener=Failing(), cookie=b"new")

    assert copy_of(store) == {1: (A, ""), 2: (B, "")}
    assert store.state().cookie == b"cookie"


# --- what a refresh leaves open ---------------------------------------------------------------------------------------


def numbers(uuids: Iterable[bytes]) -> set[int]:
    return {int.from_bytes(octets) for octets in uuids}


@pytest.fixture
def staged(store: Store, mirror: Mirror) -> Update:
    """Begin a refresh over five entries."""
    load(store, mirror, A, f"cn=1,{A}", f"cn=2,cn=1,{A}", f"cn=3,{A}", B)
    begun = store.begin_refresh(mirror)
    assert isinstance(begun, Update)
    return begun


def test_who_was_named_but_is_not_here_is_unknown_until_it_is_sent_or_deleted(staged: Update) -> None:
    staged.present((uuid(1), uuid(7), uuid(8), uuid(9)))
    assert numbers(staged.unknown) == {7, 8, 9}

    staged.sent([row(7, C)])
    staged.deleted((uuid(8),))
    assert numbers(staged.unknown) == {9}

    staged.present((uuid(7), uuid(10)))
    assert numbers(staged.unknown) == {9, 10}


def test_what_was_received_is_counted(store: Store, staged: Update) -> None:
    """Whoever waits for a refresh is told of it; deletions are not."""
    assert staged.received == 0
    staged.sent([row(1, C), row(7, A)])
    staged.present((uuid(2), uuid(3), uuid(9)))
    staged.deleted((uuid(4),))
    assert staged.received == 5
    staged.sent([row(8, B)])
    staged.present((uuid(5),))
    assert staged.received == 7


def test_who_stages_waits_for_nobody_and_not_for_the_disk(store: Store, mirror: Mirror, tmp_path: Path) -> None:
    """After a power cut it begins anew; only its end has to survive one."""

    def setting(of: str) -> int:
        (mode,) = store.database.connection.execute(f"PRAGMA {of}.synchronous").fetchone()
        return int(mode)

    load(store, mirror, A, B)
    with closing(connect(tmp_path / "data")) as another:
        another.execute("BEGIN IMMEDIATE")
        before = (tmp_path / "data-wal").read_bytes()
        staged = store.begin_refresh(mirror)
        assert isinstance(staged, Update)
        staged.sent([row(1, C), row(3, A)])
        staged.present((uuid(2), uuid(9)))
        staged.deleted((uuid(3),))
        staged.settle()
        assert (tmp_path / "data-wal").read_bytes() == before
    assert setting("staged") == 0
    store.finish_refresh(staged, Ending("fingerprint", None), mirror)
    assert setting("main") == 2


def test_what_was_staged_takes_no_room_afterwards(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "data-staged"
    refresh(store, *(sent(number, f"cn={number},dc=x") for number in range(1, 200)))
    assert not file.exists()
    staged = store.begin_refresh(None)
    for number in range(1, 200):
        staged.sent([row(number, f"cn={number},dc=x", "x" * 2000)])
    assert file.stat().st_size > 400_000
    assert file.stat().st_mode & 0o777 == 0o600
    store.finish_refresh(staged, Ending("fingerprint", None), None)
    assert file.stat().st_size < 100_000
    store.close()
    assert not file.exists()


@pytest.mark.parametrize("batches", [[[7], [1]], [[7, 2]], [[7], [2]]])
def test_what_was_staged_is_taken_back_whatever_was_sent_beside_it(staged: Update, batches: list[list[int]]) -> None:
    rows = {1: row(1, A), 2: row(2, f"cn=1,{A}", "new"), 7: row(7, C)}
    for batch in batches:
        staged.sent([rows[number] for number in batch])

    staged.deleted((uuid(7),))

    assert staged.outcome(uuid(7)) is None
    assert list(staged.new_names()) == []


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("first", ["same", "changed", "renamed", "followed"])
@pytest.mark.parametrize("last", ["same", "changed", "renamed"])
def test_what_is_said_last_of_an_entry_counts(staged: Update, first: str, last: str, *, apart: bool) -> None:
    child = f"cn=1,{A}"
    rows = {"same": row(2, child), "changed": row(2, child, "new"), "renamed": row(2, C)}
    if first == "followed":
        staged.sent([row(1, B)])
        staged.settle()
        assert staged.outcome(uuid(2)) == f"cn=1,{B}"
    said = [rows[first], rows[last]] if first in rows else [rows[last]]
    for batch in [[one] for one in said] if apart else [said]:
        staged.sent(batch)
    # The one above it, and those below.
    others = 3 if first == "followed" else 0

    assert staged.outcome(uuid(2)) == (C if last == "renamed" else child)
    assert staged.result(uuid(2)) == (C if last == "renamed" else child, rows[last][2])
    assert staged.counts() == {
        "added": 0,
        "modified": last == "changed",
        "renamed": others + (last == "renamed"),
        "deleted": 0,
    }


def test_a_large_entry_that_was_changed_is_logged_as_a_small_one_is(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "logged", lambda: False, retention=Retention())) as store:
        refresh(store, sent(1, A, "x" * 9000), sent(2, B))

        refresh(store, sent(1, A, "x" * 8999 + "y"))
        refresh(store, sent(2, B, "new"))

        with closing(Feed(store.database.path, Position(0))) as feed:
            changes = [change for change, _ in feed.read()]
        assert [(change.dn, len(change.entry.attributes["description"][0])) for change in changes] == [
            (A, 9000),
            (B, 3),
        ]


def test_new_names_are_those_of_entries_that_were_not_here(staged: Update) -> None:
    staged.sent([row(1, C), row(7, A), row(8, f"cn=8,{A}"), row(9, f"cn=9,{A}")])
    staged.deleted((uuid(8),))
    staged.settle()

    assert {int.from_bytes(octets): dn for octets, dn in staged.new_names()} == {7: A, 9: f"cn=9,{A}"}


def test_new_names_may_be_more_than_a_page(staged: Update) -> None:
    names = {number: f"cn={number},{C}" for number in range(10, 1300)}
    staged.sent([row(number, dn) for number, dn in names.items()])

    assert [(int.from_bytes(octets), dn) for octets, dn in staged.new_names()] == list(names.items())


def test_orphans_are_right_below_entries_that_are_gone(staged: Update) -> None:
    staged.deleted((uuid(1),))
    assert numbers(staged.orphans()) == {2, 4}

    staged.sent([row(4, C)])
    staged.deleted((uuid(2),))
    assert numbers(staged.orphans()) == {3}

    staged.sent([row(3, f"cn=2,cn=1,{A}")])
    assert numbers(staged.orphans()) == set()


def test_outcomes_are_the_names_after_the_refresh(staged: Update) -> None:
    staged.sent([row(1, C), row(7, A)])
    staged.deleted((uuid(4), uuid(9)))
    staged.settle()

    expected = {1: C, 2: f"cn=1,{C}", 3: f"cn=2,cn=1,{C}", 4: None, 5: B, 7: A, 9: None}
    assert {number: staged.outcome(uuid(number)) for number in expected} == expected


def test_who_came_along_is_an_orphan_below_one_that_is_gone(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)
    staged = store.begin_refresh(mirror, [*BROUGHT, row(5, f"cn=3,{C}")])
    assert isinstance(staged, Update)
    assert list(staged.orphans()) == []

    staged.deleted((uuid(2),))
    assert numbers(staged.orphans()) == {3, 4}
    staged.sent([row(4, C)])
    assert numbers(staged.orphans()) == {3}


def test_who_followed_one_that_is_gone_after_all_is_an_orphan(staged: Update) -> None:
    """Its new name was only concluded, from a name that turned out to be nobody's."""
    staged.sent([row(1, C)])
    staged.settle()
    assert staged.outcome(uuid(3)) == f"cn=2,cn=1,{C}"

    staged.deleted((uuid(2),))
    assert numbers(staged.orphans()) == {3}


def test_who_keeps_a_name_that_another_one_has_now_is_displaced(staged: Update) -> None:
    staged.sent([row(7, A), row(8, f"CN=1,{A}"), row(9, C), row(5, f"cn=3,{A}")])
    assert numbers(staged.displaced()) == {1, 2, 4}

    staged.deleted((uuid(1),))
    staged.sent([row(2, f"cn=new,{A}")])
    assert numbers(staged.displaced()) == {4}


def test_who_is_new_may_be_more_than_a_page(staged: Update) -> None:
    staged.sent([row(number, f"cn=a,o={number}") for number in range(10, 1300)])

    assert set(staged.new_parents()) == {f"o={number}" for number in range(10, 1300)}


def test_who_was_given_the_name_of_another_one_is_a_double(staged: Update) -> None:
    """Names of one hash are not one name."""
    assert list(staged.doubles()) == []
    staged.sent([row(2, f"cn=1,{A}", "new"), row(7, "cn=plumless,dc=x"), row(8, "cn=buckeroo,dc=x")])
    assert list(staged.doubles()) == []

    staged.sent([row(9, C), row(1, "CN=c, dc=x"), row(5, f"cn=1,{A}")])
    assert sorted(numbers(staged.doubles())) == [1, 9]
    assert len(list(staged.doubles())) == 2


def test_who_is_displaced_may_be_more_than_a_page(store: Store, mirror: Mirror) -> None:
    load(store, mirror, *(f"cn={number},dc=x" for number in range(1, 601)))
    staged = store.begin_refresh(mirror)
    assert isinstance(staged, Update)
    staged.sent([row(1000 + number, f"cn={number},dc=x") for number in range(1, 601)])

    assert [int.from_bytes(octets) for octets in staged.displaced()] == list(range(1, 601))


def test_who_is_gone_is_listed_and_counted(staged: Update) -> None:
    assert list(staged.gone()) == []
    assert staged.counts() == {"added": 0, "modified": 0, "renamed": 0, "deleted": 0}

    staged.deleted((uuid(5), uuid(2), uuid(3), uuid(9)))
    assert list(staged.gone()) == [(uuid(2), f"cn=1,{A}"), (uuid(3), f"cn=2,cn=1,{A}"), (uuid(5), B)]
    assert staged.gone_count() == 3
    staged.sent([row(4, f"cn=3,{A}", "new")])
    assert staged.counts() == {"added": 0, "modified": 1, "renamed": 0, "deleted": 3}
    staged.sent([row(1, C), row(5, B, "new"), row(7, A), row(8, B), row(9, B)])
    staged.settle()
    assert staged.counts() == {"added": 3, "modified": 2, "renamed": 1, "deleted": 2}


def test_rows_that_were_deleted_before_are_not_counted_again(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, B, C, f"cn=1,{C}", f"cn=2,{C}")
    refresh(store, gone(2, 4))
    staged = store.begin_refresh(None)
    assert isinstance(staged, Update)
    staged.deleted((uuid(5),))
    assert (staged.gone_count(), list(staged.gone())) == (1, [(uuid(5), f"cn=2,{C}")])

    staged.present((uuid(1),))
    staged.present_phase_ended()
    assert (staged.gone_count(), numbers(octets for octets, _ in staged.gone())) == (2, {3, 5})


def test_new_parents_are_names_that_the_copy_will_not_hold(staged: Update) -> None:
    staged.sent([row(5, C), row(7, f"cn=7,{B}"), row(8, f"cn=8,cn=7,{B}"), row(9, f"cn=9,{A}"), row(10, r"cn=\,,o=y")])
    staged.settle()
    assert set(staged.new_parents()) == {"dc=x", B, "o=y"}

    staged.deleted((uuid(1),))
    assert set(staged.new_parents()) == {"dc=x", B, "o=y", A}


def test_a_refresh_may_be_settled_again_after_more_is_known(store: Store, mirror: Mirror, staged: Update) -> None:
    staged.sent([row(1, C)])
    staged.settle()
    staged.sent([row(7, f"cn=1,{B}")])
    staged.deleted((uuid(4),))
    staged.settle()
    store.finish_refresh(staged, Ending("fingerprint", None), mirror)

    assert mirror.content() == dict(copy_of(store).values())
    assert set(mirror.content()) == {C, f"cn=1,{C}", f"cn=2,cn=1,{C}", B, f"cn=1,{B}"}


def test_what_followed_a_name_follows_the_one_that_is_told_later(store: Store, mirror: Mirror, staged: Update) -> None:
    staged.sent([row(1, C)])
    staged.settle()
    assert staged.outcome(uuid(3)) == f"cn=2,cn=1,{C}"
    staged.sent([row(1, "cn=d,dc=x")])
    staged.settle()
    store.finish_refresh(staged, Ending("fingerprint", None), mirror)

    assert mirror.content() == dict(copy_of(store).values())
    assert set(mirror.content()) == {"cn=d,dc=x", "cn=1,cn=d,dc=x", "cn=2,cn=1,cn=d,dc=x", "cn=3,cn=d,dc=x", B}


# --- entries that came along ------------------------------------------------------------------------------------------

BROUGHT = [row(2, B, "top"), row(3, f"cn=1,{B}", "1"), row(4, f"cn=2,cn=1,{B}", "2")]


def test_who_came_along_is_added_under_the_name_of_its_top(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, sent(2, C, "top"), listener=mirror, brought=BROUGHT)

    assert [("add", C), ("add", f"cn=1,{C}"), ("add", f"cn=2,cn=1,{C}")] == mirror.news()
    assert {C: "top", f"cn=1,{C}": "1", f"cn=2,cn=1,{C}": "2", A: ""} == mirror.content()


def test_who_came_along_and_was_sent_is_as_it_was_sent(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, sent(3, f"cn=new,{B}", "sent"), sent(2, B, "top"), listener=mirror, brought=BROUGHT)

    assert {A: "", B: "top", f"cn=new,{B}": "sent", f"cn=2,cn=new,{B}": "2"} == mirror.content()


def test_who_came_along_is_dropped_when_it_was_deleted(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, sent(2, B, "top"), gone(4), listener=mirror, brought=BROUGHT)

    assert {A: "", B: "top", f"cn=1,{B}": "1"} == mirror.content()


def test_who_came_along_is_dropped_when_a_present_phase_leaves_it_out(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, present(1, 3), sent(2, C, "top"), listener=mirror, brought=BROUGHT, sweep=True)

    assert {A: "", C: "top", f"cn=1,{C}": "1"} == mirror.content()


def test_who_came_along_is_dropped_with_the_one_above_and_nobody_else_is(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)
    others = [row(5, f"cn=5,{B}", "5"), row(6, f"cn=6,cn=5,{B}", "6")]

    refresh(store, sent(2, B, "top"), gone(3), listener=mirror, brought=[*BROUGHT, *others])

    assert {A: "", B: "top", f"cn=5,{B}": "5", f"cn=6,cn=5,{B}": "6"} == mirror.content()


def test_who_came_along_below_one_that_is_hidden_follows_the_top(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)

    refresh(store, sent(2, C, "top"), listener=mirror, brought=[BROUGHT[0], BROUGHT[2]])

    assert {A: "", C: "top", f"cn=2,cn=1,{C}": "2"} == mirror.content()


def test_who_came_along_follows_in_whatever_order_it_was_found(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)
    found = [row(2, f"cn=2,cn=1,{B}", "2"), row(3, f"cn=1,{B}", "1"), row(4, B, "top")]

    refresh(store, sent(4, C, "top"), listener=mirror, brought=found)

    assert {A: "", C: "top", f"cn=1,{C}": "1", f"cn=2,cn=1,{C}": "2"} == mirror.content()


def test_who_came_along_is_there_whoever_left_before(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A)
    left = [row(5, "cn=left,dc=x"), row(6, "cn=6,cn=gone,dc=x"), row(7, "cn=gone,dc=x")]

    refresh(store, sent(2, B, "top"), gone(7), listener=mirror, brought=[*left, *BROUGHT])

    assert {A: "", B: "top", f"cn=1,{B}": "1", f"cn=2,cn=1,{B}": "2"} == mirror.content()


@pytest.mark.parametrize("named", [True, False])
def test_who_came_along_is_dropped_with_its_top(store: Store, mirror: Mirror, *, named: bool) -> None:
    load(store, mirror, A)

    refresh(store, present(1), *([gone(2)] if named else []), listener=mirror, brought=BROUGHT)

    assert mirror.content() == {A: ""}


def test_who_came_along_below_an_entry_of_the_copy_follows_it(store: Store, mirror: Mirror) -> None:
    """The top was known already, by the name that it has."""
    load(store, mirror, A, B)

    refresh(store, sent(2, C, "top"), listener=mirror, brought=BROUGHT)

    assert {A: "", C: "top", f"cn=1,{C}": "1", f"cn=2,cn=1,{C}": "2"} == mirror.content()


# --- anything ---------------------------------------------------------------------------------------------------------


@given(before=operations, between=operations, present_phase=st.booleans(), told=st.booleans(), seed=st.integers(0, 999))
def test_whatever_happened_the_copy_and_who_follows_by_name_hold_the_new_content(
    *, before: list[Operation], between: list[Operation], present_phase: bool, told: bool, seed: int
) -> None:
    directory = Directory()
    for operation in before:
        directory.do_offline(operation)
    mirror = Mirror() if told else None
    with TemporaryDirectory() as folder, closing(Store(Path(folder, "data"), lambda: False)) as store:
        refresh(store, EntriesSent([directory.row(number) for number in directory.nodes]), listener=mirror)
        assert directory.content() == copy_of(store)
        former = copy.deepcopy(directory)
        directory.begin_anew()
        for operation in between:
            directory.do_offline(operation)

        messages = directory.refresh(former, random.Random(seed), present=present_phase)
        refresh(store, *messages, listener=mirror, sweep=present_phase)

        assert directory.content() == copy_of(store)
    if mirror is not None:
        assert dict(directory.content().values()) == mirror.content()


# --- names with one hash ----------------------------------------------------------------------------------------------


def test_a_chain_of_renames_is_followed_by_name_and_not_by_hash(store: Store, mirror: Mirror) -> None:
    """Who waits for another name of the same hash is not who waits for the one that is free."""
    one, other = "cn=plumless,dc=x", "cn=buckeroo,dc=x"
    load(store, mirror, one, B, C)

    refresh(store, sent(1, A), sent(2, other), sent(3, one), listener=mirror)

    assert mirror.content() == {A: "", other: "", one: ""} == dict(copy_of(store).values())
    assert sorted(mirror.news()) == [("rename", B, other), ("rename", C, one), ("rename", one, A)]


def test_an_entry_that_is_sent_and_named_as_present_is_as_it_was_sent(store: Store, mirror: Mirror) -> None:
    """Servers name in a present phase what they send in it, before or after; a child that moved follows nobody."""
    load(store, mirror, A, f"cn=1,{A}")

    refresh(store, sent(1, B), sent(2, f"cn=1,{A}"), present(2), present(1), listener=mirror, sweep=True)

    assert mirror.content() == {B: "", f"cn=1,{A}": ""}


def test_rows_that_are_long_gone_are_nobodys_parents(store: Store, mirror: Mirror) -> None:
    """Ids have holes where entries were deleted before; a sweep marks those too."""
    load(store, mirror, A, B, f"cn=1,{C}", C)
    refresh(store, gone(2))
    staged = store.begin_refresh(None)
    assert isinstance(staged, Update)
    staged.present((uuid(1), uuid(3)))
    staged.present_phase_ended()

    assert list(staged.orphans()) == [uuid(3)]


def test_where_nothing_is_new_no_parent_is(store: Store, mirror: Mirror) -> None:
    load(store, mirror, A, f"cn=1,{A}")
    staged = store.begin_refresh(None)
    assert isinstance(staged, Update)
    staged.sent([row(2, f"cn=2,{A}")])
    staged.settle()

    assert list(staged.new_parents()) == []


def test_results_are_the_names_and_the_values_after_the_refresh(staged: Update) -> None:
    """Who was renamed along with its parent keeps its values."""
    staged.sent([row(1, C, "new")])
    staged.deleted((uuid(4),))
    staged.settle()

    assert staged.result(uuid(1)) == (C, row(1, C, "new")[2])
    assert staged.result(uuid(2)) == (f"cn=1,{C}", row(2, A)[2])
    assert staged.result(uuid(5)) == (B, row(5, B)[2])
    assert staged.result(uuid(4)) is None
