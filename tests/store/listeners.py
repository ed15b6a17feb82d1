"""Those who are told of changes, and the rows that they are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.contentsync.events import EntriesDeleted, EntriesPresent, EntriesSent, PresentPhaseEnded
from syncrepl_client.model import Added, Attributes, Deleted, Modified, Origin, Renamed
from syncrepl_client.store.store import Ending

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.model import Change
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.store import Store

__all__ = ["Mirror", "Noting", "Told", "copy_of", "refresh", "row", "sent", "uuid"]

Told = tuple[str, ...]


def uuid(number: int) -> bytes:
    return number.to_bytes(16)


def values(text: str) -> Attributes:
    return Attributes.of({"objectClass": [b"top"], "description": [text.encode()]})


def row(number: int, dn: str, text: str = "") -> SentEntry:
    """Make what a server sends of an entry."""
    return uuid(number), dn.encode(), values(text).wire


def sent(number: int, dn: str, text: str = "") -> EntriesSent:
    return EntriesSent([row(number, dn, text)])


def refresh(
    store: Store,
    *events: Event,
    listener: Listener | None = None,
    brought: Iterable[SentEntry] = (),
    sweep: bool = False,
    cookie: bytes | None = b"cookie",
) -> None:
    """Do one refresh from its beginning to its commit."""
    staged = store.begin_refresh(listener, brought)
    for event in events:
        match event:
            case EntriesSent(rows):
                staged.sent(rows)
            case EntriesPresent(uuids):
                staged.present(uuids)
            case EntriesDeleted(uuids):
                staged.deleted(uuids)
            case PresentPhaseEnded():
                staged.present_phase_ended()
            case _:
                raise TypeError(event)
    if sweep:
        staged.present_phase_ended()
    staged.settle()
    store.finish_refresh(staged, Ending("fingerprint", cookie), listener)


def copy_of(store: Store) -> dict[int, tuple[str, str]]:
    """Return name and description of each entry by its number."""
    entries = list(store.entries.all())
    copy = {
        int.from_bytes(entry.uuid_octets): (entry.dn, entry.attributes["description"][0].decode()) for entry in entries
    }
    assert len(entries) == len(copy)
    return copy


class Noting:
    """Notes what it is told."""

    hears_changes = True
    by_name = True

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.snapshots = 0
        self.cookies: list[bytes] = []
        self.messages: list[str] = []
        self.refreshes: list[dict[str, Attributes]] = []

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.snapshots += change.origin is Origin.SNAPSHOT
        match change:
            case Added(after):
                self.told.append(("add", after.dn))
            case Deleted(before):
                self.told.append(("delete", before.dn))
            case Renamed(before, after):
                self.told.append(("rename", before.dn, after.dn))
            case Modified(_, after):
                self.told.append(("change", after.dn))

    def refresh_done(self, entries: Mapping[str, Attributes], cursor: sqlite3.Cursor) -> None:
        self.refreshes.append(dict(entries))

    def cookie(self, cookie: bytes) -> None:
        self.cookies.append(cookie)

    def debug(self, message: str) -> None:
        self.messages.append(message)

    def news(self) -> list[Told]:
        """Return what was told since the last call."""
        news, self.told = self.told, []
        return news


class Mirror(Noting):
    """Follows by name alone; what does not fit what it holds is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, Attributes] = {}

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        super().change(change, cursor)
        if not isinstance(change, Added):
            assert change.before.attributes == self.held.pop(change.before.dn), change
        if not isinstance(change, Deleted):
            assert change.after.dn not in self.held, change
            self.held[change.after.dn] = change.after.attributes

    def content(self) -> dict[str, str]:
        """Return the descriptions by name."""
        return {dn: attributes["description"][0].decode() for dn, attributes in self.held.items()}
