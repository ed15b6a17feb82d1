"""A copy that is compared with its server after each step, and a table that follows what a program is told.

The table is keyed by UUID and kept through the cursor of each change, so that it is undone with what it stands for.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import UUID

import ldap
import pytest
from ldap.controls.simple import ManageDSAITControl

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.contentsync.cookies import OpenLDAPCookie
from syncrepl_client.model import Added, Deleted, Modified, Origin, Renamed
from tests.convergence.mirror import canonical, content_of, difference, look
from tests.providers import context_csns
from tests.slapd import SUFFIX, Slapd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from syncrepl_client import Attributes, Report
    from syncrepl_client.model import Change
    from tests.convergence.mirror import Content

__all__ = ["BOTH_MODES", "MODES", "ONCE", "PERSIST", "Copy", "Told", "Witness"]

Told = tuple[str, ...]
"""Kind and names of a change."""

ONCE: Final = SyncreplMode.REFRESH_ONLY
PERSIST: Final = SyncreplMode.REFRESH_AND_PERSIST
BOTH_MODES = pytest.mark.parametrize("mode", [ONCE, PERSIST], ids=["refreshOnly", "persist"])
MODES = pytest.mark.parametrize(
    ("mode", "offline"),
    [(ONCE, True), (PERSIST, True), (PERSIST, False)],
    ids=["refreshOnly", "persist-offline", "persist-live"],
)
_PATIENCE: Final = 15.0
_SCOPES: Final = {"base": ldap.SCOPE_BASE, "one": ldap.SCOPE_ONELEVEL, "sub": ldap.SCOPE_SUBTREE}
_TABLE: Final = "CREATE TABLE IF NOT EXISTS witness (uuid TEXT PRIMARY KEY, dn TEXT NOT NULL, attrs TEXT NOT NULL)"


class Witness:
    """Notes what it is told, and keeps the table ``witness``; what does not fit the table is an error."""

    by_name = True

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.origins: list[Origin] = []
        # Changes, cookies and ends of refreshes, in their order.
        self.kinds: list[str] = []
        # Is called with each change, before it is noted.
        self.before: Callable[[Change], None] = lambda _: None

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.before(change)
        self.changes.append(change)
        self.origins.append(change.origin)
        self.kinds.append(type(change).__name__)
        cursor.execute(_TABLE)
        match change:
            case Added(after):
                cursor.execute("INSERT INTO witness VALUES (?, ?, ?)", (str(after.uuid), after.dn, _dump(after)))
            case Deleted(before):
                cursor.execute(
                    "DELETE FROM witness WHERE uuid = ? AND dn = ? AND attrs = ?",
                    (str(before.uuid), before.dn, _dump(before)),
                )
            case Renamed(before, after) | Modified(before, after):
                assert before.uuid == after.uuid
                cursor.execute(
                    "UPDATE witness SET dn = ?, attrs = ? WHERE uuid = ? AND dn = ? AND attrs = ?",
                    (after.dn, _dump(after), str(before.uuid), before.dn, _dump(before)),
                )
        assert cursor.rowcount == 1, change

    def cookie(self, cookie: bytes) -> None:
        self.kinds.append("cookie")

    def refresh_done(self, entries: Mapping[str, Attributes], cursor: sqlite3.Cursor) -> None:
        self.kinds.append("done")

    def take(self) -> list[Told]:
        """Return the changes since this was called last."""
        told = [_told(change) for change in self.changes]
        self.changes.clear()
        self.origins.clear()
        self.kinds.clear()
        return told


def _dump(entry: Any) -> str:
    return json.dumps(canonical(entry.attributes))


def _told(change: Change) -> Told:
    match change:
        case Added():
            return "add", change.entry.dn
        case Deleted():
            return "delete", change.entry.dn
        case Renamed(before, after):
            return "rename", before.dn, after.dn
        case Modified():
            return "change", change.entry.dn


class Copy:
    """A data file, the search that it is a copy of, and the client that fills it.

    Args:
        server: what the copy is compared with.
        path: the data file.
        mode: how the client follows.
        through: the address of a line to the server, or of another provider; the server's own if None.
        identity: name and password; anonymous if None.
        all_seeing: whether to compare with what the administrator sees rather than the identity.
        options: of `Replica`.
    """

    def __init__(
        self,
        server: Slapd,
        path: Path,
        mode: SyncreplMode = ONCE,
        *,
        through: str | None = None,
        base: str = SUFFIX,
        scope: str = "sub",
        filter: str = "(objectClass=*)",  # noqa: A002  # LDAP's word
        attributes: tuple[str, ...] = (),
        identity: tuple[str, str] | None = None,
        all_seeing: bool = False,
        **options: Any,
    ) -> None:
        self.server = server
        self.path = path
        self.mode = mode
        self.through = through
        self.base, self.scope, self.filter, self.attributes = base, scope, filter, attributes
        self.identity = identity
        self.all_seeing = all_seeing
        self.options = options
        self.witness = Witness()
        self._replica: Replica | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.offline()

    # --- the client ---------------------------------------------------------------------------------------------------

    def open(self) -> Replica:
        """Return the client, connected."""
        if self._replica is None:
            name = f"bindname={self.identity[0].replace(',', '%2C')}" if self.identity else ""
            search = f"{self.base}?{','.join(self.attributes)}?{self.scope}?{self.filter}?{name}"
            url = f"{self.through or self.server.url}/{search}"
            password = self.identity[1].encode() if self.identity else None
            replica = Replica(url, self.path, mode=self.mode, listener=self.witness, password=password, **self.options)
            self._replica = replica.connect()
        return self._replica

    def offline(self) -> None:
        """Leave; the next `sync` begins with a refresh."""
        replica, self._replica = self._replica, None
        if replica is not None:
            replica.close()

    def step(self) -> list[Told]:
        """Refresh, or follow to where the server is now, and return what was told.

        After an error the client is offline.
        """
        try:
            if self.mode is ONCE:
                self.open().refresh()
                self.offline()
            else:
                self.until(self._caught_up)
        except BaseException:
            self.offline()
            raise
        return self.witness.take()

    def sync(self) -> list[Told]:
        """Do a `step` and compare."""
        told = self.step()
        self.check(told)
        return told

    def until(self, reached: Callable[[], bool]) -> None:
        """Follow until something is reached."""
        replica = self.open()
        deadline = time.monotonic() + _PATIENCE
        while replica.refreshing or not reached():
            if time.monotonic() > deadline:
                pytest.fail(f"did not catch up: {self.cookie!r}, the server is at {context_csns(self.server)}")
            assert replica.step(0.02), "the client ended"

    def _caught_up(self) -> bool:
        parsed = OpenLDAPCookie.parse(self.cookie)
        ours = {int(sid, 16): csn.decode() for sid, csn in parsed.csns} if parsed else {}
        return all(csn <= ours.get(sid, "") for sid, csn in context_csns(self.server).items())

    def verify(self, *, repair: bool = True) -> Report:
        """Compare the copy with the server; see `Replica.verify`."""
        try:
            return self.open().verify(repair=repair)
        finally:
            if self.mode is ONCE:
                self.offline()

    # --- what is there ------------------------------------------------------------------------------------------------

    @property
    def content(self) -> Content:
        """The copy as another process sees it."""
        return look(self.path).copy

    @property
    def names(self) -> set[str]:
        return {dn for dn, _ in self.content.values()}

    @property
    def cookie(self) -> bytes | None:
        return self._read("SELECT cookie FROM syncrepl_state")[0][0]  # type: ignore[no-any-return]

    def _read(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    def set_cookie(self, cookie: bytes | None) -> None:
        """Put another cookie into the file."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE syncrepl_state SET cookie = ?", (cookie,))

    def check(self, told: object = "") -> None:
        """Compare the copy with a plain search, and with what the callbacks were told of."""
        copy = self.content
        wrong = difference(self._held(), copy)
        assert not wrong, f"the copy is not what the server holds: {wrong}\n{told}"
        self.check_witness(told)

    def check_witness(self, told: object = "") -> None:
        rows = self._read("SELECT uuid, dn, attrs FROM witness")
        table = {UUID(uuid): (dn, json.loads(attrs)) for uuid, dn, attrs in rows}
        wrong = difference(self.content, table)
        assert not wrong, f"what was told is not the copy: {wrong}\n{told}"

    def _held(self) -> Content:
        """Ask the server as the client's identity."""
        connection = ldap.initialize(self.server.url)
        root = (self.server.rootdn, self.server.rootpw)
        connection.simple_bind_s(*(root if self.all_seeing else self.identity or ("", "")))
        wanted = [*(self.attributes or ["*"]), "entryUUID"]
        asked = (self.base, _SCOPES[self.scope], self.filter, wanted)
        try:
            found = connection.search_ext_s(*asked, serverctrls=[ManageDSAITControl()])
        except ldap.NO_SUCH_OBJECT:
            found = []
        finally:
            connection.unbind_s()
        return content_of({UUID(attrs.pop("entryUUID")[0].decode()): (dn, attrs) for dn, attrs in found})
