"""A scripted provider, a client with its data file, and what must hold after the one has lied to the other."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.contentsync.controls import EntryState
from syncrepl_client.ldap import messages
from syncrepl_client.testing import script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from syncrepl_client.exceptions import SyncreplError
    from syncrepl_client.testing import Provider, Step, SyncRequest
    from syncrepl_client.testing.directory import Values
    from syncrepl_client.testing.script import Response

__all__ = [
    "APACHEDS",
    "DS389",
    "FOLLOW",
    "FREEIPA",
    "NEWER",
    "NUMBERED",
    "ONCE",
    "OPENLDAP",
    "SUFFIX",
    "UNKNOWN",
    "Copy",
    "Laboratory",
    "both_modes",
    "refresh_end",
]

SUFFIX = "dc=example,dc=com"
ONCE = SyncreplMode.REFRESH_ONLY
FOLLOW = SyncreplMode.REFRESH_AND_PERSIST
both_modes = pytest.mark.parametrize("mode", [ONCE, FOLLOW])
NEWER = b"rid=000,csn=20300101000000.000000Z#000000#000#000000"
"""A cookie of OpenLDAP's form that is newer than whatever a directory of today gives."""

NUMBERED = b"host:389#cn=x:dc=x:(objectClass=*)#%d"
"""A cookie of 389's form, for the number of a change."""

OPENLDAP: dict[str, Values] = {}
UNKNOWN: dict[str, Values] = {"objectClass": ["top"], "vendorName": "Somebody"}
DS389: dict[str, Values] = {
    "objectClass": ["top"],
    "vendorName": "389 Project",
    "supportedExtension": [messages.WHO_AM_I],
    "firstChangeNumber": "1",
    "lastChangeNumber": "1000",
}
FREEIPA: dict[str, Values] = {**DS389, "ipaDomainLevel": "1", "ipaTopologyPluginVersion": "1.0"}
APACHEDS: dict[str, Values] = {
    "objectClass": ["top", "extensibleObject"],
    "vendorName": "Apache Software Foundation",
    "supportedExtension": [messages.WHO_AM_I],
}
"""What makes a root DSE that of another product."""


def refresh_end(mode: SyncreplMode, cookie: bytes | None, *, deletes: bool | None) -> Response:
    """Make the end of a refresh; a flag that is None is left out where that can be."""
    if mode is ONCE:
        return script.search_done(0, "", script.sync_done(cookie, deletes=deletes))
    return script.refresh_delete(cookie) if deletes else script.refresh_present(cookie)


class Copy(NamedTuple):
    """What a data file holds: the rows of the copy, the cookie, what is held."""

    rows: list[tuple[bytes, str, bytes]]
    cookie: bytes | None
    held: list[bytes]


