"""What real servers sent, read by the session alone and by a whole client: the content that each of them then held."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.contentsync.dialects import APACHEDS, DS389, DS389_OPENLDAP, OPENLDAP, UNKNOWN, Sweep
from syncrepl_client.contentsync.events import (
    CookieReceived,
    EntriesDeleted,
    EntriesPresent,
    EntriesSent,
    PresentPhaseEnded,
    RefreshEnded,
    RefreshRequired,
    SearchEnded,
)
from syncrepl_client.contentsync.session import Mode, Session, State
from syncrepl_client.exceptions import LDAPResultError
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.connection import Connection
from syncrepl_client.testing import Provider
from tests.recordings import Recording, read_recordings
from tests.traps import laboratory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.contentsync.events import Event
    from syncrepl_client.testing.directory import Values

RECORDINGS = {(recording.server, recording.name): recording for recording in read_recordings()}
MODES = {"refreshOnly": Mode.REFRESH_ONLY, "refreshAndPersist": Mode.REFRESH_AND_PERSIST}
DIALECTS = {
    "slapd": OPENLDAP,
    "slapd-sessionlog": OPENLDAP,
    "389": DS389,
    "389-compat": DS389_OPENLDAP,
    "apacheds": APACHEDS,
}
ROOT_DSES = {
    "slapd": laboratory.OPENLDAP,
    "slapd-sessionlog": laboratory.OPENLDAP,
    "389": laboratory.DS389,
    "389-compat": laboratory.DS389,
    "apacheds": laboratory.APACHEDS,
}
SUFFIX = "dc=example,dc=com"
LOST_BY_APACHEDS = {"cn=f", "cn=g"}
"""Who was renamed and moved while it was listened to: ApacheDS does not say so of entries from before."""

Content = dict[str, str]
"""DN by UUID."""


def each(*wanted: str) -> pytest.MarkDecorator:
    chosen = [one for one in RECORDINGS.values() if not wanted or one.name in wanted]
    return pytest.mark.parametrize("recording", chosen, ids=lambda one: f"{one.server}-{one.name}")


def session_for(recording: Recording, dialect: Dialect | None = None) -> Session:
    return Session(MODES[recording.mode], recording.cookie, dialect or DIALECTS[recording.server])


def receive(session: Session, pieces: Iterable[bytes]) -> list[Event]:
    """Let a session read a stream that arrives in pieces; entries that follow one another are one event."""
    connection = Connection()
    events: list[Event] = []
    for piece in pieces:
        for event in (event for item in connection.receive_data(piece) for event in session.receive(item)):
            last = events[-1] if events else None
            if isinstance(event, EntriesSent) and isinstance(last, EntriesSent):
                last.rows.extend(event.rows)
            else:
                events.append(event)
    assert not connection.in_message
    return events


def apply(events: Iterable[Event], content: Content) -> Content:
    """Do with a dictionary what a store does with its copy."""
    content = dict(content)
    named: set[str] = set()
    for event in events:
        match event:
            case EntriesSent(rows):
                sent = {str(UUID(bytes=uuid)): dn.decode() for uuid, dn, _ in rows}
                content.update(sent)
                named.update(sent)
            case EntriesPresent(uuids):
                named.update(str(UUID(bytes=uuid)) for uuid in uuids)
            case EntriesDeleted(uuids):
                for uuid in uuids:
                    content.pop(str(UUID(bytes=uuid)), None)
            case PresentPhaseEnded() | RefreshEnded(sweep=Sweep.EVERYTHING):
                content = {uuid: dn for uuid, dn in content.items() if uuid in named}
            case RefreshEnded() | CookieReceived() | RefreshRequired() | SearchEnded():
                pass
    return content


def before(recording: Recording) -> Content:
    """Return what a client held that asked for a recording."""
    if recording.cookie is None or recording.name in {"first-refresh", "persist"}:
        return {}
    return RECORDINGS[recording.server, "first-refresh"].content


# --- the session alone ------------------------------------------------------------------------------------------------


def is_resumable(recording: Recording) -> bool:
    """Tell whether a client asks like that: ApacheDS is never sent a cookie."""
    return recording.result in {0, None} and (recording.server != "apacheds" or recording.cookie is None)


@pytest.mark.parametrize(
    "recording", [one for one in RECORDINGS.values() if is_resumable(one)], ids=lambda one: f"{one.server}-{one.name}"
)
def test_a_stream_is_the_content_that_the_server_holds(recording: Recording) -> None:
    session = session_for(recording)

    content = apply(receive(session, [recording.octets]), before(recording))

    assert content.keys() == recording.content.keys()
    differ = {names.first_rdn(content[uuid]) for uuid, dn in recording.content.items() if content[uuid] != dn}
    assert differ == (LOST_BY_APACHEDS if (recording.server, recording.name) == ("apacheds", "persist") else set())
    assert session.state is (State.ENDED if recording.result == 0 else State.PERSIST)


@each()
@given(data=st.data())
def test_where_a_stream_is_cut_into_pieces_makes_no_difference(recording: Recording, data: st.DataObject) -> None:
    octets = recording.octets
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    pieces = [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]

    assert receive(session_for(recording), [octets]) == receive(session_for(recording), pieces)


@each("rejected-cookie")
def test_a_cookie_that_was_rejected_is_told_as_what_it_is(recording: Recording) -> None:
    (event,) = receive(session_for(recording), [recording.octets])

    if recording.result == 4096:
        assert isinstance(event, RefreshRequired)
        assert event.cookie is None
    else:
        assert isinstance(event, SearchEnded)
        assert event.result.code == recording.result


MISTAKEN = [
    (recording, dialect)
    for recording in RECORDINGS.values()
    for dialect in (OPENLDAP, UNKNOWN)
    if recording.name in {"changes", "nothing-changed"} and dialect.cookies.to_send(recording.cookie)
]


@pytest.mark.parametrize(
    ("recording", "dialect"), MISTAKEN, ids=[f"{one.server}-{one.name}-as-{taken.name}" for one, taken in MISTAKEN]
)
def test_who_takes_one_server_for_another_sweeps_nothing_without_asking(recording: Recording, dialect: Dialect) -> None:
    """389 and ApacheDS say that a present phase ended which never was; of slapd both kinds of end are true."""
    sweeps = [
        event.sweep
        for event in receive(session_for(recording, dialect), [recording.octets])
        if isinstance(event, RefreshEnded)
    ]

    true = {("slapd", "changes"): Sweep.EVERYTHING}
    doubtful = Sweep.DOUBTFUL if recording.server in {"389", "apacheds"} else Sweep.NOTHING
    assert sweeps == [true.get((recording.server, recording.name), doubtful)]


@each("first-refresh", "changes", "persist")
def test_no_cookie_is_given_before_what_it_covers(recording: Recording) -> None:
    events = receive(session_for(recording), [recording.octets])
    refresh_end = next((index for index, event in enumerate(events) if isinstance(event, RefreshEnded)), len(events))

    assert not any(isinstance(event, CookieReceived) for event in events[:refresh_end])
    if recording.mode == "refreshAndPersist" and recording.result is None and recording.server != "apacheds":
        # Each change of the persist stage is followed by its own.
        later = events[refresh_end + 1 :]
        assert all(isinstance(event, CookieReceived) for event in later[1::2])
        assert len(later) % 2 == 0


# --- a whole client ---------------------------------------------------------------------------------------------------


class Client:
    """A client with its data file, whose server is replaced by another one for each recording."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cookies: list[bytes | None] = []

    def replay(self, *recordings: Recording, until: str = "") -> None:
        """Let recordings answer the client; what it asks besides is answered by a directory with the last's content."""
        last = recordings[-1]
        with Provider(root_dse=root_dse(last)) as provider:
            fill(provider, last.content)
            for recording in recordings:
                provider.replay(recording.path)
            url = f"{provider.url}/{SUFFIX}??sub?{last.filter}"
            with Replica(url, self.path, mode=SyncreplMode(last.mode), verify_every=0) as replica:
                replica.refresh()
                while until and until not in replica.entries:
                    assert replica.step()
            self.cookies = [request.cookie for request in provider.requests]

    def content(self) -> Content:
        with closing(sqlite3.connect(self.path)) as connection:
            return {str(UUID(bytes=uuid)): dn for uuid, dn in connection.execute("SELECT uuid, dn FROM syncrepl_copy")}

    def cookie(self) -> bytes | None:
        with closing(sqlite3.connect(self.path)) as connection:
            ((cookie,),) = connection.execute("SELECT cookie FROM syncrepl_state").fetchall()
            return None if cookie is None else bytes(cookie)


