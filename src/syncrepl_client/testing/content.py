"""What a search finds, and what a provider says about it (RFC 4533 section 3): values in, messages without ids out.

The conversation is the one that OpenLDAP's syncprov 2.5 has, octet by octet: which markers it sends and which it leaves
out is what clients stumble over.

============================  ==========================================================  ==============================
the client's cookie           what is sent                                                how the refresh ends
============================  ==========================================================  ==============================
none                          everything as add                                           deletes, cookie
not a cookie of ours          everything as add                                           deletes, empty cookie
of now                        nothing                                                     deletes, no cookie
older, no session log         everything named as present, then what changed as add       present, cookie
older, session log            each deletion by itself, then what changed as add           deletes, cookie
older than every entry        everything as add                                           present, cookie
of other servers              everything as add                                           present, cookie
newer than the directory      nothing                                                     result 53
============================  ==========================================================  ==============================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.controls import EntryState
from syncrepl_client.ldap import dn as names
from syncrepl_client.testing import filters, wire
from syncrepl_client.testing.cookies import Cookie
from syncrepl_client.testing.directory import is_kind_of
from syncrepl_client.testing.wire import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from syncrepl_client.testing.directory import Directory, Entry, Write
    from syncrepl_client.testing.requests import Search, SyncRequest

__all__ = ["Content", "Synchronization", "search_done", "selected"]

_IDS_A_SET: Final = 256
_SIZE_LIMIT_EXCEEDED: Final = 4
_NO_SUCH_OBJECT: Final = 32
_UNWILLING: Final = 53
_REFRESH_REQUIRED: Final = 4096
_BASE, _ONE_LEVEL = 0, 1


def search_done(code: int = 0, diagnostic: str = "", *controls: bytes, matched_dn: str = "") -> Response:
    """Make the end of a search."""
    return Response(wire.result(wire.SEARCH_RESULT_DONE, code, diagnostic, matched_dn=matched_dn), controls)


def selected(
    attributes: Mapping[str, list[bytes]], operational: Mapping[str, list[bytes]], search: Search
) -> dict[str, list[bytes]]:
    """Select what a search wants to see of an entry (RFC 4511 section 4.5.1.8, RFC 3673)."""
    wanted = search.attributes or ("*",)
    chosen = {
        name: values
        for mapping, all_of_them in ((attributes, "*"), (operational, "+"))
        for name, values in mapping.items()
        if all_of_them in wanted or any(is_kind_of(name, one) for one in wanted)
    }
    return {name: [] for name in chosen} if search.types_only else chosen


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a search in a directory."""

    directory: Directory
    search: Search

    def holds(self, entry: Entry | None) -> bool:
        """Tell whether an entry is within base and scope, and matches the filter."""
        if entry is None or not self._reaches(entry.dn):
            return False
        return filters.matches(self.search.filter_, {**entry.attributes, **entry.operational}, entry.dn)

    def _reaches(self, dn: str) -> bool:
        base = self.search.base
        if self.search.scope == _BASE:
            return names.same(dn, base)
        if self.search.scope == _ONE_LEVEL:
            return bool(dn) and names.same(names.parent(dn), base)
        return names.is_under(dn, base)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in self.directory if self.holds(entry))

    def everything(self) -> list[Response]:
        """Answer a plain search."""
        missing = self.base_is_missing()
        if missing is not None:
            return [missing]
        return self.limited([*(Response(self.encode(entry)) for entry in self), search_done()])

    def limited(self, responses: list[Response]) -> list[Response]:
        """Apply the size limit that the client gave; it is about entries alone (RFC 4533 section 3.1)."""
        entries = [index for index, response in enumerate(responses) if response.is_entry]
        if not 0 < self.search.size_limit < len(entries):
            return responses
        return [*responses[: entries[self.search.size_limit]], search_done(_SIZE_LIMIT_EXCEEDED)]

    def base_is_missing(self) -> Response | None:
        """Make the end of a search whose base is not there; None if it is."""
        if self.directory.find(self.search.base) is not None:
            return None
        return search_done(_NO_SUCH_OBJECT, matched_dn=self.directory.deepest(self.search.base))

    def encode(self, entry: Entry) -> bytes:
        """Encode an entry as the search wants to see it."""
        return wire.entry(entry.dn, self.select(entry))

    def select(self, entry: Entry) -> dict[str, list[bytes]]:
        """Select what the search wants to see of an entry."""
        operational = {**entry.operational, "entryDN": [entry.dn.encode()]}
        if names.same(entry.dn, self.directory.suffix):
            operational["contextCSN"] = [self.directory.context_csn.encode()]
        return selected(entry.attributes, operational, self.search)


