"""The pump, with a server whose answers are written down: what real servers do not do when asked."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from syncrepl_client.connection import inquiry as inquiries
from syncrepl_client.connection.client import Client
from syncrepl_client.consumer import pump as consumers
from syncrepl_client.consumer import upkeep, verification
from syncrepl_client.consumer.guard import MaxDeletes
from syncrepl_client.consumer.meanwhile import Meanwhile
from syncrepl_client.consumer.pump import Consumer
from syncrepl_client.contentsync.events import EntriesSent
from syncrepl_client.contentsync.search import ONE_LEVEL, SUBTREE, Search
from syncrepl_client.contentsync.server import Server
from syncrepl_client.contentsync.session import Mode
from syncrepl_client.exceptions import (
    ConnectionLost,
    Interrupted,
    LDAPResultError,
    MassDeletionHeld,
    NoSuchBase,
    ProtocolError,
)
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.store.store import Store
from syncrepl_client.testing import wire
from tests.scripted import ABANDON, EXTENDED, ScriptedServer, cookie_of, entry, named, phase_end
from tests.store.listeners import Mirror, copy_of, refresh, row, uuid, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[[int], bytes] | None

A, B, C, D = (f"cn={name},dc=x" for name in "abcd")
ONCE, PERSIST = Mode.REFRESH_ONLY, Mode.REFRESH_AND_PERSIST
CONTENT = filters.encode("(description=*)")
OPENLDAP = Server(classes=frozenset({"openldaprootdse"}), extensions=frozenset({messages.CANCEL}), known=True)
# Always there: that everything is gone would have to be confirmed.
KEPT, KEPT_DN = 9, "cn=kept,dc=x"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "data", lambda: False)) as opened:
        yield opened


@pytest.fixture
def copy(store: Store) -> Store:
    """A copy of two entries, and the one that is always there, as of the first cookie."""
    refresh(store, EntriesSent([row(1, A), row(2, B), row(KEPT, KEPT_DN)]), cookie=cookie_of(1))
    return store


def shows_change_numbers(message_id: int) -> bytes:
    """Answer the question whether entryUUID and entryCSN may be read."""
    found = wire.entry("dc=x", {"entryUUID": [b"u"], "entryCSN": [b"c"]})
    return wire.message(message_id, found) + wire.done(message_id)


def kept(stream: int, text: str = "") -> bytes:
    return entry(stream, KEPT, KEPT_DN, text)


def below(*rows: tuple[int, str]) -> Callable[[int], bytes]:
    """Answer what is below a name."""
    return lambda number: b"".join(entry(number, *one) for one in rows) + ended()(number)


class Run:
    """A consumer and its server."""

    # Answers to what is asked before a cookie is resumed from.
    questions: tuple[Callable[[int], bytes], ...] = (shows_change_numbers,)

    def __init__(
        self,
        store: Store,
        *answers: Answer,
        mode: Mode = PERSIST,
        scope: int = ONE_LEVEL,
        server: Server = OPENLDAP,
        attributes: tuple[str, ...] = (),
        start: bool = True,
        progress: Callable[[int], None] | None = None,
        max_deletes: MaxDeletes | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> None:
        self.store = store
        self.stopping = False
        self.renewed = 0
        self.mirror = Mirror()
        self.mirror.held = {dn: store.entries[dn] for dn in store.entries}
        before = self.questions if store.state().cookie else ()
        self.server = ScriptedServer(*before, *answers, withheld=self.withheld if server is OPENLDAP else None)
        self.consumer = Consumer(
            Client(self.server),
            store,
            Search("dc=x", scope, CONTENT, attributes),
            mode,
            self.mirror,
            server=server,
            max_deletes=max_deletes,
            renew=self.renew,
            stopping=lambda: self.stopping,
            progress=progress,
            meanwhile=meanwhile,
        )
        if start:
            self.consumer.start()

    @staticmethod
    def withheld(message_id: int) -> bytes:
        """Answer plain searches for what content synchronization left out: there is nothing."""
        return wire.done(message_id)

    def renew(self) -> None:
        self.renewed += 1

    @property
    def stream(self) -> int:
        """The id of the sync search."""
        return self.streams[-1][0]

    @property
    def streams(self) -> list[tuple[int, bytes | None]]:
        """The sync searches from the base of the content, and the cookies that they began from."""
        return [
            (asked.message_id, asked.cookie)
            for asked in self.server.searches()
            if asked.controls and asked.base == "dc=x" and asked.filter == CONTENT and asked.members[-1] == b""
        ]

    def say(self, *data: bytes) -> bool:
        """Let the server say something; returns whether the consumer goes on."""
        self.server.say(b"".join(data))
        return self.step()

    def step(self) -> bool:
        return self.consumer.step(0)

    def content(self) -> dict[int, str]:
        """The copy by number, but for the one that is always there; whoever follows by name holds the same."""
        entries = copy_of(self.store)
        assert self.mirror.content() == dict(entries.values())
        return {number: dn for number, (dn, _) in entries.items() if number != KEPT}


def nothing_new(message_id: int) -> bytes:
    """End a refresh of the persist mode from a cookie: nothing happened."""
    return phase_end(message_id, deletes=True)


def ended(number: int = 2, *, deletes: bool = True) -> Callable[[int], bytes]:
    return lambda message_id: wire.done(message_id, 0, wire.sync_done(cookie_of(number), deletes=deletes))


# --- a refresh --------------------------------------------------------------------------------------------------------


def test_a_first_load_is_followed_by_the_changes(store: Store) -> None:
    run = Run(store, lambda stream: entry(stream, 1, A) + phase_end(stream, deletes=True, cookie=cookie_of(1)))
    refreshing = run.consumer.refreshing
    assert run.step()
    assert (refreshing, run.consumer.refreshing) == (True, False)
    assert store.state().cookie == cookie_of(1)
    # The cookie is of this search alone.
    assert store.state().fingerprint == Search("dc=x", ONE_LEVEL, CONTENT, ()).fingerprint

    stream, cookie = run.streams[0]
    assert run.say(entry(stream, 2, B, cookie=cookie_of(2)), entry(stream, 1, A, state=3, cookie=cookie_of(3)))

    assert cookie is None
    assert run.content() == {2: B}
    assert run.mirror.cookies == [cookie_of(1), cookie_of(3)]
    assert cookie_of(3) == store.state().cookie


def test_a_refresh_only_ends_with_its_search(copy: Store) -> None:
    run = Run(copy, lambda stream: named(stream, 2, deletes=True) + entry(stream, 3, C) + ended()(stream), mode=ONCE)

    assert not run.step()
    assert not run.step()

    assert run.content() == {1: A, 3: C}
    assert run.consumer.finished


def test_a_separator_sweeps_and_the_delete_phase_names(copy: Store) -> None:
    def answer(stream: int) -> bytes:
        present = named(stream, 1, KEPT) + phase_end(stream, deletes=False, done=False)
        return present + entry(stream, 3, C) + named(stream, 1, deletes=True) + phase_end(stream, deletes=True)

    run = Run(copy, answer)

    assert run.step()
    assert run.content() == {3: C}


def test_progress_is_told_and_its_end_exactly(store: Store) -> None:
    told: list[int] = []
    run = Run(store, None, progress=told.append)
    stream = run.stream

    for number in range(1, 6):
        run.say(entry(stream, number, f"cn={number},dc=x"))
    run.say(phase_end(stream, deletes=True))

    assert told[0] == 1
    assert told[-1] == 5
    assert sorted(told) == told


def test_what_a_refresh_did_is_told_once_it_is_over(copy: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Values in another order are no change, and whoever counts them has not looked yet."""
    caplog.set_level("INFO")
    turned = Attributes.of(dict(reversed(list(values("").items())))).wire
    run = Run(copy, None)
    stream = run.stream

    run.server.say(
        wire.message(stream, wire.entry(A, dict(Attributes(turned))), wire.state(2, uuid(1))),
        entry(stream, 2, B, "new"),
        entry(stream, 3, C),
        entry(stream, 4, D),
        kept(stream, "new"),
        phase_end(stream, deletes=True, cookie=cookie_of(2)),
    )
    for _ in range(6):
        run.step()

    assert run.consumer.counts == {"added": 2, "modified": 2, "renamed": 0, "deleted": 0}
    (told,) = (record for record in caplog.records if record.__dict__.get("what") == "refresh-ended")
    assert (told.__dict__["received"], told.__dict__["modified"]) == (5, 2)


