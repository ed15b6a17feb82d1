"""Each message is a line that says what it is, and no line says what is secret."""

from __future__ import annotations

import pytest

from syncrepl_client.contentsync import controls as sync
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap.connection import Connection
from syncrepl_client.ldap.messages import Control
from syncrepl_client.testing import wire
from syncrepl_client.trace.conversation import Conversation
from tests.recordings import Recording, read_recordings, split_messages

UUID = bytes(range(16))
SHOWN = "00010203-0405-0607-0809-0a0b0c0d0e0f"


def sent(operation: bytes, *controls: Control) -> str:
    lines: list[str] = []
    Conversation(lines.append).sent(7, operation, controls)
    (line,) = lines
    return line.removeprefix("> 7 ")


def received(operation: bytes, *controls: bytes, asked: bytes = b"", message_id: int = 7) -> str:
    lines: list[str] = []
    conversation = Conversation(lines.append)
    if asked:
        conversation.sent(7, asked, ())
        lines.clear()
    for item in Connection().receive_data(wire.message(message_id, operation, *controls)):
        conversation.received(item)
    (line,) = lines
    return line.removeprefix(f"< {message_id} ")


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        (messages.bind_request("cn=a", b"geheim"), 'bind "cn=a" simple ***'),
        (messages.bind_request("", b""), 'bind "" without a password'),
        (messages.unbind_request(), "unbind"),
        (messages.abandon_request(300), "abandon 300"),
        (messages.extended_request(messages.START_TLS), "StartTLS"),
        (messages.extended_request(messages.WHO_AM_I), "Who am I?"),
        (messages.extended_request(messages.CANCEL, ber.sequence(ber.integer(3))), "Cancel 3"),
        (messages.extended_request("1.2.3", b"geheim"), 'extended operation "1.2.3"'),
        (messages.search_request("", 0, filters.encode("(a=b)"), ()), 'search "" base (a=b) attributes all'),
        (
            messages.search_request("dc=x", 2, filters.encode("(&(a=*)(b>=c))"), ["cn", "+"], 5),
            'search "dc=x" sub (&(a=*)(b>=c)) attributes cn, + size limit 5',
        ),
    ],
)
def test_a_request_is_read_from_what_is_sent(operation: bytes, line: str) -> None:
    assert line == sent(operation)


@pytest.mark.parametrize("credentials", [None, b"geheim"])
def test_of_a_sasl_bind_the_mechanism_is_shown_alone(credentials: bytes | None) -> None:
    parts = [ber.octet_string(b"PLAIN"), *([] if credentials is None else [ber.octet_string(credentials)])]
    operation = ber.tlv(0x60, ber.integer(3), ber.octet_string(b""), ber.tlv(0xA3, *parts))

    assert sent(operation) == 'bind "" SASL "PLAIN" ***'


@pytest.mark.parametrize(
    "text",
    ["(userPassword=geheim)", "(&(cn=a)(!(userPassword=geh*eim*)))", "(userPassword:caseExactMatch:=geheim)"],
)
def test_a_filter_for_a_secret_attribute_shows_no_value(text: str) -> None:
    line = sent(messages.search_request("", 0, filters.encode(text), ()))

    assert "***" in line
    assert "geh" not in line
    assert "userPassword" in line


def test_the_controls_of_a_request_are_named() -> None:
    search = messages.search_request("", 0, filters.encode("(a=*)"), ())
    asked = [
        sync.request_control(3, b"rid=1"),
        sync.request_control(1, None),
        Control(messages.MANAGE_DSA_IT, critical=True),
        Control("1.2.3", value=b"abc"),
    ]

    assert sent(search, *asked).split("; ")[1:] == [
        'Sync Request critical refreshAndPersist cookie "rid=1"',
        "Sync Request critical refreshOnly",
        "ManageDsaIT critical",
        'control "1.2.3" 3 bytes',
    ]


def test_what_a_sync_request_holds_besides_is_passed_over() -> None:
    odd = Control(
        sync.SYNC_REQUEST, value=ber.sequence(ber.enumerated(7), ber.boolean(value=True), ber.octet_string(b""))
    )

    assert sent(messages.unbind_request(), odd) == 'unbind; Sync Request 7 cookie ""'


def test_an_entry_by_itself_is_described_as_one_of_a_run() -> None:
    lines: list[str] = []
    octets = wire.message(2, wire.entry("cn=a", {"cn": [b"a"]}))
    Conversation(lines.append).received(messages.decode_message(octets))

    assert lines == ['< 2 entry "cn=a": cn (1, 1 bytes)']


@pytest.mark.parametrize(
    "operation", [b"\x60\x00", b"\x60\x05\x02\x01\x03\x04\x7f", b"\x63\x00", b"\x77\x00", b"\x44\x00", b"\x50\x00"]
)
def test_what_is_no_request_is_named_by_its_tag(operation: bytes) -> None:
    assert sent(operation) == f"request 0x{operation[0]:02x}"


