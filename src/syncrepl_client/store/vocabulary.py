"""The server's schema as it is stored, and the entries that are read by it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.ldap.schema import NO_SCHEMA, Schema
from syncrepl_client.model.entry import Entry

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Vocabulary", "store", "stored"]

_VERSION: Final = "SELECT version FROM syncrepl_schema"
_READ: Final = "SELECT version, attrs FROM syncrepl_schema"
_STORED: Final = "SELECT subentry, attrs FROM syncrepl_schema"
_STORE: Final = """
    INSERT INTO syncrepl_schema VALUES (1, ?1, ?2, 1)
    ON CONFLICT (id) DO UPDATE SET subentry = ?1, attrs = ?2, version = version + 1
"""


class Vocabulary:
    """Makes entries that know the schema.

    Args:
        connection: to the data file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._version = 0
        self.schema = NO_SCHEMA
        self.look()

    def look(self) -> None:
        """Take the schema that is stored now, if it is another one."""
        (version,) = self.connection.execute(_VERSION).fetchone() or (0,)
        if version != self._version:
            self._version, attrs = self.connection.execute(_READ).fetchone()
            self.schema = _parsed(attrs)

    def entry(self, uuid: bytes, dn: str, attrs: bytes) -> Entry:
        """Make an entry of the columns of its row."""
        return Entry(uuid, dn, Attributes(attrs), self.schema)


# All connections of a process read the same few.
@lru_cache(maxsize=8)
def _parsed(attrs: bytes) -> Schema:
    return Schema.parse(Attributes(attrs))


def stored(connection: sqlite3.Connection) -> tuple[str, Attributes] | None:
    """Return the name and the attributes of the subschema subentry that is stored; None if none is."""
    row = connection.execute(_STORED).fetchone()
    return None if row is None else (str(row[0]), Attributes(row[1]))


def store(connection: sqlite3.Connection, subentry: str, attributes: Attributes) -> None:
    """Store a subschema subentry, in a transaction."""
    connection.execute(_STORE, (subentry, attributes.wire))
