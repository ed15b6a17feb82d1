"""The byte stream of one connection, cut into messages, without any input or output.

Bytes that arrived go in through `Connection.receive_data`; `Connection.events` gives what they say.  Entries of one
search that stand next to each other come as one `EntryRun`: a refresh brings hundreds of thousands of them, and looking
at each alone would cost more than the server needs to send it.  Their attributes stay the octets that arrived.

This module opens no socket and reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.messages import (
    SEARCH_RESULT_ENTRY,
    Control,
    Message,
    SearchResultEntry,
    decode_message,
    encode_message,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DEFAULT_MAX_MESSAGE", "Connection", "EntryRun", "Row"]

DEFAULT_MAX_MESSAGE: Final = 256 * 1024 * 1024
"""The largest message that is accepted unless told otherwise, in bytes: groups of 50 MB exist."""

_TWO_LENGTHS: Final = Struct(">HH").unpack_from
_SHORT_FORM: Final = 0x80
_CONTROLS: Final = 0xA0
_MAX_LENGTH_OCTETS: Final = 8

Row = tuple[bytes, bytes, bytes]
"""An entry as it arrived: its DN, its PartialAttributeList and its controls, the last two with tag and length."""


@dataclass(frozen=True, slots=True)
class EntryRun:
    """Entries of one search, in the order in which they came."""

    message_id: int
    rows: list[Row]


class Connection:
    """Numbers requests and cuts the answers into messages.

    Args:
        max_message: the largest message that is accepted, in bytes.
    """

    def __init__(self, *, max_message: int = DEFAULT_MAX_MESSAGE) -> None:
        self._max_message = max_message
        self._last_id = 0
        # What arrived and belongs to a message that is not whole yet.
        self._pending: list[bytes] = []
        self._pending_size = 0
        # How many bytes are needed before looking again is worth the while.
        self._needed = 2

    def request(self, operation: bytes, controls: Iterable[Control] = ()) -> tuple[int, bytes]:
        """Number a request.

        Returns:
            The message id, and the bytes to send.
        """
        self._last_id += 1
        return self._last_id, encode_message(self._last_id, operation, controls)

    def receive_data(self, data: bytes) -> list[Message | EntryRun]:
        """Take in bytes that arrived, and tell what they complete.

        Args:
            data: what was read, cut anywhere.

        Raises:
            ProtocolError: what arrived is not LDAP, or a message is too large.  The stream cannot be read on after
            that.
        """
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size < self._needed:
            return []
        if len(self._pending) > 1:
            data = b"".join(self._pending)
        events, used = self._split(data)
        rest = data[used:] if used < len(data) else b""
        self._pending = [rest] if rest else []
        self._pending_size = len(rest)
        return events

    @property
    def in_message(self) -> bool:
        """Whether the stream stands in the middle of a message."""
        return self._pending_size > 0

    def _split(self, data: bytes) -> tuple[list[Message | EntryRun], int]:
        """Cut `data` into messages; returns them and how many bytes they took."""
        events: list[Message | EntryRun] = []
        pos = 0
        while True:
            end = self._message_end(data, pos)
            if end is None:
                return events, pos
            entry = _entry(data, pos, end)
            if entry is not None:
                message_id, row = entry
                rows = [row]
                pos = _plain_entries(data, end, message_id, rows)
                _append_run(events, message_id, rows)
            else:
                _append(events, decode_message(data[pos:end]))
                pos = end

    def _message_end(self, data: bytes, pos: int) -> int | None:
        """Find where the message at `pos` ends; None if it is not whole, and then `_needed` says what it takes."""
        available = len(data) - pos
        self._needed = 2
        if available < self._needed:
            return None
        if data[pos] != 0x30:  # noqa: PLR2004 - RFC 4511 section 4.1.1: LDAPMessage is a SEQUENCE
            raise ProtocolError(f"expected an LDAP message, found tag 0x{data[pos]:02x}")
        first = data[pos + 1]
        header = 2
        length = first
        if first >= _SHORT_FORM:
            octets = first - _SHORT_FORM
            # RFC 4511 section 5.1: only the definite form of lengths is used.
            if not 0 < octets <= _MAX_LENGTH_OCTETS:
                raise ProtocolError(f"a message whose length is in {octets} octets")
            header += octets
            self._needed = header
            if available < header:
                return None
            length = int.from_bytes(data[pos + 2 : pos + header])
        if length > self._max_message:
            raise ProtocolError(
                f"a message of {length} bytes is larger than the limit of {self._max_message}",
                hint="raise max_message if the directory holds entries of that size",
            )
        self._needed = header + length
        return None if available < self._needed else pos + self._needed


def _entry(data: bytes, pos: int, end: int) -> tuple[int, Row] | None:
    """Cut the message between two positions into the parts of an entry; None if it is anything else, or malformed."""
    try:
        _, start, stop = ber.read(data, pos, end)
        _, id_start, id_end = ber.read(data, start, stop)
        if data[id_end] != SEARCH_RESULT_ENTRY:
            return None
        _, dn_at, op_end = ber.read(data, id_end, stop)
        dn_tag, dn_start, dn_end = ber.read(data, dn_at, op_end)
        list_tag, _, list_end = ber.read(data, dn_end, op_end)
    except (ProtocolError, IndexError):
        # The general decoder says what is wrong with it.
        return None
    plain = data[start] == 0x02 and dn_tag == 0x04 and list_tag == 0x30 and list_end == op_end  # noqa: PLR2004
    if not plain or (op_end < stop and data[op_end] != _CONTROLS):
        return None
    message_id = ber.read_integer(data, id_start, id_end)
    return message_id, (data[dn_start:dn_end], data[dn_end:list_end], data[op_end:stop])


def _append(events: list[Message | EntryRun], message: Message) -> None:
    """Append a message; an entry in an unusual form is one of a run like any other."""
    operation = message.operation
    if isinstance(operation, SearchResultEntry):
        _append_run(events, message.message_id, [(operation.dn, operation.attributes, message.raw_controls)])
    else:
        events.append(message)


def _append_run(events: list[Message | EntryRun], message_id: int, rows: list[Row]) -> None:
    """Append rows to the run that stands last, if it is of the same search."""
    last = events[-1] if events else None
    if isinstance(last, EntryRun) and last.message_id == message_id:
        last.rows.extend(rows)
    else:
        events.append(EntryRun(message_id, rows))


@lru_cache(maxsize=16)
def _head(message_id: int) -> tuple[bytes, Callable[[bytes, int], tuple[Any, ...]]]:
    """Prepare how the entries of a search begin, from the message's tag to the length of the DN."""
    expected = ber.integer(message_id) + bytes((SEARCH_RESULT_ENTRY, 0x82))
    return expected, Struct(f">HH{len(expected)}sHBB").unpack_from