# --- responses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        (wire.result(0x61), "bind: success (0)"),
        (wire.result(0x61, 49, "no\x1b way"), 'bind: invalidCredentials (49) "no\\x1b way"'),
        (wire.result(0x61, 14, "", ber.octet_string(b"geheim", tag=0x87)), "bind: saslBindInProgress (14) SASL ***"),
        (
            wire.result(0x65, 10, "", ber.tlv(0xA3, ber.octet_string(b"ldap://h")), matched_dn="dc=x"),
            'search done: referral (10) matched "dc=x" referral "ldap://h"',
        ),
        (wire.result(0x6B, 777), "delete: result (777)"),
        (wire.reference("ldap://h", "ldap://i"), 'reference "ldap://h", "ldap://i"'),
        (
            wire.result(0x78, 0, "", ber.octet_string(b"geheim", tag=0x8B)),
            "extended operation: success (0) and 6 bytes",
        ),
        (
            wire.result(0x78, 0, "", ber.octet_string(b"1.2", tag=0x8A)),
            'extended operation "1.2": success (0)',
        ),
        (ber.tlv(0x79, ber.octet_string(b"1.2", tag=0x80)), 'intermediate response "1.2", 0 bytes'),
    ],
)
def test_a_response_is_named_with_its_result(operation: bytes, line: str) -> None:
    assert line == received(operation)


def test_the_answer_to_who_am_i_is_shown_for_it_is_no_secret() -> None:
    answer = wire.result(0x78, 0, "", ber.octet_string(b"dn:cn=a", tag=0x8B))

    line = received(answer, asked=messages.extended_request(messages.WHO_AM_I))
    assert line == 'extended operation: success (0) "dn:cn=a"'


def test_a_notice_of_disconnection_is_named() -> None:
    lines: list[str] = []
    (notice,) = Connection().receive_data(wire.disconnection(52, "bye"))
    Conversation(lines.append).received(notice)

    assert lines == ['< 0 notice of disconnection: unavailable (52) "bye"']


def test_an_entry_shows_names_and_sizes_but_no_values() -> None:
    entry = wire.entry('cn="x"', {"cn": [b"geheim", b"g"], "userPassword": [b"geheim"]})

    line = received(entry, wire.state(1, UUID, b"rid=1"))
    assert line == (
        f'entry "cn=\\"x\\""; Sync State add {SHOWN} cookie "rid=1": cn (2, 7 bytes), userPassword (1, 6 bytes)'
    )


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (wire.new_cookie(b"rid=1"), 'newcookie "rid=1"'),
        (wire.phase_end(deletes=True), "refreshDelete refreshDone TRUE"),
        (wire.phase_end(deletes=False, done=False, cookie=b"c"), 'refreshPresent refreshDone FALSE cookie "c"'),
        (wire.id_set(UUID, deletes=True), f"syncIdSet refreshDeletes TRUE, 1 entries: {SHOWN}"),
        (wire.id_set(cookie=b"c"), 'syncIdSet refreshDeletes FALSE, 0 entries cookie "c"'),
        (b"\xa9\x00", "malformed, unknown syncInfoValue 0xa9"),
    ],
)
def test_a_sync_info_message_is_decoded(value: bytes, line: str) -> None:
    assert received(wire.sync_info(value)) == f"Sync Info {line}"


def test_a_sync_done_control_is_decoded() -> None:
    done = wire.result(0x65)

    assert received(done, wire.sync_done(b"c", deletes=True)).endswith('; Sync Done refreshDeletes TRUE cookie "c"')
    assert received(done, wire.control(sync.SYNC_DONE, b"\x04\x00")).endswith(
        "; Sync Done malformed, syncDoneValue has tag 0x04, expected a SEQUENCE"
    )


def test_what_is_malformed_is_said_and_shows_no_value() -> None:
    broken = ber.tlv(0x64, ber.octet_string(b"cn=a"), ber.sequence(ber.octet_string(b"geheim")))

    line = received(broken, b"\x02\x01\x01")
    assert line.startswith('entry "cn=a"; malformed controls, ')
    assert "malformed attributes" in line
    assert "geheim" not in line
    assert b"geheim".hex() not in line


def test_long_values_are_cut() -> None:
    line = received(wire.sync_info(wire.new_cookie(b"c" * 5000)))

    assert line.endswith('c" and 4000 more')
    assert len(line) < 1100
    many = wire.id_set(*(bytes([number]) * 16 for number in range(30)))
    assert received(wire.sync_info(many)).endswith(" and 20 more")


@pytest.mark.parametrize("recording", read_recordings(), ids=lambda recording: f"{recording.server}-{recording.name}")
def test_each_message_of_a_real_server_is_one_line(recording: Recording) -> None:
    lines: list[str] = []
    conversation = Conversation(lines.append)
    for item in Connection().receive_data(recording.octets):
        conversation.received(item)

    assert len(lines) == len(split_messages(recording.octets)[0])
    assert all(line.startswith("< 2 ") and line.isprintable() for line in lines)
    assert not [line for line in lines if "malformed" in line]
    if recording.name == "first-refresh":
        shown = {dn: uuid for uuid, dn in recording.content.items()}
        assert all(f'entry "{dn}"; Sync State add {uuid}' in "\n".join(lines) for dn, uuid in shown.items())
    if recording.result is not None:
        assert f"({recording.result})" in lines[-1]