class Laboratory:
    """A client of a provider.

    Args:
        provider: running.
        path: the client's data file.
        scope: by default one level: a client has then nothing to ask beside the stream but what a trap makes it ask.
    """

    def __init__(self, provider: Provider, path: Path, scope: str = "one") -> None:
        self.provider = provider
        self.path = path
        self.scope = scope
        self.base = SUFFIX
        self.attributes_asked = ""

    # --- the directory ------------------------------------------------------------------------------------------------

    def fill(self, count: int) -> None:
        """Add entries 1 to `count`."""
        for number in range(1, count + 1):
            self.add(number)

    def add(self, number: int, **attributes: Values) -> None:
        uuid = self.uuid(number)
        nsuniqueid = "-".join(uuid.hex[start : start + 8] for start in range(0, 32, 8))
        self.provider.add(
            self.dn(number),
            {"objectClass": "person", "sn": f"{number}", "nsUniqueId": nsuniqueid, **attributes},
            uuid=uuid,
        )

    def modify(self, number: int, value: str = "changed") -> None:
        self.provider.replace(self.dn(number), "sn", value)

    def delete(self, number: int) -> None:
        self.provider.delete(self.dn(number))

    @staticmethod
    def dn(number: int) -> str:
        return f"cn=e{number},{SUFFIX}"

    @staticmethod
    def uuid(number: int) -> UUID:
        return UUID(int=number)

    def uuids(self, first: int, last: int) -> list[UUID]:
        return [self.uuid(number) for number in range(first, last + 1)]

    def attributes(self, number: int) -> Mapping[str, Values]:
        """Return what the directory holds of an entry."""
        return self.provider.search(self.dn(number), 0)[self.dn(number)]

    # --- what a script says of it -------------------------------------------------------------------------------------

    def sent(
        self,
        number: int,
        state: int = EntryState.ADD,
        cookie: bytes | None = None,
        *,
        dn: str | None = None,
        uuid: UUID | bytes | None = None,
    ) -> Response:
        """Make the message that brings an entry as the directory holds it, but for what is given."""
        own = self.uuid(number) if uuid is None else uuid
        return script.entry(dn or self.dn(number), self.attributes(number), own, state, cookie)

    def everything(self, cookie: bytes, mode: SyncreplMode = ONCE) -> list[Step]:
        """Make the answer that 389 gives to somebody without a cookie."""
        found = (entry["nsUniqueId"][0].decode() for entry in self.provider.search(scope=1).values())
        numbers = sorted(int(value.replace("-", ""), 16) for value in found)
        return [*(self.sent(number) for number in numbers), refresh_end(mode, cookie, deletes=mode is not ONCE)]

    def give_number(self, number: int = 10) -> bytes:
        """Let the client get a cookie as 389 gives it to those who have none."""
        cookie = NUMBERED % number
        self.provider.script(*self.everything(cookie))
        self.run(verify_every=0)
        return cookie

    # --- the client ---------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"{self.provider.url}/{self.base}?{self.attributes_asked}?{self.scope}"

    def replica(self, mode: SyncreplMode = ONCE, **options: Any) -> Replica:
        return Replica(self.url, self.path, mode=mode, **options)

    def run(self, mode: SyncreplMode = ONCE, **options: Any) -> None:
        """Let a client refresh, and end."""
        with self.replica(mode, **options) as replica:
            replica.refresh()

    def copy(self) -> Copy:
        connection = sqlite3.connect(self.path)
        rows = connection.execute("SELECT uuid, dn, attrs FROM syncrepl_copy ORDER BY uuid").fetchall()
        ((cookie,),) = connection.execute("SELECT cookie FROM syncrepl_state").fetchall()
        held = [uuid for (uuid,) in connection.execute("SELECT uuid FROM syncrepl_held ORDER BY uuid")]
        connection.close()
        return Copy(rows, cookie, held)

    def dialect(self) -> str | None:
        connection = sqlite3.connect(self.path)
        ((name,),) = connection.execute("SELECT dialect FROM syncrepl_state").fetchall()
        connection.close()
        return None if name is None else str(name)

    def numbers(self) -> set[int]:
        """Return which of the entries are in the copy."""
        return {int.from_bytes(row[0]) for row in self.copy().rows}

    @property
    def requests(self) -> list[SyncRequest]:
        return self.provider.requests

    @property
    def cookies(self) -> list[bytes | None]:
        """The cookies of all requests so far."""
        return [request.cookie for request in self.requests]

    # --- what must hold -----------------------------------------------------------------------------------------------

    @contextmanager
    def asks(self, requests: int) -> Iterator[None]:
        """Whatever happens inside takes so many sync requests."""
        before = len(self.requests)
        yield
        assert len(self.requests) - before == requests

    @contextmanager
    def refused(self, kind: type[SyncreplError], match: str = "", *, requests: int = 1) -> Iterator[None]:
        """One error of a kind, with a hint, after so many sync requests, and the copy is as it was."""
        before = self.copy()
        with self.asks(requests), pytest.raises(kind, match=match or None) as caught:
            yield
        assert caught.value.hint
        assert before == self.copy()

    def converges(self, **options: Any) -> None:
        """The next run with a provider in health makes the copy what the directory holds."""
        with self.replica(**options) as replica:
            replica.refresh()
            held = {dn: dict(replica.entries[dn]) for dn in replica.entries}
        scopes = {"base": 0, "one": 1, "sub": 2}
        assert held == self.provider.search(scope=scopes[self.scope])
        assert self.copy().held == []
