"""A plain search for the content: UUIDs are among the attributes."""

from __future__ import annotations

from uuid import UUID

import pytest

from syncrepl_client.contentsync.events import EntriesSent, SearchEnded
from syncrepl_client.contentsync.plain import PlainSearch
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.contentsync.session import State
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages
from syncrepl_client.ldap.attributes import decode_attributes
from syncrepl_client.ldap.connection import Connection
from syncrepl_client.ldap.messages import Result
from syncrepl_client.testing import wire

UUID_1 = UUID(int=1)
CONTENT = filters.encode("(cn=*)")


def search(*attributes: str) -> PlainSearch:
    return PlainSearch(Search("dc=x", SUBTREE, CONTENT, attributes))


@pytest.mark.parametrize(
    ("attributes", "asked"),
    [
        ((), ["*", "entryUUID"]),
        (("cn",), ["cn", "entryUUID"]),
        (("1.1",), ["entryUUID"]),
        (("cn", "EntryUUID"), ["cn", "EntryUUID"]),
        (("*", "+"), ["*", "+"]),
    ],
)
def test_the_uuid_is_asked_for(attributes: tuple[str, ...], asked: list[str]) -> None:
    assert search(*attributes).request() == messages.search_request("dc=x", SUBTREE, CONTENT, asked)


@pytest.mark.parametrize(("attributes", "kept"), [((), {"cn"}), (("cn", "entryUUID"), {"cn", "entryUUID"})])
def test_the_uuid_stays_where_it_was_asked_for(attributes: tuple[str, ...], kept: set[str]) -> None:
    plain = search(*attributes)
    stream = wire.message(1, wire.entry("cn=a,dc=x", {"cn": [b"a"], "entryUUID": [str(UUID_1).upper().encode()]}))

    [sent] = [event for item in Connection().receive_data(stream) for event in plain.receive(item)]

    assert isinstance(sent, EntriesSent)
    [(uuid, dn, attrs)] = sent.rows
    assert (uuid, dn, set(decode_attributes(attrs))) == (UUID_1.bytes, b"cn=a,dc=x", kept)


@pytest.mark.parametrize("values", [{}, {"entryUUID": []}, {"entryUUID": [b"none"]}, {"entryUUID": [b"\xff"]}])
def test_an_entry_without_a_uuid_is_an_error(values: dict[str, list[bytes]]) -> None:
    entry = wire.entry("cn=a,dc=x", values).replace(b"cn=a,", b"cn=\xff,")
    [item] = Connection().receive_data(wire.message(1, entry))
    with pytest.raises(ProtocolError) as caught:
        search().receive(item)
    assert str(caught.value) == "the entry 'cn=\ufffd,dc=x' has no entryUUID"
    assert caught.value.hint == "give the bound identity the right to read entryUUID"


def test_entries_whose_uuid_may_not_be_read_are_passed_over_where_that_is_asked_for() -> None:
    plain = PlainSearch(Search("dc=x", SUBTREE, CONTENT, ()), lenient=True)
    entries = [{"cn": [b"a"]}, {"cn": [b"b"], "entryUUID": [str(UUID_1).encode()]}, {"entryUUID": [b"none"]}]
    stream = b"".join(wire.message(1, wire.entry(f"cn={number},dc=x", one)) for number, one in enumerate(entries))

    events = [event for item in Connection().receive_data(stream) for event in plain.receive(item)]

    rows = [row for event in events if isinstance(event, EntriesSent) for row in event.rows]
    assert [(uuid, dn) for uuid, dn, _ in rows] == [(UUID_1.bytes, b"cn=1,dc=x")]


def test_references_are_passed_over_and_the_result_is_the_end() -> None:
    plain = search()
    assert search().state is State.REFRESH
    stream = wire.message(1, wire.reference("ldap://elsewhere")) + wire.done(1, 32)

    events = [event for item in Connection().receive_data(stream) for event in plain.receive(item)]

    assert events == [SearchEnded(Result(32))]
    assert plain.state is State.ENDED


def test_what_is_no_answer_to_a_search_is_an_error() -> None:
    [item] = Connection().receive_data(wire.info(1, wire.new_cookie(b"cookie")))
    with pytest.raises(ProtocolError) as caught:
        search().receive(item)
    assert str(caught.value) == "IntermediateResponse in the middle of a search"
