"""Encryption against real servers, and against what is no server: whom a client believes, and what it never sends."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import struct
import threading
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from syncrepl_client import BaseCallback, Replica, Syncrepl, SyncreplMode
from syncrepl_client.connection.access import Access, Timeouts
from syncrepl_client.credentials import Simple
from syncrepl_client.exceptions import (
    CertificateError,
    CleartextPassword,
    ClientCertificateRefused,
    ConnectionLost,
    EncryptionFailed,
    ProtocolError,
    StartTLSRefused,
    SyncreplError,
    UsageError,
)
from syncrepl_client.ldap import url as urls
from syncrepl_client.secret import Secret
from syncrepl_client.transport.encrypted import TLSStream
from syncrepl_client.transport.sockets import connect
from syncrepl_client.transport.tls import TLS
from tests.between import SIZE, shut
from tests.certificates import KEY_PASSWORD, Authority, encrypted
from tests.eavesdropper import Eavesdropper
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from syncrepl_client.transport.sockets import SocketTransport

ADMIN = f"cn=admin,{SUFFIX}"
# So that it is found wherever it is.
PASSWORD = "Tr0ub4dor-and-3"
START_TLS = b"1.3.6.1.4.1.1466.20037"
BIND_REQUEST = 0x60
ENTRIES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@contextlib.contextmanager
def serving(certificate: tuple[Path, Path] | None, configuration: str = "", ca: Path | None = None) -> Iterator[Slapd]:
    cert, key = certificate or (None, None)
    with Slapd(rootpw=PASSWORD, tls_cert=cert, tls_key=key, tls_ca=ca, extra_global=configuration) as server:
        server.load(empty_tree())
        server.start()
        yield server


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Slapd]:
    """A server whose certificate is as it should be."""
    with serving(authority.issue("127.0.0.1", "localhost")) as slapd:
        yield slapd


def search(server: str) -> str:
    return f"{server}/{SUFFIX}????bindname={quote(ADMIN)}"


def sync(url: str, path: Path, **options: Any) -> int:
    """Refresh once, as somebody with a password; returns how many entries there are."""
    with Replica(url, path / "copy.db", mode=SyncreplMode.REFRESH_ONLY, password=PASSWORD, **options) as replica:
        return replica.refresh().entries


def both_ways(server: Slapd) -> list[tuple[str, bool]]:
    return [(server.ldaps_url, False), (server.url, True)]


# --- the server's certificate -----------------------------------------------------------------------------------------


def test_a_right_certificate_is_believed(server: Slapd, authority: Authority, tmp_path: Path) -> None:
    """By its address and by its name, from the first byte and by StartTLS."""
    for url, starttls in both_ways(server):
        for host in ("127.0.0.1", "localhost", "LOCALHOST"):
            here = url.replace("127.0.0.1", host)
            assert sync(search(here), tmp_path, tls=TLS(ca_file=authority.file), starttls=starttls) == ENTRIES


def test_authorities_may_be_in_a_folder_under_any_name(server: Slapd, authority: Authority, tmp_path: Path) -> None:
    inside = tmp_path / "authorities"
    inside.mkdir()
    Authority(inside, "another")
    (inside / "notes.txt").write_text("about the others")
    (inside / "ours").write_bytes(authority.file.read_bytes())

    assert sync(search(server.ldaps_url), tmp_path, tls=TLS(ca_folder=inside)) == ENTRIES


def test_an_authority_that_is_not_known_is_not_believed(server: Slapd, folder: Path, tmp_path: Path) -> None:
    """Neither by default, nor once it was taken out of the file of those that are."""
    others = Authority(tmp_path, "others")
    for url, starttls in both_ways(server):
        for tls in (None, TLS(ca_file=others.file)):
            with pytest.raises(CertificateError, match="authority of the certificate is not known") as caught:
                sync(search(url), tmp_path, tls=tls, starttls=starttls)

            assert "--ca-file" in caught.value.hint
            assert caught.value.address in url


def test_trust_that_is_taken_away_counts_from_the_next_connection(
    server: Slapd, authority: Authority, tmp_path: Path
) -> None:
    believed = tmp_path / "believed.pem"
    believed.write_bytes(authority.file.read_bytes())
    tls = TLS(ca_file=believed)
    assert sync(search(server.ldaps_url), tmp_path, tls=tls) == ENTRIES
    believed.write_bytes(Authority(tmp_path, "others").file.read_bytes())

    with pytest.raises(CertificateError):
        sync(search(server.ldaps_url), tmp_path, tls=tls)


@pytest.mark.parametrize(
    ("names", "wrong", "reason"),
    [
        (["127.0.0.1"], {"expired": True}, "has expired"),
        (["ldap.example.com"], {}, "not for '127.0.0.1'"),
        (["127.0.0.2"], {}, "not for '127.0.0.1'"),
    ],
    ids=["expired", "another name", "another address"],
)
def test_a_wrong_certificate_is_not_believed(
    authority: Authority, tmp_path: Path, names: list[str], wrong: dict[str, Any], reason: str
) -> None:
    with serving(authority.issue(*names, file="wrong", **wrong)) as slapd:
        for url, starttls in both_ways(slapd):
            with pytest.raises(CertificateError, match=reason) as caught:
                sync(search(url), tmp_path, tls=TLS(ca_file=authority.file), starttls=starttls)

            assert caught.value.code > 0
            assert caught.value.hint


def test_a_name_is_not_taken_for_an_address(authority: Authority, tmp_path: Path) -> None:
    """RFC 6125 section 6.4.4: the common name is not looked at, and an address must be named as one."""
    certificate = authority.issue("another.example.com", file="127.0.0.1")
    with serving(certificate) as slapd, pytest.raises(CertificateError, match="certificate is not for"):
        sync(search(slapd.ldaps_url), tmp_path, tls=TLS(ca_file=authority.file))


def test_only_a_word_that_says_so_turns_verification_off(
    server: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert sync(search(server.ldaps_url), tmp_path, tls=TLS(insecure_skip_verification=True)) == ENTRIES

    (said,) = [record for record in caplog.records if record.name == "syncrepl_client.transport.tls"]
    assert said.levelno == logging.WARNING
    assert "not verified" in said.getMessage()


def test_a_program_may_give_its_own_context(
    server: Slapd, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.create_default_context(cafile=str(authority.file))
    for url, starttls in both_ways(server):
        assert sync(search(url), tmp_path, tls=context, starttls=starttls) == ENTRIES
    assert caplog.records == []

    context.check_hostname = False
    assert sync(search(server.ldaps_url), tmp_path, tls=context) == ENTRIES
    assert "names of certificates are not verified" in caplog.text


def test_a_context_that_believes_nobody_is_obeyed(server: Slapd, tmp_path: Path) -> None:
    with pytest.raises(CertificateError):
        sync(search(server.ldaps_url), tmp_path, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


# --- ours -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demanding(authority: Authority) -> Iterator[Slapd]:
    """A server that lets nobody in without a certificate."""
    certificate = authority.issue("127.0.0.1", file="demanding")
    with serving(certificate, "TLSVerifyClient demand", authority.file) as slapd:
        yield slapd


@pytest.fixture(scope="module")
def ours(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("client@example.com", file="client")


def test_our_certificate_is_shown(
    demanding: Slapd, authority: Authority, ours: tuple[Path, Path], folder: Path, tmp_path: Path
) -> None:
    cert, key = ours
    together = folder / "together.pem"
    together.write_bytes(key.read_bytes() + cert.read_bytes())
    protected = encrypted(key)
    for url, starttls in both_ways(demanding):
        for shown in (
            TLS(ca_file=authority.file, certificate=cert, key=key),
            TLS(ca_file=authority.file, certificate=together),
            TLS(ca_file=authority.file, certificate=cert, key=protected, key_password=Secret(KEY_PASSWORD)),
        ):
            assert sync(search(url), tmp_path, tls=shown, starttls=starttls) == ENTRIES


def two_versions(authority: Authority, shown: tuple[Path, Path] | None) -> Iterator[ssl.SSLContext]:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(authority.file))
        context.maximum_version = version
        if shown is not None:
            context.load_cert_chain(*shown)
        yield context


@pytest.fixture(params=["none", "a stranger's"])
def unwanted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path] | None:
    """What a server that demands a certificate does not accept."""
    if request.param == "none":
        return None
    return Authority(tmp_path, "others").issue("client@example.com", file="client")


def test_slapd_leaves_without_a_word_if_it_wants_another_certificate(
    demanding: Slapd, authority: Authority, tmp_path: Path, unwanted: tuple[Path, Path] | None
) -> None:
    """With TLS 1.3 it does so after we have begun to send."""
    for context in two_versions(authority, unwanted):
        for url, starttls in both_ways(demanding):
            with pytest.raises(EncryptionFailed, match="as soon as it was to be encrypted") as caught:
                sync(search(url), tmp_path, tls=context, starttls=starttls)

            assert "--cert" in caught.value.hint


def demanding_context(authority: Authority) -> ssl.SSLContext:
    """What a server demands a certificate with that says what it misses."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.issue("127.0.0.1", file="wanting"))
    return context


