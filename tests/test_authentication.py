"""Who a program is, proved to a real server by each mechanism, and to servers that lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from contextlib import closing
from pathlib import Path
from traceback import TracebackException
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.connection.access import Access
from syncrepl_client.connection.authentication import Peer, authenticate, name_of
from syncrepl_client.connection.client import Client
from syncrepl_client.credentials import Anonymous, Choice, External, Kerberos, Plain, Scram, Simple
from syncrepl_client.exceptions import (
    IdentityChanged,
    InsufficientAccess,
    InvalidCredentials,
    LDAPResultError,
    MechanismNotOffered,
    ProtocolError,
    ServerNotProven,
    UsageError,
)
from syncrepl_client.ldap import ber, dn, messages
from syncrepl_client.ldap import url as urls
from syncrepl_client.secret import Secret
from syncrepl_client.testing import wire
from syncrepl_client.transport.sockets import connect
from tests.identities import ALICE, BOB, PASSWORD, context, provider
from tests.scripted import BIND, SEARCH, ScriptedServer
from tests.slapd import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncrepl_client.credentials import Credentials
    from tests.slapd import Slapd

SECRET = Secret(PASSWORD)
PEER = Peer("localhost", local=False, timeout=5.0)
STRONGEST = Choice((Scram("alice", SECRET), Plain("alice", SECRET)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Slapd]:
    """Run a server with channel bindings."""
    with provider(folder, binding="tls-endpoint") as running:
        yield running


def identity(url: str, credentials: Credentials, folder: Path, *, certificate: str | None = None) -> tuple[str, str]:
    """Bind; returns the mechanism that was used, and whom the server takes us for."""
    parsed = urls.parse(url)
    with closing(Client(connect(parsed, context=context(folder, certificate=certificate)))) as client:
        access = Access(parsed, credentials)
        mechanism = access.bind(client)
        access.recognize(client)
        return mechanism, client.identity


# --- a real server ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram_proves_a_password_in_clear_without_showing_it(server: Slapd, folder: Path, name: str) -> None:
    assert identity(server.url, Scram("alice", SECRET, name), folder) == (name, ALICE)


@pytest.mark.parametrize("name", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256"])
def test_scram_over_tls_with_and_without_channel_binding(server: Slapd, folder: Path, name: str) -> None:
    assert identity(server.ldaps_url, Scram("alice", SECRET, name), folder) == (name, ALICE)


def test_a_channel_binding_to_another_connection_is_refused(
    server: Slapd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it looks to the server when somebody in between has a certificate of his own."""
    monkeypatch.setattr("syncrepl_client.connection.authentication.end_point", lambda _: b"x" * 32)

    with pytest.raises(LDAPResultError, match="mismatch"):
        identity(server.ldaps_url, Scram("alice", SECRET), folder)


def test_the_strongest_that_is_offered_is_chosen(server: Slapd, folder: Path) -> None:
    for credentials in (STRONGEST, Scram("alice", SECRET)):
        assert identity(server.ldaps_url, credentials, folder) == ("SCRAM-SHA-512-PLUS", ALICE)
        assert identity(server.url, credentials, folder) == ("SCRAM-SHA-512", ALICE)


def test_a_server_without_channel_binding_is_told_that_it_was_looked_for(tmp_path: Path) -> None:
    with provider(tmp_path) as plain:
        assert identity(plain.ldaps_url, STRONGEST, tmp_path) == ("SCRAM-SHA-512", ALICE)
        with pytest.raises(MechanismNotOffered, match="SCRAM-SHA-256-PLUS") as caught:
            identity(plain.ldaps_url, Scram("alice", SECRET, "SCRAM-SHA-256-PLUS"), tmp_path)

    assert "SCRAM-SHA-256" in caught.value.offered
    assert "SCRAM-SHA-256" in caught.value.hint


def test_plain_goes_over_tls_and_local_sockets_only(server: Slapd, folder: Path) -> None:
    assert identity(server.ldaps_url, Plain("alice", SECRET), folder) == ("PLAIN", ALICE)
    parsed = urls.parse(server.url)
    with closing(Client(connect(parsed))) as client, pytest.raises(UsageError, match="in clear; nothing was sent"):
        Access(parsed, Plain("alice", SECRET)).bind(client)