@pytest.mark.parametrize(
    ("present", "cookie", "stored"),
    [
        ((1, 2, KEPT), None, cookie_of(1)),
        ((2, KEPT), None, None),
        ((2, KEPT), cookie_of(5), cookie_of(5)),
    ],
)
def test_a_provider_that_deletes_and_gives_no_cookie_lags(
    copy: Store, present: tuple[int, ...], cookie: bytes | None, stored: bytes | None
) -> None:
    """It names those that it has got so far; from the stored cookie it would never tell of the others."""
    run = Run(copy, lambda stream: named(stream, *present) + phase_end(stream, deletes=False, cookie=cookie))

    run.step()

    assert copy.state().cookie == stored


def test_who_has_a_name_that_everything_was_told_with_twice_is_asked_for(copy: Store) -> None:
    """One of them was renamed after it had been sent."""
    refresh(copy, EntriesSent([row(1, A), row(2, B), row(KEPT, KEPT_DN)]), cookie=None)
    run = Run(
        copy,
        lambda stream: wire.done(stream, 4096),
        lambda stream: (
            entry(stream, 1, C)
            + entry(stream, 2, C)
            + kept(stream)
            + phase_end(stream, deletes=True, cookie=cookie_of(2))
        ),
        below((1, C), (2, D), (KEPT, KEPT_DN)),
    )
    run.step()
    run.step()

    assert run.content() == {1: C, 2: D}


def test_who_came_below_one_that_was_deleted_and_is_back_is_asked_for(copy: Store) -> None:
    """All are told to be gone, which is confirmed; they are there, and below one of them is who was never here."""
    child = f"cn=1,{A}"
    run = Run(
        copy,
        lambda stream: named(stream, 1, 2, KEPT, deletes=True) + phase_end(stream, deletes=True, cookie=cookie_of(2)),
        below((1, A), (2, B), (KEPT, KEPT_DN)),
        below((1, A), (3, child)),
        below((2, B)),
        below((KEPT, KEPT_DN)),
        nothing_new,
        below((3, child)),
        scope=SUBTREE,
    )
    for _ in range(2):
        run.step()

    assert run.content() == {1: A, 2: B, 3: child}


