"""What inputs are made of: what real servers sent, texts of every form, and what once failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.testing import wire
from tests.recordings import read_recordings, split_messages

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CORPUS", "failures", "seeds"]

CORPUS = Path(__file__).parent / "corpus"

FILTERS = r"""
    (cn=Babs\20Jensen) (!(cn=a)) (&(objectClass=Person)(|(sn=Jensen)(cn=Babs*J*))) (o=univ*of*mich*) (seeAlso=)
    (cn:caseExactMatch:=Fred) (:dn:2.4.6.8.10:=Dino) (sn=Lu\c4\8di\c4\87) (&) (a>=b) (a~=b) (a=*) cn=x (userPassword=x)
"""
NAMES = r"""
    uid=a,ou=people,dc=example,dc=com|CN=Steve Kille,O=Isode Limited,C=GB|OU=Sales+CN=J.  Smith,DC=example,DC=net
    cn=a\,b\2c\\,dc=x|cn="a,b" , dc=x|2.5.4.3=#0403666f6f,dc=x|oid.2.5.4.3=A;dc=x|cn=Lu\C4\8Di\C4\87,dc=x|cn=\ a\ |
    cn=Ǆ ß İ,dc=x|cn=a  b,dc=x
"""
URLS = """
    ldap://h:389/dc=x?cn,sn?sub?(cn=*)?bindname=cn=a%2Cdc=x,X-BINDPW=p ldaps://[::1]/ou=a%20b,dc=x??one ldapi://%2Frun%2Fx/
    ldap:///dc=x????!bindname=cn=a ldap://user:pw@h/dc=x
"""
COOKIES = [
    b"rid=000,csn=20261125110130.815080Z#000000#000#000000",
    b"rid=001,sid=002,csn=20261125110130.8Z#0#1#0;20261125110130.815080Z#000000#001#000000,delcsn=x",
    b"localhost:389#cn=directory manager:dc=example,dc=com:(objectClass=*)#11",
]


def seeds(target: str) -> list[bytes]:
    """Return what a target's inputs are made of, its former failures included."""
    return [*_SEEDS[target](), *failures(target).values()]


def failures(target: str) -> dict[str, bytes]:
    """Return the inputs that failed once, by the names of their files."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*"))}


def _streams() -> Iterator[bytes]:
    for recording in read_recordings():
        yield recording.octets
    large = wire.entry("cn=large,dc=x", {"cn": [b"large"], "description": [b"x" * 200, b"y" * 70]})
    for number in (1, 2, 300):
        yield b"".join(wire.message(number, large, wire.state(1, bytes([each]) * 16)) for each in range(4))
    yield wire.disconnection(52, "bye") + wire.info(2, wire.id_set(b"u" * 16, deletes=True, cookie=b"c"))
    yield wire.message(2, wire.reference("ldap://h")) + wire.done(2, 4096, wire.sync_done(b"rid=1"))


def _messages() -> Iterator[bytes]:
    for octets in _streams():
        yield from split_messages(octets)[0]
    search = messages.search_request("dc=x", 2, filters.encode("(&(a=*)(b=c*d))"), ["cn", "+"], 3)
    yield search
    yield messages.bind_request("cn=a", b"password")
    yield messages.extended_request(messages.CANCEL, ber.sequence(ber.integer(3)))
    yield messages.encode_message(1, search, [controls.request_control(3, COOKIES[0])])


def _sync_values() -> Iterator[bytes]:
    for octets in _messages():
        try:
            message = messages.decode_message(octets)
        except ProtocolError:
            yield octets
            continue
        yield message.raw_controls
        yield from (control.value for control in message.controls if control.value is not None)
        if isinstance(message.operation, messages.IntermediateResponse) and message.operation.value:
            yield message.operation.value
    yield from COOKIES
    yield b"\0".join(COOKIES)


def _attributes() -> Iterator[bytes]:
    for octets in _messages():
        if wire_entry := _entry(octets):
            yield wire_entry


def _entry(octets: bytes) -> bytes | None:
    try:
        operation = messages.decode_message(octets).operation
    except ProtocolError:
        return None
    return operation.attributes if isinstance(operation, messages.SearchResultEntry) else None


def _layers() -> Iterator[bytes]:
    for octets in _messages():
        parts = [octets[pos : pos + 1000] for pos in range(0, len(octets), 1000)]
        sealed = [bytes([sum(part) % 256]) + part for part in parts]
        yield b"\0\1" + b"".join(len(one).to_bytes(4) + one for one in sealed)


# The exchange of RFC 5802 section 5, and what a certificate begins with.
_SCRAM = [
    b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096\nv=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096\nv=rmF9pqV8S7suAoZWja4dJRkFsKQ=,x=y",
]


def _certificates() -> Iterator[bytes]:
    for oid in ("06092a864886f70d01010b0500", "06082a8648ce3d040303", "06032b6570", "06092a864886f70d0101050500"):
        yield ber.sequence(ber.sequence(ber.integer(2)), ber.sequence(bytes.fromhex(oid)), ber.tlv(0x03, b"\0sign"))


_SEEDS = {
    "stream": lambda: [b"\0\1" + octets for octets in _streams()],
    "message": lambda: list(_messages()),
    "sync-values": lambda: list(dict.fromkeys(_sync_values())),
    "session": lambda: [
        bytes([number % 4, number % 7, number % 4, number]) + octets for number, octets in enumerate(_streams())
    ],
    "attributes": lambda: list(dict.fromkeys(_attributes())),
    "filter": lambda: [text.encode() for text in FILTERS.split()] + [filters.encode("(&(a=b*c)(d:=e)(!(f>=g)))")],
    "name": lambda: [text.strip().encode() for text in NAMES.split("|")],
    "url": lambda: [text.encode() for text in URLS.split()],
    "layer": lambda: list(dict.fromkeys(_layers())),
    "scram": lambda: _SCRAM,
    "certificate": lambda: list(_certificates()),
}
