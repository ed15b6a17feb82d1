"""RFC 4533 as a table: messages in, events out."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from syncrepl_client.contentsync import controls
from syncrepl_client.contentsync.dialects import APACHEDS, DS389, DS389_OPENLDAP, OPENLDAP, UNKNOWN, Dialect, Sweep
from syncrepl_client.contentsync.events import (
    CookieReceived,
    EntriesDeleted,
    EntriesPresent,
    EntriesSent,
    Event,
    PresentPhaseEnded,
    RefreshEnded,
    RefreshRequired,
    SearchEnded,
)
from syncrepl_client.contentsync.selection import Selection
from syncrepl_client.contentsync.session import Mode, Session, State
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.ldap.connection import Connection
from syncrepl_client.ldap.messages import Result
from syncrepl_client.testing import wire

A, B, C = (UUID(int=number).bytes for number in (1, 2, 3))
CSN1 = b"20260101000000.000000Z#000000#001#000000"
CSN2 = b"20260102000000.000000Z#000000#002#000000"
CSN3 = b"20260103000000.000000Z#000000#001#000000"
SWEEPS = {True: Sweep.EVERYTHING, False: Sweep.NOTHING}
COOKIE = b"rid=000,csn=" + CSN1
NUMBER_7 = b"host:389#cn=x:dc=y:(a=*)#7"


def said(session: Session, *data: bytes) -> list[Event]:
    """Let a session receive messages."""
    return [event for item in Connection().receive_data(b"".join(data)) for event in session.receive(item)]


def entry(state: int, uuid: bytes, cookie: bytes | None = None, dn: str = "cn=a,dc=x") -> bytes:
    return wire.message(1, wire.entry(dn, {"cn": [b"a"]}), wire.state(state, uuid, cookie))


def id_set(*uuids: bytes, deletes: bool | None = None, cookie: bytes | None = None) -> bytes:
    return wire.info(1, wire.id_set(*uuids, deletes=deletes, cookie=cookie))


def phase(tag: int, *, done: bool | None = None, cookie: bytes | None = None) -> bytes:
    return wire.info(1, wire.phase_end(deletes=tag == DELETE, done=done, cookie=cookie))


DELETE, PRESENT = 0xA1, 0xA2


def test_a_first_refresh_sweeps_whatever_its_flag_says() -> None:
    session = Session(Mode.REFRESH_ONLY, None)

    events = said(session, entry(1, A), entry(1, B), wire.done(1, 0, wire.sync_done(COOKIE, deletes=True)))

    sent = events[0]
    assert isinstance(sent, EntriesSent)
    assert [row[0] for row in sent.rows] == [A, B]
    assert RefreshEnded(sweep=Sweep.EVERYTHING, cookie=COOKIE) == events[1]
    assert isinstance(events[2], SearchEnded)
    assert State.ENDED is session.state


@pytest.mark.parametrize(("deletes", "sweep"), [(None, True), (False, True), (True, False)])
def test_a_later_refresh_sweeps_after_a_present_phase_alone(deletes: bool | None, sweep: bool) -> None:  # noqa: FBT001
    session = Session(Mode.REFRESH_ONLY, COOKIE)

    events = said(session, id_set(A, B), wire.done(1, 0, wire.sync_done(deletes=deletes)))

    assert [EntriesPresent((A, B)), RefreshEnded(sweep=SWEEPS[sweep], cookie=None)] == events[:2]


@pytest.mark.parametrize(("tag", "sweep"), [(PRESENT, True), (DELETE, False)])
@pytest.mark.parametrize("cookie", [None, COOKIE])
@pytest.mark.parametrize("done", [None, True])
def test_the_end_of_a_refresh_in_persist_mode(tag: int, sweep: bool, cookie: bytes | None, done: bool | None) -> None:  # noqa: FBT001
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)

    events = said(session, id_set(A), phase(tag, done=done, cookie=cookie))

    assert [EntriesPresent((A,)), RefreshEnded(sweep=SWEEPS[sweep], cookie=cookie)] == events
    assert State.PERSIST is session.state


def test_a_separator_ends_the_present_phase_and_the_delete_phase_sweeps_nothing() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)

    events = said(session, id_set(A), phase(PRESENT, done=False), id_set(B, deletes=True), phase(DELETE))

    assert [
        EntriesPresent((A,)),
        PresentPhaseEnded(),
        EntriesDeleted((B,)),
        RefreshEnded(sweep=Sweep.NOTHING, cookie=None),
    ] == events


@pytest.mark.parametrize("deletes", [None, False, True])
@pytest.mark.parametrize("cookie", [None, b"rid=000,csn=x"])
@pytest.mark.parametrize("uuids", [(), (A,), (A, B)])
def test_id_sets_are_decoded_in_every_combination(
    deletes: bool | None,  # noqa: FBT001
    cookie: bytes | None,
    uuids: tuple[bytes, ...],
) -> None:
    events = said(Session(Mode.REFRESH_ONLY, COOKIE), id_set(*uuids, deletes=deletes, cookie=cookie))

    assert [EntriesDeleted(uuids) if deletes else EntriesPresent(uuids)] == events


@pytest.mark.parametrize("cookie", [None, b"", COOKIE])
@pytest.mark.parametrize("deletes", [None, False, True])
def test_sync_done_is_decoded_in_every_combination(cookie: bytes | None, deletes: bool | None) -> None:  # noqa: FBT001
    session = Session(Mode.REFRESH_ONLY, COOKIE)

    events = said(session, id_set(A), wire.done(1, 0, wire.sync_done(cookie, deletes=deletes)))

    assert RefreshEnded(sweep=SWEEPS[not deletes], cookie=cookie or None) == events[1]


@pytest.mark.parametrize("named", [[], [id_set()], [id_set(A, deletes=True)]], ids=["nothing", "no UUIDs", "deletions"])
def test_a_present_phase_that_names_nobody_is_doubtful(named: list[bytes]) -> None:
    *_, end, _ = said(Session(Mode.REFRESH_ONLY, COOKIE), *named, wire.done(1, 0, wire.sync_done(COOKIE)))

    assert RefreshEnded(sweep=Sweep.DOUBTFUL, cookie=COOKIE) == end


@pytest.mark.parametrize(
    "named", [[entry(0, A)], [id_set(A)], [id_set(A), id_set(B, deletes=True)], [entry(0, A), id_set(), id_set(B)]]
)
def test_a_present_phase_that_names_anybody_is_not(named: list[bytes]) -> None:
    *_, end, _ = said(Session(Mode.REFRESH_ONLY, COOKIE), *named, wire.done(1, 0, wire.sync_done(COOKIE)))

    assert RefreshEnded(sweep=Sweep.EVERYTHING, cookie=COOKIE) == end


def test_persist_messages_are_changes_with_their_cookies() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)
    said(session, phase(DELETE))

    events = said(
        session,
        entry(1, A, b"rid=000,sid=001,csn=" + CSN3),
        entry(3, B, b"rid=000,csn=" + CSN2, dn="cn=b,dc=y"),
        entry(2, C, b"rid=000"),
    )

    assert isinstance(events[0], EntriesSent)
    assert [
        CookieReceived(b"rid=000,csn=" + CSN3),
        EntriesDeleted((B,), b"cn=b,dc=y"),
        CookieReceived(b"rid=000,csn=" + CSN3 + b";" + CSN2),
    ] == events[1:4]
    assert isinstance(events[4], EntriesSent)
    assert len(events) == 5


def test_cookies_inside_a_refresh_are_not_kept() -> None:
    session = Session(Mode.REFRESH_ONLY, COOKIE)

    events = said(session, id_set(A, deletes=True, cookie=b"rid=000,csn=" + CSN3), wire.done(1, 0, wire.sync_done()))

    assert [RefreshEnded(sweep=Sweep.DOUBTFUL, cookie=None)] == [
        event for event in events if isinstance(event, RefreshEnded)
    ]
    assert not any(isinstance(event, CookieReceived) for event in events)


def test_the_cookie_is_sent_without_server_id_and_delete_mark() -> None:
    session = Session(Mode.REFRESH_ONLY, b"rid=000,sid=001,csn=" + CSN2 + b";" + CSN1 + b",delcsn=" + CSN3)

    assert session.sent_cookie == b"rid=000,csn=" + CSN1 + b";" + CSN2


@pytest.mark.parametrize("cookie", [b"", b"rid=000", b"rid=000,csn=", b"rid=000,csn=garbage"])
def test_a_cookie_without_a_csn_is_neither_kept_nor_sent(cookie: bytes) -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, None)

    assert [RefreshEnded(sweep=Sweep.EVERYTHING, cookie=None)] == said(session, phase(DELETE, cookie=cookie))
    assert Session(Mode.REFRESH_ONLY, cookie, OPENLDAP).sent_cookie is None


def test_the_shape_of_a_cookie_tells_389_from_others() -> None:
    session = Session(Mode.REFRESH_ONLY, b"host:389#cn=x:dc=y:(a=*)#7")

    (end, _) = said(session, wire.done(1, 0, wire.sync_done(b"host:389#cn=x:dc=y:(a=*)#8")))
    assert RefreshEnded(sweep=Sweep.NOTHING, cookie=b"host:389#cn=x:dc=y:(a=*)#8") == end


@pytest.mark.parametrize(("cookie", "kept"), [(COOKIE, COOKIE), (None, None), (b"", None)])
def test_refresh_required_comes_with_or_without_a_cookie(cookie: bytes | None, kept: bytes | None) -> None:
    controls = [] if cookie is None else [wire.sync_done(cookie)]

    assert [RefreshRequired(kept, "")] == said(
        Session(Mode.REFRESH_ONLY, COOKIE), entry(1, A), wire.done(1, 4096, *controls)
    )[1:]


def test_a_failure_is_the_end_of_the_search_and_not_of_the_refresh() -> None:
    events = said(Session(Mode.REFRESH_ONLY, COOKIE), id_set(A, deletes=True), wire.done(1, 32))

    assert events == [EntriesDeleted((A,)), SearchEnded(Result(32))]


@pytest.mark.parametrize(
    ("mode", "before", "wrong", "reason"),
    [
        (Mode.REFRESH_ONLY, [], wire.done(1), "the search ended with success but without a Sync Done control"),
        (
            Mode.REFRESH_ONLY,
            [],
            phase(PRESENT),
            "the end of the refresh is not allowed in the state REFRESH of REFRESH_ONLY",
        ),
        (
            Mode.REFRESH_ONLY,
            [],
            wire.message(1, wire.entry("cn=a", {"cn": [b"a"]})),
            "the entry 'cn=a' came without a Sync State control",
        ),
        (Mode.REFRESH_ONLY, [], entry(7, A), "unknown sync state 7"),
        (Mode.REFRESH_ONLY, [], entry(1, A[:15]), f"a syncUUID of 15 octets: {'00' * 15}"),
        (Mode.REFRESH_ONLY, [], id_set(A[:15]), f"a syncUUID of 15 octets: {'00' * 15}"),
        (Mode.REFRESH_ONLY, [], wire.info(1, ber.tlv(0xA4)), "unknown syncInfoValue 0xa4"),
        (Mode.REFRESH_ONLY, [], wire.info(1, ber.tlv(0xA3)), "syncIdSet with 0 sets of UUIDs"),
        (Mode.REFRESH_ONLY, [], wire.info(1, b""), "syncInfoValue is empty"),
        (
            Mode.REFRESH_ONLY,
            [],
            wire.message(1, ber.tlv(0x79, ber.octet_string(controls.SYNC_INFO.encode(), tag=0x80))),
            "syncInfoValue is empty",
        ),
        (Mode.REFRESH_ONLY, [], wire.message(1, wire.result(0x61)), "BindResponse in the middle of a search"),
        (
            Mode.REFRESH_AND_PERSIST,
            [phase(DELETE)],
            id_set(A),
            "an entry named as present is not allowed in the state PERSIST of REFRESH_AND_PERSIST",
        ),
    ],
)
def test_what_is_not_allowed_is_a_protocol_error(mode: Mode, before: list[bytes], wrong: bytes, reason: str) -> None:
    session = Session(mode, COOKIE)
    said(session, *before)

    with pytest.raises(ProtocolError) as caught:
        said(session, wrong)

    assert str(caught.value) == reason


def test_a_plain_answer_is_explained() -> None:
    with pytest.raises(ProtocolError) as caught:
        said(Session(Mode.REFRESH_ONLY, None), wire.message(1, wire.entry("cn=a", {"cn": [b"a"]})))

    assert caught.value.hint == (
        "the server answered a sync request with a plain search; its sync provider is not working"
    )


# Each kind of message, as often as there are ways to say it.
SAID = {
    "entry": [entry(1, A), entry(2, A), entry(4, A)],
    "present": [entry(0, A), id_set(A), id_set(A, deletes=False)],
    "gone": [entry(3, A), id_set(A, deletes=True)],
    "cookie": [wire.info(1, wire.new_cookie(COOKIE))],
    "separator": [phase(PRESENT, done=False)],
    "refresh done": [phase(PRESENT), phase(DELETE), phase(DELETE, done=True)],
    "success": [wire.done(1, 0, wire.sync_done())],
    "failure": [wire.done(1, 51), wire.done(1, 4096)],
}
BEFORE = {
    "refresh": [],
    "deleting": [phase(PRESENT, done=False)],
    "persist": [phase(DELETE)],
    "ended": [wire.done(1, 51)],
}
ALLOWED = {
    Mode.REFRESH_ONLY: {
        "refresh": {"entry", "present", "gone", "cookie", "separator", "success", "failure"},
        "deleting": {"entry", "gone", "cookie", "success", "failure"},
        "ended": set(),
    },
    Mode.REFRESH_AND_PERSIST: {
        "refresh": {"entry", "present", "gone", "cookie", "separator", "refresh done", "failure"},
        "deleting": {"entry", "gone", "cookie", "refresh done", "failure"},
        "persist": {"entry", "gone", "cookie", "success", "failure"},
        "ended": set(),
    },
}
LEADS_TO = {
    "separator": State.DELETING,
    "refresh done": State.PERSIST,
    "success": State.ENDED,
    "failure": State.ENDED,
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize(
    ("mode", "stage"),
    [(mode, stage) for mode, stages in ALLOWED.items() for stage in stages],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_each_message_is_allowed_where_it_has_a_meaning(mode: Mode, stage: str, kind: str) -> None:
    """And nowhere else; a separator of a delete phase has none."""
    for message in SAID[kind]:
        session = Session(mode, COOKIE)
        said(session, *BEFORE[stage])
        state = session.state
        if kind in ALLOWED[mode][stage]:
            said(session, message)
            assert LEADS_TO.get(kind, state) is session.state
        else:
            with pytest.raises(ProtocolError, match=f"(?m)is not allowed in the state {state.name} of {mode.name}$"):
                said(session, message)
            assert state is session.state


def test_other_intermediate_responses_and_continuations_mean_nothing() -> None:
    session = Session(Mode.REFRESH_ONLY, None)

    assert (
        said(
            session, wire.intermediate(1, "1.2.3", b"x"), wire.message(1, ber.tlv(0x73, ber.octet_string(b"ldap://b")))
        )
        == []
    )


def test_entries_named_as_present_are_unchanged() -> None:
    events = said(Session(Mode.REFRESH_ONLY, COOKIE), entry(0, A), entry(1, B), entry(0, C))

    assert [EntriesPresent((A,)), EntriesPresent((C,))] == [events[0], events[2]]
    assert isinstance(events[1], EntriesSent)
    assert [uuid for uuid, _, _ in events[1].rows] == [B]


def test_an_entry_is_taken_for_another_one_by_nothing_that_follows_its_uuid() -> None:
    """Controls that come behind it, or a cookie of as many octets, may differ where a UUID usually stands."""
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)
    behind = [wire.control("1.2.3", octets * 16) for octets in (b"x", b"y")]
    followed = [wire.message(1, wire.entry("cn=a", {}), wire.state(1, A), one) for one in behind]

    for messages in (followed, [entry(1, A, cookie=A), entry(1, A, cookie=B)], [entry(1, B), entry(1, C), entry(1, A)]):
        (sent,) = said(session, *messages)
        assert isinstance(sent, EntriesSent)
        expected = [B, C, A] if len(messages) == 3 else [A, A]
        assert [uuid for uuid, _, _ in sent.rows] == expected


def test_what_was_not_asked_for_is_taken_out() -> None:
    session = Session(Mode.REFRESH_ONLY, None, selection=Selection((), frozenset({"entrycsn"})))
    values = {"cn": [b"a"], "entryCSN": [b"1"]}

    events = said(session, wire.message(1, wire.entry("cn=a", values), wire.state(1, A)), entry(0, B))

    assert events[0] == EntriesSent([(A, b"cn=a", Attributes.of({"cn": [b"a"]}).wire)])


def test_the_cookie_of_a_server_that_was_not_known_tells_what_it_is() -> None:
    for cookie, dialect in ((NUMBER_7, DS389), (b"opaque", UNKNOWN), (COOKIE, OPENLDAP)):
        session = Session(Mode.REFRESH_ONLY, None)
        events = said(session, wire.done(1, 0, wire.sync_done(cookie)))
        assert events[0] == RefreshEnded(Sweep.EVERYTHING, cookie)
        assert session.dialect is dialect

    session = Session(Mode.REFRESH_ONLY, COOKIE)
    said(session, wire.done(1, 0, wire.sync_done(NUMBER_7)))
    assert session.dialect is OPENLDAP


@pytest.mark.parametrize(
    ("stored", "ended"), [(COOKIE, None), (None, COOKIE), (b"rid=000,csn=" + CSN2, COOKIE), (COOKIE, b"garbage")]
)
def test_the_numbers_of_a_change_are_added_to_those_before_it(stored: bytes | None, ended: bytes | None) -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, stored)
    said(session, phase(DELETE, cookie=ended))

    events = said(session, id_set(A, deletes=True, cookie=b"rid=000,csn=" + CSN2))

    assert events == [EntriesDeleted((A,)), CookieReceived(b"rid=000,csn=" + CSN1 + b";" + CSN2)]


def test_a_cookie_that_ends_a_refresh_is_kept_and_says_nothing_of_deletions() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, b"opaque", replace(UNKNOWN, cookie_ends_refresh=True))

    events = said(session, id_set(A), wire.info(1, wire.new_cookie(b"newer")))

    assert events == [EntriesPresent((A,)), RefreshEnded(Sweep.EVERYTHING, b"newer")]


def test_after_a_separator_the_end_of_the_search_is_that_of_a_delete_phase() -> None:
    session = Session(Mode.REFRESH_ONLY, COOKIE)

    events = said(session, id_set(A), phase(PRESENT, done=False), wire.done(1, 0, wire.sync_done(COOKIE)))

    assert events[1:] == [PresentPhaseEnded(), RefreshEnded(Sweep.NOTHING, COOKIE), SearchEnded(Result(0))]


def test_a_refresh_is_required_for_a_reason() -> None:
    required = wire.message(1, wire.result(0x65, 4096, "no log"))

    assert said(Session(Mode.REFRESH_ONLY, COOKIE), required) == [RefreshRequired(None, "no log")]


def test_a_name_that_is_no_text_is_an_error() -> None:
    plain = wire.entry("cn=?", {}).replace(b"?", b"\xff")

    with pytest.raises(ProtocolError) as caught:
        said(Session(Mode.REFRESH_ONLY, None), wire.message(1, plain))

    assert str(caught.value).startswith("entry DN")


def test_a_new_cookie_of_the_persist_stage_is_kept_once() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)
    cookie = wire.info(1, ber.octet_string(b"rid=000,csn=" + CSN3, tag=0x80))

    assert said(session, cookie) == []
    said(session, phase(DELETE))
    assert [CookieReceived(b"rid=000,csn=" + CSN3)] == said(session, cookie, cookie)


def test_a_delete_phase_that_is_not_the_last_means_nothing() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)

    assert said(session, phase(DELETE, done=False)) == []
    assert State.REFRESH is session.state
    assert [RefreshEnded(sweep=Sweep.DOUBTFUL, cookie=None)] == said(session, phase(PRESENT))


def test_a_separator_of_a_first_refresh_means_nothing() -> None:
    """Without a cookie the content is exactly what was sent, in whatever phases."""
    session = Session(Mode.REFRESH_AND_PERSIST, None)

    assert said(session, phase(PRESENT, done=False)) == []
    assert [RefreshEnded(sweep=Sweep.EVERYTHING, cookie=COOKIE)] == said(session, phase(DELETE, cookie=COOKIE))


def test_a_search_that_a_server_ends_in_the_persist_stage_is_over() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, COOKIE)
    said(session, phase(DELETE))

    assert [SearchEnded(Result(0))] == said(session, wire.done(1))
    assert State.ENDED is session.state


def test_entries_that_came_together_stay_together_though_one_is_changed_otherwise() -> None:
    """The controls of the first are the template of the others; modify and a cookie do not fit it."""
    session = Session(Mode.REFRESH_AND_PERSIST, None)

    events = said(session, entry(1, A), entry(1, B), entry(2, C), entry(1, A, COOKIE), entry(1, B))

    (sent,) = events
    assert isinstance(sent, EntriesSent)
    assert [row[0] for row in sent.rows] == [A, B, C, A, B]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("cookie", [None, COOKIE])
def test_the_search_begins_from_the_cookie(mode: Mode, cookie: bytes | None) -> None:
    assert controls.request_control(mode, cookie) == Session(mode, cookie).request_control()


def test_a_new_cookie_ends_the_refresh_of_apacheds() -> None:
    """It never says that its refresh is done."""
    session = Session(Mode.REFRESH_AND_PERSIST, None, APACHEDS)
    cookie = wire.info(1, ber.octet_string(b"opaque", tag=0x80))

    events = said(session, entry(1, A), cookie, cookie)

    assert [RefreshEnded(Sweep.EVERYTHING, None)] == events[1:]
    assert State.PERSIST is session.state


@pytest.mark.parametrize("before", [DS389, DS389_OPENLDAP], ids=lambda dialect: dialect.name)
def test_only_its_cookie_tells_the_two_modes_of_389_apart(before: Dialect) -> None:
    for cookie, dialect, kept in (
        (NUMBER_7, DS389, NUMBER_7),
        (COOKIE, DS389_OPENLDAP, COOKIE),
        (b"of neither", before, None),
        (None, before, None),
    ):
        session = Session(Mode.REFRESH_ONLY, None, before)

        events = said(session, wire.done(1, 0, wire.sync_done(cookie)))

        assert RefreshEnded(Sweep.EVERYTHING, kept) == events[0]
        assert dialect is session.dialect


def test_a_cookie_that_leads_nowhere_any_more_is_given_up() -> None:
    """389 sends a number that was never given where a change is not in its changelog."""
    session = Session(Mode.REFRESH_AND_PERSIST, b"host:389#cn=x:dc=y:(a=*)#7", DS389)
    said(session, phase(DELETE))

    (_, lost) = said(session, entry(2, A, b"host:389#cn=x:dc=y:(a=*)#4294967295"))

    assert CookieReceived(None) == lost
    # None that follows is of any use, and an entry may have none.
    assert [type(event) for event in said(session, entry(2, A, b"host:389#cn=x:dc=y:(a=*)#9"))] == [EntriesSent]


def test_a_change_without_a_cookie_says_nothing_of_the_cookie() -> None:
    session = Session(Mode.REFRESH_AND_PERSIST, NUMBER_7, DS389)
    said(session, phase(DELETE))

    # They came together and stay together.
    assert [type(event) for event in said(session, entry(2, A), entry(2, B, b""))] == [EntriesSent]
