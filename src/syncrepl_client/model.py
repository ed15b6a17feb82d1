"""The words that the package and its users share: entries, changes and the mode of a client."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from syncrepl_client.entry import Entry
from syncrepl_client.ldap.attributes import Attributes

__all__ = [
    "Added",
    "Attributes",
    "Change",
    "Deleted",
    "Difference",
    "Entry",
    "Modified",
    "Origin",
    "Renamed",
    "Report",
    "SyncreplMode",
]


class SyncreplMode(StrEnum):
    """What a client does when the refresh is complete: end, or go on listening."""

    REFRESH_ONLY = "refreshOnly"
    REFRESH_AND_PERSIST = "refreshAndPersist"


class Origin(StrEnum):
    """Where a change was found."""

    SNAPSHOT = "snapshot"
    """In the first load, so that the entry was there before."""
    REFRESH = "refresh"
    """In a refresh over a copy."""
    PERSIST = "persist"
    """In the stream of changes."""
    VERIFICATION = "verification"
    """By comparing the copy with the server, because the stream never told it."""


@dataclass(frozen=True, slots=True)
class Added:
    """An entry is new in the content."""

    after: Entry

    @property
    def entry(self) -> Entry:
        """The entry that the change is about."""
        return self.after


@dataclass(frozen=True, slots=True)
class Deleted:
    """An entry is gone, or no longer in the content; `before` is what it was last."""

    before: Entry

    @property
    def entry(self) -> Entry:
        """The entry that the change is about."""
        return self.before


@dataclass(frozen=True, slots=True)
class Modified:
    """The attributes of an entry changed; its name did not."""

    before: Entry
    after: Entry

    @property
    def entry(self) -> Entry:
        """The entry that the change is about, as it is now."""
        return self.after


@dataclass(frozen=True, slots=True)
class Renamed:
    """The name of an entry changed by at least one octet; its attributes may have changed as well."""

    before: Entry
    after: Entry

    @property
    def entry(self) -> Entry:
        """The entry that the change is about, as it is now."""
        return self.after


@dataclass(frozen=True, slots=True)
class Difference:
    """An entry that is not in the copy as it is on the server.

    Args:
        kind: ``missing`` in the copy, ``extra`` in it, ``different`` in its attributes or ``misnamed``.
        uuid_octets: the UUID.
        dn: its name in the copy, None if it is missing.
        server_dn: its name on the server, None if it is extra.
    """

    kind: str
    uuid_octets: bytes
    dn: str | None
    server_dn: str | None

    @property
    def uuid(self) -> UUID:
        """The entryUUID, or what the server uses in its place."""
        return UUID(bytes=self.uuid_octets)


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    Args:
        compared: how many entries the server listed.
        differences: the entries that differ although the stream has passed them.
        undecided: how many changed on the server each time they were looked at; they are no differences.
        complete: False where so much differs that it was not looked at one by one.
        repaired: whether the copy was made equal.
    """

    compared: int
    differences: tuple[Difference, ...] = ()
    undecided: int = 0
    complete: bool = True
    repaired: bool = False

    @property
    def drift(self) -> bool:
        """Whether the copy was not what the server holds."""
        return bool(self.differences) or not self.complete


Change = Added | Modified | Renamed | Deleted
