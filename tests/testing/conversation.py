"""One sync search on a socket, message by message: what a server sent, with everything that differs by chance named."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap.messages import Control
from syncrepl_client.testing import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Conversation", "anonymous", "ends_refresh", "in_any_order"]

_CSN = re.compile(rb"\d{14}\.\d{6}Z#[0-9a-f]{6}#[0-9a-f]{3}#[0-9a-f]{6}")


class Conversation:
    """A connection that reads whole messages; every answer must come within ten seconds."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port or 389), 10)
        self._stream = self._socket.makefile("rb")
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, operation: bytes, sent: Iterable[Control] = ()) -> int:
        self._last_id += 1
        self.send_octets(messages.encode_message(self._last_id, operation, sent))
        return self._last_id

    def send_octets(self, data: bytes) -> None:
        self._socket.sendall(data)

    def search(
        self,
        base: str,
        mode: int,
        cookie: bytes | None = None,
        *,
        scope: int = 2,
        filter_: str = "(objectClass=*)",
        attributes: Iterable[str] = (),
    ) -> int:
        operation = messages.search_request(base, scope, filters.encode(filter_), attributes)
        # Unlike the client's own, this one sends empty cookies too.
        parts = [ber.enumerated(mode)] + ([] if cookie is None else [ber.octet_string(cookie)])
        return self.send(operation, [Control(controls.SYNC_REQUEST, critical=True, value=ber.sequence(*parts))])

    def read(self) -> bytes:
        """Read one message; empty at the end of the stream."""
        head = self._stream.read(2)
        if len(head) < 2:
            return b""
        size = head[1]
        if size >= 0x80:
            octets = self._stream.read(size - 0x80)
            head += octets
            size = int.from_bytes(octets)
        return head + self._stream.read(size)

    def rest(self) -> bytes:
        """Read all that comes until the connection is closed."""
        return self._stream.read()

    def until(self, last: Callable[[bytes], bool]) -> list[bytes]:
        """Read messages up to one that is the last, the end of a search, or the end of the stream."""
        read: list[bytes] = []
        while (one := self.read()) != b"":
            read.append(one)
            if last(one) or wire.operation_tag(one) == wire.SEARCH_RESULT_DONE:
                break
        return read


def ends_refresh(data: bytes) -> bool:
    """Tell whether a message is the end of a refresh whose search goes on."""
    operation = messages.decode_message(data).operation
    if not isinstance(operation, messages.IntermediateResponse) or operation.value is None:
        return False
    info = controls.decode_info(operation.value)
    return isinstance(info, controls.PhaseEnd) and info.done


def in_any_order(said: Iterable[bytes]) -> list[bytes]:
    """Sort what a refresh may send in any order: its entries, and those named in a set."""
    ordered = [_sorted_set(one) for one in said]
    entries = [one for one in ordered if wire.operation_tag(one) == messages.SEARCH_RESULT_ENTRY]
    for index, one in zip((index for index, one in enumerate(ordered) if one in entries), sorted(entries), strict=True):
        ordered[index] = one
    return ordered


def _sorted_set(data: bytes) -> bytes:
    operation = messages.decode_message(data).operation
    if not isinstance(operation, messages.IntermediateResponse) or operation.value is None:
        return data
    info = controls.decode_info(operation.value)
    if not isinstance(info, controls.IdSet):
        return data
    uuids = [ber.octet_string(uuid) for uuid in info.uuids]
    return data.replace(b"".join(uuids), b"".join(sorted(uuids)))


def anonymous(said: Iterable[bytes], csns: list[bytes], uuids: Mapping[bytes, str]) -> list[bytes]:
    """Replace CSNs by the number of their write and UUIDs by the names they were added with; sizes stay."""

    def number(match: re.Match[bytes]) -> bytes:
        return (b"csn %d " % csns.index(match[0]) if match[0] in csns else b"other csn ").ljust(len(match[0]), b".")

    named = []
    for one in said:
        octets = _CSN.sub(number, one)
        for uuid, name in uuids.items():
            octets = octets.replace(uuid, name.encode().ljust(16, b".")[:16])
        named.append(octets)
    return named
