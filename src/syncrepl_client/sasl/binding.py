"""Channel binding: what ties a bind to the TLS connection that it runs over, so that nobody sits in between.

Of the kinds that there are, LDAP servers know ``tls-server-end-point`` (RFC 5929 section 4): a digest of the server's
certificate, made with the hash function of the certificate's own signature.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber

__all__ = ["PREFIX", "ChannelBinding", "end_point"]

PREFIX: Final = b"tls-server-end-point:"
"""What stands before the digest where the kind is part of the data (RFC 5056 section 2.1)."""

# Object identifiers in their encoded form.  RFC 5929 section 4.1: MD5 and SHA-1 become SHA-256.
_SIGNATURES: Final = {
    "2a864886f70d010104": "sha256",  # md5WithRSAEncryption
    "2a864886f70d010105": "sha256",  # sha1WithRSAEncryption
    "2a864886f70d01010b": "sha256",  # sha256WithRSAEncryption
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a864886f70d01010e": "sha224",
    "2a8648ce3d0401": "sha256",  # ecdsa-with-SHA1
    "2a8648ce3d040301": "sha224",
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
    "2a8648ce380403": "sha256",  # dsa-with-SHA1
    "608648016503040301": "sha224",  # dsa-with-SHA224
    "608648016503040302": "sha256",
}
_PSS: Final = "2a864886f70d01010a"
_HASHES: Final = {
    "2b0e03021a": "sha256",  # SHA-1
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
    "608648016503040204": "sha224",
}
_SEQUENCE: Final = 0x30
_PSS_HASH: Final = 0xA0


@dataclass(frozen=True, slots=True)
class ChannelBinding:
    """A channel binding as a mechanism sends it.

    Args:
        kind: its name.
        data: what must be the same at both ends.
    """

    kind: str
    data: bytes


def end_point(certificate: bytes) -> bytes | None:
    """Compute ``tls-server-end-point`` of a certificate in DER form.

    Returns:
        The digest; None where the certificate's signature has no single hash function, as with Ed25519: RFC 5929 leaves
        the binding undefined there.
    """
    try:
        name = _hash_of(certificate)
    except ProtocolError:
        return None
    return None if name is None else hashlib.new(name, certificate).digest()


def _hash_of(certificate: bytes) -> str | None:
    """Find the hash function of the signature (RFC 5280 section 4.1.1.2)."""
    _, start, end = ber.read(certificate, 0, len(certificate))
    _, _, after = ber.read(certificate, start, end)
    algorithm, parameters = _algorithm(certificate, after, end)
    if algorithm != _PSS:
        return _SIGNATURES.get(algorithm)
    # RFC 4055 section 3.1: the hash function is the first parameter, and SHA-1 where it is left out.
    _, first, last = ber.read(certificate, *parameters)
    for tag, inner, stop in ber.children(certificate, first, last):
        if tag == _PSS_HASH:
            return _HASHES.get(_algorithm(certificate, inner, stop)[0])
    return "sha256"


def _algorithm(data: bytes, pos: int, end: int) -> tuple[str, tuple[int, int]]:
    """Read an AlgorithmIdentifier: its object identifier, and where its parameters are."""
    tag, start, stop = ber.read(data, pos, end)
    if tag != _SEQUENCE:
        raise ProtocolError("this is no certificate")
    _, first, last = ber.read(data, start, stop)
    return data[first:last].hex(), (last, stop)
