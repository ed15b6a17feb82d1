"""The provider as an LDAP server, asked by libldap (python-ldap)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ldap
import pytest
from ldap.controls import RequestControl
from ldap.controls.simple import ManageDSAITControl
from ldap.ldapobject import SimpleLDAPObject
from ldap.syncrepl import SyncreplConsumer

from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.testing import Provider, script
from syncrepl_client.testing.requests import REFRESH_AND_PERSIST, REFRESH_ONLY
from tests.testing.conversation import Conversation, ends_refresh

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = "dc=example,dc=com"
PEOPLE = f"ou=people,{SUFFIX}"
ANN = f"uid=ann,{PEOPLE}"


@pytest.fixture
def connection(provider: Provider) -> Iterator[Any]:
    provider.add(PEOPLE, {"objectClass": "organizationalUnit"})
    provider.add(ANN, {"objectClass": ["account"], "l": ["Oslo", "Bergen"], "l;lang-de": ["Oslo (de)"]})
    opened = ldap.initialize(provider.url)
    yield opened
    opened.unbind_ext()


def dns(result: list[Any]) -> list[str]:
    return [dn for dn, _ in result]


# --- plain searches ---------------------------------------------------------------------------------------------------


def test_a_search_has_a_scope(connection: Any) -> None:
    assert dns(connection.search_s(SUFFIX, ldap.SCOPE_BASE)) == [SUFFIX]
    assert dns(connection.search_s(SUFFIX, ldap.SCOPE_ONELEVEL)) == [PEOPLE]
    assert dns(connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE)) == [SUFFIX, PEOPLE, ANN]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, {"objectClass", "uid", "l", "l;lang-de"}),
        (["*"], {"objectClass", "uid", "l", "l;lang-de"}),
        (["1.1"], set()),
        (["L"], {"l", "l;lang-de"}),
        (["l;lang-de"], {"l;lang-de"}),
        (["uid", "entryuuid", "entryDN"], {"uid", "entryUUID", "entryDN"}),
        (
            ["+"],
            set(
                "structuralObjectClass entryUUID creatorsName createTimestamp entryCSN modifiersName "
                "modifyTimestamp entryDN".split()
            ),
        ),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_search_returns_the_attributes_asked_for(connection: Any, wanted: list[str], expected: set[str]) -> None:
    ((_, attributes),) = connection.search_s(ANN, ldap.SCOPE_BASE, attrlist=wanted)

    assert expected == set(attributes)


def test_types_only_leaves_the_values_out(connection: Any) -> None:
    ((_, attributes),) = connection.search_s(ANN, ldap.SCOPE_BASE, attrlist=["l"], attrsonly=1)

    assert attributes == {"l": [], "l;lang-de": []}


def test_the_top_has_the_context_csn(connection: Any, provider: Provider) -> None:
    ((_, attributes),) = connection.search_s(SUFFIX, ldap.SCOPE_BASE, attrlist=["contextCSN"])

    assert provider.cookie == b"rid=000,csn=" + attributes["contextCSN"][0]


def test_a_missing_base_is_no_such_object(connection: Any) -> None:
    with pytest.raises(ldap.NO_SUCH_OBJECT) as caught:
        connection.search_s(f"cn=x,ou=none,{PEOPLE}", ldap.SCOPE_SUBTREE)

    assert caught.value.args[0]["matched"] == PEOPLE


def test_a_size_limit_is_obeyed(connection: Any) -> None:
    message_id = connection.search_ext(SUFFIX, ldap.SCOPE_SUBTREE, sizelimit=2)
    got = [connection.result(message_id, all=0)[1] for _ in range(2)]

    assert [dns(one) for one in got] == [[SUFFIX], [PEOPLE]]
    with pytest.raises(ldap.SIZELIMIT_EXCEEDED):
        connection.result(message_id, all=0)


def test_the_root_dse_tells_what_is_offered(connection: Any) -> None:
    root = connection.read_rootdse_s()

    assert root["namingContexts"] == [SUFFIX.encode()]
    assert controls.SYNC_REQUEST.encode() in root["supportedControl"]
    assert connection.search_s("", ldap.SCOPE_BASE) == [("", {"objectClass": [b"top", b"OpenLDAProotDSE"]})]
    assert connection.search_s("", ldap.SCOPE_BASE, "(objectClass=none)") == []


def test_the_root_dse_can_be_another_ones() -> None:
    with Provider(root_dse={"vendorName": "389 Project", "supportedExtension": []}) as provider:
        connection = ldap.initialize(provider.url)
        root = connection.read_rootdse_s(attrlist=["vendorName", "supportedExtension", "namingContexts"])

        assert root == {"vendorName": [b"389 Project"], "namingContexts": [SUFFIX.encode()]}
        with pytest.raises(ldap.PROTOCOL_ERROR):
            connection.whoami_s()
        connection.unbind_ext()


def test_an_extension_that_is_only_advertised_is_not_done() -> None:
    with Provider(root_dse={"supportedExtension": messages.START_TLS}) as provider:
        connection = ldap.initialize(provider.url)
        with pytest.raises(ldap.UNWILLING_TO_PERFORM):
            connection.start_tls_s()
        connection.unbind_ext()


def test_the_root_dse_is_found_by_its_attributes(connection: Any) -> None:
    for text, count in (("(supportedLDAPVersion=3)", 1), ("(:dn:2.5.13.2:=3)", 1), ("(supportedLDAPVersion=2)", 0)):
        assert len(connection.search_s("", ldap.SCOPE_BASE, text)) == count


def test_controls_that_are_not_offered_are_refused_if_they_are_critical(connection: Any) -> None:
    asked = {"base": SUFFIX, "scope": ldap.SCOPE_BASE}

    assert connection.search_ext_s(**asked, serverctrls=[ManageDSAITControl(), RequestControl("1.2.3")])
    with pytest.raises(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
        connection.search_ext_s(**asked, serverctrls=[RequestControl("1.2.3", criticality=True)])


def test_a_provider_without_the_control_answers_with_a_plain_search_or_refuses() -> None:
    with Provider(root_dse={"supportedControl": []}) as provider, Conversation(provider.url) as conversation:
        conversation.search(SUFFIX, REFRESH_ONLY)
        (refused,) = conversation.until(ends_refresh)

        assert b"critical" in refused
        assert provider.requests == []


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_everybody_is_welcome_unless_somebody_is_named(connection: Any) -> None:
    connection.simple_bind_s("cn=anybody", "anything")

    assert connection.whoami_s() == "dn:cn=anybody"
    connection.simple_bind_s()
    assert connection.whoami_s() == ""
    with pytest.raises(ldap.UNWILLING_TO_PERFORM):
        connection.simple_bind_s("cn=anybody", "")


def test_a_named_identity_must_bind_with_its_password() -> None:
    reader = f"cn=reader,{SUFFIX}"
    with Provider(bind_dn=reader, password="secret") as provider:
        connection = ldap.initialize(provider.url)
        for name, password in ((reader, "wrong"), ("cn=other", "secret")):
            with pytest.raises(ldap.INVALID_CREDENTIALS):
                connection.simple_bind_s(name, password)
        with pytest.raises(ldap.STRONG_AUTH_REQUIRED):
            connection.search_s(SUFFIX, ldap.SCOPE_BASE)
        assert connection.read_rootdse_s()
        connection.simple_bind_s(reader.upper(), "secret")

        assert connection.search_s(SUFFIX, ldap.SCOPE_BASE)
        connection.unbind_ext()


def test_starttls_and_updates_are_refused(connection: Any) -> None:
    with pytest.raises(ldap.PROTOCOL_ERROR):
        connection.start_tls_s()
    for method, arguments in (
        ("add_s", ("cn=x", [("sn", [b"x"])])),
        ("delete_s", ("cn=x",)),
        ("modify_s", ("cn=x", [(ldap.MOD_DELETE, "sn", None)])),
        ("rename_s", ("cn=x", "cn=y")),
        ("compare_s", ("cn=x", "sn", b"x")),
    ):
        with pytest.raises(ldap.UNWILLING_TO_PERFORM):
            getattr(connection, method)(*arguments)


def test_sasl_is_refused(provider: Provider) -> None:
    with Conversation(provider.url) as conversation:
        mechanism = ber.tlv(0xA3, ber.octet_string(b"EXTERNAL"))
        conversation.send(ber.tlv(0x60, ber.integer(3), ber.octet_string(b""), mechanism))

        answer = messages.decode_message(conversation.read()).operation
    assert isinstance(answer, messages.BindResponse)
    assert answer.result.code == 7


# --- synchronization --------------------------------------------------------------------------------------------------


class Consumer(SimpleLDAPObject, SyncreplConsumer):  # type: ignore[misc]
    """python-ldap's client, as its documentation has it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.entries: dict[str, str] = {}
        self.present: set[str] = set()
        self.cookie: str | None = None
        self.refreshed = threading.Event()

    def syncrepl_set_cookie(self, cookie: str) -> None:
        self.cookie = cookie

    def syncrepl_get_cookie(self) -> str | None:
        return self.cookie

    def syncrepl_entry(self, dn: str, attributes: Any, uuid: str) -> None:
        self.entries[uuid] = dn
        self.present.add(uuid)

    def syncrepl_delete(self, uuids: list[str]) -> None:
        for uuid in uuids:
            self.entries.pop(uuid, None)

    def syncrepl_present(self, uuids: list[str] | None, refreshDeletes: bool = False) -> None:  # noqa: FBT001, FBT002, N803 - theirs
        if uuids is None:
            if not refreshDeletes:
                self.entries = {uuid: dn for uuid, dn in self.entries.items() if uuid in self.present}
            self.present.clear()
        else:
            self.present.update(uuids)

    def syncrepl_refreshdone(self) -> None:
        self.refreshed.set()

    def refresh(self) -> list[str]:
        message_id = self.syncrepl_search(SUFFIX, ldap.SCOPE_SUBTREE, mode="refreshOnly")
        while self.syncrepl_poll(message_id, timeout=10, all=1):
            pass
        return sorted(self.entries.values())


