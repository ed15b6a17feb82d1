"""The server's side of the codec: messages as octets, for tests that speak without a server."""

from __future__ import annotations

from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.attributes import encode_attributes

__all__ = ["control", "done", "entry", "info", "intermediate", "message", "result", "state", "sync_done"]


def message(message_id: int, operation: bytes, *controls_: bytes) -> bytes:
    """Encode an LDAPMessage."""
    tail = ber.tlv(0xA0, *controls_) if controls_ else b""
    return ber.sequence(ber.integer(message_id), operation, tail)


def control(oid: str, value: bytes | None = None, *, critical: bool | None = None) -> bytes:
    """Encode a control."""
    parts = [ber.octet_string(oid.encode())]
    if critical is not None:
        parts.append(ber.boolean(critical))
    if value is not None:
        parts.append(ber.octet_string(value))
    return ber.sequence(*parts)


def result(tag: int, code: int = 0, diagnostic: str = "", *rest: bytes) -> bytes:
    """Encode an operation that is an LDAPResult."""
    return ber.tlv(tag, ber.enumerated(code), ber.octet_string(b""), ber.octet_string(diagnostic.encode()), *rest)


def entry(dn: str, attributes: dict[str, list[bytes]]) -> bytes:
    """Encode a SearchResultEntry."""
    return ber.tlv(0x64, ber.octet_string(dn.encode()), encode_attributes(attributes))


def state(number: int, uuid: bytes, cookie: bytes | None = None) -> bytes:
    """Encode a Sync State control."""
    parts = [ber.enumerated(number), ber.octet_string(uuid)]
    if cookie is not None:
        parts.append(ber.octet_string(cookie))
    return control(controls.SYNC_STATE, ber.sequence(*parts))


def done(message_id: int, code: int = 0, *controls_: bytes) -> bytes:
    """Encode the end of a search."""
    return message(message_id, result(0x65, code), *controls_)


def sync_done(cookie: bytes | None = None, *, deletes: bool | None = None) -> bytes:
    """Encode a Sync Done control."""
    parts = [] if cookie is None else [ber.octet_string(cookie)]
    if deletes is not None:
        parts.append(ber.boolean(deletes))
    return control(controls.SYNC_DONE, ber.sequence(*parts))


def intermediate(message_id: int, name: str, value: bytes) -> bytes:
    """Encode an IntermediateResponse."""
    operation = ber.tlv(0x79, ber.octet_string(name.encode(), tag=0x80), ber.octet_string(value, tag=0x81))
    return message(message_id, operation)


def info(message_id: int, value: bytes) -> bytes:
    """Encode a Sync Info message."""
    return intermediate(message_id, controls.SYNC_INFO, value)
