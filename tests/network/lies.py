"""What a server may say that is not true, in the place of the answer to who listens.

Each is made of the id of the search, and says something that a client can find out: that an answer is no answer, or
that those are gone who are found when somebody asks for them.  None has a cookie: a client that took one over would
have missed something without anybody's knowing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.controls import EntryState
from syncrepl_client.testing import wire
from syncrepl_client.testing.requests import REFRESH_AND_PERSIST, Search, decode_request, sync_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from uuid import UUID

__all__ = ["LIES", "Lie", "half_of_them", "is_listening"]

Lie = list[bytes]
"""Messages."""

_BUSY: Final = 51
_UNAVAILABLE: Final = 52
_REFRESH_REQUIRED: Final = 4096
_DN: Final = "cn=nobody,dc=nowhere"


def is_listening(message: bytes) -> bool:
    """Tell whether a request is a sync search that goes on after its refresh."""
    request = decode_request(message)
    if not isinstance(request.operation, Search):
        return False
    asked = sync_request(request.operation, request.controls, "")
    return asked is not None and asked.mode == REFRESH_AND_PERSIST


def _entry(number: int, *more: bytes) -> bytes:
    return wire.message(number, wire.entry(_DN, {"cn": [b"nobody"]}), *more)


def half_of_them(uuids: Collection[UUID]) -> Callable[[int], Lie]:
    """Return the lie that only some entries are there."""
    present = [uuid.bytes for uuid in uuids]

    def lie(number: int) -> Lie:
        sets = [wire.info(number, wire.id_set(*present[at : at + 200])) for at in range(0, len(present), 200)]
        return [*sets, wire.info(number, wire.phase_end(deletes=False))]

    return lie


LIES: Final[dict[str, Callable[[int], Lie]]] = {
    "nobody is there": half_of_them([]),
    "a UUID has fifteen octets": lambda number: [_entry(number, wire.state(EntryState.ADD, bytes(15)))],
    "an entry has no state": lambda number: [_entry(number)],
    "the refresh ends twice": lambda number: [wire.info(number, wire.phase_end(deletes=True))] * 2,
    "everything must be read again": lambda number: [wire.done(number, _REFRESH_REQUIRED)],
    "the server is busy": lambda number: [wire.done(number, _BUSY)],
    "the server says good-bye": lambda _: [wire.disconnection(_UNAVAILABLE)],
}
"""The lies, by what they say."""
