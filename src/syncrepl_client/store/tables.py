"""The tables of a data file and how older ones become newer ones.

========================  =============================================================================================
``syncrepl_entry``        the copy: one row for each entry, keyed by UUID; a first load in progress stands here too
``syncrepl_state``        one row: cookie, fingerprint, whether the copy is whole
``syncrepl_held``         what a refresh that is held would delete, while somebody decides
``syncrepl_marker``       the change marker under which an entry was last found equal to the server's
``syncrepl_request``      what other processes ask of the consumer that owns the file
``syncrepl_change``       the changelog: one row for each change after the first load; see `changelog`
``syncrepl_subscription`` how far each named reader of the changelog has come
``syncrepl_schema``       the schema of the server, as far as it was read
``syncrepl_setting``      named values of programs (`DBInterface.get_setting`)
``syncrepl_redaction``    under which rules the file is redacted; only where it is (see `erasure`)
``syncrepl_copy``         a view: the entries, if the copy is whole
========================  =============================================================================================

What a refresh over a copy has brought so far stands in another file; see `staging`.

`key` is a 64-bit number made of a hash of the parent's name and a hash of the first RDN (`ldap.dn.key`), so that one
index finds an entry by its name and the children of an entry.  It is not unique: names may be held twice for a moment
while changes are applied, and hashes may collide, so whoever looks up by it compares the name itself.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "APPLICATION_ID",
    "CREATE_KEY_INDEX",
    "CREATE_UUID_INDEX",
    "DROP_INDEXES",
    "MIGRATIONS",
    "NEW_FILE_ID",
    "SCHEMA_VERSION",
]

APPLICATION_ID: Final = 0x53594E43
"""What marks a SQLite file as one of ours: the letters SYNC."""

_VERSION_1: Final = (
    """
    CREATE TABLE syncrepl_entry (
        id INTEGER PRIMARY KEY, uuid BLOB NOT NULL, key INTEGER NOT NULL, dn TEXT NOT NULL, attrs BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE syncrepl_diff (
        id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE, entry INTEGER, renamed INTEGER NOT NULL DEFAULT 0,
        old_key INTEGER, new_key INTEGER NOT NULL, dn TEXT NOT NULL, attrs BLOB, done INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE syncrepl_state (
        id INTEGER PRIMARY KEY CHECK (id = 1), url TEXT, fingerprint TEXT, cookie BLOB, visible INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO syncrepl_state VALUES (1, NULL, NULL, NULL, 0)",
    "CREATE TABLE syncrepl_setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    """
    CREATE VIEW syncrepl_copy AS
    SELECT id, uuid, dn, attrs FROM syncrepl_entry WHERE (SELECT visible FROM syncrepl_state)
    """,
)

_VERSION_2: Final = (
    # What the cookie's server speaks; who was told of the changes so far, NULL for nobody.
    "ALTER TABLE syncrepl_state ADD COLUMN dialect TEXT",
    "ALTER TABLE syncrepl_state ADD COLUMN listener TEXT",
    # A refresh that is held: its number, 0 for none; the entries of the copy at that time; whether it is approved.
    "ALTER TABLE syncrepl_state ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE syncrepl_state ADD COLUMN held_entries INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE syncrepl_state ADD COLUMN approved INTEGER NOT NULL DEFAULT 0",
    # What found the deletions that are held, as in `model.Origin`.
    "ALTER TABLE syncrepl_state ADD COLUMN held_origin TEXT NOT NULL DEFAULT 'refresh'",
    "CREATE TABLE syncrepl_held (uuid BLOB PRIMARY KEY, dn TEXT NOT NULL) STRICT",
    "CREATE TABLE syncrepl_request (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, held INTEGER NOT NULL) STRICT",
    # By row of the copy, so that a walk along it goes along this one, too.
    """
    CREATE TABLE syncrepl_marker (
        entry INTEGER PRIMARY KEY, uuid BLOB NOT NULL, marker BLOB NOT NULL, digest INTEGER NOT NULL
    ) STRICT
    """,
)

_VERSION_3: Final = (
    # The last number that a change was given, and the time of the last change in microseconds since 1970.
    "ALTER TABLE syncrepl_state ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE syncrepl_state ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0",
    # Changes up to this number are not in the changelog, or not any more; what it holds begins at this time.
    "ALTER TABLE syncrepl_state ADD COLUMN log_floor INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE syncrepl_state ADD COLUMN log_since INTEGER",
    "ALTER TABLE syncrepl_state ADD COLUMN log_bytes INTEGER NOT NULL DEFAULT 0",
    # A name that did not change is in new_name alone, or in old_name if the entry was deleted; see `changelog`.
    """
    CREATE TABLE syncrepl_change (
        sequence INTEGER PRIMARY KEY, uuid BLOB NOT NULL, kind TEXT NOT NULL, origin TEXT NOT NULL,
        stored_at INTEGER NOT NULL, old_key INTEGER, new_key INTEGER, old_dn TEXT, new_dn TEXT, before BLOB, after BLOB,
        difference BLOB
    ) STRICT
    """,
    "CREATE INDEX syncrepl_change_uuid ON syncrepl_change (uuid, sequence)",
    # sequence: NULL before the first snapshot; depth and uuid: the last entry of a snapshot in progress.
    """
    CREATE TABLE syncrepl_subscription (
        name TEXT PRIMARY KEY, sequence INTEGER, depth INTEGER, uuid BLOB, moved_at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE syncrepl_schema (
        id INTEGER PRIMARY KEY CHECK (id = 1), subentry TEXT NOT NULL, attrs BLOB NOT NULL, version INTEGER NOT NULL
    ) STRICT
    """,
)

NEW_FILE_ID: Final = "UPDATE syncrepl_state SET file_id = lower(hex(randomblob(8)))"
"""Gives the file another name than any file has."""

_VERSION_4: Final = (
    # Which file it is, for those to whom numbers of changes are told: with this they are never used again.
    "ALTER TABLE syncrepl_state ADD COLUMN file_id TEXT NOT NULL DEFAULT ''",
    NEW_FILE_ID,
)

# What a refresh brings stands in a file of its own.
_VERSION_5: Final = ("DROP TABLE syncrepl_diff",)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
"""The statements that lead from each version to the next; version 0 is an empty file."""

SCHEMA_VERSION: Final = len(MIGRATIONS)

# The indexes of the copy are made at the end of a first load: kept up to date row by row, random UUIDs cost three times
# as much as the rows themselves.
CREATE_UUID_INDEX: Final = "CREATE UNIQUE INDEX syncrepl_entry_uuid ON syncrepl_entry (uuid)"
CREATE_KEY_INDEX: Final = "CREATE INDEX syncrepl_entry_key ON syncrepl_entry (key)"
DROP_INDEXES: Final = ("DROP INDEX IF EXISTS syncrepl_entry_uuid", "DROP INDEX IF EXISTS syncrepl_entry_key")
