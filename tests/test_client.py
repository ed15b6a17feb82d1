"""A connection that can be asked, with a server whose answers are written down, and with a real one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.connection.client import Client
from syncrepl_client.connection.listener import BoundConnection
from syncrepl_client.exceptions import (
    ClosedError,
    ConnectionLost,
    Interrupted,
    InvalidCredentials,
    LDAPResultError,
    NoSuchBase,
    ProtocolError,
)
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.messages import Control
from syncrepl_client.sasl.layer import SecurityLayer
from syncrepl_client.testing import wire
from syncrepl_client.transport.sockets import connect
from tests.scripted import BIND, EXTENDED, SEARCH, UNBIND, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.slapd import Slapd


def found(*dns: str, code: int = 0) -> Callable[[int], bytes]:
    """Answer a search."""
    return lambda number: b"".join(
        (*(wire.message(number, wire.entry(dn, {"cn": [dn.encode()]})) for dn in dns), wire.done(number, code))
    )


def result(tag: int, code: int = 0, *rest: bytes) -> Callable[[int], bytes]:
    return lambda number: wire.message(number, wire.result(tag, code, "", *rest))


# --- asking -----------------------------------------------------------------------------------------------------------


def test_requests_are_answered_one_after_the_other() -> None:
    server = ScriptedServer(result(0x61), result(0x78, 0, b"\x8b\x06dn:cn="), found("cn=a", "cn=b"))
    client = Client(server)

    client.bind("cn=x", b"secret")
    assert client.who_am_i() == "dn:cn="
    assert client.search("dc=x", 2, "(cn=*)", ["cn"]) == [("cn=a", {"cn": [b"cn=a"]}), ("cn=b", {"cn": [b"cn=b"]})]
    client.close()

    assert [(one.message_id, one.tag) for one in server.asked] == [(1, BIND), (2, EXTENDED), (3, SEARCH), (4, UNBIND)]
    assert server.closed


def test_an_answer_may_come_in_pieces_and_after_other_messages() -> None:
    def answer(number: int) -> bytes:
        return wire.message(99, wire.entry("cn=other", {})) + wire.done(99) + found("cn=a")(number)

    server = ScriptedServer(None)
    client = Client(server)
    server.say(None, *(bytes((octet,)) for octet in answer(1)))

    assert client.search("", 0, "(cn=*)", []) == [("cn=a", {"cn": [b"cn=a"]})]


@pytest.mark.parametrize(("code", "kind"), [(32, NoSuchBase), (10, LDAPResultError), (4, LDAPResultError)])
def test_a_search_that_fails_returns_nothing_of_what_it_found(code: int, kind: type[LDAPResultError]) -> None:
    with pytest.raises(kind) as caught:
        Client(ScriptedServer(found("cn=a", code=code))).search("dc=x", 2, "(cn=*)", [])

    assert code == caught.value.code


def test_a_search_for_one_entry_is_not_failed_by_more(slapd: Slapd) -> None:
    """The size limit is what was asked for."""
    with closing(Client(connect(urls.parse(slapd.url)))) as client:
        assert len(client.search(slapd.suffix, 2, b"\x87\x0bobjectClass", ["1.1"], size_limit=1)) == 1
        with pytest.raises(NoSuchBase):
            client.search(f"ou=none,{slapd.suffix}", 2, "(cn=*)", [], size_limit=1)


def test_a_bind_that_is_refused_is_an_error_of_its_own() -> None:
    with pytest.raises(InvalidCredentials):
        Client(ScriptedServer(result(0x61, 49))).bind("cn=x", b"wrong")


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        (result(0x65), lambda client: client.bind("", b"")),
        (result(0x61), lambda client: client.search("", 0, "(cn=*)", [])),
        (result(0x65), lambda client: client.who_am_i()),
        (result(0x61), lambda client: client.start_tls("h")),
    ],
    ids=["bind", "search", "who am i", "starttls"],
)
def test_an_answer_of_another_kind_is_a_protocol_error(
    answer: Callable[[int], bytes], ask: Callable[[Client], object]
) -> None:
    with pytest.raises(ProtocolError, match="was not"):
        ask(Client(ScriptedServer(answer)))


def test_a_server_that_does_not_answer_is_lost_after_a_while() -> None:
    with pytest.raises(ConnectionLost, match="no answer within 0 s") as caught:
        Client(ScriptedServer(None)).ask(messages.bind_request("", b""), timeout=0)

    assert caught.value.hint


def test_a_stop_ends_the_wait_for_an_answer() -> None:
    client = Client(ScriptedServer(None), stopping=lambda: True)

    with pytest.raises(Interrupted):
        client.bind("", b"")


def test_a_connection_that_is_gone_already_is_closed_without_a_word() -> None:
    server = ScriptedServer()
    server.ended = True

    Client(server).close()

    assert server.closed


def test_a_wake_goes_through_to_the_transport() -> None:
    server = ScriptedServer()

    Client(server).wake()

    assert server.woken == 1
    assert Client(server).receive(0) == []


# --- what a SASL bind leaves behind -----------------------------------------------------------------------------------


class Sealing:
    """A mechanism of one message, with a layer that is told from clear text by its lengths alone."""

    name = "SEALING"

    def __init__(self) -> None:
        self.layer = SecurityLayer(bytes, bytes, most_plain=10, most_sealed=100, confidential=True)

    def start(self) -> None:
        return None

    def respond(self, challenge: bytes) -> bytes:
        raise AssertionError

    def conclude(self, data: bytes | None) -> None:
        pass


class SealedServer(ScriptedServer):
    """Speaks through the layer once the bind is done."""

    def __init__(self, *answers: Callable[[int], bytes] | None) -> None:
        super().__init__(*answers)
        self.crossed = b""

    def send(self, data: bytes) -> None:
        if not self.asked:
            return super().send(data)
        self.crossed += data
        return super().send(Sealing().layer.unwrap(data))


def sealed(answer: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda number: Sealing().layer.wrap(answer(number))


def test_a_layer_stands_between_the_transport_and_the_messages() -> None:
    server = SealedServer(result(0x61), sealed(found("cn=a")), sealed(result(0x78, 0, b"\x8b\x06dn:cn=")))
    client = Client(server)
    before = client.confidential
    client.sasl_bind(Sealing())

    assert (before, client.confidential) == (False, True)
    assert client.search("dc=x", 2, "(cn=*)", []) == [("cn=a", {"cn": [b"cn=a"]})]
    assert client.who_am_i() == "dn:cn="
    assert server.crossed.startswith(b"\0\0\0\x0a0")
    server.say(b"\0\0", b"\0\x0a0\x0c")
    assert (client.receive(0), client.in_message) == ([], True)
    assert (client.receive(0), client.in_message) == ([], True)
    client.close()
    assert [one.tag for one in server.asked] == [BIND, SEARCH, EXTENDED, UNBIND]


def test_another_connection_begins_without_the_layer() -> None:
    server, next_one = SealedServer(result(0x61)), ScriptedServer(result(0x61))
    client = Client(server)
    client.sasl_bind(Sealing())
    client.act_as("u:a")
    client.renew(next_one)
    client.bind("", b"")

    assert not client.confidential
    assert [one.tag for one in server.asked + next_one.asked] == [BIND, UNBIND, BIND]


def test_clear_text_behind_the_bind_is_not_taken_for_the_servers() -> None:
    server = ScriptedServer(lambda number: result(0x61)(number) + b"0\x05\x02")

    with pytest.raises(ProtocolError, match="in clear text"):
        Client(server).sasl_bind(Sealing())


def test_clear_text_where_all_is_protected_is_a_protocol_error() -> None:
    client = Client(SealedServer(result(0x61), found("cn=a")))
    client.sasl_bind(Sealing())

    with pytest.raises(ProtocolError, match="protected buffer"):
        client.search("dc=x", 2, "(cn=*)", [])


def test_searches_and_who_am_i_are_on_behalf_of_another() -> None:
    server = ScriptedServer(found("cn=a"), result(0x78), result(0x78), result(0x61), found("cn=a"))
    client = Client(server)
    client.act_as("u:a")
    client.search("", 0, "(cn=*)", [])
    client.who_am_i()
    client.start_tls("h")
    client.bind("", b"")
    client.act_as("")
    client.search("", 0, "(cn=*)", [])

    proxied = (Control(messages.PROXIED_AUTHORIZATION, critical=True, value=b"u:a"),)
    assert [one.controls for one in server.asked] == [proxied, proxied, (), (), ()]


# --- what is said unasked ---------------------------------------------------------------------------------------------


def test_a_server_that_announces_its_end_is_lost_with_its_own_words() -> None:
    """RFC 4511 section 4.4.1: notice of disconnection."""
    name = ber.octet_string(messages.NOTICE_OF_DISCONNECTION.encode(), tag=0x8A)
    server = ScriptedServer()
    server.say(wire.message(0, wire.result(0x78, 52, "going down", name)))

    with pytest.raises(ConnectionLost, match=r"unavailable \(52\): going down") as caught:
        Client(server).receive(1)

    assert "resumes where it was" in caught.value.hint


def test_anything_else_that_is_unsolicited_is_a_protocol_error() -> None:
    server = ScriptedServer()
    server.say(wire.message(0, wire.result(0x65)))

    with pytest.raises(ProtocolError, match="unsolicited SearchResultDone"):
        Client(server).receive(1)


# --- encryption -------------------------------------------------------------------------------------------------------


def test_the_stream_is_encrypted_once_the_server_agreed() -> None:
    server = ScriptedServer(result(0x78))

    Client(server).start_tls("ldap.example.com")

    assert server.encrypted_for == "ldap.example.com"


def test_nothing_is_encrypted_where_the_server_refuses() -> None:
    server = ScriptedServer(result(0x78, 2))

    with pytest.raises(LDAPResultError, match="StartTLS failed"):
        Client(server).start_tls("ldap.example.com")

    assert server.encrypted_for == ""


def test_what_follows_the_agreement_in_clear_text_is_not_believed() -> None:
    """Anybody on the way could have put it there, to be taken for what came encrypted."""
    server = ScriptedServer(lambda number: result(0x78)(number) + b"\x30\x0c\x02")

    with pytest.raises(ProtocolError, match="in clear text"):
        Client(server).start_tls("ldap.example.com")

    assert server.encrypted_for == ""


# --- trace ------------------------------------------------------------------------------------------------------------


def test_a_trace_has_a_line_for_each_message_and_no_secrets() -> None:
    lines: list[str] = []
    server = ScriptedServer(result(0x61), found("cn=a", "cn=b"))
    client = Client(server, trace=lines.append)

    client.bind("cn=x", b"geheim")
    client.search("", 0, "(cn=*)", [])
    client.close()

    assert lines == [
        '> 1 bind "cn=x" simple ***',
        "< 1 bind: success (0)",
        '> 2 search "" base (cn=*) attributes all',
        '< 2 entry "cn=a": cn (1, 4 bytes)',
        '< 2 entry "cn=b": cn (1, 4 bytes)',
        "< 2 search done: success (0)",
        "> 3 unbind",
    ]


# --- bind_complete ----------------------------------------------------------------------------------------------------


def test_what_a_server_does_not_say_is_empty() -> None:
    connection = BoundConnection(Client(ScriptedServer(*[found()] * 4)))

    assert connection.read_rootdse_s() == {}
    assert connection.get_naming_contexts() == []
    assert connection.search_subschemasubentry_s("dc=x") is None
    assert connection.read_subschemasubentry_s("cn=subschema") is None


def test_the_methods_have_the_names_of_python_ldap() -> None:
    connection = BoundConnection(
        Client(ScriptedServer(result(0x78, 0, b"\x8b\x06dn:cn="), found("cn=a"), found(""), found("cn=subschema")))
    )

    assert connection.whoami_s() == "dn:cn="
    assert connection.search_s("dc=x", 2) == [("cn=a", {"cn": [b"cn=a"]})]
    assert connection.read_rootdse_s() == {"cn": [b""]}
    assert connection.read_subschemasubentry_s("cn=subschema", ["cn"]) == {"cn": [b"cn=subschema"]}


def test_the_connection_is_of_no_use_after_its_call() -> None:
    connection = BoundConnection(Client(ScriptedServer()))
    connection.expire()

    with pytest.raises(ClosedError, match="inside that call alone"):
        connection.search_s("", 0)


# --- a real server ----------------------------------------------------------------------------------------------------


@pytest.fixture
def client(slapd: Slapd) -> Iterator[Client]:
    with closing(Client(connect(urls.parse(slapd.url)))) as connected:
        yield connected


def test_who_asks_is_who_is_bound(slapd: Slapd, client: Client) -> None:
    assert client.who_am_i() == ""
    client.bind(slapd.rootdn, slapd.rootpw.encode())
    assert f"dn:{slapd.rootdn}" == client.who_am_i()


def test_continuations_are_no_entries_and_a_base_that_is_elsewhere_is_an_error(slapd: Slapd, client: Client) -> None:
    """Without ManageDsaIT a referral object is where the search goes on elsewhere (RFC 4511 section 4.5.3)."""
    dn = f"ou=away,{slapd.suffix}"
    slapd.add(dn, {"objectClass": ["referral", "extensibleObject"], "ou": ["away"], "ref": ["ldap://elsewhere/o=x"]})

    names = [name for name, _ in client.search(slapd.suffix, 2, "(objectClass=*)", ["1.1"])]
    with pytest.raises(LDAPResultError, match="referral") as caught:
        client.search(f"cn=a,{dn}", 0, "(objectClass=*)", [])

    assert {slapd.suffix, f"ou=people,{slapd.suffix}", f"ou=groups,{slapd.suffix}"} == set(names)
    assert caught.value.code == 10
    assert dn == caught.value.matched_dn