def _plain_entries(data: bytes, pos: int, message_id: int, rows: list[Row]) -> int:
    """Append the entries of one search that follow at `pos` in the form that servers send them in.

    This is the loop that runs once per entry of a refresh, so it looks only at what it must: one `struct` call reads
    the four lengths that have to agree (message, operation, DN, attribute list).  The form is 256 to 65,535 octets for
    message, operation and list, and less than 128 for the DN.  Anything else is left to the general decoder.

    Returns:
        The position after the last entry that was taken.
    """
    expected, head = _head(message_id)
    tail = _TWO_LENGTHS
    head_size = len(expected) + 8
    available = len(data)
    append = rows.append
    while pos + head_size <= available:
        outer, length, prefix, op_length, dn_tag, dn_length = head(data, pos)
        end = pos + 4 + length
        if outer != 0x3082 or prefix != expected or dn_tag != 4 or dn_length > 127 or end > available:  # noqa: PLR2004
            break
        dn_start = pos + head_size
        attributes = dn_start + dn_length
        op_end = dn_start - 2 + op_length
        if attributes + 4 > op_end or op_end > end or (op_end < end and data[op_end] != _CONTROLS):
            break
        list_tag, list_length = tail(data, attributes)
        if list_tag != 0x3082 or attributes + 4 + list_length != op_end:  # noqa: PLR2004
            break
        append((data[dn_start:attributes], data[attributes:op_end], data[op_end:end]))
        pos = end
    return pos
