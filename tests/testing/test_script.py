"""What a provider is told to do wrong arrives as it was written, and ends in the error that is documented."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from syncrepl_client import Deleted, Replica, SyncreplMode
from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import (
    ConnectionLost,
    LDAPResultError,
    NoSuchBase,
    ProtocolError,
    SyncNotSupported,
    SyncreplError,
)
from syncrepl_client.ldap import messages
from syncrepl_client.testing import Provider, script, wire
from syncrepl_client.testing.requests import REFRESH_AND_PERSIST, REFRESH_ONLY
from tests.testing.conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from syncrepl_client.testing import Step

SUFFIX = "dc=example,dc=com"
A, B = UUID(int=1), UUID(int=2)
CSN = b"rid=000,csn=20300101000000.000000Z#000000#000#000000"
ONCE = SyncreplMode.REFRESH_ONLY


def url(provider: Provider) -> str:
    # One level: so the client has nothing to ask beside the stream.
    return f"{provider.url}/{SUFFIX}??one"


def refresh(provider: Provider, path: Path, listener: object | None = None) -> int:
    with Replica(url(provider), path, mode=ONCE, listener=listener) as replica:
        return replica.refresh().entries


def copy(path: Path) -> tuple[list[Any], list[Any]]:
    """Read the whole copy and its cookie."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT uuid, dn, attrs FROM syncrepl_copy ORDER BY dn").fetchall()
    cookie = connection.execute("SELECT cookie FROM syncrepl_state").fetchall()
    connection.close()
    return rows, cookie


@pytest.fixture
def filled(provider: Provider) -> Provider:
    for name in "abc":
        provider.add(f"cn={name},{SUFFIX}", {"objectClass": "person", "sn": name})
    return provider


# --- what arrives -----------------------------------------------------------------------------------------------------


def said(provider: Provider, *steps: Step, mode: int = REFRESH_ONLY) -> bytes:
    """Return all that a client is sent for one search until the connection ends."""
    provider.script(*steps, script.cut())
    with Conversation(provider.url) as conversation:
        conversation.search(SUFFIX, mode)
        return conversation.rest()


def test_messages_arrive_as_they_were_written(provider: Provider) -> None:
    data = said(
        provider,
        script.entry("cn=a", {"cn": "a", "sn": ["x", b"y"]}, A),
        script.entry("cn=b", {}, b"short", state=9, cookie=b""),
        script.plain_entry("cn=c", {}),
        script.reference("ldap://other/", "ldap://another/"),
        script.reference(uuid=B, state=3),
        script.id_set([A, b"short"], deletes=False, cookie=b"c"),
        script.new_cookie(b"n"),
        script.refresh_delete(b"d", done=False),
        script.refresh_present(),
        script.search_done(80, "no reason", script.sync_done(b"", deletes=False), matched_dn="dc=x"),
        script.disconnection(51, "later"),
        script.raw(b"anything"),
    )

    assert (
        b"".join(
            (
                wire.message(1, wire.entry("cn=a", {"cn": [b"a"], "sn": [b"x", b"y"]}), wire.state(1, A.bytes)),
                wire.message(1, wire.entry("cn=b", {}), wire.state(9, b"short", b"")),
                wire.message(1, wire.entry("cn=c", {})),
                wire.message(1, wire.reference("ldap://other/", "ldap://another/")),
                wire.message(1, wire.reference(), wire.state(3, B.bytes)),
                wire.info(1, wire.id_set(A.bytes, b"short", deletes=False, cookie=b"c")),
                wire.info(1, wire.new_cookie(b"n")),
                wire.info(1, wire.phase_end(deletes=True, done=False, cookie=b"d")),
                wire.info(1, wire.phase_end(deletes=False)),
                wire.message(
                    1, wire.result(0x65, 80, "no reason", matched_dn="dc=x"), wire.sync_done(b"", deletes=False)
                ),
                wire.disconnection(51, "later"),
                b"anything",
            )
        )
        == data
    )


