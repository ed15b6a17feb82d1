"""What goes over the wire, compared with somebody else's work: libldap, and the ASN.1 definitions of python-ldap.

Requests are compared octet by octet with what libldap writes to a socket that only listens.  Answers come from a real
slapd, once through libldap and once through the codec here.
"""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import ldap
import ldap.dn
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ldap.controls.simple import ManageDSAITControl, ValueLessRequestControl
from ldap.extop import ExtendedRequest
from ldap.syncrepl import (
    RefreshDelete,
    RefreshPresent,
    SyncDoneControl,
    SyncDoneValue,
    SyncIdSet,
    SyncInfoMessage,
    SyncInfoValue,
    SyncRequestControl,
    SyncRequestValue,
    SyncStateControl,
    SyncStateValue,
)
from pyasn1.codec.ber import decoder, encoder

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.connection.client import Client
from syncrepl_client.contentsync import controls
from syncrepl_client.contentsync.controls import EntryState, IdSet, NewCookie, PhaseEnd, SyncDone, SyncState
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.attributes import decode_attributes
from syncrepl_client.ldap.connection import Connection, EntryRun
from syncrepl_client.ldap.messages import Control, IntermediateResponse, Message, SearchResultDone
from syncrepl_client.testing import wire
from syncrepl_client.transport.sockets import connect
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SUFFIX = "dc=example,dc=com"
EVERYTHING = "(objectClass=*)"
MANAGE_DSA_IT = Control(messages.MANAGE_DSA_IT, critical=True)
# python-ldap's own class for it cannot be critical, whatever it is told.
CRITICAL_MANAGE_DSA_IT = ValueLessRequestControl(ldap.CONTROL_MANAGEDSAIT, criticality=True)


# --- requests: what libldap writes ------------------------------------------------------------------------------------


class Listener:
    """A server that never answers, and a libldap client of it."""

    def __init__(self, accepting: socket.socket) -> None:
        self.client = ldap.initialize(f"ldap://127.0.0.1:{accepting.getsockname()[1]}")
        self._accepting = accepting
        self._connection: socket.socket | None = None

    def hear(self, request: Callable[[Any], object]) -> bytes:
        """Let libldap send a request; returns its octets."""
        if self._connection is None:
            # libldap connects with its first request, and waits until it is connected.
            accepted: list[socket.socket] = []
            worker = threading.Thread(target=lambda: accepted.append(self._accepting.accept()[0]))
            worker.start()
            request(self.client)
            worker.join()
            self._connection = accepted[0]
        else:
            request(self.client)
        data = self._connection.recv(2)
        header = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
        data += self._connection.recv(header - 2, socket.MSG_WAITALL) if header > 2 else b""
        length = int.from_bytes(data[2:]) if header > 2 else data[1]
        return data + self._connection.recv(length, socket.MSG_WAITALL)

    def close(self) -> None:
        # After an unbind python-ldap has no connection left to end.
        if hasattr(self.client, "_l"):
            self.client.unbind_ext()
        if self._connection is not None:
            self._connection.close()


@pytest.fixture
def libldap() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as accepting, closing(Listener(accepting)) as listener:
        yield listener


@pytest.fixture
def ours() -> Connection:
    return Connection()


@pytest.mark.parametrize("base", ["", SUFFIX, "ou=Müller\\, Söhne+l=日本,dc=x", "cn=" + "x" * 300])
@pytest.mark.parametrize("scope", [0, 1, 2])
@pytest.mark.parametrize("attributes", [[], ["cn"], ["*", "+", "cn;lang-de", "2.5.4.4"], ["a" * 40] * 50])
def test_a_search_is_what_libldap_sends(
    libldap: Listener, ours: Connection, base: str, scope: int, attributes: list[str]
) -> None:
    theirs = libldap.hear(lambda client: client.search_ext(base, scope, "(&(cn=a*)(!(sn=é)))", attributes or None))

    request = messages.search_request(base, scope, filters.encode("(&(cn=a*)(!(sn=é)))"), attributes)
    assert (1, theirs) == ours.request(request)


