"""A copy of a search on a real server, compared with it step by step.

What the server holds is asked for by libldap, with the same base, scope, filter and attributes.  What the listener was
told stands in a table that knows entries by their names alone, so both the copy and the story of it have to be right.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import ldap

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.model import Added, Deleted, Modified, Origin, Renamed
from tests.convergence.mirror import content_of, difference, dump, look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syncrepl_client.connection.listener import BoundConnection
    from syncrepl_client.model import Change
    from tests.server import Server

__all__ = ["KEEP", "MODES", "PERSIST", "REFRESH", "Copy", "Told", "add_person", "add_unit", "delete_people", "move"]

REFRESH: Final = SyncreplMode.REFRESH_ONLY
PERSIST: Final = SyncreplMode.REFRESH_AND_PERSIST
MODES: Final = (REFRESH, PERSIST)
KEEP: Final = "(|(objectClass=organizationalUnit)(description=keep))"
Told = tuple[str, ...]

_SCOPES: Final = {"base": ldap.SCOPE_BASE, "one": ldap.SCOPE_ONELEVEL, "sub": ldap.SCOPE_SUBTREE}
_PATIENCE: Final = 20.0


class Listener:
    """Keeps the table ``mirror``; what does not fit what it holds is an error."""

    by_name = True

    def __init__(self) -> None:
        self.told: list[tuple[Told, Origin]] = []
        # Is called with each change before it is noted.
        self.before: Callable[[Change], None] = lambda _: None

    def bound(self, connection: BoundConnection) -> None:
        """Nothing to ask."""

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        self.before(change)
        cursor.execute("CREATE TABLE IF NOT EXISTS mirror (dn TEXT PRIMARY KEY, attrs TEXT NOT NULL) STRICT")
        match change:
            case Added(after):
                self.told.append((("add", after.dn), change.origin))
                cursor.execute("INSERT INTO mirror VALUES (?, ?)", (after.dn, dump(after.attributes)))
            case Deleted(before):
                self.told.append((("delete", before.dn), change.origin))
                cursor.execute("DELETE FROM mirror WHERE dn = ? AND attrs = ?", (before.dn, dump(before.attributes)))
            case Renamed(before, after) | Modified(before, after):
                renamed = isinstance(change, Renamed)
                self.told.append((("rename", before.dn, after.dn) if renamed else ("change", after.dn), change.origin))
                cursor.execute(
                    "UPDATE mirror SET dn = ?, attrs = ? WHERE dn = ? AND attrs = ?",
                    (after.dn, dump(after.attributes), before.dn, dump(before.attributes)),
                )
        assert cursor.rowcount == 1, change


class Copy:
    """A data file that follows a search.

    Args:
        server: whose content it is a copy of.
        path: the data file.
        mode: how it follows.
        base: of the search; entries are added below it, but not by this class.
        scope: base, one or sub.
        filter: of the search.
        attributes: of the search.
        port: where to connect; the server's own by default.
        options: of the `Replica`.
    """

    def __init__(
        self,
        server: Server,
        path: Path,
        mode: SyncreplMode,
        base: str,
        *,
        scope: str = "sub",
        filter: str = KEEP,  # noqa: A002 - LDAP's word
        attributes: tuple[str, ...] = (),
        port: int | None = None,
        **options: Any,
    ) -> None:
        self.server, self.path, self.mode, self.base = server, path, mode, base
        self.scope, self.filter, self.attributes = scope, filter, attributes
        self.port, self.options = port, options
        self.bind_dn, self.password = server.rootdn, server.rootpw
        self.listener = Listener()
        self.trace: list[str] = []
        self.replica: Replica | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        port = self.port or self.server.port
        asked = ",".join(self.attributes)
        search = f"{quote(self.base, safe='=,')}?{asked}?{self.scope}?{quote(self.filter, safe='()&|=*')}"
        return f"ldap://127.0.0.1:{port}/{search}?bindname={quote(self.bind_dn, safe='')}"

    def open(self) -> Replica:
        """Open the replica, which starts the search."""
        if self.replica is None:
            self.trace.clear()
            self.replica = Replica(
                self.url,
                self.path,
                mode=self.mode,
                listener=self.listener,
                password=self.password.encode(),
                trace=self.trace.append,
                **self.options,
            )
            self.replica.connect()
        return self.replica

    def close(self) -> None:
        """End the replica, if there is one: what follows happens while it is away."""
        replica, self.replica = self.replica, None
        if replica is not None:
            replica.close()

    # --- following ----------------------------------------------------------------------------------------------------

    def sync(self) -> list[Told]:
        """Follow the server to where it is now; returns what was told."""
        self.run()
        self.check()
        return self.news()

    def run(self) -> None:
        """Follow the server to where it is now."""
        try:
            replica = self.open()
            if self.mode is REFRESH:
                replica.run()
            else:
                self.step_until(lambda: not replica.refreshing and self.equal())
        finally:
            if self.mode is REFRESH:
                self.close()

    def step_until(self, done: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Step until something is so."""
        replica = self.open()
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, f"{self.differences()}\n{self.listener.told}"
            assert replica.step(0.05)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so that others do."""
        deadline = time.monotonic() + _PATIENCE
        while not done():
            assert time.monotonic() < deadline, self.differences()
            time.sleep(0.01)

    def settle(self, seconds: float) -> list[Told]:
        """Step for a time, whatever comes; returns what was told."""
        deadline = time.monotonic() + seconds
        replica = self.open()
        while time.monotonic() < deadline:
            assert replica.step(0.05)
        return self.news()

    def news(self) -> list[Told]:
        """Return what was told since the last call."""
        return [told for told, _ in self.news_with_origin()]

    def news_with_origin(self) -> list[tuple[Told, Origin]]:
        """Return what was told since the last call, and where it was found."""
        told, self.listener.told = self.listener.told, []
        return told

    # --- comparing ----------------------------------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Say how the copy differs from the server."""
        try:
            found = self.server.uuids(self.base, _SCOPES[self.scope], self.filter, self.attributes or None)
        except ldap.NO_SUCH_OBJECT:
            found = {}
        return difference(content_of(found), look(self.path).copy)

    def equal(self) -> bool:
        return not self.differences()

    def check(self) -> None:
        """Compare the copy with the server, and the listener's table with the copy."""
        wrong = self.differences()
        assert not wrong, f"{wrong}\n{self.listener.told}"
        self.consistent()

    def consistent(self) -> None:
        """Compare the listener's table with the copy."""
        look(self.path).check(self.listener.told)

    def names(self) -> set[str]:
        """Return the names in the copy."""
        return {dn for dn, _ in look(self.path).copy.values()}

    # --- the file -----------------------------------------------------------------------------------------------------

    def cookie(self) -> bytes | None:
        """Return the cookie as it is stored."""
        with closing(sqlite3.connect(self.path)) as connection:
            (cookie,) = connection.execute("SELECT cookie FROM syncrepl_state").fetchone()
        return None if cookie is None else bytes(cookie)

    def execute(self, statement: str, *arguments: object) -> None:
        """Change the file of a copy that is closed."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, arguments)


def add_person(server: Server, rdn: str, parent: str, **more: Any) -> str:
    dn = f"{rdn},{parent}"
    server.add(dn, {"objectClass": ["inetOrgPerson"], "cn": ["always"], "sn": ["s"], "description": ["keep"], **more})
    return dn


def add_unit(server: Server, rdn: str, parent: str) -> str:
    dn = f"{rdn},{parent}"
    server.add(dn, {"objectClass": ["organizationalUnit"]})
    return dn


def move(server: Server, dn: str, parent: str) -> str:
    rdn = dn.partition(",")[0]
    server.rename(dn, rdn, parent)
    return f"{rdn},{parent}"


def delete_people(server: Server, *dns: str) -> None:
    for dn in dns:
        server.delete(dn)