def test_other_servers_say_that_they_want_another_certificate(
    authority: Authority, tmp_path: Path, unwanted: tuple[Path, Path] | None
) -> None:
    wanting = demanding_context(authority)

    def demand(connection: socket.socket) -> None:
        with wanting.wrap_socket(connection, server_side=True) as stream:
            stream.recv(65536)

    for context in two_versions(authority, unwanted):
        with answering(demand) as address, pytest.raises(ClientCertificateRefused, match="the server says") as caught:
            sync(search(f"ldaps://{address}"), tmp_path, tls=context)

        assert "--cert" in caught.value.hint


def send_for_ever(transport: SocketTransport) -> None:
    while True:
        transport.send(b"nobody takes this")


def test_what_a_server_said_before_it_left_is_found(authority: Authority) -> None:
    """With TLS 1.3 we may have sent something meanwhile, which nobody takes."""
    wanting = demanding_context(authority)
    gone = threading.Event()

    def demand(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError):
            wanting.wrap_socket(connection, server_side=True)
        connection.close()
        gone.set()

    with answering(demand) as address:
        context = TLS(ca_file=authority.file).make_context()
        with contextlib.closing(connect(urls.parse(f"ldaps://{address}/dc=x"), context=context)) as transport:
            assert gone.wait(20)
            with pytest.raises(ClientCertificateRefused):
                send_for_ever(transport)