@pytest.mark.parametrize("mode", ["refreshOnly", "refreshAndPersist"])
@pytest.mark.parametrize("cookie", [None, "rid=000,csn=20260101000000.000000Z#000000#000#000000", "x" * 200])
def test_the_controls_of_a_sync_search_are_what_libldap_sends(
    libldap: Listener, ours: Connection, mode: str, cookie: str | None
) -> None:
    theirs = libldap.hear(
        lambda client: client.search_ext(
            SUFFIX,
            ldap.SCOPE_SUBTREE,
            EVERYTHING,
            serverctrls=[SyncRequestControl(cookie=cookie, mode=mode), CRITICAL_MANAGE_DSA_IT],
        )
    )

    number = {"refreshOnly": 1, "refreshAndPersist": 3}[mode]
    control = controls.request_control(number, None if cookie is None else cookie.encode())
    request = messages.search_request(SUFFIX, 2, filters.encode(EVERYTHING), [])
    assert (1, theirs) == ours.request(request, [control, MANAGE_DSA_IT])


def test_a_control_that_is_not_critical_is_what_libldap_sends(libldap: Listener, ours: Connection) -> None:
    theirs = libldap.hear(lambda client: client.search_ext("", 0, EVERYTHING, serverctrls=[ManageDSAITControl()]))

    request = messages.search_request("", 0, filters.encode(EVERYTHING), [])
    assert (1, theirs) == ours.request(request, [Control(messages.MANAGE_DSA_IT)])


@pytest.mark.parametrize(
    ("name", "password"),
    [("", b""), (f"cn=admin,{SUFFIX}", b"secret"), ("cn=Jürgen,dc=x", "pässword".encode()), ("cn=x", b"p" * 70_000)],
)
def test_a_bind_is_what_libldap_sends(libldap: Listener, ours: Connection, name: str, password: bytes) -> None:
    theirs = libldap.hear(lambda client: client.simple_bind(name, password))

    assert (1, theirs) == ours.request(messages.bind_request(name, password))


def test_requests_are_numbered_as_libldap_does(libldap: Listener, ours: Connection) -> None:
    """Beyond 127 and 32767 the number takes another octet."""
    request = messages.extended_request(messages.WHO_AM_I)
    for number in range(1, 300):
        theirs = libldap.hear(lambda client: client.extop(ExtendedRequest(messages.WHO_AM_I, None)))
        assert (number, theirs) == ours.request(request)


@pytest.mark.parametrize("oid", [messages.WHO_AM_I, messages.START_TLS])
@pytest.mark.parametrize("value", [None, b"", b"\0" * 200])
def test_an_extended_operation_is_what_libldap_sends(
    libldap: Listener, ours: Connection, oid: str, value: bytes | None
) -> None:
    class Plain(ExtendedRequest):  # type: ignore[misc]
        def encodedRequestValue(self) -> bytes | None:  # noqa: N802 - python-ldap's name
            return value

    theirs = libldap.hear(lambda client: client.extop(Plain(oid, value)))

    assert (1, theirs) == ours.request(messages.extended_request(oid, value))


def test_giving_a_search_up_is_what_libldap_sends(libldap: Listener, ours: Connection) -> None:
    numbers: list[int] = []
    search = messages.search_request(SUFFIX, 2, filters.encode(EVERYTHING), [])
    for _ in range(2):
        theirs = libldap.hear(lambda client: numbers.append(client.search_ext(SUFFIX, 2, EVERYTHING)))
        assert (numbers[-1], theirs) == ours.request(search)

    cancel = libldap.hear(lambda client: client.cancel(numbers[0]))
    abandon = libldap.hear(lambda client: client.abandon(numbers[1]))

    value = ber.sequence(ber.integer(numbers[0]))
    assert (3, cancel) == ours.request(messages.extended_request(messages.CANCEL, value))
    assert (4, abandon) == ours.request(messages.abandon_request(numbers[1]))


def test_an_unbind_is_what_libldap_sends(libldap: Listener, ours: Connection) -> None:
    first = libldap.hear(lambda client: client.simple_bind("", b""))
    last = libldap.hear(lambda client: client.unbind_ext())

    assert (1, first) == ours.request(messages.bind_request("", b""))
    assert (2, last) == ours.request(messages.unbind_request())


