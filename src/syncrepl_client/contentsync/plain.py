"""A plain search for the content, where content synchronization leaves out entries that are there.

It has those parts of a `Session` that matter to who only wants to know what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from syncrepl_client.contentsync.events import EntriesSent, Event, SearchEnded
from syncrepl_client.contentsync.session import State
from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import messages
from syncrepl_client.ldap.attributes import without
from syncrepl_client.ldap.connection import EntryRun
from syncrepl_client.ldap.messages import SearchResultDone, SearchResultReference

if TYPE_CHECKING:
    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.ldap.messages import Message

__all__ = ["PlainSearch"]

_UUID: Final = "entryuuid"
_NO_ATTRIBUTES: Final = "1.1"


class PlainSearch:
    """Follows one plain search; the UUIDs are in the attributes.

    Args:
        search: what is asked for.
        lenient: whether entries whose UUID may not be read are passed over; otherwise they are an error.
    """

    def __init__(self, search: Search, *, lenient: bool = False) -> None:
        self.state = State.REFRESH
        self._lenient = lenient
        self._search = search
        self._requested = tuple(name for name in search.attributes or ("*",) if name != _NO_ATTRIBUTES)
        self._adds_uuid = {"+", _UUID}.isdisjoint(name.lower() for name in self._requested)

    def request(self) -> bytes:
        """Encode the search request."""
        search, added = self._search, ("entryUUID",) if self._adds_uuid else ()
        return messages.search_request(search.base, search.scope, search.filter_, (*self._requested, *added))

    def receive(self, item: Message | EntryRun) -> list[Event]:
        """Tell what a message, or a run of entries, of this search means.

        Raises:
            ProtocolError: it is none of a search, or an entry has no UUID.
        """
        if isinstance(item, EntryRun):
            rows = (self._entry(dn, attrs) for dn, attrs, _ in item.rows)
            return [EntriesSent([row for row in rows if row is not None])]
        if isinstance(item.operation, SearchResultDone):
            self.state = State.ENDED
            return [SearchEnded(item.operation.result)]
        if isinstance(item.operation, SearchResultReference):
            return []
        raise ProtocolError(f"{type(item.operation).__name__} in the middle of a search")

    def _entry(self, dn: bytes, attrs: bytes) -> SentEntry | None:
        own, taken = without(attrs, frozenset({_UUID}))
        try:
            uuid = UUID(taken[_UUID][0].decode())
        except (KeyError, IndexError, ValueError) as error:
            if self._lenient:
                return None
            raise ProtocolError(
                f"the entry {dn.decode(errors='replace')!r} has no entryUUID",
                hint="give the bound identity the right to read entryUUID",
            ) from error
        return uuid.bytes, dn, own if self._adds_uuid else attrs
