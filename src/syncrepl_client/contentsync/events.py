"""What the server said, as values.

An event is never a change: whether something is different *here* only the store can tell, which knows what was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncrepl_client.contentsync.dialects import Sweep
    from syncrepl_client.ldap.messages import Result

__all__ = [
    "CookieReceived",
    "EntriesDeleted",
    "EntriesPresent",
    "EntriesSent",
    "Event",
    "PresentPhaseEnded",
    "RefreshEnded",
    "RefreshRequired",
    "SearchEnded",
    "SentEntry",
]

SentEntry = tuple[bytes, bytes, bytes]
"""An entry as it was sent: its UUID, its DN and its PartialAttributeList."""


@dataclass(frozen=True, slots=True)
class EntriesSent:
    """These entries are in the content, with these names and attributes."""

    rows: list[SentEntry]


@dataclass(frozen=True, slots=True)
class EntriesPresent:
    """These entries are in the content, unchanged."""

    uuids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class EntriesDeleted:
    """These entries are not, or no longer, in the content.

    `dn` is the name that a single delete message gave: the old one, the one that the entry has now outside of the
    content, or None where nothing was said.
    """

    uuids: tuple[bytes, ...]
    dn: bytes | None = None


@dataclass(frozen=True, slots=True)
class PresentPhaseEnded:
    """A present phase ended and a delete phase follows: what was neither sent nor named until here is gone."""


@dataclass(frozen=True, slots=True)
class RefreshEnded:
    """The refresh is complete.

    `sweep` tells what that means for what was neither sent nor named; `cookie` is what to keep, None to keep the former
    one.
    """

    sweep: Sweep
    cookie: bytes | None


@dataclass(frozen=True, slots=True)
class CookieReceived:
    """The cookie to keep once all events before this one are applied; None: no cookie can be resumed from any more."""

    cookie: bytes | None


@dataclass(frozen=True, slots=True)
class RefreshRequired:
    """The server cannot go on from the cookie it was given (RFC 4533 section 3.8): ask again with this one, or none."""

    cookie: bytes | None
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class SearchEnded:
    """The search is over; after a refresh only, `result` is success."""

    result: Result


Event = (
    EntriesSent
    | EntriesPresent
    | EntriesDeleted
    | PresentPhaseEnded
    | RefreshEnded
    | CookieReceived
    | RefreshRequired
    | SearchEnded
)