# --- answers: what slapd says -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def provider() -> Iterator[Slapd]:
    with Slapd(extra_global="attributeoptions lang- x-", sessionlog=1000) as server:
        server.load(empty_tree())
        server.start()
        yield server


@contextmanager
def client_of(server: Slapd) -> Iterator[Client]:
    client = Client(connect(urls.parse(server.url)))
    try:
        client.bind(server.rootdn, server.rootpw.encode())
        yield client
    finally:
        client.close()


# Lengths at which the form of a length changes.
sizes = st.sampled_from([1, 2, 20, 126, 127, 128, 129, 255, 256, 257, 65_535, 65_536, 70_000])
octets = st.one_of(
    st.binary(max_size=140), st.builds(lambda size, octet: octet * size, sizes, st.binary(min_size=1, max_size=1))
)
# slapd takes neither surrogates nor, in names, what its normalization drops altogether.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Mn", "Co", "Cn"]), max_size=60)
specials = st.text(st.sampled_from(' ,+"\\<>;=#aé日'), max_size=8)
people = st.fixed_dictionaries(
    {"name": st.one_of(specials, texts)},
    optional={
        "sn": specials,
        "audio": st.lists(octets, min_size=1, max_size=3, unique=True),
        "userPassword": st.lists(octets, min_size=1, max_size=3, unique=True),
        "jpegPhoto": st.lists(octets, min_size=1, max_size=2, unique=True),
        "description": st.lists(texts, min_size=1, max_size=40),
        "description;lang-fr;x-a": st.lists(texts, min_size=1, max_size=3),
        "cn;lang-de": st.lists(texts, min_size=1, max_size=3),
    },
)


def entry_of(number: int, person: dict[str, Any]) -> tuple[str, dict[str, list[bytes]]]:
    """Make a DN and attributes that slapd accepts; text values are numbered so that no two are the same to it."""
    name = f"{number}{person['name']}."
    rdn = f"cn={ldap.dn.escape_dn_chars(name)}"
    sn = f"s{person.get('sn', '')}."
    if "sn" in person:
        rdn += f"+sn={ldap.dn.escape_dn_chars(sn)}"
    attributes = {"objectClass": [b"inetOrgPerson"], "cn": [name.encode()], "sn": [sn.encode()]}
    for kind, values in person.items():
        if kind not in {"name", "sn"}:
            attributes[kind] = [
                value if isinstance(value, bytes) else f"{at}{value}.".encode() for at, value in enumerate(values)
            ]
    return f"{rdn},ou=people,{SUFFIX}", attributes


@contextmanager
def populated(server: Slapd, entries: dict[str, dict[str, list[bytes]]]) -> Iterator[None]:
    added: list[str] = []
    try:
        for dn, attributes in entries.items():
            server.add(dn, attributes)
            added.append(dn)
        yield
    finally:
        for dn in added:
            server.delete(dn)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(people, min_size=1, max_size=4), st.sampled_from([[], ["*", "+"], ["cn", "description;lang-fr"], ["1.1"]])
)
def test_a_search_finds_what_libldap_finds(
    provider: Slapd, persons: list[dict[str, Any]], attributes: list[str]
) -> None:
    with populated(provider, dict(entry_of(number, person) for number, person in enumerate(persons))):
        theirs = provider.connection.search_ext_s(SUFFIX, ldap.SCOPE_SUBTREE, EVERYTHING, attributes or None)
        with client_of(provider) as client:
            found = client.search(SUFFIX, 2, EVERYTHING, attributes)

    assert theirs == found
    assert [list(values) for _, values in theirs] == [list(values) for _, values in found]


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(people, min_size=1, max_size=4))
def test_a_copy_holds_what_libldap_finds(provider: Slapd, tmp_path: Path, persons: list[dict[str, Any]]) -> None:
    """The copy stays from one example to the next, so most are refreshes over what was there before."""
    url = f"{provider.url}/{SUFFIX}????bindname={provider.rootdn.replace(',', '%2C')}"
    with populated(provider, dict(entry_of(number, person) for number, person in enumerate(persons))):
        theirs = provider.search()
        with Replica(url, tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY, password=b"secret") as replica:
            replica.refresh()
            assert theirs == {dn: dict(attributes) for dn, attributes in replica.entries.items()}