@pytest.mark.parametrize("session_log", [False, True])
def test_the_consumer_of_python_ldap_refreshes(connection: Any, provider: Provider, *, session_log: bool) -> None:
    provider.session_log = session_log
    assert session_log == provider.session_log
    consumer = Consumer(provider.url)

    assert sorted([SUFFIX, PEOPLE, ANN]) == consumer.refresh()
    provider.add(f"uid=bob,{PEOPLE}", {})
    provider.delete(ANN)
    assert sorted([SUFFIX, PEOPLE, f"uid=bob,{PEOPLE}"]) == consumer.refresh()
    assert provider.cookie.decode() == consumer.cookie
    provider.rename(f"uid=bob,{PEOPLE}", f"uid=bob,{SUFFIX}")
    assert sorted([SUFFIX, PEOPLE, f"uid=bob,{SUFFIX}"]) == consumer.refresh()
    assert [(request.cookie or b"")[:4] for request in provider.requests] == [b"", b"rid=", b"rid="]
    consumer.unbind_ext()


def test_the_consumer_of_python_ldap_listens(connection: Any, provider: Provider) -> None:
    consumer = Consumer(provider.url)
    message_id = consumer.syncrepl_search(SUFFIX, ldap.SCOPE_SUBTREE, mode="refreshAndPersist")
    while not consumer.refreshed.is_set():
        consumer.syncrepl_poll(message_id, timeout=10)
    provider.add(f"uid=bob,{PEOPLE}", {})
    provider.delete(ANN)
    provider.rename(f"uid=bob,{PEOPLE}", f"uid=bobby,{PEOPLE}")
    while consumer.cookie != provider.cookie.decode():
        consumer.syncrepl_poll(message_id, timeout=10)

    assert sorted([SUFFIX, PEOPLE, f"uid=bobby,{PEOPLE}"]) == sorted(consumer.entries.values())
    consumer.unbind_ext()


