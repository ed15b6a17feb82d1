"""The changelog: what was logged leads from each state of the copy to the next, and back."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from syncrepl_client.contentsync.events import CookieReceived, EntriesDeleted, EntriesSent
from syncrepl_client.exceptions import CallbackError, ChangesLost, DBError, DBSchemaError, ProtocolError, UsageError
from syncrepl_client.ldap import dn as names
from syncrepl_client.model import Added, Attributes, Deleted, Modified, Origin, Renamed
from syncrepl_client.store import changelog, subscriptions, tables
from syncrepl_client.store.bookmark import Bookmark, forget, peek
from syncrepl_client.store.copy import Copy
from syncrepl_client.store.feed import Feed
from syncrepl_client.store.past import Past
from syncrepl_client.store.position import BEGINNING, Position
from syncrepl_client.store.pruning import Pruned, prune
from syncrepl_client.store.retention import Retention
from syncrepl_client.store.store import Store
from syncrepl_client.store.subscriptions import Stored
from syncrepl_client.store.vocabulary import Vocabulary
from tests.store.changing import Changing, followed, state_of
from tests.store.listeners import Mirror, refresh, row, sent, uuid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client.model import Change

EVERYTHING = Retention(age=None, octets=None, longest=None, largest=None)
DESCRIPTION = b"( 2.5.4.13 NAME 'description' SYNTAX %s )"
INTEGER = b"1.3.6.1.4.1.1466.115.121.1.27"
SEEDS = pytest.mark.parametrize("seed", range(8))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as opened:
        yield opened


def logged(store: Store, after: int = 0) -> list[Change]:
    vocabulary = Vocabulary(store.database.connection)
    rows = changelog.rows_after(vocabulary.connection, after, 1 << 30, 1 << 40)
    return [changelog.change_of(vocabulary, row) for row in rows]


def rest(feed: Feed, limit: int = 7) -> list[Change]:
    found: list[Change] = []
    while page := feed.read(limit):
        assert len(page) <= limit
        found += (change for change, _ in page)
    return found


def live(store: Store, *events: EntriesSent | EntriesDeleted | CookieReceived) -> bool:
    return store.apply(events, None, lambda _: True)


# --- what is logged ---------------------------------------------------------------------------------------------------


@SEEDS
def test_the_log_leads_from_each_state_to_the_next(store: Store, seed: int) -> None:
    changing = Changing(store, Random(seed), Mirror() if seed % 2 else None)
    first = changing.state
    for _ in range(60):
        changing.change()

    changes = logged(store)
    assert [change.sequence for change in changes] == list(range(1, changing.sequence + 1))
    times = [change.stored_at for change in changes if change.stored_at]
    assert len(times) == len(changes)
    assert times == sorted(times)
    known = first
    for change in changes:
        known = followed(known, [change])
        assert known == changing.states.get(change.sequence or 0, known)
    assert known == changing.state
    assert {type(change) for change in changes} == {Added, Modified, Renamed, Deleted}
    connection = store.database.connection
    differences = connection.execute("SELECT count(*) FROM syncrepl_change WHERE difference IS NOT NULL").fetchone()[0]
    assert differences > 5


def test_swapped_names_are_two_renames_and_a_spelling_is_no_rename(store: Store) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x"), row(2, "cn=b,dc=x"), row(3, "cn=c,dc=x")]))
    mirror = Mirror()
    mirror.held = dict(store.entries)
    swapped = EntriesSent([row(1, "cn=b,dc=x"), row(2, "cn=a,dc=x"), row(3, "CN=c,dc=x")])
    refresh(store, swapped, listener=mirror)

    told_names = {(type(change), change.before and change.before.dn, change.dn) for change in logged(store)}
    assert told_names == {
        (Renamed, "cn=a,dc=x", "cn=b,dc=x"),
        (Renamed, "cn=b,dc=x", "cn=a,dc=x"),
        (Modified, "cn=c,dc=x", "CN=c,dc=x"),
    }
    # Who knows entries by their names alone is told something that he can follow.
    assert sorted(told[0] for told in mirror.news()) == ["add", "delete", "rename", "rename"]
    assert set(mirror.held) == {"cn=a,dc=x", "cn=b,dc=x", "CN=c,dc=x"}


def test_a_listener_that_asks_for_typed_changes_hears_what_is_logged(store: Store) -> None:
    class Typed(Mirror):
        by_name = False
        heard: list[Change]

        def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
            self.heard.append(change)

    typed = Typed()
    typed.heard = []
    changing = Changing(store, Random(3), typed)
    assert [change.origin for change in typed.heard] == [Origin.SNAPSHOT] * len(changing.state)
    assert {change.sequence for change in typed.heard} == {0}
    typed.heard.clear()
    for _ in range(40):
        changing.change()
    assert typed.heard == logged(store)
    assert [(c.sequence, c.origin, c.stored_at) for c in typed.heard] == [
        (c.sequence, c.origin, c.stored_at) for c in logged(store)
    ]
    assert {change.origin for change in typed.heard} == {Origin.PERSIST, Origin.REFRESH}


def group(members: list[bytes]) -> EntriesSent:
    return EntriesSent([(uuid(1), b"cn=a,dc=x", Attributes.of({"member": members}).wire)])


def different_lengths(count: int) -> list[bytes]:
    return [b"%04d" % number + b"x" * (20 + number % 40) for number in range(count)]


def octets_of(store: Store) -> int:
    """Add up what the changelog takes."""
    connection = store.database.connection
    sizes = connection.execute("SELECT length(before), length(after), length(difference) FROM syncrepl_change")
    return sum(changelog.OVERHEAD + sum(filter(None, row)) for row in sizes)


@pytest.mark.parametrize("by", ["stream", "refresh"])
@pytest.mark.parametrize("taken", [range(40, 57), range(17), range(86, 103), range(0, 103, 7)])
def test_a_change_can_be_read_after_the_octets_of_a_smaller_version_changed_in_silence(
    store: Store, taken: range, by: str
) -> None:
    """Both versions together are large, while the later one alone is less than half of that."""
    members = different_lengths(103)
    left = [member for number, member in enumerate(members) if number not in taken]
    refresh(store, group(members))
    live(store, group(left))
    assert store.database.connection.execute("SELECT count(difference) FROM syncrepl_change").fetchone() == (1,)
    silent = group([*left[1:], left[0]])
    if by == "stream":
        live(store, silent)
    else:
        refresh(store, silent)

    [change] = logged(store)
    assert change.before is not None
    assert change.after is not None
    assert change.before.attributes["member"] == members
    assert change.after.attributes["member"] == left


@SEEDS
def test_the_size_of_the_log_is_what_is_in_it(path: Path, seed: int) -> None:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        changing = Changing(store, Random(seed))
        for _ in range(60):
            changing.change()
        assert changelog.extent(store.database.connection).octets == octets_of(store) > 0
    with closing(Store(path, lambda: False, retention=Retention(octets=30_000))) as store:
        store.log.tidy()
        assert changelog.extent(store.database.connection).octets == octets_of(store) > 0


def test_what_is_rolled_back_is_not_logged(store: Store) -> None:
    class Failing(Mirror):
        def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
            assert not isinstance(change, Deleted)

    refresh(store, EntriesSent([row(1, "cn=a,dc=x"), row(2, "cn=b,dc=x")]))
    with pytest.raises(AssertionError):
        store.apply([sent(3, "cn=c,dc=x"), EntriesDeleted((uuid(1),))], Failing(), lambda _: True)
    assert logged(store) == []
    live(store, sent(4, "cn=d,dc=x"))
    assert [change.sequence for change in logged(store)] == [1]


def test_nothing_is_written_without_a_changelog(path: Path) -> None:
    with closing(Store(path, lambda: False)) as store:
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        live(store, sent(1, "cn=a,dc=x", "other"), sent(2, "cn=b,dc=x"))
        assert logged(store) == []
        assert changelog.extent(store.database.connection)._replace(whole=False) == (0, 0, None, 0, False)


def test_times_never_go_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    real = time.time_ns
    for shift in (0, -3600, 5, -1):
        monkeypatch.setattr(time, "time_ns", lambda shift=shift: real() + shift * 10**9)
        live(store, sent(1, "cn=a,dc=x", str(shift)))
    times = [change.stored_at for change in logged(store) if change.stored_at]
    assert times == sorted(times)
    assert len(times) == 4


# --- what the copy was ------------------------------------------------------------------------------------------------


@SEEDS
def test_the_copy_can_be_read_as_it_was_after_each_change(store: Store, path: Path, seed: int) -> None:
    changing = Changing(store, Random(seed))
    for _ in range(30):
        changing.change()
    for sequence, state in changing.states.items():
        with closing(Past(path, sequence)) as past:
            assert state_of(past.all()) == state
            assert len(past) == len(state)
            for dn, attributes in state.values():
                assert past[dn.upper()] == attributes
    with closing(Past(path, 0)) as past, pytest.raises(KeyError):
        past["cn=never,dc=x"]


def test_the_past_comes_parents_first(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(3, "cn=a,ou=b,dc=x"), row(1, "ou=b,dc=x"), row(2, "dc=x")]))
    live(store, sent(4, "cn=c,cn=a,ou=b,dc=x"), EntriesDeleted((uuid(3),)))
    with closing(Past(path, 0)) as past:
        assert list(past) == ["dc=x", "ou=b,dc=x", "cn=a,ou=b,dc=x"]


def test_the_past_moves_on_while_it_is_read(store: Store, path: Path) -> None:
    """Entries change, go and come between two pages."""
    changing = Changing(store, Random(5))
    state = changing.state
    with closing(Past(path, changing.sequence)) as past:
        found, place = [], BEGINNING
        while page := past.page(place, 1):
            place = page[-1][0]
            found += page
            changing.change()
        assert state_of(entry for _, entry in found) == state


def test_an_entry_of_the_past_is_found_by_its_name_and_its_uuid(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x", "old"), row(2, "cn=b,dc=x")]))
    live(store, sent(1, "cn=A,dc=x", "new"), EntriesDeleted((uuid(2),)), sent(3, "cn=c,dc=x"))
    with closing(Past(path, 0)) as past:
        assert repr(past) == "<the copy after change 0>"
        found = past.entry("CN=A,dc=x")
        assert found is not None
        assert (found.dn, found.attributes["description"]) == ("cn=a,dc=x", [b"old"])
        assert past.by_uuid(UUID(bytes=uuid(1))) == found
        assert past.by_uuid(UUID(bytes=uuid(2))) == past.entry("cn=b,dc=x")
        assert past.by_uuid(UUID(bytes=uuid(2))) is not None
        assert past.by_uuid(UUID(bytes=uuid(3))) is past.by_uuid(UUID(bytes=uuid(4))) is past.entry("cn=c,dc=x") is None


def test_an_entry_of_the_past_that_is_nowhere_is_damage(store: Store, path: Path) -> None:
    """Who reads a snapshot would take it for deleted."""
    refresh(store, EntriesSent([row(1, "dc=x"), row(2, "cn=b,dc=x")]))
    with closing(Past(path, 0)) as past, closing(sqlite3.connect(path)) as other:
        assert len(past) == 2
        other.execute("DELETE FROM syncrepl_entry WHERE uuid = ?", (uuid(2),))
        other.commit()
        with pytest.raises(DBError, match="neither there nor in the changelog") as caught:
            past.page(BEGINNING)
        assert "damaged" in caught.value.hint
        assert [entry.dn for _, entry in past.page(BEGINNING, 1)] == ["dc=x"]


def test_a_change_of_which_nothing_is_left_is_damage(store: Store, path: Path) -> None:
    changing = Changing(store, Random(2))
    while not (large := differing(path)):
        changing.change()
    live(store, sent(99, "cn=z,dc=x"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE syncrepl_change SET before = NULL, after = NULL WHERE uuid = ?", (uuid(99),))
    with pytest.raises(DBError, match="has no entry") as caught:
        logged(store, changing.sequence - 1)
    assert "damaged" in caught.value.hint
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DELETE FROM syncrepl_entry WHERE uuid = ?", (large[1],))
        other.execute("DELETE FROM syncrepl_change WHERE uuid = ? AND sequence > ?", (large[1], large[0]))
    with pytest.raises(DBError, match=f"nothing is left of what change {large[0]} was about") as caught:
        changelog.changes_of(Vocabulary(store.database.connection), large[1], large[0] - 1, 1, 1)
    assert "damaged" in caught.value.hint


def differing(path: Path) -> tuple[int, bytes] | None:
    """Return the number and the entry of a change of which only the difference is stored."""
    query = "SELECT sequence, uuid FROM syncrepl_change WHERE difference IS NOT NULL ORDER BY sequence DESC LIMIT 1"
    with closing(sqlite3.connect(path)) as connection:
        found: tuple[int, bytes] | None = connection.execute(query).fetchone()
    return found


def test_octets_that_are_no_attributes_are_changed_as_all_others(store: Store) -> None:
    """Whether their values differ nobody can tell."""
    # As many octets, and of the same sum: at sight they do not differ.
    before, after = ((uuid(1), b"cn=a,dc=x", octets) for octets in (b"\x30garbage", b"\x30egabrag"))
    refresh(store, EntriesSent([before]))
    refresh(store, EntriesSent([after]))

    (change,) = logged(store)
    assert isinstance(change, Modified)
    assert (change.before.attributes.wire, change.after.attributes.wire) == (before[2], after[2])
    with pytest.raises(ProtocolError):
        change.diff()


def test_changes_are_counted_by_their_kind_and_found_by_their_time(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x"), row(2, "cn=b,dc=x")]))
    live(store, sent(3, "cn=c,dc=x"))
    live(store, sent(1, "cn=a,dc=x", "new"), EntriesDeleted((uuid(2),)), sent(4, "cn=d,dc=x"))
    changes = logged(store)
    with closing(Copy(path)) as copy:
        assert copy.counted(0, 4) == {Added: 2, Modified: 1, Deleted: 1}
        assert copy.counted(1, 3) == {Modified: 1, Deleted: 1}
        assert copy.counted(4, 9) == {}
        assert [copy.stored_after(number) for number in range(5)] == [
            *(change.provenance.stored for change in changes),
            None,
        ]
        assert not copy.schema.attribute("description")


def test_a_past_that_is_gone_is_gone_whenever_it_is_asked_for(path: Path) -> None:
    with closing(Store(path, lambda: False, retention=Retention(octets=0))) as store:
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        with closing(Past(path, 0)) as past:
            refresh(store, EntriesSent([row(2, "cn=b,dc=x")]))
            for _ in range(2):
                with pytest.raises(ChangesLost):
                    list(past)


# --- reading on -------------------------------------------------------------------------------------------------------


@SEEDS
def test_snapshot_and_stream_join_without_gap_or_overlap(store: Store, path: Path, seed: int) -> None:
    random = Random(seed)
    changing = Changing(store, random)
    changing.change()
    with closing(Feed(path, None)) as feed:
        found: list[Change] = []
        for _ in range(80):
            found += (change for change, _ in feed.read(random.randrange(1, 5)))
            if random.random() < 0.5:
                changing.change()
        found += rest(feed)
    snapshot = [change for change in found if change.origin is Origin.SNAPSHOT]
    assert followed({}, snapshot) == changing.states[snapshot[0].sequence or 0]
    assert followed({}, found) == changing.state
    assert found[: len(snapshot)] == snapshot


@SEEDS
def test_a_reader_that_begins_again_anywhere_misses_nothing(store: Store, path: Path, seed: int) -> None:
    """Each read is by another feed, which knows only the position of the one before."""
    random = Random(seed)
    changing = Changing(store, random)
    position: Position | None = None
    found: list[Change] = []
    for _ in range(120):
        with closing(Feed(path, position)) as feed:
            page = list(feed.read(3))
            found += (change for change, _ in page)
            position = page[-1][1] if page else feed.position
        if random.random() < 0.3:
            changing.change()
    with closing(Feed(path, position)) as feed:
        found += rest(feed)
    assert followed({}, found) == changing.state


def test_a_reader_waits_for_a_copy(store: Store, path: Path) -> None:
    with closing(Feed(path, None)) as feed:
        assert not feed.read()
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        assert [change.dn for change, _ in feed.read()] == ["cn=a,dc=x"]
        assert not feed.read()
        assert not feed.read()
        live(store, sent(2, "cn=b,dc=x"))
        assert [change.sequence for change, _ in feed.read()] == [1]


def test_who_wants_no_snapshot_may_be_there_before_the_copy(store: Store, path: Path) -> None:
    with closing(Bookmark(path, "one", "now")) as one, closing(Feed(path, one.position)) as feed:
        assert not feed.read()
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        assert not feed.read()
        live(store, sent(2, "cn=b,dc=x"))
        assert [change.sequence for change, _ in feed.read()] == [1]


def test_large_entries_come_in_small_pages(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(number, f"cn={number},dc=x", "x" * 3_000_000) for number in (1, 2, 3)]))
    with closing(Feed(path, None)) as feed:
        assert [len(feed.read()) for _ in range(3)] == [2, 1, 0]
        live(store, *(sent(number, f"cn={number},dc=x", "y" * 3_000_000) for number in (1, 2, 3)))
        assert [len(feed.read()) for _ in range(4)] == [1, 1, 1, 0]


def test_the_history_of_an_entry_is_found_by_each_name_it_had(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x"), row(2, "cn=b,dc=x")]))
    live(store, sent(1, "cn=c,dc=x"), sent(2, "cn=b,dc=x", "new"), EntriesDeleted((uuid(1),)))
    with closing(Copy(path)) as copy:
        for name in ("cn=a,dc=x", "CN=C, dc=x"):
            assert copy.named(name) == [uuid(1)]
        assert [type(change) for change in copy.changes_of(uuid(1))] == [Renamed, Deleted]
        assert copy.named("cn=nobody,dc=x") == []


def test_changes_are_read_by_the_schema_that_is_there_when_they_are_read(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x", "1")]))
    with closing(Copy(path)) as copy, closing(Feed(path, Position(0))) as feed:
        store.set_subschema("cn=schema", Attributes.of({"attributeTypes": [DESCRIPTION % INTEGER]}))
        live(store, sent(1, "cn=a,dc=x", "2"))
        [logged_change], [(read_change, _)] = copy.changes_of(uuid(1)), feed.read()
        for change in (logged_change, read_change):
            assert [entry and entry.values("description") for entry in (change.before, change.after)] == [[1], [2]]


# --- positions --------------------------------------------------------------------------------------------------------


def test_positions_are_independent_and_survive(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    live(store, sent(2, "cn=b,dc=x"))
    with closing(Bookmark(path, "one", "snapshot")) as one, closing(Bookmark(path, "two", "now")) as two:
        assert one.position == Position(1, BEGINNING)
        assert two.position == Position(1)
        assert one.save(Position(1, (2, uuid(1))))
    live(store, sent(3, "cn=c,dc=x"))
    with closing(Bookmark(path, "one", "now")) as one, closing(Bookmark(path, "two", "snapshot")) as two:
        assert one.position == Position(1, (2, uuid(1)))
        assert two.position == Position(1)
    with closing(Bookmark(path, "one", "now", restart=True)) as one:
        assert one.position == Position(2)
    assert forget(path, "one")
    assert not forget(path, "one")
    with closing(Copy(path)) as copy:
        assert [stored.name for stored in copy.facts().subscriptions] == ["two"]


def test_a_position_is_not_waited_for_while_the_owner_writes(store: Store, path: Path) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    with closing(Bookmark(path, "one", "now")) as bookmark:
        with store.database.transaction():
            assert not bookmark.save(Position(0), patient=False)
        assert bookmark.save(Position(0), patient=False)


def test_a_callback_of_the_owner_does_not_wait_for_itself(store: Store, path: Path) -> None:
    class Reading(Mirror):
        def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
            for store_it in (lambda: bookmark.save(Position(0)), lambda: Bookmark(path, "other", "now")):
                with pytest.raises(CallbackError, match="waits for the callback itself"):
                    store_it()
            assert not bookmark.save(Position(0), patient=False)
            super().change(change, cursor)

    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    with closing(Bookmark(path, "one", "now")) as bookmark:
        reading = Reading()
        store.apply([sent(2, "cn=b,dc=x")], reading, lambda _: True)
        assert reading.news() == [("add", "cn=b,dc=x")]
        assert bookmark.save(Position(1))


def test_where_a_reader_would_go_on_is_known_without_it(store: Store, path: Path) -> None:
    assert peek(path, "one", "snapshot") is None
    assert peek(path, "one", "now") == Position(0)
    with closing(Bookmark(path, "one", "snapshot")):
        pass
    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    live(store, sent(2, "cn=b,dc=x"))
    # Who waited for a snapshot waits for one, wherever it would begin now.
    assert peek(path, "one", "now") == Position(1, BEGINNING)
    assert peek(path, "two", "now") == Position(1)
    assert peek(path, "two", 0) == Position(0)
    with closing(Bookmark(path, "two", 0)):
        pass
    assert peek(path, "two", "now") == Position(0)
    with pytest.raises(ChangesLost):
        peek(path, "three", 2)
    with closing(Copy(path)) as copy:
        assert [stored.name for stored in copy.facts().subscriptions] == ["one", "two"]


@pytest.mark.parametrize("patient", [False, True])
def test_a_position_that_cannot_be_stored_is_an_error(store: Store, path: Path, *, patient: bool) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    with closing(Bookmark(path, "one", "now")) as bookmark:
        bookmark._connection.execute("PRAGMA query_only = ON")  # noqa: SLF001 - root may write to any file
        with pytest.raises(DBError, match="readonly"):
            bookmark.save(Position(0), patient=patient)


@pytest.mark.parametrize("start", [-1, 1, 99])
def test_a_number_that_is_not_logged_is_refused(store: Store, path: Path, start: int) -> None:
    refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
    with pytest.raises(ChangesLost) as caught:
        Bookmark(path, "one", start)
    assert (caught.value.wanted, caught.value.floor) == (start, 0)


def test_who_asks_for_changes_where_none_are_logged_is_told_so(path: Path) -> None:
    with closing(Store(path, lambda: False)) as store:
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        with pytest.raises(UsageError, match="keeps no changelog"):
            Bookmark(path, "one", "snapshot")
        with closing(Feed(path, None)) as feed, pytest.raises(UsageError, match="keeps no changelog"):
            feed.read()


def test_a_gap_without_a_changelog_is_told(path: Path) -> None:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        live(store, sent(2, "cn=b,dc=x"))
    with closing(Bookmark(path, "one", 0)):
        pass
    with closing(Store(path, lambda: False)) as store:
        live(store, sent(3, "cn=c,dc=x"))
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        live(store, sent(4, "cn=d,dc=x"))
        for position in (Position(0), Position(1)):
            with closing(Feed(path, position, "one")) as feed, pytest.raises(ChangesLost, match="subscription 'one'"):
                feed.read()
        with closing(Feed(path, None)) as feed:
            assert len(rest(feed)) == 4
        with pytest.raises(ChangesLost):
            Past(path, 1)


def test_a_gap_without_a_changelog_is_told_to_who_was_there_before_the_copy(path: Path) -> None:
    with closing(Store(path, lambda: False)) as store:
        with closing(Bookmark(path, "one", "now")):
            pass
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        live(store, sent(2, "cn=b,dc=x"))
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        live(store, sent(3, "cn=c,dc=x"))
        with closing(Feed(path, Position(0))) as feed, pytest.raises(ChangesLost):
            feed.read()


def test_the_copy_of_an_earlier_release_gets_a_changelog_from_the_moment_on_that_it_is_opened(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (*tables.MIGRATIONS[0], *tables.MIGRATIONS[1], tables.CREATE_UUID_INDEX):
            connection.execute(statement)
        octets, dn, attrs = row(1, "cn=a,dc=x", "old")
        values = (octets, names.key(dn.decode()), dn.decode(), attrs)
        connection.execute("INSERT INTO syncrepl_entry (uuid, key, dn, attrs) VALUES (?, ?, ?, ?)", values)
        connection.execute("UPDATE syncrepl_state SET visible = 1")
        connection.execute(f"PRAGMA application_id = {tables.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(DBSchemaError):
        Copy(path)

    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store, closing(Feed(path, None)) as feed:
        assert [(change.dn, change.origin) for change, _ in feed.read()] == [("cn=a,dc=x", Origin.SNAPSHOT)]
        live(store, sent(1, "cn=a,dc=x", "new"))
        [(change, _)] = feed.read()
        assert isinstance(change, Modified)
        assert change.before.text("description") == "old"
        with closing(Copy(path)) as copy, closing(copy.past((change.sequence or 0) - 1)) as past:
            assert list(copy.changes_of(uuid(1))) == [change]
            assert past["cn=a,dc=x"]["description"] == [b"old"]


# --- retention --------------------------------------------------------------------------------------------------------


def fill(store: Store, first: int, last: int, size: int = 1000) -> None:
    for number in range(first, last + 1):
        live(store, sent(1, "cn=a,dc=x", str(number).rjust(size)))


def tidied(path: Path, retention: Retention) -> None:
    """Let the owner look once."""
    with closing(Store(path, lambda: False, retention=retention)) as store:
        store.log.tidy()


@pytest.fixture
def filled(path: Path) -> Path:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        fill(store, 1, 40)
    return path


def floor(path: Path) -> int:
    with closing(Copy(path)) as copy:
        log = copy.facts().log
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT min(sequence) FROM syncrepl_change").fetchone()[0] in {log.floor + 1, None}
    return log.floor


def test_what_is_too_much_is_taken_away(filled: Path) -> None:
    tidied(filled, Retention(octets=20_000))
    assert 25 < floor(filled) < 35
    with closing(Copy(filled)) as copy:
        assert copy.facts().log.octets <= 20_000
    with closing(Feed(filled, Position(floor(filled)))) as feed:
        assert [change.sequence for change in rest(feed)] == list(range(floor(filled) + 1, 41))
    with closing(Feed(filled, Position(floor(filled) - 1))) as feed, pytest.raises(ChangesLost):
        feed.read()


def test_what_is_too_old_is_taken_away(filled: Path) -> None:
    tidied(filled, Retention(age=timedelta(0)))
    assert floor(filled) == 40
    with closing(Feed(filled, Position(40))) as feed:
        assert not feed.read()
    with closing(Past(filled, 40)) as past:
        assert list(past) == ["cn=a,dc=x"]


def test_the_slowest_subscription_is_waited_for(filled: Path) -> None:
    for name, number in (("slow", 10), ("fast", 30)):
        with closing(Bookmark(filled, name, number)):
            pass
    tidied(filled, Retention(age=timedelta(0), octets=0))
    assert floor(filled) == 10


def test_a_limit_decides_who_wins_and_it_is_said(filled: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Bookmark(filled, "slow", 10)):
        pass
    tidied(filled, Retention(age=timedelta(0), octets=0, largest=20_000))
    assert floor(filled) > 20
    assert "the subscription 'slow' has not read the changes" in caplog.text
    with closing(Bookmark(filled, "slow", "snapshot")) as bookmark, closing(Feed(filled, bookmark.position)) as feed:
        assert bookmark.position == Position(10)
        with pytest.raises(ChangesLost):
            feed.read()


def test_who_is_in_the_middle_of_a_snapshot_that_was_taken_away_is_told_by_its_name(filled: Path) -> None:
    tidied(filled, Retention(octets=20_000))
    with closing(Feed(filled, Position(1, BEGINNING), "slow")) as feed, pytest.raises(ChangesLost, match="slow"):
        feed.read()


def test_where_nothing_is_too_much_nothing_is_taken_away(filled: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        assert prune(connection, EVERYTHING, time.time_ns() // 1000) == Pruned(0, 0, ())
    assert floor(filled) == 0


def test_who_was_overtaken_is_not_waited_for_any_more(filled: Path) -> None:
    """Or the log would stay as large as it may be for subscriptions, because of one that can never read on."""
    with closing(Bookmark(filled, "dead", 10)), closing(Bookmark(filled, "slow", 35)):
        pass
    retention = Retention(age=None, octets=0, largest=40_000)
    with closing(Store(filled, lambda: False, retention=retention)) as store:
        assert store.log.tidy()
        assert 15 < floor(filled) < 35
        assert store.log.tidy()
        assert floor(filled) == 35
        assert not store.log.tidy()


def test_readers_without_a_name_are_waited_for_as_well(path: Path) -> None:
    with closing(Store(path, lambda: False, retention=Retention(octets=0))) as store:
        refresh(store, EntriesSent([row(1, "cn=a,dc=x")]))
        forgotten = store.log.feed(store.end_of_log())
        with closing(store.log.feed(store.end_of_log())) as feed:
            refresh(store, EntriesSent([row(number, f"cn={number},dc=x") for number in range(2, 2000)]))
            assert [change.sequence for change in rest(feed, 100)] == list(range(1, 1999))
            refresh(store)
            assert floor(path) == 0
        assert forgotten.position == Position(0)
        del forgotten
        refresh(store)
        assert floor(path) == 500
        while store.log.tidy():
            pass
        assert floor(path) == 1998


def test_an_old_change_of_a_large_entry_can_be_read_when_its_version_is_gone(path: Path) -> None:
    with closing(Store(path, lambda: False, retention=EVERYTHING)) as store:
        changing = Changing(store, Random(1))
        for _ in range(60):
            changing.change()
        states, last = changing.states, changing.sequence
    tidied(path, Retention(octets=60_000, age=None, longest=None))
    kept = floor(path)
    assert 0 < kept < last
    with closing(Feed(path, Position(kept))) as feed:
        changes = rest(feed)
    begin = min(number for number in states if number >= kept)
    after = [change for change in changes if (change.sequence or 0) > begin]
    assert followed(states[begin], after) == states[last]


def test_a_subscription_without_a_position_is_not_waited_for(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        subscriptions.save(connection, Stored("new", None, 0))
    tidied(filled, Retention(octets=0))
    assert floor(filled) == 40


@pytest.mark.parametrize(
    "limits",
    [
        {"age": timedelta(days=-1)},
        {"octets": -1},
    ],
)
def test_nothing_is_kept_for_less_than_nothing(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Retention(**limits)


def test_subscriptions_never_lose_what_others_keep(filled: Path) -> None:
    with closing(Bookmark(filled, "slow", 10)):
        pass
    tidied(filled, Retention(age=timedelta(days=1), octets=None, longest=timedelta(0), largest=0))
    assert floor(filled) == 0