def test_a_stream_can_be_cut_after_every_byte(provider: Provider) -> None:
    steps = (script.entry("cn=a", {"cn": "a"}, A), script.search_done(0, "", script.sync_done(CSN)))
    whole = said(provider, *steps)

    for after in range(len(whole)):
        assert whole[:after] == said(provider, script.cut(after), *steps)


def test_the_answer_of_the_directory_can_be_cut_too(filled: Provider) -> None:
    whole = said(filled, script.from_directory())

    assert len(whole) > 300
    assert whole[:300] == said(filled, script.cut(after=300), script.from_directory())


def test_scripts_answer_one_search_after_another_and_then_the_directory_does(filled: Provider) -> None:
    filled.script(script.search_done(51), times=2)
    filled.script(script.search_done(52))
    codes = []
    with Conversation(filled.url) as conversation:
        for _ in range(4):
            conversation.search(SUFFIX, REFRESH_ONLY)
            last = messages.decode_message(conversation.until(lambda _: False)[-1]).operation
            assert isinstance(last, messages.SearchResultDone)
            codes.append(last.result.code)

    assert codes == [51, 51, 52, 0]


def test_a_stall_holds_its_search_alone_until_it_is_released(provider: Provider) -> None:
    stall = script.stall()
    provider.script(script.new_cookie(b"1"), stall, script.new_cookie(b"2"), script.search_done())
    with Conversation(provider.url) as conversation:
        conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        assert wire.info(1, wire.new_cookie(b"1")) == conversation.read()
        stall.wait_until_reached()
        conversation.send(messages.extended_request(messages.WHO_AM_I))
        assert b"\x02\x01\x02" in conversation.read()
        stall.release()

        assert wire.info(1, wire.new_cookie(b"2")) == conversation.read()
        assert wire.done(1) == conversation.read()


def test_a_stall_that_nobody_reaches_is_said() -> None:
    with pytest.raises(TimeoutError):
        script.stall().wait_until_reached(0)


def test_a_pause_lets_time_pass(provider: Provider) -> None:
    started = time.monotonic()

    said(provider, script.pause(0.05))

    assert time.monotonic() - started >= 0.05


def test_a_script_without_an_end_leaves_the_search_open(provider: Provider) -> None:
    provider.script(script.pause(600))
    with Conversation(provider.url) as conversation:
        message_id = conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        conversation.send(messages.extended_request(messages.CANCEL, b"\x30\x03\x02\x01" + bytes([message_id])))

        codes = [messages.decode_message(conversation.read()).operation for _ in range(2)]
    assert [code.result.code for code in codes] == [118, 0]  # type: ignore[union-attr]


def test_an_abandoned_script_is_not_played_to_its_end(provider: Provider) -> None:
    stall = script.stall()
    provider.script(stall, script.new_cookie(b"never"))
    with Conversation(provider.url) as conversation:
        message_id = conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        stall.wait_until_reached()
        conversation.send(messages.abandon_request(message_id))
        conversation.send(messages.extended_request(messages.WHO_AM_I))

        assert isinstance(messages.decode_message(conversation.read()).operation, messages.ExtendedResponse)


# --- replay -----------------------------------------------------------------------------------------------------------


def test_a_recorded_stream_is_sent_with_the_id_of_the_request(provider: Provider, tmp_path: Path) -> None:
    messages_ = (
        wire.message(70_000, wire.entry("cn=a", {"cn": [b"a"]}), wire.state(1, A.bytes)),
        wire.done(70_000, 0, wire.sync_done(CSN)),
        wire.disconnection(52),
    )
    file = tmp_path / "recorded"
    file.write_bytes(b"".join(messages_))
    for recorded in (file, str(file), file.read_bytes()):
        provider.replay(recorded)
        with Conversation(provider.url) as conversation:
            conversation.search(SUFFIX, REFRESH_ONLY)

            assert wire.message(1, wire.entry("cn=a", {"cn": [b"a"]}), wire.state(1, A.bytes)) == conversation.read()
            assert wire.done(1, 0, wire.sync_done(CSN)) == conversation.read()
            assert wire.disconnection(52) == conversation.read()