# --- what is no TLS ---------------------------------------------------------------------------------------------------


def test_a_server_without_a_certificate_refuses_starttls(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(StartTLSRefused) as caught:
        sync(search(slapd.url), tmp_path, starttls=True)

    assert caught.value.code > 0
    assert caught.value.diagnostic
    assert caught.value.address == f"127.0.0.1:{slapd.port}"
    assert "no password was sent" in caught.value.hint


def test_the_port_of_another_protocol_is_no_tls(server: Slapd, tmp_path: Path) -> None:
    with pytest.raises(EncryptionFailed) as caught:
        sync(search(f"ldaps://127.0.0.1:{server.port}"), tmp_path)

    assert "port" in caught.value.hint


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[str]:
    """Let one connection be answered by a function; returns the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            port = listener.getsockname()[1]
            yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(("name", "right"), [("::1", True), ("0:0:0:0:0:0:0:1", True), ("::2", False)])
def test_addresses_of_ipv6_are_compared_as_addresses(authority: Authority, name: str, *, right: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(name, file="ipv6"))

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.recv(1)

    with answering(serve, "::1") as address:
        url, trusting = urls.parse(f"ldaps://{address}/dc=x"), TLS(ca_file=authority.file).make_context()
        if right:
            connect(url, context=trusting).close()
        else:
            with pytest.raises(CertificateError, match="the certificate is not for '::1'"):
                connect(url, context=trusting)


def test_what_is_in_no_certificate_is_not_looked_for_in_one(authority: Authority) -> None:
    """The dot after a complete name, and the zone of an address of IPv6."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*authority.issue("ldap.example.com", "fe80::1", file="complete"))
    for host in ("ldap.example.com.", "fe80::1%eth0"):
        client = TLSStream(TLS(ca_file=authority.file).make_context(), host)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        other = server.wrap_bio(incoming, outgoing, server_side=True)
        complete = client.shake_hands(b"")
        while not complete:
            incoming.write(client.outgoing())
            with contextlib.suppress(ssl.SSLWantReadError):
                other.do_handshake()
            complete = client.shake_hands(outgoing.read())
        assert client.describe().verified


def test_what_is_older_than_tls_1_2_is_not_used(authority: Authority, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1", file="old"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    # OpenSSL 3 has no older version above that level.
    context.set_ciphers("ALL:@SECLEVEL=0")

    def old(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with answering(old) as address, pytest.raises(EncryptionFailed, match=r"nothing as good as TLS 1\.2"):
        sync(search(f"ldaps://{address}"), tmp_path, tls=TLS(ca_file=authority.file))


def _reset(connection: socket.socket) -> None:
    assert connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _half(connection: socket.socket) -> None:
    assert connection.recv(65536)
    # A record that is longer than what comes of it.
    connection.sendall(bytes.fromhex("160303 007a 020000 76 0303".replace(" ", "")))


@pytest.mark.parametrize(("ending", "hint"), [(_reset, "port"), (_half, "--cert")], ids=["reset", "half a record"])
def test_a_handshake_that_breaks_off_is_an_error(
    tmp_path: Path, ending: Callable[[socket.socket], None], hint: str
) -> None:
    with answering(ending) as address, pytest.raises(EncryptionFailed, match="the server ended the conn") as caught:
        sync(search(f"ldaps://{address}"), tmp_path)

    assert hint in caught.value.hint


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    over = threading.Event()

    def silent(_connection: socket.socket) -> None:
        over.wait(30)

    with answering(silent) as address:
        with pytest.raises(EncryptionFailed, match="no answer in time") as caught:
            sync(search(f"ldaps://{address}"), tmp_path, timeouts=Timeouts(tls=0.2))
        over.set()

    assert "not one for TLS" in caught.value.hint


# --- what somebody on the way does ------------------------------------------------------------------------------------


class Stripper(Eavesdropper):
    """Answers the request to encrypt in place of the server, and whatever comes then."""

    def __init__(self, port: int, *answers: bytes) -> None:
        super().__init__(port)
        self._strips = list(answers)

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(SIZE):
                self.requests += data
                if self._strips:
                    client.sendall(self._strips.pop(0))
                else:
                    server.sendall(data)
        shut(client, server)


def extended(code: int, message_id: int = 1) -> bytes:
    """Answer an extended operation (RFC 4511 section 4.12)."""
    return bytes([0x30, 12, 2, 1, message_id, 0x78, 7, 0x0A, 1, code, 4, 0, 4, 0])


# A bind that succeeds, as a client that was not encrypted would expect it.
BOUND = bytes([0x30, 12, 2, 1, 2, 0x61, 7, 0x0A, 1, 0, 4, 0, 4, 0])
STRIPPED = {
    "refused by the word for it": ((extended(2),), StartTLSRefused),
    "refused as unavailable": ((extended(52),), StartTLSRefused),
    "refused as wrong password": ((extended(49),), StartTLSRefused),
    "agreed to, then answered in clear": ((extended(0), BOUND), EncryptionFailed),
    "agreed to, then passed on in clear": ((extended(0),), EncryptionFailed),
    "agreed to, with an answer in clear behind it": ((extended(0) + BOUND,), SyncreplError),
    "agreed to, with the half of one behind it": ((extended(0) + BOUND[:5],), ProtocolError),
    "not answered but closed": ((b"",), ConnectionLost),
}


FRONTS: dict[str, Callable[..., object]] = {
    "replica": lambda url, path, **options: Replica(url, path, **options).connect(),
    "syncrepl": lambda url, path, **options: Syncrepl(path, BaseCallback, SyncreplMode.REFRESH_ONLY, url, **options),
}


@pytest.mark.parametrize("how", STRIPPED)
@pytest.mark.parametrize("front", FRONTS)
def test_a_stripped_starttls_gives_no_password_away(server: Slapd, tmp_path: Path, how: str, front: str) -> None:
    answers, error = STRIPPED[how]
    options: dict[str, Any] = {"password": PASSWORD, "starttls": True, "timeouts": Timeouts(tls=2, bind=0.5)}
    with Stripper(server.port, *answers) as proxy, pytest.raises(error):
        FRONTS[front](search(f"ldap://127.0.0.1:{proxy.port}"), tmp_path / "copy.db", **options)

    crossed = bytes(proxy.requests)
    assert START_TLS in crossed
    assert PASSWORD.encode() not in crossed
    assert ADMIN.encode() not in crossed
    assert bytes([2, 1, 2, BIND_REQUEST]) not in crossed


def test_what_a_listener_hears_of_starttls_tells_nothing(server: Slapd, authority: Authority, tmp_path: Path) -> None:
    with Eavesdropper(server.port) as proxy:
        url = search(f"ldap://127.0.0.1:{proxy.port}")
        assert sync(url, tmp_path, starttls=True, tls=TLS(ca_file=authority.file)) == ENTRIES

    crossed = bytes(proxy.requests + proxy.answers)
    assert START_TLS in crossed
    for secret in (PASSWORD, ADMIN, SUFFIX):
        assert secret.encode() not in crossed


# --- passwords in clear -----------------------------------------------------------------------------------------------

ELSEWHERE = "ldap.example.com"


@pytest.fixture
def elsewhere(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server whose name is not one of this machine's, though it runs here."""
    found = socket.getaddrinfo

    def lookup(host: str, *rest: Any, **options: Any) -> Any:
        return found("127.0.0.1" if host == ELSEWHERE else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return f"ldap://{ELSEWHERE}:{slapd.port}"


def test_a_password_is_refused_before_there_is_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_socket(*_arguments: object, **_options: object) -> socket.socket:
        raise AssertionError("something was about to be sent")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", no_socket)
    with pytest.raises(CleartextPassword, match=r"nothing was sent") as caught:
        sync(search(f"ldap://{ELSEWHERE}"), tmp_path)

    assert caught.value.address == f"{ELSEWHERE}:389"
    assert "StartTLS" in caught.value.hint
    assert PASSWORD not in str(caught.value)


def test_a_password_in_clear_may_be_allowed(elsewhere: str, slapd: Slapd, tmp_path: Path) -> None:
    url = search(elsewhere)
    with Replica(
        url,
        tmp_path / "copy.db",
        mode=SyncreplMode.REFRESH_ONLY,
        password=slapd.rootpw,
        cleartext_password=True,
    ) as replica:
        assert replica.refresh().entries == ENTRIES


def test_the_front_by_dn_warns_of_a_password_in_clear(
    elsewhere: str, slapd: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Older programs rely on it."""
    given: tuple[Any, ...] = (tmp_path / "copy.db", BaseCallback, SyncreplMode.REFRESH_ONLY, search(elsewhere))
    with Syncrepl(*given, password=slapd.rootpw) as client:
        while client.poll():
            pass
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert f"the password for {ELSEWHERE}:{slapd.port} goes over the network in clear" in said[0]

    caplog.clear()
    Syncrepl(*given, password=slapd.rootpw, cleartext_password=True).unbind()
    assert "in clear" not in caplog.text

    with pytest.raises(CleartextPassword):
        Syncrepl(*given, password=slapd.rootpw, cleartext_password=False)


def test_what_stays_on_this_machine_needs_no_encryption(server: Slapd, tmp_path: Path) -> None:
    for url in (server.ldapi_url, server.url, server.url.replace("127.0.0.1", "localhost")):
        assert sync(search(url), tmp_path) == ENTRIES


# --- settings that contradict each other ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "reason"),
    [
        ("ldaps://h/dc=x", {"starttls": True}, "StartTLS is for ldap://"),
        ("ldapi://%2Frun%2Fldapi/dc=x", {"starttls": True}, "StartTLS is for ldap://"),
        ("ldap://h/dc=x", {"tls": TLS(ca_file="ca.pem")}, "nothing is encrypted"),
        ("ldap://h/dc=x", {"tls": TLS(insecure_skip_verification=True)}, "nothing is encrypted"),
        ("ldap://h/dc=x", {"tls": TLS.of(ssl.create_default_context())}, "nothing is encrypted"),
    ],
)
def test_settings_that_contradict_the_url_are_refused(url: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        Access(urls.parse(url), **options)

    assert caught.value.hint


def test_one_on_this_machine_may_have_settings_that_it_does_not_need(server: Slapd, tmp_path: Path) -> None:
    """They may come from the environment, for all servers."""
    assert sync(search(server.ldapi_url), tmp_path, tls=TLS(ca_file=tmp_path / "none")) == ENTRIES


def test_exposed_keys_are_told(
    demanding: Slapd, authority: Authority, ours: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = ours
    readable = tmp_path / "key.pem"
    readable.write_bytes(key.read_bytes())
    readable.chmod(0o644)
    url = urls.parse(f"{demanding.ldaps_url}/{SUFFIX}")
    tls = TLS(ca_file=authority.file, certificate=cert, key=readable)
    Access(url, Simple(ADMIN, Secret(PASSWORD)), tls=tls).enter().close()

    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (said.name, said.__dict__["path"]) == ("syncrepl_client.secret", str(readable))
