"""The persist stage as the store sees it: a batch of events is one transaction."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.contentsync.events import CookieReceived, EntriesDeleted, EntriesPresent, EntriesSent
from syncrepl_client.ldap import dn as names
from syncrepl_client.model import Attributes
from syncrepl_client.store.store import Store
from tests.store.directory import Directory, operations
from tests.store.listeners import Mirror, copy_of, refresh, row, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.contentsync.events import Event
    from syncrepl_client.store.live import Doubts
    from tests.store.directory import Operation

A, B, C = "cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"
OUTSIDE = "cn=a,dc=outside"


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
def load(store: Store, mirror: Mirror) -> Callable[..., None]:
    """Load entries 1, 2, ... of some names."""

    def load(*dns: str) -> None:
        refresh(store, EntriesSent([row(number, dn) for number, dn in enumerate(dns, 1)]), listener=mirror)
        mirror.news()

    return load


def apply(store: Store, mirror: Mirror | None, *events: Event) -> bool:
    return store.apply(events, mirror, lambda dn: names.is_under(dn, "dc=x"))


def gone(number: int, dn: str | None = None) -> EntriesDeleted:
    return EntriesDeleted((uuid(number),), None if dn is None else dn.encode())


def test_below_a_container_is_not_below_another_one_that_the_filter_hides(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    """OpenLDAP takes the two names for two; RFC 4518 and its tables of letters take them for one."""
    street, hidden = "ou=Straße,dc=x", "ou=Strasse,dc=x"
    load(street, f"cn=a,{street}", f"cn=b,{hidden}")

    assert apply(store, mirror, sent(1, "ou=new,dc=x"))
    assert copy_of(store)[3] == (f"cn=b,{hidden}", "")
    assert apply(store, mirror, sent(1, street), gone(1, "ou=Straße,dc=outside"))
    assert set(copy_of(store)) == {3}


def test_each_message_is_told_as_it_came(store: Store, mirror: Mirror, load: Callable[..., None]) -> None:
    load(A, B)

    assert apply(
        store, mirror, sent(3, C), sent(1, A, "new"), sent(2, f"cn=1,{C}"), gone(1, A), sent(2, B, "x"), gone(9)
    )

    assert mirror.news() == [
        ("add", C),
        ("change", A),
        ("rename", B, f"cn=1,{C}"),
        ("delete", A),
        ("rename", f"cn=1,{C}", B),
    ]
    assert mirror.content() == {C: "", B: "x"} == dict(copy_of(store).values())


def test_an_entry_that_is_sent_as_it_is_is_no_change(store: Store, mirror: Mirror, load: Callable[..., None]) -> None:
    load(A)

    assert apply(store, mirror, sent(1, A), EntriesSent([row(1, A), row(1, A)]))

    assert mirror.news() == []


def test_values_in_another_order_are_no_change(store: Store, mirror: Mirror) -> None:
    """Servers send changes that change nothing, and LDAP orders neither attributes nor values."""
    before, after = (
        Attributes.of(values).wire
        for values in ({"description": [b""], "cn": [b"a", b"b"]}, {"CN": [b"b", b"a"], "description": [b""]})
    )
    refresh(store, EntriesSent([(uuid(1), A.encode(), before)]), listener=mirror)
    mirror.news()

    assert apply(store, mirror, EntriesSent([(uuid(1), A.encode(), after)]))

    assert mirror.news() == []
    assert list(store.entries[A]) == ["CN", "description"]


def test_what_is_named_as_present_is_as_it_was(store: Store, mirror: Mirror, load: Callable[..., None]) -> None:
    load(A)

    assert apply(store, mirror, EntriesPresent((uuid(1), uuid(2))), sent(2, B))

    assert mirror.news() == [("add", B)]


def test_the_last_cookie_is_stored_with_what_it_covers(store: Store, mirror: Mirror, load: Callable[..., None]) -> None:
    load(A)

    assert apply(store, mirror, sent(1, B), CookieReceived(b"1"), sent(1, C), CookieReceived(b"2"))

    assert store.state().cookie == b"2"
    assert mirror.cookies == [b"cookie", b"2"]


def test_a_listener_that_raises_undoes_the_batch(store: Store, load: Callable[..., None]) -> None:
    load(A)

    class Failing(Mirror):
        def cookie(self, cookie: bytes) -> None:
            raise LookupError

    with pytest.raises(LookupError):
        apply(store, Failing(), sent(2, B), CookieReceived(b"new"))

    assert copy_of(store) == {1: (A, "")}
    assert store.state().cookie == b"cookie"


# --- subtrees ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [A, r"cn=a\,b,dc=x", "CN=A, dc=x", "cn=c+sn=d,dc=x"])
def test_who_is_below_a_renamed_entry_follows_it(
    store: Store, mirror: Mirror, load: Callable[..., None], top: str
) -> None:
    load(top, f"cn=1,{top}", f"cn=2,cn=1,{top}", B)

    assert apply(store, mirror, sent(1, f"cn=n,{B}", "new"))

    assert mirror.news() == [
        ("rename", top, f"cn=n,{B}"),
        ("rename", f"cn=1,{top}", f"cn=1,cn=n,{B}"),
        ("rename", f"cn=2,cn=1,{top}", f"cn=2,cn=1,cn=n,{B}"),
    ]
    assert mirror.content() == {f"cn=n,{B}": "new", f"cn=1,cn=n,{B}": "", f"cn=2,cn=1,cn=n,{B}": "", B: ""}


def test_another_spelling_of_a_name_is_a_rename_of_all_below(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    load(A, f"cn=1,{A}")

    assert apply(store, mirror, sent(1, "CN=A,dc=x"))

    assert mirror.news() == [("rename", A, "CN=A,dc=x"), ("rename", f"cn=1,{A}", "cn=1,CN=A,dc=x")]


def test_who_is_below_may_have_the_new_spelling_already(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    load(A, "cn=1,CN=A,dc=x", "cn=2,cn=1,CN=A,dc=x")

    assert apply(store, mirror, sent(1, "CN=A,dc=x"))

    assert mirror.news() == [("rename", A, "CN=A,dc=x")]


def test_who_is_below_an_entry_that_left_the_base_left_with_it(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    load(A, f"cn=1,{A}", f"cn=2,cn=1,{A}", B)

    assert apply(store, mirror, gone(1, OUTSIDE))

    assert mirror.news() == [("delete", f"cn=2,cn=1,{A}"), ("delete", f"cn=1,{A}"), ("delete", A)]
    assert copy_of(store) == {4: (B, "")}


def test_who_is_below_an_entry_that_is_hidden_by_its_new_name_follows_it(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    load(A, f"cn=1,{A}", f"cn=2,cn=1,{A}")

    assert apply(store, mirror, gone(1, B))

    assert copy_of(store) == {2: (f"cn=1,{B}", ""), 3: (f"cn=2,cn=1,{B}", "")}
    assert mirror.content() == {f"cn=1,{B}": "", f"cn=2,cn=1,{B}": ""}


@pytest.mark.parametrize("said", [A, "CN=a, DC=x", None])
def test_who_is_below_an_entry_that_was_hidden_where_it_is_stays(
    store: Store, mirror: Mirror, load: Callable[..., None], said: str | None
) -> None:
    """Whether its children went with it is a doubt that others settle."""
    load(A, f"cn=1,{A}")

    assert apply(store, mirror, gone(1, said))

    assert copy_of(store) == {2: (f"cn=1,{A}", "")}
    assert mirror.news() == [("delete", A)]


def test_a_subtree_of_more_than_a_page_follows(store: Store, mirror: Mirror, load: Callable[..., None]) -> None:
    load(A, *(f"cn={number},{A}" for number in range(1200)))

    assert apply(store, mirror, sent(1, B))

    assert set(mirror.content()) == {B, *(f"cn={number},{B}" for number in range(1200))}
    assert mirror.content() == dict(copy_of(store).values())


# --- clashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taker", [sent(1, "CN=B,dc=x"), sent(3, B)], ids=["rename", "add"])
def test_a_name_that_is_taken_ends_the_batch_before_it(
    store: Store, mirror: Mirror, load: Callable[..., None], taker: EntriesSent
) -> None:
    load(A, B)

    complete = apply(store, mirror, sent(2, B, "1"), CookieReceived(b"1"), taker, sent(2, C), CookieReceived(b"2"))

    assert not complete
    assert copy_of(store) == {1: (A, ""), 2: (B, "1")}
    assert mirror.news() == [("change", B)]
    assert store.state().cookie == b"1"
    assert mirror.cookies[-1] == b"1"


def test_what_was_sent_together_with_a_clash_is_kept_without_its_cookie(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    load(A, B)

    complete = apply(store, mirror, EntriesSent([row(1, C), row(2, C)]), CookieReceived(b"1"))

    assert not complete
    assert copy_of(store) == {1: (C, ""), 2: (B, "")}
    assert store.state().cookie == b"cookie"
    assert mirror.cookies == [b"cookie"]


def test_a_name_that_was_given_up_before_is_free(store: Store, mirror: Mirror, load: Callable[..., None]) -> None:
    load(A, B)

    assert apply(store, mirror, sent(2, C), sent(1, B), gone(2, C), sent(3, C))

    assert copy_of(store) == {1: (B, ""), 3: (C, "")}
    assert mirror.content() == {B: "", C: ""}


# --- doubts -----------------------------------------------------------------------------------------------------------


def below(doubts: Sequence[Doubts]) -> list[set[int]]:
    return [{int.from_bytes(number) for number in doubt.below} for doubt in doubts]


def entries(doubts: Sequence[Doubts]) -> list[dict[int, str]]:
    return [{int.from_bytes(number): dn for number, dn in doubt.entries.items()} for doubt in doubts]


def test_entries_may_have_come_below_one_that_is_new(store: Store, load: Callable[..., None]) -> None:
    load(A)

    doubts = store.doubts_about([sent(1, B), sent(2, A), CookieReceived(b"1"), sent(2, C)])

    assert below(doubts) == [set(), {2}, set(), set()]
    assert entries(doubts) == [{}, {}, {}, {}]
    assert [bool(doubt) for doubt in doubts] == [False, True, False, False]


def test_entries_may_have_come_below_one_that_was_away(store: Store, load: Callable[..., None]) -> None:
    load(A)

    assert below(store.doubts_about([gone(1, A), sent(1, A)])) == [set(), {1}]
    assert below(store.doubts_about([sent(2, B), gone(2, B), sent(2, B)]))[2] == {2}


@pytest.mark.parametrize("said", [A, "CN=A,dc=x", None])
def test_who_was_below_a_deleted_entry_may_be_gone_too(
    store: Store, load: Callable[..., None], said: str | None
) -> None:
    load(A, f"cn=1,{A}", f"cn=2,cn=1,{A}", f"cn=3,{A}", B)

    assert entries(store.doubts_about([gone(1, said)])) == [{2: f"cn=1,{A}", 3: f"cn=2,cn=1,{A}", 4: f"cn=3,{A}"}]


def test_who_is_named_as_deleted_too_is_no_doubt(store: Store, load: Callable[..., None]) -> None:
    load(A, f"cn=1,{A}", f"cn=2,{A}")

    assert entries(store.doubts_about([gone(2, f"cn=1,{A}"), gone(1, A)])) == [{}, {3: f"cn=2,{A}"}]
    assert entries(store.doubts_about([EntriesDeleted((uuid(1), uuid(2), uuid(3)))])) == [{}]


def test_a_leaf_that_is_deleted_leaves_nothing_open(store: Store, load: Callable[..., None]) -> None:
    load(A, B)

    assert not any(store.doubts_about([gone(1, A), gone(2, B)]))


def test_after_a_subtree_was_moved_away_every_entry_may_be_new(store: Store, load: Callable[..., None]) -> None:
    """Which entries went with it is known only when the batch is applied."""
    load(A, f"cn=1,{A}", B)

    doubts = store.doubts_about([sent(3, B, "before"), gone(1, OUTSIDE), sent(3, B, "after"), sent(2, C)])

    assert below(doubts) == [set(), set(), {3}, {2}]
    assert entries(doubts) == [{}, {}, {}, {}]


@pytest.mark.parametrize(
    ("event", "count"),
    [
        (gone(1, A), 0),
        (gone(2), 0),
        (gone(9, OUTSIDE), 0),
        (EntriesDeleted((uuid(1), uuid(2), uuid(9))), 2),
        (sent(1, A), 0),
        # Who is moved out takes with it what is below.
        (gone(1, OUTSIDE), 3),
        (gone(4, OUTSIDE), 0),
    ],
)
def test_a_message_that_takes_more_than_one_away_deletes_in_bulk(
    store: Store, load: Callable[..., None], event: Event, count: int
) -> None:
    load(A, f"cn=1,{A}", f"cn=2,cn=1,{A}", B)

    assert store.deleted_in_bulk([event], lambda dn: names.is_under(dn, "dc=x")) == count
    assert store.deleted_in_bulk([event, CookieReceived(b"1"), event], lambda dn: names.is_under(dn, "dc=x")) == (
        2 * count
    )


# --- anything ---------------------------------------------------------------------------------------------------------


@given(before=operations, since=operations, told=st.booleans(), size=st.integers(1, 5))
def test_whatever_happens_one_by_one_the_copy_and_who_follows_by_name_hold_the_content(
    *, before: list[Operation], since: list[Operation], told: bool, size: int
) -> None:
    directory = Directory()
    for operation in before:
        directory.do_offline(operation)
    mirror = Mirror() if told else None
    with TemporaryDirectory() as folder, closing(Store(Path(folder, "data"), lambda: False)) as store:
        refresh(store, EntriesSent([directory.row(number) for number in directory.nodes]), listener=mirror)

        events = [event for operation in since if (event := directory.do(operation)) is not None]
        for start in range(0, len(events), size):
            assert apply(store, mirror, *events[start : start + size], CookieReceived(b"%d" % start))

        assert directory.content() == copy_of(store)
    if mirror is not None:
        assert dict(directory.content().values()) == mirror.content()


def test_what_already_has_its_new_name_below_a_renamed_entry_is_left_alone(
    store: Store, mirror: Mirror, load: Callable[..., None]
) -> None:
    """Names are the same in whatever spelling, so what is below an entry may have spelled its name as it is now."""
    load("ou=A,dc=x", "cn=1,ou=a,dc=x", "cn=2,ou=A,dc=x")

    apply(store, mirror, sent(1, "ou=a,dc=x"))

    assert mirror.news() == [("rename", "ou=A,dc=x", "ou=a,dc=x"), ("rename", "cn=2,ou=A,dc=x", "cn=2,ou=a,dc=x")]