def test_a_value_of_every_length_arrives_whole(provider: Slapd) -> None:
    values = [b"v" * size for size in (1, 127, 128, 255, 256, 65_535, 65_536, 200_000)]
    dn, attributes = entry_of(1, {"name": "long", "audio": [b"", *values]})
    with populated(provider, {dn: attributes}), client_of(provider) as client:
        ((found_dn, found),) = client.search(dn, 0, EVERYTHING, ["audio"])
        answer = client.ask(messages.search_request(dn, 0, filters.encode(EVERYTHING), ["audio"]))

    assert (dn, {"audio": [b"", *values]}) == (found_dn, found)
    (run,) = [item for item in answer if isinstance(item, EntryRun)]
    assert [{"audio": [b"", *values]}] == [decode_attributes(row[1]) for row in run.rows]


# --- controls: what slapd says ----------------------------------------------------------------------------------------

Said = tuple[Any, ...]


class Theirs:
    """A sync search through libldap, its controls decoded by python-ldap."""

    def __init__(self, server: Slapd, mode: str, cookie: str | None) -> None:
        self._client = ldap.initialize(server.url)
        self._client.simple_bind_s(server.rootdn, server.rootpw)
        request = [SyncRequestControl(cookie=cookie, mode=mode), CRITICAL_MANAGE_DSA_IT]
        self._id = self._client.search_ext(SUFFIX, ldap.SCOPE_SUBTREE, EVERYTHING, ["cn"], serverctrls=request)
        self._said: list[Said] = []

    def next(self) -> Said:
        while not self._said:
            kind, data, _, of_result, _, _ = self._client.result4(self._id, 0, 20, 1, 1)
            if kind == ldap.RES_SEARCH_RESULT:
                self._said += [_done_of_python_ldap(control) for control in of_result]
            for name, content, found in data:
                if kind == ldap.RES_INTERMEDIATE:
                    assert name == SyncInfoMessage.responseName
                    self._said.append(_info_of_python_ldap(SyncInfoMessage(content)))
                else:
                    (state,) = [control for control in found if control.controlType == SyncStateControl.controlType]
                    self._said.append(("entry", name, content, state.state, state.entryUUID, state.cookie))
        return self._said.pop(0)

    def close(self) -> None:
        self._client.unbind_ext()


def _done_of_python_ldap(control: Any) -> Said:
    assert control.controlType == SyncDoneControl.controlType
    return "done", control.cookie, bool(control.refreshDeletes)


def _info_of_python_ldap(info: Any) -> Said:
    if info.newcookie is not None:
        return "cookie", info.newcookie
    if info.syncIdSet is not None:
        of_set = info.syncIdSet
        return "set", of_set.get("cookie"), of_set["refreshDeletes"], sorted(of_set["syncUUIDs"])
    kind, phase = ("delete", info.refreshDelete) if info.refreshDelete is not None else ("present", info.refreshPresent)
    return kind, phase.get("cookie"), phase["refreshDone"]


class Ours:
    """The same search through the codec here."""

    def __init__(self, client: Client, mode: int, cookie: str | None) -> None:
        self._client = client
        control = controls.request_control(mode, None if cookie is None else cookie.encode())
        request = messages.search_request(SUFFIX, 2, filters.encode(EVERYTHING), ["cn"])
        self._id = client.send(request, [control, MANAGE_DSA_IT])
        self._said: list[Said] = []

    def next(self) -> Said:
        while not self._said:
            for item in self._client.receive(20):
                assert item.message_id == self._id
                self._said += self._of_run(item) if isinstance(item, EntryRun) else [self._of_message(item)]
        return self._said.pop(0)

    def _of_run(self, run: EntryRun) -> Iterator[Said]:
        for dn, attributes, raw in run.rows:
            value = controls.find(messages.decode_controls(raw), controls.SYNC_STATE)
            assert value is not None
            state = controls.decode_state(value)
            values = decode_attributes(attributes)
            yield "entry", dn.decode(), values, state.state.name.lower(), dashed(state.uuid), text_of(state.cookie)

    def _of_message(self, message: Message) -> Said:
        if isinstance(message.operation, SearchResultDone):
            done = controls.decode_done(controls.find(message.controls, controls.SYNC_DONE) or b"")
            return "done", text_of(done.cookie), done.refresh_deletes
        assert isinstance(message.operation, IntermediateResponse)
        assert message.operation.name == controls.SYNC_INFO
        match controls.decode_info(message.operation.value or b""):
            case NewCookie(cookie):
                return "cookie", text_of(cookie)
            case IdSet(deletes, uuids, cookie):
                return "set", text_of(cookie), deletes, sorted(map(dashed, uuids))
            case PhaseEnd(deletes, finished, cookie):
                return "delete" if deletes else "present", text_of(cookie), finished


