"""The words that the package and its users share: entries, changes and the mode of a client."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol, cast
from uuid import UUID

from syncrepl_client.ldap import times
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.model.diff import Membership, Values, diff, membership
from syncrepl_client.model.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Added",
    "Attributes",
    "Change",
    "Deleted",
    "Difference",
    "Entry",
    "FindsEntries",
    "Membership",
    "Modified",
    "Origin",
    "Provenance",
    "Refreshed",
    "Renamed",
    "Report",
    "SyncreplMode",
    "Values",
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


# --- changes ----------------------------------------------------------------------------------------------------------


class Provenance(NamedTuple):
    """Where a change was found, and its place in the changelog.

    Each change has one of its own, and to make a frozen dataclass takes three times as long.

    Args:
        origin: where it was found.
        sequence: its number in the changelog, or, for an entry of a snapshot, that of the last change which the
            snapshot contains; None if no changelog is kept.
        stored: when it was stored, in microseconds since 1970; None if no changelog is kept.
        first: whether it is the first entry of a snapshot.
        last: whether it is the last entry of a snapshot, which is complete with it.
    """

    origin: Origin
    sequence: int | None = None
    stored: int | None = None
    first: bool = False
    last: bool = False


_FOUND: Final = Provenance(Origin.REFRESH)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class FindsEntries(Protocol):
    """What finds entries by their names: the copy, or what it was."""

    def entry(self, dn: str) -> Entry | None:
        """Find an entry by its name."""


class _Found:
    """What all changes have in common."""

    __slots__ = ()

    provenance: Provenance

    @property
    def origin(self) -> Origin:
        """Where the change was found."""
        return self.provenance.origin

    @property
    def sequence(self) -> int | None:
        """The number in the changelog; see `Provenance`."""
        return self.provenance.sequence

    @property
    def stored_at(self) -> datetime | None:
        """When the change was stored, which is never earlier than the change before it; None without a changelog."""
        stored = self.provenance.stored
        return None if stored is None else _EPOCH + timedelta(microseconds=stored)

    @property
    def entry(self) -> Entry:
        """The entry that the change is about, as it is now; one that was deleted as it was last."""
        change = cast("Change", self)
        entry = change.after or change.before
        assert entry is not None  # noqa: S101 - a change has one of them
        return entry

    @property
    def uuid(self) -> UUID:
        """The entryUUID, or what the server uses in its place."""
        return self.entry.uuid

    @property
    def dn(self) -> str:
        """The name of the entry."""
        return self.entry.dn

    # --- what the server says of it, if the search asks for these attributes and they may be read ---------------------

    @property
    def modified_at(self) -> datetime | None:
        """When the entry was modified, by the server's clock (``modifyTimestamp``); None if that is not known."""
        found = self.entry.get("modifyTimestamp") or [b""]
        try:
            return times.generalized_time(found[0])
        except (ValueError, OverflowError):
            return None

    @property
    def entry_csn(self) -> str | None:
        """The change sequence number of the entry on OpenLDAP (``entryCSN``); None if that is not known."""
        return self.entry.text("entryCSN")

    @property
    def modifiers_name(self) -> str | None:
        """Who has modified the entry (``modifiersName``); None if that is not known."""
        return self.entry.text("modifiersName")

    # --- what is different --------------------------------------------------------------------------------------------

    def diff(self, *, operational: bool = False) -> dict[str, Values]:
        """Return the values added and removed, attribute by attribute; see `diff.diff`."""
        change = cast("Change", self)
        return diff(change.before, change.after, operational=operational)

    def membership(self, entries: FindsEntries | None = None) -> Membership:
        """Return the members added and removed.

        Args:
            entries: where to look for the UUIDs of members, such as `Replica.entries`; None for nowhere.
        """
        change = cast("Change", self)
        if entries is None:
            return membership(change.before, change.after)

        def find(dn: str) -> UUID | None:
            found = entries.entry(dn)
            return None if found is None else found.uuid

        return membership(change.before, change.after, find)


# The two of which many come at once fill their slots themselves: what a frozen dataclass does for that takes twice as
# long, and who reads 100,000 changes waits 0.1 s for it.


@dataclass(frozen=True, slots=True, init=False)
class Added(_Found):
    """An entry is new in the content."""

    after: Entry
    provenance: Provenance = field(default=_FOUND, compare=False)
    before: ClassVar[None] = None

    def __init__(self, after: Entry, provenance: Provenance = _FOUND) -> None:
        _set_added_after(self, after)
        _set_added_provenance(self, provenance)


@dataclass(frozen=True, slots=True)
class Deleted(_Found):
    """An entry is gone, or no longer in the content; `before` is what it was last."""

    before: Entry
    provenance: Provenance = field(default=_FOUND, compare=False)
    after: ClassVar[None] = None


@dataclass(frozen=True, slots=True, init=False)
class Modified(_Found):
    """The attributes of an entry changed, or the spelling of its name; the name itself did not."""

    before: Entry
    after: Entry
    provenance: Provenance = field(default=_FOUND, compare=False)

    def __init__(self, before: Entry, after: Entry, provenance: Provenance = _FOUND) -> None:
        _set_before(self, before)
        _set_after(self, after)
        _set_provenance(self, provenance)


@dataclass(frozen=True, slots=True)
class Renamed(_Found):
    """The name of an entry changed; its attributes may have changed as well.

    Who knows entries by the spelling of their names is told so for any changed octet.
    """

    before: Entry
    after: Entry
    provenance: Provenance = field(default=_FOUND, compare=False)


Change = Added | Modified | Renamed | Deleted


def _setter(kind: type[Change], name: str) -> Callable[[Change, object], None]:
    """Return what fills a slot of a change that is made."""
    setter: Callable[[Change, object], None] = kind.__dict__[name].__set__
    return setter


_set_added_after: Final = _setter(Added, "after")
_set_added_provenance: Final = _setter(Added, "provenance")
_set_before: Final = _setter(Modified, "before")
_set_after: Final = _setter(Modified, "after")
_set_provenance: Final = _setter(Modified, "provenance")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh has changed.

    Args:
        entries: how many entries the copy has now.
        added: how many of them are new.
        modified: how many have other attributes.
        renamed: how many have another name, and other attributes perhaps.
        deleted: how many are gone.
    """

    entries: int
    added: int = 0
    modified: int = 0
    renamed: int = 0
    deleted: int = 0


# --- verification -----------------------------------------------------------------------------------------------------


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
