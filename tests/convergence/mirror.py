"""A table that follows the callbacks by DN alone, and what a data file and a server are compared by."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

from syncrepl_client import Attributes, BaseCallback
from syncrepl_client.ldap import dn as names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from syncrepl_client.connection.listener import BoundConnection
    from tests.ns_slapd import NsSlapd

__all__ = [
    "Content",
    "Mirror",
    "Sight",
    "content_of",
    "contradicts_itself",
    "difference",
    "dump",
    "look",
    "respelled",
]

Values = dict[str, list[str]]
Content = dict[UUID, tuple[str, Values]]
"""DN and values by UUID, in a form in which the order of values does not count."""


def canonical(attrs: Mapping[str, Iterable[bytes]]) -> Values:
    return {name.lower(): sorted(value.hex() for value in values) for name, values in sorted(attrs.items())}


def content_of(found: Mapping[UUID, tuple[str, Mapping[str, Iterable[bytes]]]]) -> Content:
    """Bring what a server returned into the form of comparisons."""
    return {uuid: (dn, canonical(attrs)) for uuid, (dn, attrs) in found.items()}


def difference(expected: Content, found: Content) -> list[str]:
    """Say what is different between two contents."""
    return [
        f"{uuid}: expected {expected.get(uuid)!r:.300}, found {found.get(uuid)!r:.300}"
        for uuid in expected.keys() | found.keys()
        if expected.get(uuid) != found.get(uuid)
    ]


def respelled(expected: Content, found: Content) -> Content:
    """Spell names as they were found where they are the same.

    389 Directory Server gives some children the former spelling of a parent's name that was written in other letters;
    which of them depends on what is in its caches.
    """
    return {
        uuid: (found[uuid][0] if uuid in found and names.same(found[uuid][0], dn) else dn, values)
        for uuid, (dn, values) in expected.items()
    }


def contradicts_itself(server: NsSlapd, base: str, filter_: str, content: Content, path: Path) -> bool:
    """Tell whether a server names other entries when it is asked for each than when it is asked for all.

    Args:
        server: 389 Directory Server.
        base: of the search.
        filter_: of the search.
        content: what it has answered to that.
        path: the data file of a copy, whose entries are asked for too.
    """
    for uuid in content.keys() | look(path).copy.keys():
        digits = uuid.hex
        name = "-".join(digits[start : start + 8] for start in range(0, 32, 8))
        found = server.search(base, filter=f"(&{filter_}(nsUniqueId={name}))")
        if list(found) != ([content[uuid][0]] if uuid in content else []):
            return True
    return False


class Mirror(BaseCallback):
    """Keeps the table ``mirror`` through the cursor; a call that does not fit what the table holds is an error."""

    @classmethod
    def bind_complete(cls, ldap: BoundConnection, cursor: sqlite3.Cursor) -> None:
        cursor.execute("CREATE TABLE IF NOT EXISTS mirror (dn TEXT PRIMARY KEY, attrs TEXT NOT NULL) STRICT")

    @classmethod
    def record_add(cls, dn: str, attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        # A name that is there already violates the primary key.
        cursor.execute("INSERT INTO mirror VALUES (?, ?)", (dn, dump(attrs)))

    @classmethod
    def record_delete(cls, dn: str, cursor: sqlite3.Cursor) -> None:
        cursor.execute("DELETE FROM mirror WHERE dn = ?", (dn,))
        _one(cursor, f"delete {dn!r}")

    @classmethod
    def record_rename(cls, old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
        cursor.execute("UPDATE mirror SET dn = ? WHERE dn = ?", (new_dn, old_dn))
        _one(cursor, f"rename {old_dn!r} to {new_dn!r}")

    @classmethod
    def record_change(cls, dn: str, old_attrs: Attributes, new_attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        cursor.execute("UPDATE mirror SET attrs = ? WHERE dn = ? AND attrs = ?", (dump(new_attrs), dn, dump(old_attrs)))
        _one(cursor, f"change {dn!r}")


def dump(attrs: Mapping[str, Iterable[bytes]]) -> str:
    return json.dumps(canonical(attrs))


def _one(cursor: sqlite3.Cursor, what: str) -> None:
    if cursor.rowcount != 1:
        raise AssertionError(f"{what}: fits {cursor.rowcount} rows")


class Sight:
    """What a data file shows to another process at one moment."""

    def __init__(self, copy: Content, mirror: dict[str, Values]) -> None:
        self.copy = copy
        self.mirror = mirror

    def check(self, told: object) -> None:
        """Compare the copy with what callbacks were told of."""
        by_name = dict(self.copy.values())
        assert len(by_name) == len(self.copy), f"two entries of one name\n{told}"
        assert self.mirror == by_name, f"the table of the callbacks is not the copy\n{told}"


def look(path: Path) -> Sight:
    """Read a data file, whatever state it is in."""
    if not path.exists():
        return Sight({}, {})
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        copy: Content = {}
        if "syncrepl_copy" in tables:
            for uuid, dn, attrs in connection.execute("SELECT uuid, dn, attrs FROM syncrepl_copy"):
                assert UUID(bytes=uuid) not in copy, f"two rows of {dn!r}"
                copy[UUID(bytes=uuid)] = (dn, canonical(Attributes(attrs)))
        rows = connection.execute("SELECT dn, attrs FROM mirror").fetchall() if "mirror" in tables else []
        return Sight(copy, {dn: json.loads(attrs) for dn, attrs in rows})