def root_dse(recording: Recording) -> Mapping[str, Values]:
    changes = {"firstChangeNumber": "1", "lastChangeNumber": "99999"} if recording.server.startswith("389") else {}
    return {**ROOT_DSES[recording.server], **changes}


def fill(provider: Provider, content: Content) -> None:
    """Add entries by the names and UUIDs that they had; the suffix is there already."""
    for uuid, dn in sorted(content.items(), key=lambda item: names.depth(item[1])):
        if not names.same(dn, SUFFIX):
            provider.add(dn, {}, uuid=UUID(uuid))


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path / "data")


def but_suffix(content: Content, server: str) -> Content:
    """Leave out the suffix where plain searches tell what there is: the directory that answers them has its own."""
    return {uuid: dn for uuid, dn in content.items() if server != "apacheds" or not names.same(dn, SUFFIX)}


servers = pytest.mark.parametrize("server", ROOT_DSES)
# 389's OpenLDAP mode has other UUIDs, and nobody who begins without a cookie gets there: its cookies are not sent.
resumed = pytest.mark.parametrize("server", ["slapd", "slapd-sessionlog", "389"])


@pytest.mark.trap("A1", "A4", "C1", server="scripted")
@resumed
def test_one_refresh_after_another_gives_the_content(client: Client, server: str) -> None:
    for name in ("first-refresh", "nothing-changed", "changes"):
        recording = RECORDINGS[server, name]
        former = client.cookie() if client.path.exists() else None
        client.replay(recording)
        assert client.content() == recording.content
        assert client.cookies[0] == former
        assert former == (None if name == "first-refresh" else recording.cookie)


