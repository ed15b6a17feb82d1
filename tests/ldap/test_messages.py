"""Requests as octets, and every kind of answer as a value."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap.messages import (
    BindResponse,
    Control,
    ExtendedResponse,
    IntermediateResponse,
    Result,
    SearchResultDone,
    SearchResultEntry,
    SearchResultReference,
    UpdateResponse,
    decode_controls,
    decode_message,
)
from syncrepl_client.testing import wire

# RFC 4511 writes no octets, so these are from its definitions by hand.
BIND = "60 0d 02 01 03 04 03 636e3d 80 03 707764"
SEARCH = "63 1e 04 04 64633d78 0a 01 02 0a 01 00 02 01 00 02 01 00 01 01 00 87 01 61 30 04 04 02 636e"


@pytest.mark.parametrize(
    ("request_", "octets"),
    [
        (messages.bind_request("cn=", b"pwd"), BIND),
        (messages.bind_request("", b""), "60 07 02 01 03 04 00 80 00"),
        (messages.sasl_bind_request("X", None), "60 0a 02 01 03 04 00 a3 03 04 01 58"),
        (messages.sasl_bind_request("X", b""), "60 0c 02 01 03 04 00 a3 05 04 01 58 04 00"),
        (messages.sasl_bind_request("X", b"ab"), "60 0e 02 01 03 04 00 a3 07 04 01 58 04 02 6162"),
        (messages.unbind_request(), "42 00"),
        (messages.search_request("dc=x", 2, b"\x87\x01a", ["cn"]), SEARCH),
        (messages.abandon_request(5), "50 01 05"),
        (messages.extended_request("1.2"), "77 05 80 03 312e32"),
        (messages.extended_request("1.2", b"v"), "77 08 80 03 312e32 81 01 76"),
    ],
)
def test_requests_are_as_the_rfc_defines_them(request_: bytes, octets: str) -> None:
    assert bytes.fromhex(octets) == request_


def test_what_a_bind_answers_does_not_show() -> None:
    assert "geheim" not in repr(BindResponse(Result(14), b"geheim"))


def test_controls_follow_the_operation_and_leave_out_defaults() -> None:
    """RFC 4511 section 5.1: default values are not encoded."""
    given = [Control("1.2", critical=True, value=b"v"), Control("1.3"), Control("1.4", value=b"")]

    message = messages.encode_message(3, messages.unbind_request(), given)

    assert messages.encode_message(3, messages.unbind_request()) == bytes.fromhex("30 05 02 01 03 42 00")
    assert (
        b"".join(
            (
                bytes.fromhex("30 24 02 01 03 42 00 a0 1d"),
                bytes.fromhex("30 0b 04 03 312e32 01 01 ff 04 01 76"),
                bytes.fromhex("30 05 04 03 312e33"),
                bytes.fromhex("30 07 04 03 312e34 04 00"),
            )
        )
        == message
    )
    assert tuple(given) == decode_controls(message[7:])


@pytest.mark.parametrize(
    ("operation", "value"),
    [
        (wire.result(0x61, 49, "no"), BindResponse(Result(49, "", "no"))),
        (wire.result(0x61, 14, "", b"\x87\x02ok"), BindResponse(Result(14), b"ok")),
        (
            wire.entry("cn=ä", {"cn": [b"a"]}),
            SearchResultEntry("cn=ä".encode(), b"\x30\x0b\x30\x09\x04\x02cn\x31\x03\x04\x01a"),
        ),
        (
            ber.tlv(0x73, ber.octet_string(b"ldap://a"), ber.octet_string(b"ldap://b")),
            SearchResultReference(("ldap://a", "ldap://b")),
        ),
        (wire.result(0x65, 32), SearchResultDone(Result(32))),
        (wire.result(0x69, 68), UpdateResponse(0x69, Result(68))),
        (wire.result(0x78), ExtendedResponse(Result(0))),
        (wire.result(0x78, 0, "", b"\x8a\x031.2", b"\x8b\x01v"), ExtendedResponse(Result(0), "1.2", b"v")),
        (b"\x79\x00", IntermediateResponse()),
        (b"\x79\x08\x80\x031.2\x81\x01v", IntermediateResponse("1.2", b"v")),
    ],
)
def test_every_answer_is_decoded(operation: bytes, value: object) -> None:
    message = decode_message(wire.message(7, operation))

    assert (7, value, ()) == (message.message_id, message.operation, message.controls)


def test_a_result_names_how_far_the_server_came_and_where_else_to_ask() -> None:
    parts = [ber.enumerated(10), ber.octet_string("dc=ä".encode()), ber.octet_string("für".encode("latin-1"))]
    referral = ber.tlv(0xA3, ber.octet_string(b"ldap://a/"), ber.octet_string(b"ldap://b/"))

    message = decode_message(wire.message(1, ber.tlv(0x65, *parts, referral)))

    # A diagnostic in another charset is no reason to lose the result.
    assert SearchResultDone(Result(10, "dc=ä", "f\ufffdr", ("ldap://a/", "ldap://b/"))) == message.operation


def test_members_that_are_not_known_are_skipped() -> None:
    """RFC 4511 section 4: extensibility; they may stand before the controls or after them."""
    unknown = ber.octet_string(b"new", tag=0x9E)
    controls = ber.tlv(0xA0, wire.control("1.2", b"v"))
    operation = wire.result(0x78, 0, "", unknown, b"\x8b\x01v")

    message = decode_message(ber.sequence(ber.integer(1), operation, unknown, controls, unknown))

    assert ExtendedResponse(Result(0), None, b"v") == message.operation
    assert (Control("1.2", value=b"v"),) == message.controls


@pytest.mark.parametrize(
    "operation",
    [
        ber.tlv(0x65, ber.enumerated(32), ber.octet_string(b"dc=\xff"), ber.octet_string(b"")),
        wire.result(0x65, 10, "", ber.tlv(0xA3, ber.octet_string(b"ldap://\xff"))),
        ber.tlv(0x73, ber.octet_string(b"ldap://\xff")),
        b"\x79\x03\x80\x01\xff",
    ],
)
def test_a_text_that_is_not_utf8_is_a_protocol_error(operation: bytes) -> None:
    with pytest.raises(ProtocolError, match="is not UTF-8"):
        decode_message(wire.message(1, operation))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "message is missing"),
        (ber.octet_string(b"x"), "message has tag 0x04, expected 0x30"),
        (ber.sequence(), "message id is missing"),
        (ber.sequence(ber.integer(-1), wire.result(0x65)), "message id -1 is negative"),
        (ber.sequence(ber.integer(1)), "without an operation"),
        (wire.message(1, messages.unbind_request()), "0x42 is none that a client receives"),
        (wire.message(1, ber.tlv(0x65)), "result code is missing"),
        (wire.message(1, ber.tlv(0x65, ber.integer(0))), "result code has tag 0x02"),
        (wire.message(1, ber.tlv(0x65, ber.enumerated(0), ber.octet_string(b""))), "diagnostic message is missing"),
        (wire.message(1, ber.tlv(0x64, ber.octet_string(b""))), "attribute list is missing"),
    ],
)
def test_a_malformed_message_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_message(data)


@pytest.mark.parametrize(
    "raw",
    [
        ber.sequence(),
        ber.tlv(0xA0, ber.sequence()),
        ber.tlv(0xA0, ber.sequence(ber.integer(1))),
        ber.tlv(0xA0, ber.sequence(ber.octet_string(b"1.2"), ber.tlv(0x01, b"\xff\xff"))),
        ber.tlv(0xA0, ber.sequence(ber.octet_string(b"\xff"))),
    ],
)
def test_malformed_controls_are_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_controls(raw)