def test_external_is_the_process_or_the_certificate(server: Slapd, folder: Path) -> None:
    who = identity(server.ldapi_url, External(), folder)
    assert who == ("EXTERNAL", "gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth")
    assert identity(server.ldaps_url, External(), folder, certificate="alice.pem") == ("EXTERNAL", ALICE)
    with pytest.raises(MechanismNotOffered, match="EXTERNAL"):
        identity(server.ldaps_url, External(), folder)


@pytest.mark.parametrize(
    "credentials",
    [
        Scram("alice", SECRET, authzid=f"dn:{BOB}"),
        Scram("alice", SECRET, "SCRAM-SHA-1", "u:bob"),
        Plain("alice", SECRET, "u:bob"),
        External(f"dn:{BOB}"),
    ],
    ids=["scram dn", "scram u", "plain", "external"],
)
def test_one_may_act_as_another(server: Slapd, folder: Path, credentials: Credentials) -> None:
    assert identity(server.ldaps_url, credentials, folder, certificate="alice.pem")[1] == BOB


def test_who_may_not_act_as_another_is_told(server: Slapd, folder: Path) -> None:
    with pytest.raises(InsufficientAccess) as caught:
        identity(server.url, Scram("bob", SECRET, authzid="u:alice"), folder)

    assert "authorization identity" in caught.value.hint