def cancel(conversation: Conversation, message_id: int) -> list[Any]:
    conversation.send(messages.extended_request(messages.CANCEL, ber.sequence(ber.integer(message_id))))
    answers: list[Any] = []
    while not answers or not isinstance(answers[-1], messages.ExtendedResponse):
        answers.append(messages.decode_message(conversation.read()).operation)
    return [answer.result.code for answer in answers]


def test_a_cancelled_search_ends_with_a_result_and_is_told_nothing_more(provider: Provider) -> None:
    with Conversation(provider.url) as conversation:
        message_id = conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        conversation.until(ends_refresh)

        assert cancel(conversation, message_id) == [118, 0]
        provider.add(PEOPLE, {})
        assert cancel(conversation, message_id) == [119]
        assert cancel(conversation, 99) == [119]


def test_an_abandoned_search_is_told_nothing_more(provider: Provider) -> None:
    with Conversation(provider.url) as conversation:
        message_id = conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        conversation.until(ends_refresh)
        conversation.send(messages.abandon_request(message_id))
        # The answer comes after the Abandon was read.
        assert cancel(conversation, message_id) == [119]
        provider.add(PEOPLE, {})

        assert cancel(conversation, message_id) == [119]


def test_a_finished_search_cannot_be_cancelled(provider: Provider) -> None:
    provider.script(script.search_done(0, "", script.sync_done()))
    with Conversation(provider.url) as conversation:
        for _ in range(2):
            message_id = conversation.search(SUFFIX, REFRESH_ONLY)
            conversation.until(ends_refresh)

            assert cancel(conversation, message_id) == [119]


