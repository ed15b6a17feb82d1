"""Bytes in, messages out, cut anywhere."""

from __future__ import annotations

import contextlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import encode_attributes
from syncrepl_client.ldap.connection import Connection, EntryRun
from syncrepl_client.ldap.messages import (
    BindResponse,
    ExtendedResponse,
    IntermediateResponse,
    Message,
    SearchResultDone,
    SearchResultReference,
    UpdateResponse,
    decode_message,
)
from syncrepl_client.testing import wire

PERSON = {"objectClass": [b"person", b"top"], "cn": [b"Ann"], "description": [b"x" * 300]}
SMALL = {"cn": [b"Ann"]}


def stream() -> bytes:
    """A search with plain and odd entries, and something else in between."""
    uuid = UUID(int=7).bytes
    return b"".join(
        (
            wire.message(3, wire.entry("cn=a,dc=x", PERSON), wire.state(1, uuid)),
            wire.message(3, wire.entry("cn=b,dc=x", PERSON), wire.state(1, uuid)),
            wire.message(3, wire.entry("cn=c,dc=x", SMALL), wire.state(1, uuid)),
            wire.message(3, wire.entry("cn=" + "d" * 200 + ",dc=x", PERSON)),
            wire.message(4, wire.entry("cn=e,dc=x", {**PERSON, "jpegPhoto": [b"\0" * 70_000]})),
            wire.intermediate(3, "1.2.3", b"hello"),
            wire.message(3, wire.entry("cn=f,dc=x", PERSON), wire.state(1, uuid)),
            wire.done(3, 0, wire.sync_done(b"c")),
        )
    )


def flatten(items: list[Message | EntryRun]) -> list[object]:
    """Take runs apart, since where a read ends decides how long they are."""
    flat: list[object] = []
    for item in items:
        flat += [(item.message_id, row) for row in item.rows] if isinstance(item, EntryRun) else [item]
    return flat


def test_entries_of_one_search_that_stand_together_are_one_run() -> None:
    items = Connection().receive_data(stream())

    assert [EntryRun, EntryRun, Message, EntryRun, Message] == [type(item) for item in items]
    assert isinstance(items[0], EntryRun)
    assert [row[0] for row in items[0].rows[:3]] == [b"cn=a,dc=x", b"cn=b,dc=x", b"cn=c,dc=x"]


@given(st.lists(st.integers(1, 72_000), max_size=8))
def test_a_stream_says_the_same_however_it_is_cut(cuts: list[int]) -> None:
    data = stream()
    connection = Connection()
    whole = flatten(Connection().receive_data(data))

    pieces = []
    last = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        pieces += flatten(connection.receive_data(data[last:cut]))
        last = cut

    assert whole == pieces
    assert not connection.in_message


def test_a_stream_says_the_same_byte_by_byte() -> None:
    data = stream()[:3000]
    connection = Connection()

    pieces = [item for at in range(len(data)) for item in flatten(connection.receive_data(data[at : at + 1]))]

    assert flatten(Connection().receive_data(data)) == pieces
    assert connection.in_message


def test_entries_whose_parts_differ_in_size_are_one_run() -> None:
    """The quick path takes lists of 256 octets and more; a shorter one among them makes no difference."""
    values = [PERSON, {"cn": [b"x" * 200]}, PERSON]
    data = b"".join(wire.message(3, wire.entry("cn=" + "n" * 110 + ",dc=x", value)) for value in values)

    (run,) = Connection().receive_data(data)

    assert isinstance(run, EntryRun)
    assert [encode_attributes(value) for value in values] == [row[1] for row in run.rows]


@pytest.mark.parametrize("bit", [0x01, 0x40, 0x80])
@pytest.mark.parametrize("position", [3, 10, 12, 25], ids=["message", "operation", "name", "attributes"])
def test_an_entry_whose_lengths_do_not_agree_is_a_protocol_error(position: int, bit: int) -> None:
    """After plain ones, too, where the quick path looks at it first."""
    plain = wire.message(3, wire.entry("cn=a,dc=x", PERSON), wire.state(1, UUID(int=7).bytes))
    broken = bytearray(plain)
    broken[position] ^= bit

    with pytest.raises(ProtocolError):
        Connection().receive_data(plain + bytes(broken) + plain)


def test_an_entry_with_members_that_are_not_known_is_one_of_the_run() -> None:
    """RFC 4511 section 4: what follows the known members is skipped, in the message and in the entry."""
    state = wire.state(1, UUID(int=7).bytes)
    new = ber.octet_string(b"new", tag=0x9E)
    named, listed = ber.octet_string(b"cn=a,dc=x"), encode_attributes(SMALL)
    entry = wire.entry("cn=a,dc=x", SMALL)
    data = b"".join(
        (
            wire.message(3, entry, state),
            ber.sequence(ber.integer(3), entry, new, ber.tlv(0xA0, state)),
            wire.message(3, ber.tlv(0x64, named, listed, new), state),
        )
    )

    (run,) = Connection().receive_data(data)

    assert EntryRun(3, [(b"cn=a,dc=x", listed, ber.tlv(0xA0, state))] * 3) == run