@pytest.mark.parametrize(
    "credentials", [Scram("alice", Secret("pen")), Choice((Scram("alice", Secret("pen")), STRONGEST.alternatives[1]))]
)
def test_a_wrong_password_is_tried_once_and_in_no_other_way(
    server: Slapd, folder: Path, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt is one more towards a locked account."""
    sent: list[str] = []
    whole = messages.sasl_bind_request

    def noted(name: str, said: bytes | None) -> bytes:
        sent.append(name)
        return whole(name, said)

    monkeypatch.setattr(messages, "sasl_bind_request", noted)

    with pytest.raises(InvalidCredentials):
        identity(server.ldaps_url, credentials, folder)

    assert sent == ["SCRAM-SHA-512-PLUS"] * 2


def test_a_mechanism_that_is_not_offered_is_not_replaced(server: Slapd, folder: Path) -> None:
    scripted = ScriptedServer(bound(7), offering(b"PLAIN", b"SCRAM-SHA-1"))
    with pytest.raises(MechanismNotOffered, match="SCRAM-SHA-256") as caught:
        authenticate(Client(scripted), NAMED, PEER)
    assert [one.tag for one in scripted.asked] == [BIND, SEARCH]
    assert caught.value.offered == ("PLAIN", "SCRAM-SHA-1")
    with pytest.raises(MechanismNotOffered, match="PLAIN"):
        identity(server.url, Choice((Plain("alice", SECRET),)), folder)


def test_no_password_is_no_bind(server: Slapd, folder: Path) -> None:
    for credentials in (Simple(ALICE, Secret("")), Plain("alice", Secret("")), Scram("alice", Secret(""))):
        with pytest.raises(UsageError, match="no password"):
            identity(server.ldaps_url, credentials, folder)


def test_an_unknown_user_is_the_servers_to_tell(server: Slapd, folder: Path) -> None:
    with pytest.raises(LDAPResultError) as caught:
        identity(server.url, Scram("nobody", SECRET), folder)

    assert "does not know the user" in caught.value.hint


# --- the copy of somebody ---------------------------------------------------------------------------------------------


def refresh(server: Slapd, path: Path, credentials: Credentials, on_behalf_of: str = "") -> tuple[bool, set[bytes]]:
    """Refresh a copy; returns whether it was read anew, and the descriptions in it."""
    url = f"{server.url}/{SUFFIX}"
    options = {"credentials": credentials, "on_behalf_of": on_behalf_of, "mode": SyncreplMode.REFRESH_ONLY}
    with Replica(url, path, **options) as replica:  # type: ignore[arg-type]
        anew = replica.store.state().cookie is None
        replica.refresh()
        return anew, {value for entry in replica.entries.values() for value in entry.get("description", [])}


def test_another_identity_reads_everything_anew(server: Slapd, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    everything = {b"about alice", b"about bob"}

    assert refresh(server, path, Simple(ALICE, SECRET)) == (True, everything)
    assert refresh(server, path, Scram("alice", SECRET)) == (False, everything)
    assert refresh(server, path, Scram("alice", SECRET, authzid="u:bob")) == (True, set())
    assert refresh(server, path, Scram("alice", SECRET), f"dn:{BOB}") == (False, set())
    assert refresh(server, path, Simple(ALICE.upper(), SECRET)) == (True, everything)


def test_searches_on_behalf_of_another_see_what_he_sees(server: Slapd, tmp_path: Path) -> None:
    """Also those in the persist stage, and the questions beside the stream."""
    told: list[str] = []

    class Listener:
        def change(self, change: object, **_: object) -> None:
            told.append(repr(change))

    url = f"{server.url}/{SUFFIX}"
    with Replica(
        url, tmp_path / "copy.db", credentials=Scram("alice", SECRET), on_behalf_of="u:bob", listener=Listener()
    ) as replica:
        replica.refresh()
        name = f"uid=new,ou=people,{SUFFIX}"
        server.add(
            name,
            {
                "objectClass": ["person", "uidObject"],
                "uid": ["new"],
                "cn": ["x"],
                "sn": ["x"],
                "description": ["hidden"],
            },
        )
        while name not in replica.entries:
            assert replica.step()
        assert not replica.verify().drift
    server.delete(name)

    assert "hidden" not in "".join(told)
    assert "about" not in "".join(told)


def test_to_act_on_behalf_of_another_takes_a_right(server: Slapd, tmp_path: Path) -> None:
    with pytest.raises(InsufficientAccess, match="authorizationDenied"):
        refresh(server, tmp_path / "copy.db", Scram("bob", SECRET), "u:alice")


def test_the_identity_is_logged_and_the_password_is_not(
    server: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refresh(server, tmp_path / "copy.db", Scram("alice", SECRET))

    (record,) = [one for one in caplog.records if one.name == "syncrepl_client.access"]
    assert record.levelno == logging.INFO
    assert ALICE in record.getMessage()
    assert (record.__dict__["identity"], record.__dict__["mechanism"]) == (ALICE, "SCRAM-SHA-512")
    assert PASSWORD not in caplog.text
    assert PASSWORD.encode() not in (tmp_path / "copy.db").read_bytes()


def test_a_file_that_others_can_read_is_warned_about(
    server: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    for mode, warnings in ((0o600, 0), (0o640, 1)):
        file.chmod(mode)
        caplog.clear()
        refresh(server, tmp_path / "copy.db", Scram("alice", Secret.from_file(file)))
        assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == warnings


# --- a server whose answers are written down --------------------------------------------------------------------------


def bound(code: int = 0, credentials: bytes | None = None) -> Callable[[int], bytes]:
    rest = () if credentials is None else (ber.octet_string(credentials, tag=0x87),)
    return lambda number: wire.message(number, wire.result(0x61, code, "", *rest))


def told(code: int = 0, name: bytes = b"") -> Callable[[int], bytes]:
    return lambda number: wire.message(number, wire.result(0x78, code, "", ber.octet_string(name, tag=0x8B)))


def offering(*mechanisms: bytes, **more: list[bytes]) -> Callable[[int], bytes]:
    attributes = {"objectClass": [b"top"], "supportedSASLMechanisms": list(mechanisms), **more}
    return lambda number: wire.message(number, wire.entry("", attributes)) + wire.done(number)


class ScramServer(ScriptedServer):
    """Knows the password, or pretends to."""

    def __init__(self, *ends: Callable[[int], bytes], password: bytes = PASSWORD.encode()) -> None:
        super().__init__(self.first, *ends)
        self._password = password

    @property
    def said(self) -> bytes:
        """What the client said last."""
        return self.asked[-1].octets.rpartition(b"SCRAM-SHA-256")[2][2:]

    def first(self, number: int) -> bytes:
        self._bare = self.said.removeprefix(b"n,,")
        self._first = b"%s-more,s=%s,i=4096" % (
            self._bare[self._bare.index(b"r=") :],
            base64.b64encode(b"0123456789abcdef"),
        )
        return bound(14, self._first)(number)

    def prove(self, code: int = 0, *, wrong: bool = False) -> Callable[[int], bytes]:
        def answer(number: int) -> bytes:
            without = self.said.partition(b",p=")[0]
            salted = hashlib.pbkdf2_hmac("sha256", self._password, b"0123456789abcdef", 4096)
            key = hmac.digest(salted, b"Server Key", "sha256")
            proof = hmac.digest(key, b",".join((self._bare, self._first, without)), "sha256")
            return bound(code, b"v=" + base64.b64encode(proof[::-1] if wrong else proof))(number)

        return answer


NAMED = Scram("alice", SECRET, "SCRAM-SHA-256")


def test_a_server_that_knows_the_password_is_believed() -> None:
    for code in (0, 14):
        server = ScramServer()
        server.answers += [server.prove(code), bound()][: 1 if code == 0 else 2]
        authenticate(Client(server), NAMED, PEER)
        assert server.answers == []


@pytest.mark.parametrize("code", [0, 14])
def test_a_server_with_a_wrong_signature_is_not_believed(code: int) -> None:
    server = ScramServer()
    server.answers.append(server.prove(code, wrong=True))

    with pytest.raises(ServerNotProven):
        authenticate(Client(server), NAMED, PEER)


def test_a_server_that_does_not_know_the_password_is_not_believed() -> None:
    server = ScramServer(password=b"guessed")
    server.answers.append(server.prove())

    with pytest.raises(ServerNotProven):
        authenticate(Client(server), NAMED, PEER)


def test_success_without_a_proof_is_an_error() -> None:
    for server in (ScramServer(bound()), ScramServer(bound(0, b""))):
        with pytest.raises(ServerNotProven):
            authenticate(Client(server), NAMED, PEER)
    with pytest.raises(ServerNotProven):
        authenticate(Client(ScriptedServer(bound())), NAMED, PEER)


def test_a_bind_that_does_not_end_is_ended() -> None:
    class Endless:
        name = "ENDLESS"
        layer = None

        def start(self) -> None:
            return None

        def respond(self, challenge: bytes) -> bytes:
            return b""

        def conclude(self, data: bytes | None) -> None:
            raise AssertionError

    server = ScriptedServer(*[bound(14)] * 30)
    with pytest.raises(ProtocolError, match="does not end"):
        Client(server).sasl_bind(Endless())


def test_what_a_bind_says_shows_in_no_trace() -> None:
    lines: list[str] = []
    server = ScramServer()
    server.answers.append(server.prove())

    authenticate(Client(server, trace=lines.append), NAMED, PEER)

    assert "v=" not in "".join(lines)
    assert "i=4096" not in "".join(lines)


def test_standard_servers_get_the_standard_binding(folder: Path, server: Slapd) -> None:
    """OpenLDAP alone has a name of its own for it."""
    for classes, flag in (([b"top"], b"p=tls-server-end-point,,"), ([b"OpenLDAProotDSE"], b"p=ldap,,")):
        scripted = ScriptedServer(offering(b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256", objectClass=classes), bound(49))
        scripted.start_tls("h")
        with closing(connect(urls.parse(server.ldaps_url), context=context(folder))) as transport:
            assert transport.encryption is not None
            scripted.certificate = transport.encryption.certificate
        with pytest.raises(InvalidCredentials):
            authenticate(Client(scripted), Scram("alice", SECRET), PEER)
        assert flag in scripted.asked[-1].octets


@pytest.mark.parametrize("credentials", [Plain("alice", SECRET), Scram("alice", SECRET), Simple(ALICE, SECRET)])
def test_no_traceback_of_a_bind_shows_the_password(credentials: Credentials) -> None:
    """Not even with the variables of its frames: a wrong password is looked into by the tools that show these."""
    server = ScriptedServer(*([offering(b"SCRAM-SHA-256")] if isinstance(credentials, Scram) else []))
    server.answers.append(bound(49))
    server.start_tls("h")
    with pytest.raises(InvalidCredentials) as caught:
        authenticate(Client(server), credentials, PEER)

    shown = TracebackException.from_exception(caught.value, capture_locals=True)
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(str(Path(__file__).parent))]
    assert len(shown.stack) > 1
    assert PASSWORD not in "".join(shown.format())


def test_a_password_that_cannot_be_prepared_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        authenticate(Client(ScriptedServer()), Scram("alice", Secret("geheim\u0007"), "SCRAM-SHA-256"), PEER)

    assert caught.value.__context__ is None
    shown = TracebackException.from_exception(caught.value, capture_locals=True)
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(str(Path(__file__).parent))]
    assert "geheim" not in "".join(shown.format())


def test_who_hid_the_offer_of_a_binding_is_found_out() -> None:
    """RFC 5802 section 6: 'y' tells a server that does offer one."""
    server = ScriptedServer(offering(b"SCRAM-SHA-256"), bound(49))
    server.start_tls("h")
    server.certificate = ber.sequence(ber.sequence(), ber.sequence(bytes.fromhex("06092a864886f70d01010b0500")))
    with pytest.raises(InvalidCredentials):
        authenticate(Client(server), Scram("alice", SECRET), PEER)

    assert b"y,,n=alice" in server.asked[-1].octets


def test_plain_is_never_chosen_in_clear_and_nothing_weaker_than_what_was_allowed() -> None:
    cases = [(STRONGEST, b"PLAIN"), (Choice((NAMED,)), b"SCRAM-SHA-1"), (Choice((Kerberos(),)), b"EXTERNAL")]
    for credentials, offered in cases:
        server = ScriptedServer(offering(offered))
        with pytest.raises(MechanismNotOffered):
            authenticate(Client(server), credentials, PEER)
        assert [one.tag for one in server.asked] == [SEARCH]


def test_a_server_that_hides_what_it_offers_offers_nothing() -> None:
    server = ScriptedServer(lambda number: wire.done(number, 50))
    with pytest.raises(MechanismNotOffered) as caught:
        authenticate(Client(server), STRONGEST, PEER)

    assert "does not tell" in caught.value.hint


def test_a_choice_takes_the_first_that_is_offered() -> None:
    server = ScriptedServer(offering(b"EXTERNAL", b"SCRAM-SHA-256"), bound())

    assert authenticate(Client(server), Choice((Kerberos(), External("u:x"), NAMED)), PEER) == "EXTERNAL"
    assert [one.tag for one in server.asked] == [SEARCH, BIND]
    with pytest.raises(UsageError):
        Choice(())


# --- whom the server takes us for -------------------------------------------------------------------------------------

SIMPLE = Access(urls.parse("ldaps://h/dc=x"), Simple("cn=A,dc=x", SECRET))


def recognized(access: Access, *answers: Callable[[int], bytes]) -> str:
    client = Client(ScriptedServer(*answers))
    access.recognize(client)
    return client.identity


@pytest.mark.parametrize("name", [b"dn:cn=a,dc=x", b"dn: cn=a, dc=x", b"DN:CN=A,dc=x"])
def test_a_simple_bind_has_one_name_whether_it_is_told_or_not(name: bytes) -> None:
    assert dn.same(recognized(SIMPLE, told(0, name)), "cn=a,dc=x")
    for code in (2, 50, 53):
        assert recognized(SIMPLE, told(code)) == "cn=A,dc=x"


def test_an_identity_that_is_no_dn_is_kept_whole() -> None:
    assert recognized(SIMPLE, told(0, b"u:alice")) == "u:alice"
    assert recognized(SIMPLE, told(0)) == ""


@pytest.mark.parametrize("code", [1, 51, 52, 80])
def test_a_hiccup_is_no_other_identity(code: int) -> None:
    """A server that announces Who am I? and fails to answer fails; one that does not announce it does not know it."""
    knows = offering(supportedExtension=[messages.WHO_AM_I.encode()])
    with pytest.raises(LDAPResultError):
        recognized(SIMPLE, told(code), knows)
    assert recognized(SIMPLE, told(code), offering()) == "cn=A,dc=x"


def test_who_one_is_as_far_as_one_knows_oneself() -> None:
    names = [
        name_of(one)
        for one in (
            Anonymous(),
            Simple("cn=a", SECRET),
            External(),
            Scram("a", SECRET),
            Plain("a", SECRET, "u:b"),
            Kerberos(principal="p"),
            STRONGEST,
        )
    ]

    assert names == ["", "cn=a", "EXTERNAL", "user a", "user a u:b", "GSSAPI p", "user alice"]
    assert Access(SIMPLE.url, Anonymous(), on_behalf_of="u:x").name == "u:x"


def test_a_connection_is_not_renewed_as_somebody_else(server: Slapd, folder: Path) -> None:
    passwords = iter([PASSWORD, PASSWORD, PASSWORD])
    access = Access(urls.parse(server.url), Scram("alice", Secret(lambda: next(passwords).encode())))
    with closing(access.enter()) as client:
        access.renew(client)
        assert client.identity == ALICE
        other = Access(access.url, Scram("bob", SECRET))
        with pytest.raises(IdentityChanged) as caught:
            other.renew(client)

    assert (caught.value.before, caught.value.now) == (ALICE, BOB)