def sync_control() -> RequestControl:
    value = ber.sequence(ber.enumerated(REFRESH_ONLY))
    return RequestControl(controls.SYNC_REQUEST, criticality=True, encodedControlValue=value)


def test_a_sync_search_with_a_size_limit_ends_without_sync_done(provider: Provider) -> None:
    provider.add(PEOPLE, {})
    connection = ldap.initialize(provider.url)
    request = RequestControl(
        controls.SYNC_REQUEST, criticality=True, encodedControlValue=ber.sequence(ber.enumerated(1))
    )
    message_id = connection.search_ext(SUFFIX, ldap.SCOPE_SUBTREE, sizelimit=1, serverctrls=[request])

    with pytest.raises(ldap.SIZELIMIT_EXCEEDED) as caught:
        connection.result3(message_id)
    assert caught.value.args[0]["ctrls"] == []
    connection.unbind_ext()


def test_a_sync_search_that_dereferences_is_refused(provider: Provider) -> None:
    connection = ldap.initialize(provider.url)
    connection.set_option(ldap.OPT_DEREF, ldap.DEREF_ALWAYS)
    request = RequestControl(
        controls.SYNC_REQUEST, criticality=True, encodedControlValue=ber.sequence(ber.enumerated(1))
    )

    with pytest.raises(ldap.PROTOCOL_ERROR, match="derefAliases"):
        connection.search_ext_s(SUFFIX, ldap.SCOPE_SUBTREE, serverctrls=[request])
    connection.unbind_ext()


def test_requests_are_noted_as_they_were_sent(provider: Provider) -> None:
    asked = threading.Thread(target=provider.wait_for_requests, args=(2,))
    asked.start()
    with Conversation(provider.url) as conversation:
        conversation.search(PEOPLE, REFRESH_ONLY, b"", scope=1, filter_="(&(uid=a*)(!(l=x)))", attributes=["uid", "l"])
        conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        first, second = provider.wait_for_requests(2)
    asked.join()

    assert (
        first.mode,
        first.cookie,
        first.reload_hint,
        first.base,
        first.scope,
    ) == (REFRESH_ONLY, b"", False, PEOPLE, 1)
    assert (first.filter, first.attributes) == ("(&(uid=a*)(!(l=x)))", ("uid", "l"))
    assert [control.oid for control in first.controls] == [controls.SYNC_REQUEST]
    assert (second.cookie, second.persist) == (None, True)
    with pytest.raises(TimeoutError, match="2 sync requests"):
        provider.wait_for_requests(3, timeout=0)