def dashed(uuid: bytes) -> str:
    text = uuid.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def text_of(cookie: bytes | None) -> str | None:
    return None if cookie is None else cookie.decode()


def heard(server: Slapd, mode: str, cookie: str | None, until: str) -> list[Said]:
    """Hear a search to its end, both ways at once; they must agree."""
    with client_of(server) as client, closing(Theirs(server, mode, cookie)) as theirs:
        ours = Ours(client, {"refreshOnly": 1, "refreshAndPersist": 3}[mode], cookie)
        said: list[Said] = []
        while not said or said[-1][0] not in until.split():
            said.append(theirs.next())
            assert said[-1] == ours.next()
    return said


@pytest.mark.parametrize("sessionlog", [None, 1000], ids=["present phase", "delete phase"])
@pytest.mark.parametrize(("mode", "end"), [("refreshOnly", "done"), ("refreshAndPersist", "delete present")])
def test_a_refresh_is_understood_as_python_ldap_does(sessionlog: int | None, mode: str, end: str) -> None:
    with Slapd(sessionlog=sessionlog) as server:
        server.load(empty_tree())
        server.start()
        for number in range(5):
            server.add(f"cn={number},{SUFFIX}", {"objectClass": ["person"], "cn": [str(number)], "sn": ["x"]})
        first = heard(server, mode, None, end)
        cookie = first[-1][1]
        server.delete(f"cn=1,{SUFFIX}")
        server.rename(f"cn=2,{SUFFIX}", "cn=two")
        server.replace(f"cn=3,{SUFFIX}", "sn", ["y"])
        later = heard(server, mode, cookie, end)
        again = heard(server, mode, later[-1][1], end)

    assert [said[0] for said in first[:-1]] == ["entry"] * 8
    assert cookie.startswith("rid=000,csn=")
    assert {"cn=two", "cn=3"} <= {said[1].partition(",")[0] for said in later if said[0] == "entry"}
    assert any(said[0] == "set" and said[2] == (sessionlog is not None) for said in later)
    assert again[-1][0] == first[-1][0] or mode == "refreshAndPersist"


def test_the_persist_stage_is_understood_as_python_ldap_does(provider: Slapd) -> None:
    one = f"cn=1,{SUFFIX}"
    with client_of(provider) as client, closing(Theirs(provider, "refreshAndPersist", None)) as theirs:
        ours = Ours(client, 3, None)
        kind = "entry"
        while kind == "entry":
            kind, *rest = theirs.next()
            assert (kind, *rest) == ours.next()

        changes: list[Callable[[], None]] = [
            lambda: provider.add(one, {"objectClass": ["person"], "cn": ["1"], "sn": ["x"]}),
            lambda: provider.replace(one, "sn", ["y"]),
            lambda: provider.rename(one, "cn=2"),
            lambda: provider.delete(f"cn=2,{SUFFIX}"),
        ]
        states = []
        for change in changes:
            change()
            said = theirs.next()
            assert said == ours.next()
            states.append(said[3])

    assert kind in {"delete", "present"}
    assert states == ["add", "modify", "modify", "delete"]


# --- controls: any value ----------------------------------------------------------------------------------------------

cookies = st.one_of(st.none(), st.binary(max_size=300))
uuids = st.binary(min_size=16, max_size=16)
# DEFAULT members may be left out or written; a BER encoder may write them.
flags = st.one_of(st.none(), st.booleans())


def filled(value: Any, **members: Any) -> Any:
    """Set those members of an ASN.1 value that are given."""
    for name, member in members.items():
        if member is not None:
            value[name] = member
    return value


