"""Questions beside the stream, with a server whose answers are written down."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from syncrepl_client.connection import inquiry as module
from syncrepl_client.connection.client import Client
from syncrepl_client.connection.inquiry import Inquiry, TooMuchToAsk
from syncrepl_client.contentsync.dialects import APACHEDS, DS389, UNKNOWN
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.exceptions import ConnectionLost, Interrupted, LDAPResultError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.testing import wire
from tests.scripted import SEARCH, ScriptedServer, entry
from tests.store.listeners import row, uuid

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = Search("dc=x", SUBTREE, filters.encode("(cn=*)"), ("description",))
STREAM = 77


def found(*named: tuple[int, str], code: int = 0) -> Callable[[int], bytes]:
    """Answer a sync search from nothing."""

    def answer(message_id: int) -> bytes:
        entries = b"".join(entry(message_id, number, dn) for number, dn in named)
        return entries + wire.done(message_id, code, wire.sync_done(b"", deletes=True))

    return answer


class Asking:
    """An inquiry, and what it set aside."""

    def __init__(
        self, *answers: Callable[[int], bytes] | None, server: ScriptedServer | None = None, stopping: bool = False
    ) -> None:
        self.server = server or ScriptedServer(*answers)
        self.aside: list[Any] = []
        self.noticed = 0
        self.inquiry = Inquiry(
            Client(self.server), CONTENT, stopping=lambda: stopping, set_aside=self.aside.extend, notice=self.notice
        )

    def notice(self) -> None:
        self.noticed += 1


def test_each_subtree_is_what_is_there_now() -> None:
    asking = Asking(found((1, "cn=a,dc=x"), (2, "cn=b,cn=a,dc=x")), found((3, "cn=c,dc=x")))

    below = asking.inquiry.below(["cn=a,dc=x", "cn=c,dc=x"])

    assert [[row(1, "cn=a,dc=x"), row(2, "cn=b,cn=a,dc=x")], [row(3, "cn=c,dc=x")]] == below
    assert [(asked.base, asked.scope, asked.cookie) for asked in asking.server.asked] == [
        ("cn=a,dc=x", 2, None),
        ("cn=c,dc=x", 2, None),
    ]


def test_a_base_that_is_gone_holds_nothing() -> None:
    asking = Asking(found(code=32), found((1, "cn=a,dc=x")))

    assert [[], [row(1, "cn=a,dc=x")]] == asking.inquiry.below(["cn=gone,dc=x", "cn=a,dc=x"])


def test_names_are_asked_for_one_by_one() -> None:
    asking = Asking(found((1, "cn=a,dc=x")), found(code=32))

    assert [row(1, "cn=a,dc=x")] == asking.inquiry.named(["cn=a,dc=x", "cn=b,dc=x"])
    assert [asked.scope for asked in asking.server.asked] == [0, 0]


def test_another_failure_is_an_error() -> None:
    with pytest.raises(LDAPResultError, match="beside the stream failed: busy"):
        Asking(found(code=51)).inquiry.below(["dc=x"])


def test_what_the_stream_says_meanwhile_is_set_aside() -> None:
    change = entry(STREAM, 9, "cn=new,dc=x")
    asking = Asking(lambda message_id: change + found((1, "cn=a,dc=x"))(message_id) + change)

    asking.inquiry.below(["cn=a,dc=x"])

    assert [item.message_id for item in asking.aside] == [STREAM, STREAM]


class Counting(ScriptedServer):
    """Answers one question at each read, and counts those that wait."""

    most = reads = 0

    def read(self, timeout: float, *, patient: bool = False) -> bytes | None:
        self.most = max(self.most, len(self.asked) - self.reads)
        self.reads += 1
        return super().read(timeout, patient=patient)


def test_not_all_is_asked_at_once() -> None:
    """Slapd closes the connection of an anonymous client that has more than 100 requests pending."""
    server = Counting(*[None] * 100)
    server.say(*(found()(number) for number in range(1, 101)))

    assert Asking(server=server).inquiry.below(f"cn={number},dc=x" for number in range(100)) == [[]] * 100

    assert server.most == 32


def test_entries_are_asked_for_by_uuid_within_the_content() -> None:
    asking = Asking(found((1, "cn=a,dc=x"), (5, "cn=witness,dc=x")), wire.done)

    assert [row(1, "cn=a,dc=x")] == asking.inquiry.entries({uuid(1), uuid(2)}, witnesses=[uuid(5)])

    asked = "".join(f"(entryUUID={text})" for text in (_text(1), _text(2), _text(5)))
    assert filters.encode(f"(&(cn=*)(|{asked}))") in asking.server.asked[0].octets


def _text(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012}"


def test_many_entries_are_asked_for_by_several_searches() -> None:
    asking = Asking(*[found((500, "cn=witness,dc=x"))] * 3, *[wire.done] * 3)

    assert asking.inquiry.entries({uuid(number) for number in range(250)}, witnesses=[uuid(500)]) == []
    assert [asked.tag for asked in asking.server.asked] == [SEARCH] * 6


def plainly(*named: tuple[int, str], hidden: str = "") -> Callable[[int], bytes]:
    """Answer a plain search; of one entry the UUID may not be read."""

    def answer(message_id: int) -> bytes:
        entries = [wire.entry(dn, {"entryUUID": [_text(number).encode()]}) for number, dn in named]
        unread = [wire.entry(hidden, {})] if hidden else []
        return b"".join(wire.message(message_id, one) for one in (*unread, *entries)) + wire.done(message_id)

    return answer


def test_who_was_withheld_from_content_synchronization_is_found_by_a_plain_search() -> None:
    """Slapd leaves out what was changed after the moment that the search is about."""
    witness = found((5, "cn=witness,dc=x"))
    asking = Asking(witness, plainly((1, "cn=a,dc=x"), hidden="cn=hidden,dc=x"))

    found_ones = asking.inquiry.entries({uuid(1), uuid(2)}, witnesses=[uuid(5)])
    assert [(uuid(1), b"cn=a,dc=x")] == [(octets, dn) for octets, dn, _ in found_ones]
    assert [asked.is_plain for asked in asking.server.asked] == [False, True]


def test_who_may_not_be_searched_for_by_uuid_is_found_by_name() -> None:
    """Unless another entry has that name by now."""
    known = {uuid(1): "cn=a,dc=x", uuid(2): "cn=b,dc=x"}
    asking = Asking(
        found((5, "cn=witness,dc=x")), wire.done, found((1, "cn=a,dc=x")), found((4, "cn=b,dc=x")), found(code=32)
    )

    uuids = {uuid(1), uuid(2), uuid(3)}
    assert [row(1, "cn=a,dc=x")] == asking.inquiry.entries(uuids, witnesses=[uuid(5)], name_of=known.get)
    assert [(asked.base, asked.scope) for asked in asking.server.asked[2:]] == [("cn=a,dc=x", 0), ("cn=b,dc=x", 0)]


def test_the_withheld_are_listed_by_a_plain_search() -> None:
    asking = Asking(plainly((1, "cn=a,dc=x"), (2, "cn=b,dc=x"), hidden="cn=hidden,dc=x"))

    assert [uuid(1), uuid(2)] == [one for uuids in asking.inquiry.listing_of_withheld() for one in uuids]


def test_where_nobody_is_withheld_nobody_is_listed() -> None:
    asking = Asking()
    asking.inquiry.dialect = DS389

    assert list(asking.inquiry.listing_of_withheld()) == []


def test_where_not_even_a_witness_is_found_the_answer_means_nothing() -> None:
    """An identity that may not search by entryUUID finds nobody at all."""
    with pytest.raises(TooMuchToAsk):
        Asking(found()).inquiry.entries({uuid(1)}, witnesses=[uuid(5)])


def test_too_many_entries_are_not_asked_for() -> None:
    asking = Asking()

    with pytest.raises(TooMuchToAsk):
        asking.inquiry.entries({uuid(number) for number in range(5001)}, witnesses=[])
    assert asking.server.asked == []


@pytest.mark.parametrize("limit", ["_MOST_ENTRIES", "_MOST_BYTES"])
def test_an_answer_that_is_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(module, limit, 1)
    many = found((1, "cn=a,dc=x"), (2, "cn=b,dc=x"))
    asking = Asking(many, None, lambda _: entry(3, 4, "cn=d,dc=x"))

    with pytest.raises(TooMuchToAsk):
        asking.inquiry.below(["cn=a,dc=x", "cn=b,dc=x", "cn=c,dc=x"])

    assert asking.server.given_up() == [2, 3]


def test_a_server_that_suffers_from_abandon_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 1)
    asking = Asking(found((1, "cn=a,dc=x"), (2, "cn=b,dc=x")), None)
    asking.inquiry.dialect = replace(UNKNOWN, can_abandon=False)

    with pytest.raises(TooMuchToAsk):
        asking.inquiry.below(["cn=a,dc=x", "cn=b,dc=x"])

    assert asking.server.given_up() == []


def test_the_whole_content_is_listed_as_it_comes() -> None:
    asking = Asking(None)
    asking.server.say(entry(1, 1, "cn=a,dc=x") + entry(1, 2, "cn=b,dc=x"), None, entry(1, 3, "cn=c,dc=x") + found()(1))

    listed = list(asking.inquiry.listing())

    assert [[uuid(1), uuid(2)], [], [uuid(3)]] == listed
    # No attributes (RFC 4511 section 4.5.1.8).
    assert ber.sequence(ber.octet_string(b"1.1")) in asking.server.asked[0].octets


def test_where_synchronization_leaves_entries_out_plain_searches_tell() -> None:
    asking = Asking(None)
    asking.inquiry.dialect = APACHEDS
    plain = wire.message(1, wire.entry("cn=a,dc=x", {"entryUUID": [str(UUID(int=1)).encode()]}))
    asking.server.say(plain + wire.done(1), None)

    assert [[uuid(1)]] == [listed for listed in asking.inquiry.listing() if listed]
    assert [control.oid for control in asking.server.asked[0].controls] == [messages.MANAGE_DSA_IT]


def test_waiting_lets_the_stream_go_on() -> None:
    asking = Asking()
    asking.server.say(entry(STREAM, 1, "cn=a,dc=x"))

    asking.inquiry.wait(1)

    assert [item.message_id for item in asking.aside] == [STREAM]


def test_a_pause_lasts_whatever_arrives() -> None:
    asking = Asking()
    asking.server.say(entry(STREAM, 1, "cn=a,dc=x"), entry(STREAM, 2, "cn=b,dc=x"))
    begun = time.monotonic()

    asking.inquiry.pause(0.02)

    assert time.monotonic() - begun >= 0.02
    assert [item.message_id for item in asking.aside] == [STREAM, STREAM]


@pytest.mark.parametrize(
    "ask", [lambda inquiry: inquiry.wait(1), lambda inquiry: inquiry.below(["dc=x"])], ids=["wait", "ask"]
)
def test_a_stop_ends_a_question(ask: Callable[[Inquiry], object]) -> None:
    with pytest.raises(Interrupted):
        ask(Asking(None, stopping=True).inquiry)


def test_while_no_answer_comes_somebody_may_look_whether_the_server_is_there() -> None:
    asking = Asking(None)
    asking.server.say(None, None, wire.done(1, 0, wire.sync_done(b"", deletes=True)))

    assert asking.inquiry.below(["dc=x"]) == [[]]
    assert asking.noticed == 2


def test_a_server_that_does_not_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0)

    with pytest.raises(ConnectionLost, match="no answer within 0 s") as caught:
        Asking(None).inquiry.below(["dc=x"])

    assert caught.value.hint
