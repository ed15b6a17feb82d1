"""Channel binding: the digest of certificates of every kind, compared with another library's reading of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from syncrepl_client.sasl.binding import end_point

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate(key: Any, algorithm: hashes.HashAlgorithm | None, **options: Any) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, algorithm, **options).public_bytes(Encoding.DER)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["SHA224", "SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("kind", ["rsa", "pss", "ec"])
def test_the_hash_function_is_the_signatures_own(kind: str, name: str, rsa_key: rsa.RSAPrivateKey) -> None:
    algorithm = getattr(hashes, name)()
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa_key
    options = {"rsa_padding": padding.PSS(padding.MGF1(algorithm), 20)} if kind == "pss" else {}
    der = certificate(key, algorithm, **options)

    assert hashlib.new(name, der).digest() == end_point(der)


def test_a_broken_hash_function_is_replaced(rsa_key: rsa.RSAPrivateKey) -> None:
    """RFC 5929 section 4.1; nobody signs with SHA-1 any more, so the name in the certificate is exchanged."""
    der = certificate(rsa_key, hashes.SHA256())
    for last in (0x04, 0x05):
        old = der.replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d0101") + bytes((last,)))

        assert old != der
        assert hashlib.sha256(old).digest() == end_point(old)


def test_without_a_hash_function_there_is_no_binding() -> None:
    assert end_point(certificate(ed25519.Ed25519PrivateKey.generate(), None)) is None


@given(st.binary())
def test_what_is_no_certificate_has_no_binding(data: bytes) -> None:
    assert end_point(data) is None
