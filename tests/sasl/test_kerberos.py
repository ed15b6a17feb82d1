"""GSSAPI against an acceptor of the library's own, in this process, with a real realm."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import gssapi
import pytest

from syncrepl_client.exceptions import (
    AuthenticationError,
    ConnectionLost,
    KerberosError,
    MechanismNotOffered,
    ProtocolError,
    TicketExpired,
    TicketMissing,
    UsageError,
)
from syncrepl_client.sasl.kerberos import GSSAPI

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kerberos import Realm

EVERYTHING = b"\x07\x01\x00\x00"


@pytest.fixture
def keytab(realm: Realm) -> str:
    return str(realm.directory / "alice.keytab")


class Acceptor:
    """The server's end, up to its offer of layers."""

    def __init__(self, realm: Realm, binding: bytes | None = None) -> None:
        creds = gssapi.Credentials(usage="accept", store={"keytab": f"FILE:{realm.directory / 'ldap.keytab'}"})
        bindings = None if binding is None else gssapi.raw.ChannelBindings(application_data=binding)
        self.context = gssapi.SecurityContext(creds=creds, usage="accept", channel_bindings=bindings)

    def offer(self, mechanism: GSSAPI, offer: bytes = EVERYTHING) -> bytes:
        """Do all until the offer; returns the answer to it, unwrapped."""
        assert mechanism.respond(self.context.step(mechanism.start()) or b"") == b""
        return self.context.unwrap(mechanism.respond(self.context.wrap(offer, False).message)).message  # noqa: FBT003


@pytest.mark.parametrize(
    ("layer", "encrypted", "offer", "answer"),
    [
        ("none", False, EVERYTHING, b"\x01\x00\x00\x00"),
        ("integrity", False, EVERYTHING, b"\x02\x10\x00\x00"),
        ("confidentiality", False, EVERYTHING, b"\x04\x10\x00\x00"),
        ("", False, EVERYTHING, b"\x04\x10\x00\x00"),
        ("", False, b"\x03\x01\x00\x00", b"\x02\x10\x00\x00"),
        ("", False, b"\x01\x00\x00\x00", b"\x01\x00\x00\x00"),
        ("", True, EVERYTHING, b"\x01\x00\x00\x00"),
        ("integrity", True, EVERYTHING, b"\x02\x10\x00\x00"),
    ],
)
def test_the_layer_is_what_was_asked_for_or_the_strongest(
    realm: Realm,
    keytab: str,
    *,
    layer: str,
    encrypted: bool,
    offer: bytes,
    answer: bytes,
) -> None:
    mechanism = GSSAPI("localhost", keytab=keytab, layer=layer, encrypted=encrypted, authzid="u:bob")
    server = Acceptor(realm)

    assert answer + b"u:bob" == server.offer(mechanism, offer)
    mechanism.conclude(None)
    assert str(server.context.initiator_name) == "alice@EXAMPLE.COM"
    assert (mechanism.layer is not None) == (answer[0] > 1)
    if mechanism.layer is not None:
        assert mechanism.layer.confidential == (answer[0] == 4)


@pytest.mark.parametrize("layer", ["integrity", "confidentiality"])
def test_the_layer_protects_both_ways(realm: Realm, keytab: str, layer: str) -> None:
    mechanism, server = GSSAPI("localhost", keytab=keytab, layer=layer), Acceptor(realm)
    server.offer(mechanism)
    protection = mechanism.layer
    assert protection is not None
    sealed = layer == "confidentiality"

    for size in (0, 1, 5000, 200_000):
        said = b"secret" * size
        stream, opened = protection.wrap(said), b""
        assert (b"secret" in stream) == (not sealed and size > 0)
        while stream:
            length = int.from_bytes(stream[:4])
            assert length <= 65536
            opened += server.context.unwrap(stream[4 : 4 + length]).message
            stream = stream[4 + length :]
        assert said == opened
    answer = server.context.wrap(b"answer", sealed).message
    assert protection.unwrap(len(answer).to_bytes(4) + answer) == b"answer"
    with pytest.raises(ProtocolError, match="forged"):
        protection.unwrap(len(answer).to_bytes(4) + answer)


def test_what_is_only_signed_does_not_pass_where_all_is_encrypted(realm: Realm, keytab: str) -> None:
    mechanism, server = GSSAPI("localhost", keytab=keytab, layer="confidentiality"), Acceptor(realm)
    server.offer(mechanism)
    signed = server.context.wrap(b"answer", False).message  # noqa: FBT003

    assert mechanism.layer is not None
    with pytest.raises(ProtocolError, match="not encrypted"):
        mechanism.layer.unwrap(len(signed).to_bytes(4) + signed)