class Synchronization:
    """One content synchronization search.

    Args:
        content: what it is about.
        request: how it was asked for.
        server_id: the provider's number in its cookies.
    """

    def __init__(self, content: Content, request: SyncRequest, *, server_id: int = 0) -> None:
        self._content = content
        self._directory = content.directory
        self._request = request
        self._server_id = server_id
        self._cookie = Cookie.parse(request.cookie)
        self._csn = self._cookie.csns.get(f"{server_id:03x}", "")
        # Who the base was when the search began.
        self._base = self._directory.find(content.search.base)
        self._base_changed = False

    def refresh(self, *, session_log: bool) -> list[Response]:
        """Tell what brings the client up to date; without a SearchResultDone the search goes on.

        Args:
            session_log: whether the provider knows what was deleted since any cookie.
        """
        known = self._cookie.csns
        missing = self._content.base_is_missing()
        if missing is not None:
            return self._without_base(missing, session_log=session_log)
        if known and self._csn > self._directory.context_csn:
            return [search_done(_UNWILLING, "consumer state is newer than provider!")]
        if not known:
            return [*self._added(), self._end(deletes=True, cookie=self._reply())]
        if self._csn == self._directory.context_csn:
            return [self._end(deletes=True, cookie=None)]
        if not self._csn or all(entry.csn > self._csn for entry in self._directory):
            return [*self._added(), self._end(deletes=False, cookie=self._reply())]
        named = self._deletions() if session_log else self._present()
        return [*named, *self._added(self._csn), self._end(deletes=session_log, cookie=self._reply())]

    def written(self, write: Write) -> list[Response]:
        """Tell what a write means in the persist stage, if anything; with a SearchResultDone the search is over."""
        if self._base_changed:
            return [search_done(_REFRESH_REQUIRED, "search base has changed")]
        # slapd notices at the next write.
        base = self._directory.find(self._content.search.base)
        self._base_changed = base is None or self._base is None or base.uuid != self._base.uuid
        was, is_now = self._content.holds(write.before), self._content.holds(write.after)
        cookie = self._cookie.reply(write.csn, server_id=self._server_id)
        if write.after is not None and is_now:
            state = EntryState.MODIFY if was else EntryState.ADD
            return [_state(self._content.encode(write.after), state, write.after, cookie)]
        entry = write.after or write.before
        if entry is not None and was:
            # Its name is the one that it has now, outside of the content.
            return [_state(wire.entry(entry.dn, {}), EntryState.DELETE, entry, cookie)]
        if write.after is None:
            # OpenLDAP ITS#5972: until 2.6.1 nothing is said about the deletion of an entry that does not match.
            return []
        return [Response(wire.sync_info(wire.new_cookie(cookie)))]

    def _without_base(self, missing: Response, *, session_log: bool) -> list[Response]:
        if self._request.persist:
            # slapd looks for the base by itself here, and does not tell how far it came.
            return [search_done(_NO_SUCH_OBJECT)]
        # And here it replays the deletions before it looks.
        return [*(self._deletions() if session_log and self._csn else ()), missing]

    def _reply(self) -> bytes:
        return self._cookie.reply(self._directory.context_csn, server_id=self._server_id)

    def _added(self, since: str = "") -> Iterator[Response]:
        for entry in self._content:
            if entry.csn > since:
                yield _state(self._content.encode(entry), EntryState.ADD, entry)

    def _present(self) -> Iterator[Response]:
        uuids = [entry.uuid.bytes for entry in self._content]
        for start in range(0, len(uuids), _IDS_A_SET):
            yield Response(wire.sync_info(wire.id_set(*uuids[start : start + _IDS_A_SET])))

    def _deletions(self) -> Iterator[Response]:
        """Name whoever was written and is not in the content, whether it ever was or not."""
        first: dict[UUID, str] = {}
        for write in self._directory.writes:
            if write.csn > self._csn and write.before is not None:
                first.setdefault(write.uuid, write.csn)
        for uuid, csn in first.items():
            if not self._content.holds(self._directory.get(uuid)):
                cookie = self._cookie.reply(self._csn, server_id=self._server_id, deleted=csn)
                yield Response(wire.sync_info(wire.id_set(uuid.bytes, deletes=True, cookie=cookie)))

    def _end(self, *, deletes: bool, cookie: bytes | None) -> Response:
        if self._request.persist:
            return Response(wire.sync_info(wire.phase_end(deletes=deletes, cookie=cookie)))
        return search_done(0, "", wire.sync_done(cookie, deletes=True if deletes else None))


def _state(operation: bytes, state: EntryState, entry: Entry, cookie: bytes | None = None) -> Response:
    return Response(operation, (wire.state(state, entry.uuid.bytes, cookie),))
