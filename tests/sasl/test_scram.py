"""SCRAM: the examples of the RFCs, the header, and servers that do not prove what they must."""

from __future__ import annotations

import base64
import hashlib

import pytest

from syncrepl_client.exceptions import ProtocolError, ServerNotProven, UsageError
from syncrepl_client.sasl.binding import ChannelBinding
from syncrepl_client.sasl.scram import SCRAM_MECHANISMS, Scram

# RFC 5802 section 5, RFC 7677 section 3: client nonce, server-first, client-final, server-final.
RFC_5802 = (
    "SCRAM-SHA-1",
    "fyko+d2lbbFgONRv9qkxdawL",
    b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
)
RFC_7677 = (
    "SCRAM-SHA-256",
    "rOprNGfwEbeRWgbNEkqO",
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
)
NAME, NONCE, FIRST, FINAL, PROOF = RFC_7677
BINDING = ChannelBinding("tls-server-end-point", b"digest")


def answered() -> Scram:
    """Return an exchange in which only the server's proof is missing."""
    scram = Scram(NAME, "user", b"pencil", nonce=NONCE)
    scram.start()
    scram.respond(FIRST)
    return scram


@pytest.mark.parametrize("example", [RFC_5802, RFC_7677], ids=["RFC 5802", "RFC 7677"])
def test_the_examples_of_the_rfcs(example: tuple[str, str, bytes, bytes, bytes]) -> None:
    name, nonce, first, final, proof = example
    scram = Scram(name, "user", b"pencil", nonce=nonce)

    assert f"n,,n=user,r={nonce}".encode() == scram.start()
    assert final == scram.respond(first)
    scram.conclude(proof)
    assert scram.layer is None


def test_the_servers_proof_may_be_a_challenge_of_its_own() -> None:
    scram = answered()

    assert scram.respond(PROOF) == b""
    scram.conclude(None)


def test_sha_512_proves_with_its_own_hash_function() -> None:
    """No RFC has an example; the two hash functions differ in nothing else."""
    scram = Scram("SCRAM-SHA-512", "user", b"pencil", nonce=NONCE)
    scram.start()
    proof = scram.respond(FIRST).rpartition(b"p=")[2]

    assert len(base64.b64decode(proof)) == hashlib.sha512().digest_size


@pytest.mark.parametrize(
    ("mechanism", "authzid", "binding", "header"),
    [
        ("SCRAM-SHA-1", "", None, "n,,"),
        ("SCRAM-SHA-1", "", BINDING, "y,,"),
        ("SCRAM-SHA-1-PLUS", "", BINDING, "p=tls-server-end-point,,"),
        ("SCRAM-SHA-256", "dn:cn=ä=b,dc=x", None, "n,a=dn:cn=3Dä=3Db=2Cdc=3Dx,"),
        ("SCRAM-SHA-512-PLUS", "u:bob", BINDING, "p=tls-server-end-point,a=u:bob,"),
    ],
)
def test_the_header_is_signed_with_what_it_binds_to(
    mechanism: str, authzid: str, binding: ChannelBinding | None, header: str
) -> None:
    scram = Scram(mechanism, "user", b"pencil", authzid, binding, nonce=NONCE)

    assert scram.start().decode() == f"{header}n=user,r={NONCE}"
    repeated = scram.respond(FIRST).partition(b",")[0].removeprefix(b"c=")
    data = BINDING.data if mechanism.endswith("PLUS") else b""
    assert base64.b64decode(repeated) == header.encode() + data


def test_a_binding_is_needed_where_the_name_says_so() -> None:
    for name in SCRAM_MECHANISMS[:3]:
        with pytest.raises(UsageError, match="TLS"):
            Scram(name, "user", b"pencil")


def test_there_are_no_others() -> None:
    with pytest.raises(UsageError, match="none of"):
        Scram("SCRAM-SHA-3", "user", b"pencil")


def test_names_and_passwords_are_prepared() -> None:
    """RFC 4013: a soft hyphen is nothing, a Roman numeral is its letters."""
    assert b"n=IX," in Scram(NAME, "I\u00adX", b"x").start()
    assert b"n=IX," in Scram(NAME, "\u2168", b"x").start()
    assert b"n=a=3Db=2Cc," in Scram(NAME, "a=b,c", b"x").start()


@pytest.mark.parametrize(("user", "password"), [("a\x07", b"x"), ("", b"x"), ("a", b"\xff"), ("a", b"\x07")])
def test_what_cannot_be_prepared_is_the_callers_fault(user: str, password: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        Scram(NAME, user, password)

    assert repr(password) not in repr(caught.value)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"nonsense",
        FIRST.replace(b"r=rOpr", b"r=nonc"),
        f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode(),
        FIRST.replace(b"i=4096", b"i=1"),
        FIRST.replace(b"i=4096", b"i=999999999"),
        FIRST.replace(b"s=W22ZaJ0SNY7soEsUEjb6gQ==", b"s="),
        b"e=unknown-user",
        b"m=extension," + FIRST,
    ],
)
def test_a_server_that_would_have_us_prove_too_much_is_not_answered(challenge: bytes) -> None:
    scram = Scram(NAME, "user", b"pencil", nonce=NONCE)
    scram.start()

    with pytest.raises(ServerNotProven):
        scram.respond(challenge)


def test_what_is_no_text_is_no_scram() -> None:
    with pytest.raises(ProtocolError):
        answered().conclude(b"\xff")


@pytest.mark.parametrize("proof", [None, b"", b"v=", b"v=AAAA", b"e=other-error", RFC_5802[-1], PROOF + b"AAAA"])
def test_a_server_that_does_not_prove_itself_is_an_error(proof: bytes | None) -> None:
    with pytest.raises(ServerNotProven) as caught:
        answered().conclude(proof)

    assert caught.value.hint


def test_a_wrong_challenge_is_no_proof_either() -> None:
    with pytest.raises(ServerNotProven):
        answered().respond(b"v=AAAA")


def test_success_before_anything_was_proved_is_an_error() -> None:
    scram = Scram(NAME, "user", b"pencil", nonce=NONCE)
    scram.start()

    for said in (None, PROOF):
        with pytest.raises(ServerNotProven):
            scram.conclude(said)