def test_a_recorded_stream_can_be_used_by_a_client(provider: Provider, tmp_path: Path) -> None:
    with Provider() as real:
        real.add(f"cn=a,{SUFFIX}", {"sn": "x"})
        recorded = said(real, script.from_directory())
    provider.replay(recorded)
    with Replica(f"{provider.url}/{SUFFIX}", tmp_path / "data", mode=ONCE) as replica:
        assert replica.refresh().entries == 2
        assert replica.entries[f"cn=a,{SUFFIX}"]["sn"] == [b"x"]


@pytest.mark.parametrize("data", [b"\x30\x05\x02\x01", b"\x04\x01x", b"\x30\x00", b"\x30\x03\x02\x01\x01"])
def test_what_is_no_recorded_stream_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        script.replay(data)


# --- what it does to a client -----------------------------------------------------------------------------------------

MISBEHAVIOUR: dict[str, tuple[Sequence[Step], type[SyncreplError], str]] = {
    "UUID of 15 octets": ([script.entry("cn=a", {}, b"x" * 15)], ProtocolError, "15 octets"),
    "UUID of 17 octets in a set": ([script.id_set([b"x" * 17])], ProtocolError, "17 octets"),
    "unknown state": ([script.entry("cn=a", {}, A, state=5)], ProtocolError, "unknown sync state 5"),
    "entry without Sync State": ([script.plain_entry("cn=a", {})], ProtocolError, "without a Sync State"),
    "success without Sync Done": ([script.search_done()], ProtocolError, "without a Sync Done"),
    "persist in a refresh": ([script.refresh_delete(CSN)], ProtocolError, "not allowed"),
    "entry after a separator": (
        [script.refresh_present(done=False), script.id_set([A])],
        ProtocolError,
        "named as present is not allowed",
    ),
    "no LDAP": ([script.raw(b"HTTP/1.1 400 Bad Request\r\n")], ProtocolError, "expected an LDAP message"),
    "unknown operation": ([script.raw(b"\x30\x05\x02\x01\x01\x7e\x00")], ProtocolError, "none that a client receives"),
    "notice of disconnection": ([script.disconnection(52, "bye")], ConnectionLost, "bye"),
    "end of the stream": ([script.cut()], ConnectionLost, "closed the connection"),
    "end amid a message": (
        [script.cut(9), script.entry("cn=a", {"cn": "a"}, A)],
        ConnectionLost,
        "closed the connection",
    ),
    "size limit": ([script.search_done(4)], LDAPResultError, "sizeLimitExceeded"),
    "no such object": ([script.search_done(32)], NoSuchBase, "noSuchObject"),
    "control not supported": ([script.search_done(12)], SyncNotSupported, "unavailableCriticalExtension"),
    "busy": ([script.search_done(51, "", script.sync_done(CSN, deletes=True))], LDAPResultError, "busy"),
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_misbehaviour_is_an_error_and_the_copy_stays_as_it_was(filled: Provider, tmp_path: Path, name: str) -> None:
    steps, kind, reason = MISBEHAVIOUR[name]
    path = tmp_path / "data"
    refresh(filled, path)
    before = copy(path)
    filled.delete(f"cn=a,{SUFFIX}")
    filled.script(script.id_set([A], deletes=True), script.entry(f"cn=x,{SUFFIX}", {"cn": "x"}, B), *steps)

    with pytest.raises(kind, match=reason):
        refresh(filled, path)

    assert before == copy(path)
    assert refresh(filled, path) == 2


def test_a_refresh_cut_anywhere_leaves_the_copy_as_it_was(filled: Provider, tmp_path: Path) -> None:
    path = tmp_path / "data"
    refresh(filled, path)
    before, cookie = copy(path), filled.cookie
    filled.delete(f"cn=a,{SUFFIX}")
    filled.replace(f"cn=b,{SUFFIX}", "sn", "new")
    filled.add(f"cn=d,{SUFFIX}", {"sn": "d"})
    with Conversation(filled.url) as conversation:
        conversation.search(SUFFIX, REFRESH_ONLY, cookie, scope=1)
        size = len(b"".join(conversation.until(lambda _: False)))

    for after in range(0, size, 7):
        filled.script(script.cut(after), script.from_directory())
        with pytest.raises(ConnectionLost):
            refresh(filled, path)
        assert before == copy(path)
    assert refresh(filled, path) == 3


@pytest.mark.parametrize("offered", [None, CSN], ids=["no cookie", "a cookie"])
def test_a_server_that_wants_a_refresh_gets_one(filled: Provider, tmp_path: Path, offered: bytes | None) -> None:
    path = tmp_path / "data"
    refresh(filled, path)
    cookie = filled.cookie
    filled.delete(f"cn=a,{SUFFIX}")
    filled.script(
        script.entry(f"cn=x,{SUFFIX}", {"cn": "x"}, B),
        script.search_done(4096, "stale", *([] if offered is None else [script.sync_done(offered)])),
    )
    # The directory would not know what to do with a cookie of the year 2030.
    filled.script(script.search_done(0, "", script.sync_done(filled.cookie, deletes=True)), times=bool(offered))

    assert refresh(filled, path) == (2 if offered is None else 3)
    assert [None, cookie, offered] == [request.cookie for request in filled.requests[:3]]


def test_a_server_that_wants_a_refresh_again_and_again_is_given_up(filled: Provider, tmp_path: Path) -> None:
    path = tmp_path / "data"
    refresh(filled, path)
    before = copy(path)
    filled.script(script.search_done(4096, "never content"), times=10)

    with pytest.raises(ProtocolError, match="never content"):
        refresh(filled, path)
    assert before == copy(path)


def test_a_client_is_stopped_while_the_server_says_nothing(filled: Provider, tmp_path: Path) -> None:
    stall = script.stall()
    filled.script(script.entry(f"cn=x,{SUFFIX}", {"cn": "x"}, B), stall)
    with Replica(url(filled), tmp_path / "data", mode=ONCE) as replica:
        worker = threading.Thread(target=replica.run)
        worker.start()
        stall.wait_until_reached()
        replica.stop()
        worker.join(10)

    assert not worker.is_alive()
    assert copy(tmp_path / "data") == ([], [(None,)])


def test_misbehaviour_in_the_persist_stage_keeps_what_came_before(filled: Provider, tmp_path: Path) -> None:
    path = tmp_path / "data"
    deleted: list[str] = []
    stall = script.stall()

    class Listener:
        def change(self, change: object, cursor: sqlite3.Cursor) -> None:
            if isinstance(change, Deleted):
                deleted.append(change.before.dn)
                # What comes in one piece is handled as one piece.
                stall.release()

    refresh(filled, path)
    (uuid,) = [row[0] for row in copy(path)[0] if row[1].startswith("cn=a")]
    after = CSN.replace(b"2030", b"2031")
    filled.script(
        script.refresh_delete(CSN),
        script.entry(f"cn=a,{SUFFIX}", {}, uuid, state=controls.EntryState.DELETE, cookie=after),
        stall,
        script.entry("cn=x", {}, b"x" * 15, state=controls.EntryState.DELETE, cookie=CSN.replace(b"2030", b"2032")),
    )
    with Replica(url(filled), path, listener=Listener()) as replica, pytest.raises(ProtocolError, match="15 octets"):
        replica.run()

    rows, cookies = copy(path)
    assert deleted == [f"cn=a,{SUFFIX}"]
    assert [f"cn=b,{SUFFIX}", f"cn=c,{SUFFIX}"] == [row[1] for row in rows]
    assert cookies == [(after,)]