def test_who_was_answered_what_the_cookie_does_not_cover_has_none_until_the_copy_was_compared(store: Store) -> None:
    """If the program is killed before that, the next refresh is of everything."""
    run = Run(
        store,
        lambda stream: (
            entry(stream, 1, A)
            + entry(stream, 2, A)
            + kept(stream)
            + phase_end(stream, deletes=True, cookie=cookie_of(1))
        ),
        below((1, B), (2, A), (KEPT, KEPT_DN)),
        lambda number: entry(number, 1, B) + entry(number, 2, A) + kept(number) + ended()(number),
    )
    run.step()
    assert (run.content(), store.state().cookie) == ({1: B, 2: A}, None)

    run.say(entry(run.stream, 1, B, cookie=cookie_of(2)))
    assert store.state().cookie is None

    run.consumer.verify(repair=True)
    run.say(entry(run.stream, 1, B, cookie=cookie_of(3)))
    assert store.state().cookie == cookie_of(3)
    assert not run.server.answers


def test_what_comes_behind_the_last_refresh_is_not_taken_while_the_copy_is_compared(copy: Store) -> None:
    """The first of it was read together with the end of the refresh; the rest alone would be more than the cookie."""
    meanwhile = Meanwhile()
    meanwhile.refreshed(everything=True, received=3)
    run = Run(
        copy,
        lambda stream: (
            entry(stream, 1, A, "new")
            + phase_end(stream, deletes=True, cookie=cookie_of(2))
            + entry(stream, 2, B, "new", cookie=cookie_of(3))
        ),
        lambda number: (
            entry(2, 1, A, "newer", cookie=cookie_of(4))
            + entry(number, 1, A, "new")
            + entry(number, 2, B)
            + kept(number)
            + ended()(number)
        ),
        meanwhile=meanwhile,
    )
    assert run.stream == 2
    run.consumer.finish()

    assert not run.step()

    assert copy.state().cookie == cookie_of(2)
    assert not run.server.answers


@pytest.mark.parametrize("everything", [True, False])
def test_what_changes_right_after_everything_was_read_is_a_reason_to_compare(
    copy: Store, monkeypatch: pytest.MonkeyPatch, *, everything: bool
) -> None:
    monkeypatch.setattr(upkeep, "_HINT_DELAY", 0.0)
    told = (named(2, 1, 2, KEPT) if everything else b"") + phase_end(2, deletes=not everything)
    run = Run(
        copy,
        lambda _stream: told,
        lambda number: entry(number, 1, A, "new") + entry(number, 2, B) + kept(number) + ended()(number),
    )
    run.step()
    assert run.stream == 2

    for _ in range(2):
        run.say(entry(run.stream, 1, A, "new", cookie=cookie_of(2)))
        run.step()

    # Once, and not again: the script has no more.
    assert len(run.server.answers) == (0 if everything else 1)


@pytest.mark.parametrize("something", [True, False])
def test_what_is_told_late_of_the_time_when_everything_was_read_is_a_reason_to_compare(
    copy: Store, monkeypatch: pytest.MonkeyPatch, *, something: bool
) -> None:
    """The connection broke right after it."""
    monkeypatch.setattr(upkeep, "_HINT_DELAY", 0.0)
    meanwhile = Meanwhile()
    meanwhile.refreshed(everything=True, received=3)
    run = Run(
        copy,
        lambda stream: (entry(stream, 1, A, "new") if something else b"") + phase_end(stream, deletes=True),
        lambda number: entry(number, 1, A, "new") + entry(number, 2, B) + kept(number) + ended()(number),
        meanwhile=meanwhile,
    )
    for _ in range(3):
        run.step()

    assert len(run.server.answers) == (0 if something else 1)