@pytest.mark.parametrize("flip", [0, 5, 20, -1])
def test_a_changed_octet_is_noticed(realm: Realm, keytab: str, flip: int) -> None:
    mechanism, server = GSSAPI("localhost", keytab=keytab), Acceptor(realm)
    server.offer(mechanism)
    sealed = bytearray(server.context.wrap(b"answer", True).message)  # noqa: FBT003
    sealed[flip] ^= 1

    assert mechanism.layer is not None
    with pytest.raises(ProtocolError):
        mechanism.layer.unwrap(len(sealed).to_bytes(4) + sealed)


@pytest.mark.parametrize(
    ("offer", "error"),
    [
        (b"\x01\x00\x00\x00", MechanismNotOffered),
        (b"\x00\x00\x00\x00", MechanismNotOffered),
        (b"\x04\x01", ProtocolError),
        (b"\x04\x00\x00\x01", ProtocolError),
    ],
)
def test_an_offer_of_no_use_is_refused(realm: Realm, keytab: str, offer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        Acceptor(realm).offer(GSSAPI("localhost", keytab=keytab, layer="confidentiality"), offer)


def test_the_server_says_no_more_and_no_less_than_it_must(realm: Realm, keytab: str) -> None:
    mechanism = GSSAPI("localhost", keytab=keytab)
    for said in (lambda: mechanism.respond(b""), lambda: mechanism.conclude(None)):
        with pytest.raises(ProtocolError):
            said()
    Acceptor(realm).offer(mechanism)
    with pytest.raises(ProtocolError, match="has none"):
        mechanism.respond(b"")


@pytest.mark.parametrize("challenge", [b"", b"nonsense", b"\x60\x03\x06\x01\x00"])
def test_garbage_is_no_token(realm: Realm, keytab: str, challenge: bytes) -> None:
    mechanism = GSSAPI("localhost", keytab=keytab)
    mechanism.start()

    with pytest.raises(AuthenticationError):
        mechanism.respond(challenge)


def test_a_channel_binding_must_be_the_same_at_both_ends(realm: Realm, keytab: str) -> None:
    Acceptor(realm, b"tls-server-end-point:here").offer(
        GSSAPI("localhost", keytab=keytab, binding=b"tls-server-end-point:here")
    )
    with pytest.raises(KerberosError):
        Acceptor(realm, b"tls-server-end-point:here").offer(
            GSSAPI("localhost", keytab=keytab, binding=b"tls-server-end-point:there")
        )


# --- tickets ----------------------------------------------------------------------------------------------------------


def started(**options: str) -> Callable[[], bytes]:
    return GSSAPI(**{"host": "localhost", **options}).start  # type: ignore[arg-type]


def test_a_ticket_in_the_cache_is_enough(realm: Realm, keytab: str) -> None:
    realm.get_ticket("alice", realm.directory / "alice.keytab")
    assert started()()
    assert started(principal="alice@EXAMPLE.COM")()


def test_without_a_ticket_one_is_told_how_to_get_it(realm: Realm) -> None:
    realm.forget_ticket()
    with pytest.raises(TicketMissing) as caught:
        started()()

    assert "kinit" in caught.value.hint


def test_an_expired_ticket_is_told_apart(realm: Realm) -> None:
    realm.get_ticket("alice", realm.directory / "alice.keytab", "-l", "1s")

    def expired() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            started()()
            time.sleep(0.1)

    with pytest.raises(TicketExpired) as caught:
        expired()
    assert "kinit" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        ({"keytab": "/nowhere/keytab"}, TicketMissing, "/nowhere/keytab"),
        ({"principal": "nobody@EXAMPLE.COM"}, TicketMissing, "keytab"),
        ({"host": "elsewhere.example.com"}, KerberosError, "does not know the server"),
    ],
)
def test_what_can_be_done_is_told(
    realm: Realm, keytab: str, options: dict[str, str], error: type[KerberosError], hint: str
) -> None:
    with pytest.raises(error) as caught:
        started(**{"keytab": keytab, **options})()

    assert hint in caught.value.hint
    assert caught.value.code
    assert caught.value.reason in str(caught.value)


def test_the_library_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)

    with pytest.raises(UsageError) as caught:
        GSSAPI("localhost")
    assert caught.value.hint == 'pip install "syncrepl[gssapi]"'


def test_a_context_that_is_gone_is_a_connection_that_is_gone(realm: Realm, keytab: str) -> None:
    mechanism = GSSAPI("localhost", keytab=keytab)
    Acceptor(realm).offer(mechanism)
    context = mechanism._context  # noqa: SLF001 - as if the library had ended it
    assert context is not None
    gssapi.raw.delete_sec_context(context)

    assert mechanism.layer is not None
    with pytest.raises(ConnectionLost):
        mechanism.layer.wrap(b"x")