@given(mode=st.sampled_from([1, 3]), cookie=st.one_of(st.none(), st.binary(min_size=1, max_size=300)))
def test_any_request_control_is_what_its_definition_says(mode: int, cookie: bytes | None) -> None:
    control = controls.request_control(mode, cookie)

    assert (SyncRequestControl.controlType, True) == (control.oid, control.critical)
    assert encoder.encode(filled(SyncRequestValue(), mode=mode, cookie=cookie)) == control.value
    value, rest = decoder.decode(control.value, asn1Spec=SyncRequestValue())
    assert (mode, cookie, b"") == (value["mode"], bytes(value["cookie"]) if value["cookie"].hasValue() else None, rest)


@given(state=st.integers(0, 3), uuid=uuids, cookie=cookies)
def test_any_sync_state_is_read(state: int, uuid: bytes, cookie: bytes | None) -> None:
    encoded = encoder.encode(filled(SyncStateValue(), state=state, entryUUID=uuid, cookie=cookie))

    assert SyncState(EntryState(state), uuid, cookie) == controls.decode_state(encoded)


@given(cookie=cookies, deletes=flags)
def test_any_sync_done_is_read(cookie: bytes | None, deletes: bool | None) -> None:  # noqa: FBT001
    encoded = encoder.encode(filled(SyncDoneValue(), cookie=cookie, refreshDeletes=deletes))

    assert SyncDone(cookie, bool(deletes)) == controls.decode_done(encoded)


@given(cookie=st.binary(max_size=300))
def test_any_new_cookie_is_read(cookie: bytes) -> None:
    encoded = encoder.encode(filled(SyncInfoValue(), newcookie=cookie))

    assert NewCookie(cookie) == controls.decode_info(encoded)


@given(deletes=st.booleans(), cookie=cookies, done=flags)
def test_any_end_of_a_phase_is_read(deletes: bool, cookie: bytes | None, done: bool | None) -> None:  # noqa: FBT001
    info = SyncInfoValue()
    name = "refreshDelete" if deletes else "refreshPresent"
    info[name] = filled(
        (RefreshDelete if deletes else RefreshPresent)().subtype(
            implicitTag=info.componentType[name].asn1Object.tagSet[-1], cloneValueFlag=True
        ),
        cookie=cookie,
        refreshDone=done,
    )

    assert PhaseEnd(deletes, done is not False, cookie) == controls.decode_info(encoder.encode(info))


@given(deletes=flags, cookie=cookies, named=st.lists(uuids, max_size=20))
def test_any_set_of_uuids_is_read(deletes: bool | None, cookie: bytes | None, named: list[bytes]) -> None:  # noqa: FBT001
    info = SyncInfoValue()
    info["syncIdSet"] = of_set = SyncIdSet().subtype(
        implicitTag=info.componentType["syncIdSet"].asn1Object.tagSet[-1], cloneValueFlag=True
    )
    filled(of_set, cookie=cookie, refreshDeletes=deletes)
    of_set["syncUUIDs"].extend(named)

    assert IdSet(bool(deletes), tuple(named), cookie) == controls.decode_info(encoder.encode(info))


@given(state=st.integers(0, 3), uuid=uuids, cookie=st.one_of(st.none(), st.text(st.characters(codec="ascii"))))
def test_what_the_tests_send_is_understood_by_python_ldap(state: int, uuid: bytes, cookie: str | None) -> None:
    """The other side of the codec, which stands in for servers in tests, is held to the same definitions."""
    octets = None if cookie is None else cookie.encode()
    (control,) = messages.decode_controls(ber.tlv(0xA0, wire.state(state, uuid, octets)))
    decoded = SyncStateControl()
    decoded.decodeControlValue(control.value)
    assert (SyncStateControl.opnames[state], dashed(uuid), cookie) == (decoded.state, decoded.entryUUID, decoded.cookie)

    (control,) = messages.decode_controls(ber.tlv(0xA0, wire.sync_done(octets, deletes=state == 3)))
    done = SyncDoneControl()
    done.decodeControlValue(control.value)
    assert (cookie, state == 3) == (done.cookie, done.refreshDeletes)