@pytest.mark.parametrize("rounds", [1, 2])
def test_what_takes_more_than_a_round_to_settle_is_a_reason_to_compare(
    copy: Store, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """Who is above was renamed, of which the refresh does not tell yet."""
    monkeypatch.setattr(upkeep, "_HINT_DELAY", 0.0)
    child = f"cn=1,{C}"
    unsettled = (
        lambda stream: entry(stream, 3, child) + phase_end(stream, deletes=True, cookie=cookie_of(2)),
        below((3, child)),
        below((1, C)),
    )
    run = Run(
        copy,
        *unsettled * rounds,
        lambda stream: entry(stream, 1, C) + entry(stream, 3, child) + phase_end(stream, deletes=True),
        below((3, child)),
        below((1, C), (2, B), (3, child), (KEPT, KEPT_DN)),
        scope=SUBTREE,
    )
    for _ in range(rounds + 3):
        run.step()

    assert run.content() == {1: C, 2: B, 3: child}
    assert len(run.server.answers) == (0 if rounds > 1 else 1)


def test_a_delete_phase_without_a_cookie_is_no_sign_of_lagging(copy: Store) -> None:
    run = Run(copy, lambda stream: named(stream, 1, deletes=True) + phase_end(stream, deletes=True))

    run.step()

    assert run.content() == {2: B}
    assert copy.state().cookie == cookie_of(1)


def test_a_refresh_that_deletes_more_than_it_may_is_held(copy: Store) -> None:
    run = Run(
        copy,
        lambda stream: named(stream, 1, deletes=True) + phase_end(stream, deletes=True, cookie=cookie_of(2)),
        below((2, B), (KEPT, KEPT_DN)),
        max_deletes=MaxDeletes(0.0, 0),
    )

    with pytest.raises(MassDeletionHeld):
        run.step()

    assert run.content() == {1: A, 2: B}
    assert copy.state().cookie == cookie_of(1)


def test_after_a_present_phase_nobody_is_looked_for_below_who_is_new(copy: Store) -> None:
    """Whoever is there was named."""
    run = Run(
        copy,
        lambda stream: (
            entry(stream, 3, C) + named(stream, 1, 2, KEPT) + phase_end(stream, deletes=False, cookie=cookie_of(2))
        ),
        scope=SUBTREE,
    )
    asked = len(run.server.searches())

    run.step()

    assert run.content() == {1: A, 2: B, 3: C}
    assert len(run.server.searches()) == asked


def test_what_others_are_told_is_not_for_the_stream(copy: Store) -> None:
    """Messages of a search that was given up may be on their way still."""
    run = Run(copy, nothing_new)
    run.step()

    assert run.say(entry(99, 7, D), wire.done(99))

    assert run.content() == {1: A, 2: B}


def test_a_stop_drops_what_is_in_progress(copy: Store) -> None:
    run = Run(copy, lambda stream: named(stream, 1, deletes=True))
    run.step()
    run.stopping = True

    with pytest.raises(Interrupted):
        run.step()

    assert run.content() == {1: A, 2: B}


# --- a refresh is required --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [None, cookie_of(5)])
def test_a_server_that_cannot_go_on_is_asked_again_as_it_wishes(copy: Store, given: bytes | None) -> None:
    """RFC 4533 section 3.8: with the cookie that came along, or with none; what it sent before does not count."""
    control = [] if given is None else [wire.sync_done(given)]
    run = Run(
        copy,
        lambda stream: named(stream, 1, deletes=True) + wire.done(stream, 4096, *control),
        lambda stream: (
            entry(stream, 1, A)
            + kept(stream)
            + named(stream, 2)
            + phase_end(stream, deletes=False, cookie=cookie_of(6))
        ),
    )

    run.step()
    assert run.content() == {1: A, 2: B}
    run.step()

    assert [cookie_of(1), given] == [cookie for _, cookie in run.streams]
    assert run.content() == {1: A, 2: B}
    assert cookie_of(6) == copy.state().cookie


@pytest.mark.parametrize("reason", ["", "no log"])
def test_a_server_that_always_wants_a_refresh_is_an_error_and_the_copy_stays(copy: Store, reason: str) -> None:
    diagnosed = wire.result(0x65, 4096, "no log")
    run = Run(copy, *[lambda stream: wire.message(stream, diagnosed) if reason else wire.done(stream, 4096)] * 3)
    run.step()
    run.step()

    with pytest.raises(ProtocolError, match=f"(?m)again and again: {reason or 'it gives no reason'}$") as caught:
        run.step()

    assert caught.value.hint
    assert run.content() == {1: A, 2: B}


def test_a_refresh_may_be_required_in_the_persist_stage(copy: Store) -> None:
    """Slapd does so when the base was renamed; what came before it in the same read counts."""
    run = Run(
        copy,
        nothing_new,
        lambda stream: entry(stream, 3, C) + kept(stream) + phase_end(stream, deletes=True),
        below((3, C), (KEPT, KEPT_DN)),
    )
    run.step()
    stream = run.stream

    assert run.say(entry(stream, 4, D, cookie=cookie_of(2)), wire.done(stream, 4096))
    assert run.content() == {1: A, 2: B, 4: D}
    assert run.step()

    assert [cookie_of(1), None] == [cookie for _, cookie in run.streams]
    assert run.content() == {3: C}


def test_a_refresh_that_fails_keeps_the_copy(copy: Store) -> None:
    run = Run(copy, lambda stream: named(stream, 1, deletes=True) + wire.done(stream, 51))

    with pytest.raises(LDAPResultError, match="busy"):
        run.step()

    assert run.content() == {1: A, 2: B}


def test_a_server_that_may_not_be_searched_for_changes_is_read_anew_each_time(
    copy: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """An identity that may not search entryCSN is told "nothing changed" for ever."""

    def hidden(message_id: int) -> bytes:
        return wire.message(message_id, wire.entry("dc=x", {})) + wire.done(message_id)

    class Hiding(Run):
        questions = (hidden, wire.done)

    run = Hiding(
        copy,
        lambda stream: entry(stream, 1, A) + kept(stream) + phase_end(stream, deletes=True),
        below((1, A), (KEPT, KEPT_DN)),
    )
    run.step()

    assert [cookie for _, cookie in run.streams] == [None]
    assert run.content() == {1: A}
    assert "may not search entryUUID and entryCSN" in caplog.text


def test_a_provider_that_lost_what_the_copy_has_is_read_anew(copy: Store) -> None:
    """Slapd after a crash: the consumer state is newer than the provider."""
    run = Run(
        copy,
        lambda stream: wire.message(stream, wire.result(0x65, 53, "consumer state is newer than provider!")),
        lambda stream: entry(stream, 1, A) + kept(stream) + phase_end(stream, deletes=True, cookie=cookie_of(0)),
        below((1, A), (KEPT, KEPT_DN)),
    )
    run.step()
    run.step()

    assert [cookie_of(1), None] == [cookie for _, cookie in run.streams]
    assert run.content() == {1: A}


# --- what a refresh leaves open ---------------------------------------------------------------------------------------


def test_who_is_named_but_not_here_is_asked_for(copy: Store) -> None:
    run = Run(
        copy,
        lambda stream: named(stream, 1, 2, 3, 4, KEPT) + phase_end(stream, deletes=False),
        lambda number: entry(number, 3, C) + entry(number, 2, B) + ended()(number),
    )

    assert run.step()
    assert run.content() == {1: A, 2: B, 3: C}


def test_too_much_to_ask_is_a_refresh_of_everything(copy: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "_MOST_ENTRIES", 1)
    run = Run(
        copy,
        lambda stream: named(stream, 3, 4, KEPT) + phase_end(stream, deletes=False),
        lambda stream: entry(stream, 3, C) + entry(stream, 4, D) + kept(stream) + phase_end(stream, deletes=True),
        below((3, C), (4, D), (KEPT, KEPT_DN)),
    )
    run.step()
    run.step()

    (first, _), (_, cookie) = run.streams
    assert run.server.given_up() == [first]
    assert cookie is None
    assert run.content() == {3: C, 4: D}


def test_what_cannot_be_settled_in_a_few_rounds_is_a_refresh_of_everything(copy: Store) -> None:
    """Each time another entry turns up below the new one."""
    rounds: list[Answer] = []
    for number in range(10, 16):
        rounds += [
            lambda stream: entry(stream, 3, C) + phase_end(stream, deletes=True),
            below((3, C), (number, f"cn={number},{C}")),
        ]
    run = Run(
        copy,
        *rounds,
        lambda stream: entry(stream, 3, C) + kept(stream) + phase_end(stream, deletes=True),
        below((3, C), (KEPT, KEPT_DN)),
        scope=SUBTREE,
    )
    for _ in range(7):
        run.step()

    assert [cookie_of(1)] * 6 + [None] == [cookie for _, cookie in run.streams]
    assert [stream for stream, _ in run.streams[:-1]] == run.server.given_up()
    assert run.content() == {3: C}


def test_rounds_are_counted_anew_when_the_copy_came_further(copy: Store) -> None:
    """Names that change hands all the time are no reason to read everything."""
    names = [A, B]
    rounds: list[Answer] = []
    for number in range(2, 10):
        names.reverse()
        one, two = names

        def swapped(stream: int, one: str = one, two: str = two, number: int = number) -> bytes:
            return entry(stream, 1, one) + entry(stream, 2, two) + nothing_new_but(stream, number)

        rounds.append(swapped)
    run = Run(copy, nothing_new, *rounds)
    run.step()

    for _ in rounds:
        # The name that the other one has.
        assert run.say(entry(run.stream, 1, copy_of(copy)[2][0], state=2))
        assert run.step()

    assert [cookie_of(number) for number in (1, 1, *range(2, 9))] == [cookie for _, cookie in run.streams]
    assert run.content() == {1: A, 2: B}


def nothing_new_but(stream: int, number: int) -> bytes:
    return phase_end(stream, deletes=True, cookie=cookie_of(number))


def test_a_search_that_is_over_is_begun_again_without_being_given_up(copy: Store) -> None:
    moved = f"cn=moved,{C}"
    run = Run(
        copy,
        below((3, C)),
        below((3, C), (4, moved)),
        below((3, C)),
        below((3, C), (4, moved)),
        below(),
        mode=ONCE,
        scope=SUBTREE,
    )
    assert run.step()
    assert not run.step()

    assert run.server.given_up() == []
    assert run.content() == {1: A, 2: B, 3: C, 4: moved}


@pytest.mark.parametrize("mode", [ONCE, PERSIST])
def test_who_changes_all_the_time_is_not_gone(store: Store, mode: Mode) -> None:
    """Slapd withholds what changed while a search ran, also from the search that was to confirm the deletion."""
    refresh(store, EntriesSent([row(1, A), row(2, B)]), cookie=None)

    class Withholding(Run):
        @staticmethod
        def withheld(message_id: int) -> bytes:
            found = wire.entry(B, {**values(""), "entryUUID": [str(UUID(bytes=uuid(2))).encode()]})
            return wire.message(message_id, found) + wire.done(message_id)

    from_nothing = (
        below((1, A)) if mode is ONCE else lambda stream: entry(stream, 1, A) + phase_end(stream, deletes=True)
    )
    run = Withholding(store, from_nothing, below((1, A)), mode=mode)

    run.step()
    assert run.content() == {1: A, 2: B}
    assert run.mirror.news() == []


@pytest.mark.parametrize(("there", "left"), [((1, 2), {1: A, 2: B}), ((1,), {1: A})])
def test_who_was_not_sent_from_nothing_may_still_be_there(
    store: Store, there: tuple[int, ...], left: dict[int, str]
) -> None:
    """Slapd withholds from a refreshOnly what changed while it ran."""
    refresh(store, EntriesSent([row(1, A), row(2, B)]), cookie=None)
    listed = below(*((number, {1: A, 2: B}[number]) for number in there))
    run = Run(store, below((1, A)), listed, mode=ONCE)

    assert not run.step()
    assert left == run.content()


# --- the persist stage ------------------------------------------------------------------------------------------------


def test_who_came_along_takes_part_in_a_refresh(copy: Store) -> None:
    moved = f"cn=moved,{C}"
    run = Run(
        copy,
        nothing_new,
        below((3, C), (4, moved)),
        lambda stream: entry(stream, 3, C) + phase_end(stream, deletes=True, cookie=cookie_of(2)),
        below((3, C), (4, moved)),
        scope=SUBTREE,
    )
    run.step()
    stream = run.stream

    assert run.say(entry(stream, 3, C, cookie=cookie_of(2)))
    assert run.content() == {1: A, 2: B}
    assert run.step()

    assert [cookie_of(1), cookie_of(1)] == [cookie for _, cookie in run.streams]
    assert run.server.given_up() == [stream]
    assert run.content() == {1: A, 2: B, 3: C, 4: moved}


def test_what_the_stream_says_while_the_server_is_asked_comes_next(copy: Store) -> None:
    child = f"cn=1,{C}"
    run = Run(
        copy,
        nothing_new,
        lambda number: below((3, C), (4, child))(number) + entry(2, 4, child, cookie=cookie_of(3)),
        below((4, child)),
        scope=SUBTREE,
    )
    run.step()

    assert run.say(entry(run.stream, 3, C, cookie=cookie_of(2)))
    assert run.content() == {1: A, 2: B, 3: C}
    assert run.step()

    assert run.content() == {1: A, 2: B, 3: C, 4: child}
    assert len(run.streams) == 1


def test_a_server_that_hides_what_it_is_is_known_by_its_cookie(store: Store) -> None:
    run = Run(store, lambda stream: phase_end(stream, deletes=True, cookie=cookie_of(1)), server=Server())
    assert store.state().dialect is None
    run.step()

    assert store.state().dialect == "openldap"


def test_a_client_that_is_ending_leaves_what_is_open_to_the_next_run(copy: Store) -> None:
    run = Run(copy, nothing_new, None, below((3, C), (4, f"cn=moved,{C}")), scope=SUBTREE)
    run.step()
    stream = run.stream
    run.consumer.finish()

    assert not run.say(entry(stream, 3, C, cookie=cookie_of(2)))

    assert run.server.given_up() == [stream]
    assert run.content() == {1: A, 2: B}
    assert cookie_of(1) == copy.state().cookie


def test_an_entry_that_comes_and_goes_while_it_is_looked_at_is_one_transaction(copy: Store) -> None:
    gone = {"state": 3, "cookie": cookie_of(3)}
    run = Run(
        copy,
        nothing_new,
        lambda number: entry(2, 3, C, **gone) + below((3, C))(number),  # type: ignore[arg-type]
        scope=SUBTREE,
    )
    run.step()
    stream = run.stream
    assert stream == 2

    assert run.say(entry(stream, 3, C, cookie=cookie_of(2)))

    assert run.mirror.news() == [("add", C), ("delete", C)]
    assert run.mirror.cookies == [cookie_of(3)]
    assert cookie_of(3) == copy.state().cookie


def test_too_much_to_ask_while_listening_is_a_refresh_of_everything(
    copy: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(
        copy,
        nothing_new,
        below((3, C), (4, f"cn=d,{C}")),
        lambda stream: entry(stream, 3, C) + kept(stream) + phase_end(stream, deletes=True),
        below((3, C), (KEPT, KEPT_DN)),
        scope=SUBTREE,
    )
    run.step()
    monkeypatch.setattr(inquiries, "_MOST_ENTRIES", 1)
    stream = run.stream

    assert run.say(entry(stream, 3, C, cookie=cookie_of(2)))
    assert run.step()

    assert [cookie_of(1), None] == [cookie for _, cookie in run.streams]
    assert run.content() == {3: C}


def test_a_message_that_takes_everything_away_is_left_to_a_refresh(copy: Store) -> None:
    run = Run(
        copy,
        nothing_new,
        lambda stream: named(stream, 2, deletes=True) + phase_end(stream, deletes=True, cookie=cookie_of(3)),
    )
    run.step()

    assert run.say(named(run.stream, 1, 2, KEPT, deletes=True))
    assert run.content() == {1: A, 2: B}
    assert run.step()

    assert [cookie_of(1), cookie_of(1)] == [cookie for _, cookie in run.streams]
    assert run.content() == {1: A}
    assert run.mirror.news() == [("delete", B)]


def test_a_name_that_is_taken_is_left_to_a_refresh(copy: Store) -> None:
    """Messages of changes that were made at once may come in another order."""
    run = Run(
        copy,
        nothing_new,
        lambda stream: entry(stream, 1, B) + entry(stream, 2, A) + phase_end(stream, deletes=True, cookie=cookie_of(4)),
    )
    run.step()
    stream = run.stream

    assert run.say(entry(stream, 3, C, cookie=cookie_of(2)), entry(stream, 1, B, state=2, cookie=cookie_of(3)))
    assert run.content() == {1: A, 2: B, 3: C}
    assert run.step()

    assert [cookie_of(1), cookie_of(2)] == [cookie for _, cookie in run.streams]
    assert run.content() == {1: B, 2: A, 3: C}


@pytest.mark.parametrize(("code", "kind"), [(0, ConnectionLost), (51, LDAPResultError)])
def test_a_server_that_ends_the_search_says_how(copy: Store, code: int, kind: type[Exception]) -> None:
    run = Run(copy, nothing_new)
    run.step()
    stream = run.stream

    with pytest.raises(kind):
        run.say(entry(stream, 3, C, cookie=cookie_of(2)), wire.done(stream, code))

    assert run.content() == {1: A, 2: B, 3: C}
    assert cookie_of(2) == copy.state().cookie


# --- other servers ----------------------------------------------------------------------------------------------------

DS389 = Server(vendor="389 Project", first_change=1, last_change=99, known=True)
APACHEDS = Server(vendor="Apache Software Foundation", known=True)
NUMBERED = b"host:389#cn=x:dc=x:(a=*)#%d"


class Unasked(Run):
    """A server whose cookies need no question."""

    questions = ()


def test_updates_that_ignore_the_attributes_asked_for_are_fetched_again(store: Store) -> None:
    """389 sends all attributes of what changed."""
    refresh(store, EntriesSent([row(1, A), row(2, B)]), cookie=NUMBERED % 7)
    run = Unasked(store, nothing_new, below((1, A), (2, B)), server=DS389, attributes=("description",))
    run.step()
    stream = run.server.searches()[0].message_id
    run.server.answers += [lambda number: entry(number, 1, A, "as asked") + entry(number, 2, B) + ended()(number)]

    assert run.say(entry(stream, 1, A, "all of it", cookie=NUMBERED % 8))

    assert store.entries[A]["description"] == [b"as asked"]
    assert b"nsUniqueId" in run.server.searches()[-1].octets


def test_updates_of_a_refresh_are_fetched_again_too(store: Store) -> None:
    refresh(store, EntriesSent([row(1, A), row(2, B)]), cookie=NUMBERED % 7)
    run = Unasked(
        store,
        lambda stream: entry(stream, 1, A, "all of it") + phase_end(stream, deletes=True, cookie=NUMBERED % 8),
        lambda number: entry(number, 1, A, "as asked") + entry(number, 2, B) + ended()(number),
        server=DS389,
        attributes=("description",),
    )

    run.step()

    assert store.entries[A]["description"] == [b"as asked"]


def test_a_first_load_is_what_was_asked_for(store: Store) -> None:
    run = Unasked(
        store,
        lambda stream: entry(stream, 1, A, "as sent") + phase_end(stream, deletes=True, cookie=NUMBERED % 8),
        server=DS389,
        attributes=("description",),
    )

    run.step()

    assert store.entries[A]["description"] == [b"as sent"]
    assert len(run.server.searches()) == 1


def test_where_what_was_sent_cannot_be_fetched_again_everything_is_read(store: Store) -> None:
    """Not even the entries that must be there are found: they are gone meanwhile, or may not be searched for."""
    refresh(store, EntriesSent([row(1, A), row(2, B)]), cookie=NUMBERED % 7)
    run = Unasked(
        store,
        lambda stream: entry(stream, 1, A) + wire.done(stream, 0, wire.sync_done(NUMBERED % 8)),
        below(),
        below((2, B)),
        mode=ONCE,
        server=DS389,
        attributes=("description",),
    )
    run.server.answers += [below((2, B))] * 4

    while run.step():
        pass

    assert list(store.entries) == [B]
    assert [asked.cookie for asked in run.server.searches()][:3] == [NUMBERED % 7, None, None]


def test_a_copy_that_resumed_where_updates_cannot_be_right_is_compared_at_once(store: Store) -> None:
    """389 leaves out entries that moved, or left the filter."""
    refresh(store, EntriesSent([row(1, A), row(2, B)]), cookie=NUMBERED % 7)
    everything = below((1, A), (2, B))

    run = Unasked(
        store, lambda stream: wire.done(stream, 0, wire.sync_done(NUMBERED % 8)), everything, mode=ONCE, server=DS389
    )

    assert not run.step()
    assert run.server.answers == []
    assert store.state().cookie == NUMBERED % 8


def test_operational_attributes_that_nobody_asked_for_are_left_out(store: Store) -> None:
    """ApacheDS sends them all; each write would look like a change."""
    types = [b"( 1.2 NAME 'description' USAGE directoryOperation )"]
    store.set_subschema("cn=schema", Attributes.of({"attributeTypes": types}))
    run = Unasked(
        store,
        lambda stream: entry(stream, 1, B) + entry(stream, 2, C) + wire.info(stream, wire.new_cookie(b"opaque")),
        plain((1, A)),
        server=APACHEDS,
    )
    run.step()
    # What there is was told by the plain search alone.
    assert list(store.entries) == [A]
    run.say(entry(run.server.searches()[0].message_id, 1, A, "once more"))

    assert list(store.entries[A]) == ["objectClass"]
    assert store.state().cookie is None


def plain(*named: tuple[int, str]) -> Answer:
    """Answer a plain search."""

    def answer(number: int) -> bytes:
        entries = [
            wire.message(number, wire.entry(dn, {"objectClass": [b"top"], "entryUUID": [str(UUID(int=one)).encode()]}))
            for one, dn in named
        ]
        return b"".join(entries) + wire.done(number)

    return answer


def test_a_hint_of_a_stream_that_loses_changes_is_a_reason_to_compare(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_HINT_DELAY", 0.0)
    monkeypatch.setattr(verification, "_CLOCK_TICK", 0.0)
    monkeypatch.setattr(consumers, "_QUIET", 0.0)
    run = Unasked(
        store,
        lambda stream: wire.info(stream, wire.new_cookie(b"opaque")),
        plain((1, A)),
        server=APACHEDS,
    )
    run.step()
    run.server.answers += [plain((1, A), (2, B))] * 6
    run.say(entry(run.server.searches()[0].message_id, 1, A, "a hint"))
    run.step()

    assert set(store.entries) == {A, B}


def test_a_base_that_is_gone_ends_the_search(store: Store) -> None:
    """Some servers go silent then; one message for it must not empty the copy."""
    refresh(store, EntriesSent([row(5, "dc=x")]), cookie=cookie_of(1))
    run = Run(store, nothing_new, lambda number: wire.done(number, 32), scope=ONE_LEVEL)
    run.step()

    with pytest.raises(NoSuchBase, match="the base is gone"):
        run.say(entry(run.stream, 5, "dc=x", state=3, cookie=cookie_of(2)))

    assert cookie_of(1) == store.state().cookie


# --- verification -----------------------------------------------------------------------------------------------------


def listing(*more: tuple[int, str]) -> Callable[[int], bytes]:
    return below((1, A), (2, B), (KEPT, KEPT_DN), *more)


def questions_about_c() -> list[Answer]:
    """Answer what a comparison asks where C is on the server and not in the copy."""

    def found(number: int) -> bytes:
        # By its number of the last change it is certain that an entry did not change between two looks.
        marked = wire.entry(C, {**values(""), "entryCSN": [b"20260101000000.000000Z#000000#000#000000"]})
        return wire.message(number, marked, wire.state(1, uuid(3))) + below((KEPT, KEPT_DN))(number)

    return [
        listing((3, C)),
        found,
        lambda number: entry(number, 3, C) + wire.done(number, 0, wire.sync_done(cookie_of(2), deletes=True)),
        found,
    ]


@pytest.mark.parametrize("server", [OPENLDAP, DS389], ids=["openldap", "389"])
def test_a_copy_can_be_compared_without_a_stream(copy: Store, server: Server) -> None:
    """A copy from 389 may be ahead of it, for all that anybody can tell."""
    report = Unasked(copy, listing(), server=server, start=False).consumer.verify(repair=False)

    assert (report.compared, report.drift) == (3, False)


def test_what_the_stream_has_yet_to_tell_is_no_difference(copy: Store) -> None:
    run = Run(copy, nothing_new, *questions_about_c())
    run.step()
    stream = run.stream
    last = run.server.answers[2]
    assert last is not None
    run.server.answers[2] = lambda number: last(number) + entry(stream, 3, C, cookie=cookie_of(2))

    report = run.consumer.verify(repair=True)

    assert (report.compared, report.differences, report.repaired) == (4, (), False)
    assert run.content() == {1: A, 2: B, 3: C}


def test_what_the_stream_never_tells_is_a_difference_and_repaired(copy: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that says nothing for long has nothing to say."""
    monkeypatch.setattr(consumers, "_QUIET", 0.0)
    run = Run(copy, nothing_new, *questions_about_c())
    run.step()

    report = run.consumer.verify(repair=True)

    assert [(one.kind, one.dn, one.server_dn) for one in report.differences] == [("missing", None, C)]
    assert report.repaired
    assert run.content() == {1: A, 2: B, 3: C}
    assert cookie_of(1) == copy.state().cookie


def test_a_stop_ends_a_comparison(copy: Store) -> None:
    run = Run(copy, nothing_new, *questions_about_c())
    run.step()
    read = run.server.read

    def read_the_last(timeout: float, *, patient: bool = False) -> bytes | None:
        data = read(timeout, patient=patient)
        run.stopping = len(run.server.answers) == 1
        return data

    run.server.read = read_the_last  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        run.consumer.verify(repair=True)

    assert run.content() == {1: A, 2: B}


# --- the end ----------------------------------------------------------------------------------------------------------


def extended(code: int) -> Callable[[int], bytes]:
    return lambda number: wire.message(number, wire.result(0x78, code))


def test_a_clean_end_cancels_the_search(copy: Store) -> None:
    """RFC 3909: the search ends with canceled, then Cancel with success; changes before that count."""
    run = Run(
        copy,
        nothing_new,
        lambda number: entry(2, 3, C, cookie=cookie_of(2)) + wire.done(2, 118) + extended(0)(number),
    )
    run.step()
    run.consumer.finish()
    run.consumer.finish()

    assert not run.step()
    run.consumer.finish()

    assert [asked.tag for asked in run.server.asked if asked.tag in {EXTENDED, ABANDON}] == [EXTENDED]
    assert run.content() == {1: A, 2: B, 3: C}
    assert run.consumer.finished


@pytest.mark.parametrize("code", [2, 121])
def test_a_server_that_cannot_cancel_is_told_to_abandon(copy: Store, code: int) -> None:
    run = Run(copy, nothing_new, extended(code))
    run.step()
    run.consumer.finish()

    assert not run.step()
    assert run.server.given_up() == [2]


@pytest.mark.parametrize("extensions", [frozenset[str](), frozenset({messages.CANCEL})])
def test_a_server_that_does_not_offer_cancel_is_not_asked_for_it(copy: Store, extensions: frozenset[str]) -> None:
    server = Server(classes=OPENLDAP.classes, extensions=extensions, known=True)
    run = Run(copy, nothing_new, None, server=server)
    run.step()
    run.consumer.finish()

    assert run.consumer.finished is not bool(extensions)
    assert run.server.given_up() == ([] if extensions else [2])


def test_an_end_that_is_asked_for_in_a_refresh_comes_after_it(copy: Store) -> None:
    run = Run(copy, lambda stream: entry(stream, 3, C))
    run.step()
    run.consumer.finish()
    stream = run.stream

    assert not run.say(phase_end(stream, deletes=True, cookie=cookie_of(2)), entry(stream, 4, D))

    assert run.content() == {1: A, 2: B, 3: C}
    assert not any(asked.tag == EXTENDED for asked in run.server.asked)


def test_a_refresh_only_needs_no_cancel(copy: Store) -> None:
    run = Run(copy, ended(), mode=ONCE)
    run.consumer.finish()

    assert not run.step()
    assert [control.oid for control in run.server.searches()[-1].controls[1:]] == [messages.MANAGE_DSA_IT]