def test_a_provider_may_have_a_number() -> None:
    with Provider(server_id=10) as provider, Conversation(provider.url) as conversation:
        assert b"#00a#" in provider.cookie
        conversation.search(SUFFIX, REFRESH_ONLY, b"rid=003,csn=" + provider.cookie.rpartition(b"=")[2])
        (done,) = conversation.until(ends_refresh)
        provider.add(PEOPLE, {})
        conversation.search(SUFFIX, REFRESH_ONLY, b"rid=003")
        *_, changed = conversation.until(ends_refresh)

    assert b"csn" not in done
    assert b"rid=003,sid=00a,csn=" in changed


# --- its life ---------------------------------------------------------------------------------------------------------


def test_it_keeps_its_port_and_its_entries_when_it_is_started_again() -> None:
    provider = Provider()
    with pytest.raises(UsageError, match="not started"):
        assert provider.url
    with provider:
        url = provider.url
        with pytest.raises(UsageError, match="runs already"):
            provider.start()
    provider.stop()
    provider.add(PEOPLE, {})

    with provider:
        connection = ldap.initialize(provider.url)
        assert dns(connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE)) == [SUFFIX, PEOPLE]
        connection.unbind_ext()
        assert url == provider.url


def test_nothing_of_it_runs_on_when_it_is_stopped() -> None:
    before = set(threading.enumerate())
    with Provider() as provider, Conversation(provider.url) as conversation:
        provider.script(script.stall())
        conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        provider.wait_for_requests(2)
        provider.stop()

        conversation.rest()

    assert before == set(threading.enumerate())


def test_all_connections_can_be_ended_with_a_notice(provider: Provider) -> None:
    with Conversation(provider.url) as conversation:
        conversation.search(SUFFIX, REFRESH_ONLY)
        conversation.until(ends_refresh)
        provider.disconnect(notice=51, diagnostic="see you")

        notice = messages.decode_message(conversation.rest())
    assert notice.message_id == 0
    assert isinstance(notice.operation, messages.ExtendedResponse)
    assert (
        notice.operation.result.code,
        notice.operation.result.diagnostic,
        notice.operation.name,
    ) == (51, "see you", messages.NOTICE_OF_DISCONNECTION)


def test_all_connections_can_be_ended_at_once(provider: Provider) -> None:
    with Conversation(provider.url) as conversation:
        conversation.search(SUFFIX, REFRESH_AND_PERSIST)
        conversation.until(ends_refresh)
        provider.disconnect()

        assert conversation.rest() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x05\x02\x01\x01\x60\x00",
        b"\x30\x05\x02\x01\x01\x62\x00",
        messages.encode_message(1, messages.search_request("", 0, b"\xa0\x00", ())).replace(b"\xa0\x00", b"\xaf\x00"),
        messages.encode_message(
            1,
            messages.search_request("", 0, b"\xa0\x00", ()),
            [messages.Control(controls.SYNC_REQUEST, value=ber.sequence(ber.enumerated(2)))],
        ),
    ],
    ids=["bind", "unknown operation", "filter", "mode"],
)
def test_what_cannot_be_read_ends_the_connection_with_a_notice(provider: Provider, data: bytes) -> None:
    with Conversation(provider.url) as conversation:
        conversation.send_octets(data)

        notice = messages.decode_message(conversation.rest())
    assert isinstance(notice.operation, messages.ExtendedResponse)
    assert notice.operation.result.code == 2


def test_what_is_no_message_at_all_ends_the_connection(provider: Provider) -> None:
    with Conversation(provider.url) as conversation:
        conversation.send_octets(b"\x30\x84\x7f\xff\xff\xff")

        assert conversation.rest() == b""
