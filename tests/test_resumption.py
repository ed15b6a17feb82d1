"""Whether a search may go on from the stored cookie, with a server whose answers are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client.connection.client import Client
from syncrepl_client.consumer import resumption
from syncrepl_client.contentsync.dialects import APACHEDS, DS389, DS389_OPENLDAP, OPENLDAP, UNKNOWN, Dialect
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.contentsync.server import Server
from syncrepl_client.exceptions import Interrupted, ProviderBehind
from syncrepl_client.ldap import filter as filters
from syncrepl_client.store.store import State
from syncrepl_client.testing import wire
from tests.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[int], bytes]

SEARCH = Search("ou=p,dc=x", SUBTREE, filters.encode("(cn=*)"), ())
SLAPD = Server(classes=frozenset({"openldaprootdse"}), naming_contexts=("dc=x",), known=True)
NS_SLAPD = Server(vendor="389 Project", first_change=5, last_change=20, known=True)
NUMBERED = b"host:389#cn=x:dc=x:(a=*)#%d"


def csn(day: int, server: int = 1) -> bytes:
    return b"202601%02d000000.000000Z#000000#%03x#000000" % (day, server)


def vector(*csns: bytes) -> bytes:
    return b"rid=000,csn=" + b";".join(csns)


def state(cookie: bytes | None, *, whole: bool = True, dialect: str | None = None) -> State:
    return State("ldap://h/", "fingerprint", cookie, whole, dialect, None)


def found(**values: list[bytes]) -> Answer:
    """Answer a plain search with one entry."""
    return lambda number: wire.message(number, wire.entry("dc=x", values)) + wire.done(number)


def failed(code: int) -> Answer:
    return lambda number: wire.done(number, code)


VISIBLE = found(entryUUID=[b"u"], entryCSN=[b"c"])


def decide(server: Server, stored: State, *answers: Answer, stopping: bool = False) -> resumption.Resumption:
    script = ScriptedServer(*answers)
    decided = resumption.decide(Client(script), server, SEARCH, stored, lambda: stopping)
    assert script.answers == []
    return decided


@pytest.mark.parametrize(
    ("server", "dialect"), [(SLAPD, OPENLDAP), (NS_SLAPD, DS389), (Server(known=True), UNKNOWN), (Server(), None)]
)
@pytest.mark.parametrize("stored", [state(None), state(vector(csn(1)), whole=False)], ids=["no cookie", "not whole"])
def test_without_a_cookie_or_a_copy_nothing_is_asked(server: Server, dialect: Dialect | None, stored: State) -> None:
    assert resumption.Resumption(dialect, None) == decide(server, stored)


@pytest.mark.parametrize(
    ("server", "stored", "reason"),
    [
        (NS_SLAPD, state(vector(csn(1)), dialect="openldap"), "of a server of another kind"),
        (SLAPD, state(b"opaque"), "cannot be resumed from"),
        (Server(vendor="Apache Software Foundation", known=True), state(b"opaque"), "cannot be resumed from"),
    ],
)
def test_a_cookie_of_no_use_is_not_sent_and_the_reason_is_said(server: Server, stored: State, reason: str) -> None:
    decided = decide(server, stored)

    assert decided.cookie is None
    assert reason in decided.reason


def test_the_openldap_mode_of_389_is_not_gone_on_from() -> None:
    stored = state(vector(csn(1)), dialect=DS389_OPENLDAP.name)

    decided = decide(NS_SLAPD, stored)

    assert (decided.dialect, decided.cookie) == (DS389, None)
    assert "another kind" in decided.reason


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answers",
    [
        [VISIBLE, found(contextCSN=[csn(2)])],
        # The base hides them, or is not there for a filter to see: an entry of the content shows them.
        [found(), VISIBLE, found(contextCSN=[csn(1)])],
        # The search itself will say what is wrong.
        [failed(32), found(contextCSN=[csn(1)])],
        # It does not show how far it is.
        [VISIBLE, failed(50)],
        [VISIBLE, found()],
        # It forgot changes of its own, which it will say itself.
        [VISIBLE, found(contextCSN=[csn(0)])],
    ],
    ids=range(6),
)
def test_a_cookie_that_openldap_can_go_on_from_is_sent(answers: list[Answer]) -> None:
    assert resumption.Resumption(OPENLDAP, vector(csn(1))) == decide(SLAPD, state(vector(csn(1))), *answers)


def test_an_identity_that_may_not_search_for_changes_reads_everything() -> None:
    decided = decide(SLAPD, state(vector(csn(1))), found(entryUUID=[b"u"]), found())

    assert decided.cookie is None
    assert "may not search entryUUID and entryCSN" in decided.reason


def test_a_server_that_shows_no_suffix_is_taken_at_its_word() -> None:
    nameless = Server(classes=SLAPD.classes, known=True)

    assert vector(csn(1)) == decide(nameless, state(vector(csn(1))), VISIBLE).cookie


def test_a_provider_that_does_not_know_another_one_is_read_anew() -> None:
    both = vector(csn(1, 1), csn(2, 2))

    decided = decide(SLAPD, state(both), VISIBLE, found(contextCSN=[csn(3, 1)]))

    assert decided.cookie is None
    assert "nothing of another one" in decided.reason


def test_a_provider_that_lags_is_waited_for() -> None:
    """It would name less than there is."""
    ours = vector(csn(1, 1), csn(5, 2))
    behind, there = found(contextCSN=[csn(1, 1), csn(4, 2)]), found(contextCSN=[csn(1, 1), csn(5, 2)])

    assert ours == decide(SLAPD, state(ours), VISIBLE, behind, behind, there).cookie


def test_a_provider_that_stays_behind_is_an_error_with_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumption, "_PATIENCE", -1.0)
    ours = vector(csn(1, 1), csn(5, 2))

    with pytest.raises(ProviderBehind) as caught:
        decide(SLAPD, state(ours), VISIBLE, found(contextCSN=[csn(1, 1), csn(4, 2)]))

    assert (ours, vector(csn(1, 1), csn(4, 2))) == (caught.value.ours, caught.value.theirs)
    assert "replication has caught up" in caught.value.hint


def test_a_stop_ends_the_waiting_for_a_provider() -> None:
    ours = vector(csn(1, 1), csn(5, 2))
    # Answers are heard out; the waiting is not.
    script = ScriptedServer(VISIBLE, found(contextCSN=[csn(1, 1), csn(4, 2)]))

    with pytest.raises(Interrupted):
        resumption.decide(Client(script), SLAPD, SEARCH, state(ours), lambda: True)


# --- 389 Directory Server ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [4, 5, 20])
def test_a_changelog_that_holds_all_since_the_cookie_is_gone_on_from(number: int) -> None:
    assert resumption.Resumption(DS389, NUMBERED % number) == decide(NS_SLAPD, state(NUMBERED % number))


@pytest.mark.parametrize(
    ("server", "number", "reason"),
    [
        (NS_SLAPD, 3, "the changelog holds changes 5 to 20, the cookie is of change 3"),
        (NS_SLAPD, 21, "the changelog holds changes 5 to 20, the cookie is of change 21"),
        (Server(vendor="389 Project", known=True), 7, "shows no changelog"),
    ],
)
def test_a_changelog_that_was_trimmed_or_is_hidden_is_not(server: Server, number: int, reason: str) -> None:
    decided = decide(server, state(NUMBERED % number))

    assert decided.cookie is None
    assert reason in decided.reason


# --- what a server says of itself -------------------------------------------------------------------------------------


def test_a_root_dse_that_is_hidden_is_a_server_of_no_known_kind() -> None:
    assert resumption.read_server(Client(ScriptedServer(failed(50)))) == Server()
    assert resumption.read_server(Client(ScriptedServer(wire.done))) == Server()
    assert resumption.read_server(Client(ScriptedServer(found(vendorName=[b"Apache"])))).dialect("dc=x") is APACHEDS
