"""What a server may say that is not true, in the place of an answer.

Each says something that a client can find out: that an answer is no answer, or that those are gone who are found when
somebody asks for them.  None has a cookie: a client that took one over would have missed something without anybody's
knowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.controls import EntryState
from syncrepl_client.testing import wire
from syncrepl_client.testing.requests import REFRESH_AND_PERSIST, Bind, Request, Search, sync_request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from uuid import UUID

__all__ = ["LIES", "WRONG_PASSWORD", "Lie", "half_of_them"]

_BUSY: Final = 51
_UNAVAILABLE: Final = 52
_INVALID_CREDENTIALS: Final = 49
_REFRESH_REQUIRED: Final = 4096
_DN: Final = "cn=nobody,dc=nowhere"


def _is_listening(request: Request) -> bool:
    """Tell whether it is a sync search that goes on after its refresh; those beside it end."""
    if not isinstance(request.operation, Search):
        return False
    asked = sync_request(request.operation, request.controls, "")
    return asked is not None and asked.mode == REFRESH_AND_PERSIST


def _is_bind(request: Request) -> bool:
    return isinstance(request.operation, Bind)


@dataclass(frozen=True)
class Lie:
    """A lie.

    Args:
        says: returns the messages for the id of a request.
        to: tells whether a request is answered by it.
    """

    says: Callable[[int], list[bytes]]
    to: Callable[[Request], bool] = _is_listening


def _entry(number: int, *more: bytes) -> bytes:
    return wire.message(number, wire.entry(_DN, {"cn": [b"nobody"]}), *more)


def _refused(number: int) -> bytes:
    return wire.message(number, wire.result(wire.BIND_RESPONSE, _INVALID_CREDENTIALS))


def half_of_them(uuids: Collection[UUID]) -> Lie:
    """Return the lie that only some entries are there."""
    present = [uuid.bytes for uuid in uuids]

    def says(number: int) -> list[bytes]:
        sets = [wire.info(number, wire.id_set(*present[at : at + 200])) for at in range(0, len(present), 200)]
        return [*sets, wire.info(number, wire.phase_end(deletes=False))]

    return Lie(says)


LIES: Final = {
    "nobody is there": half_of_them([]),
    "a UUID has fifteen octets": Lie(lambda number: [_entry(number, wire.state(EntryState.ADD, bytes(15)))]),
    "an entry has no state": Lie(lambda number: [_entry(number)]),
    "the refresh ends twice": Lie(lambda number: [wire.info(number, wire.phase_end(deletes=True))] * 2),
    "everything must be read again": Lie(lambda number: [wire.done(number, _REFRESH_REQUIRED)]),
    "the server is busy": Lie(lambda number: [wire.done(number, _BUSY)]),
    "the server says good-bye": Lie(lambda _: [wire.disconnection(_UNAVAILABLE)]),
}
"""The lies about the content, by what they say."""

WRONG_PASSWORD: Final = Lie(lambda number: [_refused(number)], to=_is_bind)
"""The lie that a password is wrong."""