@pytest.mark.trap("E1", server="scripted")
@servers
def test_a_refresh_and_what_follows_it_give_the_content(client: Client, server: str) -> None:
    recording = RECORDINGS[server, "persist"]
    if recording.result is not None:
        with pytest.raises(LDAPResultError):
            client.replay(recording)
        return

    client.replay(recording, until=f"cn=last,ou=people,{SUFFIX}")

    # What ApacheDS loses of the stream is in the plain search after it, which the directory here answers at its end.
    assert but_suffix(client.content(), server) == but_suffix(recording.content, server)
    assert (client.cookie() is None) == (server == "apacheds")


@pytest.mark.trap("A8", "E13", server="scripted")
@resumed
def test_a_cookie_that_was_rejected_is_followed_by_a_full_refresh(client: Client, server: str) -> None:
    first = RECORDINGS[server, "first-refresh"]
    client.replay(first)
    client.replay(RECORDINGS[server, "changes"])
    held = client.cookie()

    client.replay(RECORDINGS[server, "rejected-cookie"], first)

    assert client.content() == first.content
    assert client.cookies[:2] == [held, None]


@pytest.mark.trap("B2", server="scripted")
@pytest.mark.parametrize("server", ["slapd", "slapd-sessionlog"])
def test_an_empty_cookie_for_a_foreign_one_is_not_kept(client: Client, server: str) -> None:
    recording = RECORDINGS[server, "foreign-cookie"]

    client.replay(recording)
    assert client.content() == recording.content
    assert client.cookie() is None


@pytest.mark.trap("A1", server="scripted")
@pytest.mark.parametrize("name", ["nothing-changed", "changes"])
def test_apacheds_that_does_not_say_what_it_is_deletes_nothing_by_its_end(client: Client, name: str) -> None:
    """Whoever resumes from its cookie and takes the end at its word deletes nearly all."""
    first, later = RECORDINGS["apacheds", "first-refresh"], RECORDINGS["apacheds", name]
    for recording in (first, later):
        with Provider(root_dse=laboratory.UNKNOWN) as provider:
            fill(provider, recording.content)
            provider.replay(recording.path)
            with Replica(f"{provider.url}/{SUFFIX}", client.path, mode=SyncreplMode.REFRESH_ONLY) as replica:
                replica.refresh()

    uuids = {uuid for uuid, dn in later.content.items() if not names.same(dn, SUFFIX)}
    assert uuids <= client.content().keys()