def test_plain_and_general_decoding_agree() -> None:
    data = wire.message(9, wire.entry("cn=a,dc=x", PERSON), wire.state(1, UUID(int=1).bytes))
    message = decode_message(data)
    (run,) = Connection().receive_data(data + data)

    assert isinstance(run, EntryRun)
    assert run.rows[0] == run.rows[1]
    assert (message.operation.dn, message.operation.attributes, message.raw_controls) == run.rows[0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (wire.result(0x61), BindResponse),
        (wire.result(0x65, 32), SearchResultDone),
        (wire.result(0x67), UpdateResponse),
        (wire.result(0x69), UpdateResponse),
        (wire.result(0x6B), UpdateResponse),
        (wire.result(0x6D), UpdateResponse),
        (wire.result(0x6F, 5), UpdateResponse),
        (wire.result(0x78), ExtendedResponse),
        (b"\x73\x0d\x04\x0bldap://b/c", None),
        (b"\x73\x0a\x04\x08ldap://b", SearchResultReference),
        (b"\x79\x00", IntermediateResponse),
    ],
)
def test_every_operation_that_a_client_receives_is_decoded(operation: bytes, kind: type | None) -> None:
    data = wire.message(1, operation)
    if kind is None:
        with pytest.raises(ProtocolError):
            Connection().receive_data(data)
        return
    (item,) = Connection().receive_data(data)

    assert isinstance(item, Message)
    assert isinstance(item.operation, kind)


def test_optional_members_are_told_apart_by_their_tags() -> None:
    operation = wire.result(0x78, 0, "", b"\x8b\x01v")

    (item,) = Connection().receive_data(wire.message(1, operation))

    assert isinstance(item, Message)
    assert isinstance(item.operation, ExtendedResponse)
    assert (item.operation.name, item.operation.value) == (None, b"v")


def test_controls_are_decoded_with_any_of_their_members() -> None:
    controls = [wire.control("1.2"), wire.control("1.3", b"v"), wire.control("1.4", b"w", critical=True)]

    (item,) = Connection().receive_data(wire.message(1, wire.result(0x65), *controls))

    assert isinstance(item, Message)
    assert [(control.oid, control.critical, control.value) for control in item.controls] == [
        ("1.2", False, None),
        ("1.3", False, b"v"),
        ("1.4", True, b"w"),
    ]


def test_a_message_beyond_the_limit_is_refused_before_it_came() -> None:
    with pytest.raises(ProtocolError, match="larger than the limit"):
        Connection(max_message=1000).receive_data(b"\x30\x82\x10\x00")


@pytest.mark.parametrize(
    "data",
    [
        b"\x31\x03",
        b"\x30\x80\x00\x00",
        b"\x30\x89" + b"\x01" * 9,
        b"\x30\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x02\x01\x01\x63\x00",
        b"\x30\x05\x02\x01\xff\x65\x00",
        b"\x30\x05\x02\x01\x01\x65\x00",
        b"\x30\x06\x02\x01\x01\x7f\x01\x00",
        b"\x30\x07\x02\x01\x01\x64\x02\x04\x05",
        b"\x30\x07\x04\x01\x01\x64\x02\x04\x00",
    ],
)
def test_malformed_messages_are_protocol_errors(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Connection().receive_data(data)


@given(st.binary(max_size=200), st.integers(0, 1500), st.binary(min_size=1, max_size=4))
def test_garbage_is_a_protocol_error_or_waits_for_more(tail: bytes, at: int, replacement: bytes) -> None:
    data = stream()[:1600]
    data = data[:at] + replacement + data[at + len(replacement) :] + tail
    with contextlib.suppress(ProtocolError):
        Connection().receive_data(data)


@pytest.mark.parametrize("tail", [b"\x8a\x01x", b"\x8a\x01x" + ber.tlv(0xA0, wire.state(1, b"u" * 16)), b"\x8a\x05x"])
def test_what_follows_an_entry_and_is_no_control_is_read_alike_wherever_the_stream_is_cut(tail: bytes) -> None:
    """Elements that are not known are skipped (RFC 4511 section 4), also by the loop for entries in a row."""
    plain = wire.message(3, wire.entry("cn=a,dc=x", PERSON), wire.state(1, b"v" * 16))
    odd = ber.sequence(ber.integer(3), wire.entry("cn=b,dc=x", PERSON), tail)

    def read(*parts: bytes) -> object:
        connection = Connection()
        try:
            return flatten([item for part in parts for item in connection.receive_data(part)])
        except ProtocolError as error:
            return str(error)

    assert read(plain, odd, plain) == read(plain + odd + plain)
