"""The changelog: every change after the first load, appended in the transaction that applies it.

A row has the entry before and after the change.  What did not change is not written twice: ``old_dn`` is NULL if the
name is the same as ``new_dn``.  Of two versions of a large entry only the difference is stored (see `differences`);
both are found by going back from the next row of that entry that has them whole, or from the copy, since those go away
last.

Numbers grow by one and are never given twice; times never go back, whatever the clock does.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from syncrepl_client.exceptions import ChangesLost, DBError, ProtocolError
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap.attributes import is_rewritten
from syncrepl_client.model import Added, Deleted, Modified, Origin, Provenance, Renamed
from syncrepl_client.store import differences

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from syncrepl_client.model import Change, Entry
    from syncrepl_client.store.vocabulary import Vocabulary

__all__ = [
    "OVERHEAD",
    "Appending",
    "Extent",
    "Row",
    "begin",
    "change_of",
    "changes_of",
    "clear",
    "counted",
    "extent",
    "first_after",
    "last_until",
    "rows_after",
    "stored_after",
    "time_of",
]

# How many differences stand between two versions that are stored whole, so that none is far to go back to.
_MOST_IN_A_ROW: Final = 32
_BATCH: Final = 500
OVERHEAD: Final = 100
"""What a change takes besides its entry, in bytes, roughly."""

_STATE: Final = "SELECT sequence, changed_at FROM syncrepl_state"
_MOVE: Final = "UPDATE syncrepl_state SET sequence = ?, changed_at = ?, log_bytes = log_bytes + ?"
_EXTENT: Final = "SELECT log_floor, sequence, log_since, log_bytes, visible FROM syncrepl_state"
_APPEND: Final = "INSERT INTO syncrepl_change VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_IN_A_ROW: Final = """
    SELECT count(*) FROM syncrepl_change WHERE uuid = ?1 AND sequence > coalesce(
        (SELECT max(sequence) FROM syncrepl_change WHERE uuid = ?1 AND difference IS NULL), 0)
"""
_READ: Final = """
    SELECT sequence, uuid, kind, origin, stored_at, old_dn, new_dn, before, after, difference FROM syncrepl_change
"""
_AFTER: Final = _READ + "WHERE sequence > ? ORDER BY sequence LIMIT ?"
_OF: Final = _READ + "WHERE uuid = ? AND sequence > ? ORDER BY sequence LIMIT ?"
_SMALL: Final = (
    """
    FROM syncrepl_changed d JOIN syncrepl_entry e ON e.id = d.entry WHERE
"""
    + differences.ARE_SMALL
)
_APPEND_STAGED: Final = (
    """
    INSERT INTO syncrepl_change
    SELECT next_number(length(e.attrs) + length(d.attrs)), e.uuid, 'modified', ?, ?, NULL, NULL, NULL, e.dn,
        e.attrs, d.attrs, NULL
    """
    + _SMALL
    # What `differ_at_sight` sees first is seen here too: to ask Python takes 1 µs for each.
    + """
    AND CASE WHEN length(e.attrs) <> length(d.attrs) AND min(length(e.attrs), length(d.attrs)) >= 260
        AND substr(e.attrs, 2, 1) = x'82' AND substr(d.attrs, 2, 1) = x'82'
    THEN TRUE ELSE NOT same_values(e.attrs, d.attrs) END
    """
)
_LAST: Final = "SELECT sequence, difference FROM syncrepl_change WHERE uuid = ? ORDER BY sequence DESC LIMIT 1"
_ANCHOR: Final = "UPDATE syncrepl_change SET before = ?, after = ?, difference = NULL WHERE sequence = ?"
_WHOLE: Final = """
    SELECT sequence, before FROM syncrepl_change WHERE uuid = ? AND sequence > ? AND difference IS NULL
    ORDER BY sequence LIMIT 1
"""
_NOW: Final = "SELECT attrs FROM syncrepl_entry WHERE uuid = ?"
_BETWEEN: Final = """
    SELECT difference FROM syncrepl_change WHERE uuid = ? AND sequence > ? AND sequence < ? ORDER BY sequence DESC
"""
_TIME_OF: Final = """
    SELECT coalesce(
        (SELECT stored_at FROM syncrepl_change WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1), log_since)
    FROM syncrepl_state
"""
_AT: Final = "SELECT sequence FROM syncrepl_change WHERE stored_at <= ? ORDER BY sequence DESC LIMIT 1"
_CLEAR: Final = "DELETE FROM syncrepl_change"
_CLEARED: Final = """
    UPDATE syncrepl_state SET sequence = sequence + 1, log_floor = sequence + 1, log_since = NULL, log_bytes = 0
"""
_BEGIN: Final = """
    UPDATE syncrepl_state SET changed_at = max(changed_at, ?1), log_since = max(changed_at, ?1), log_floor = sequence
"""
_SKIP: Final = "UPDATE syncrepl_state SET sequence = sequence + 1"
_ANY: Final = "SELECT 1 FROM syncrepl_state WHERE log_since IS NOT NULL"

_COUNT: Final = "SELECT kind, count(*) FROM syncrepl_change WHERE sequence > ? AND sequence <= ? GROUP BY kind"
_STORED_AFTER: Final = "SELECT stored_at FROM syncrepl_change WHERE sequence > ? ORDER BY sequence LIMIT 1"

ADDED: Final = "added"
MODIFIED: Final = "modified"
RENAMED: Final = "renamed"
DELETED: Final = "deleted"
_CLASSES: Final[dict[str, type[Change]]] = {ADDED: Added, MODIFIED: Modified, RENAMED: Renamed, DELETED: Deleted}
_ORIGINS: Final = {str(origin): origin for origin in Origin}

_END: Final = 1 << 62


class Extent(NamedTuple):
    """What the changelog holds.

    Args:
        floor: the changes up to this number are not in it, or not any more.
        sequence: the number of the last change.
        since: from when on it is complete, in microseconds since 1970; None if no changelog is kept.
        octets: how large it is.
        whole: whether there is a copy.
    """

    floor: int
    sequence: int
    since: int | None
    octets: int
    whole: bool


def extent(connection: sqlite3.Connection) -> Extent:
    """Tell what the changelog holds."""
    floor, sequence, since, octets, visible = connection.execute(_EXTENT).fetchone()
    return Extent(floor, sequence, since, octets, bool(visible))


def clear(connection: sqlite3.Connection) -> None:
    """Empty the changelog, in a transaction; who has not read it all yet is told so when he reads on."""
    if connection.execute(_ANY).fetchone():
        connection.execute(_CLEAR)
        connection.execute(_CLEARED)


def begin(connection: sqlite3.Connection, clock: Callable[[], int], *, gap: bool = False) -> None:
    """Let the changelog begin with what comes from here on, in a transaction.

    Args:
        connection: in the transaction.
        clock: tells microseconds since 1970.
        gap: whether there may have been changes that were not logged: who waits for them is told so when he reads on.
    """
    if gap:
        connection.execute(_SKIP)
    connection.execute(_BEGIN, (clock(),))


def time_of(connection: sqlite3.Connection, sequence: int) -> int | None:
    """Tell when a change was stored, or the last one before it; in microseconds since 1970."""
    found: int | None = connection.execute(_TIME_OF, (sequence,)).fetchone()[0]
    return found


def last_until(connection: sqlite3.Connection, time: int) -> int:
    """Return the number of the last change that was stored until a time, in microseconds since 1970.

    Raises:
        ChangesLost: the changelog begins later.
    """
    now = extent(connection)
    if now.since is None or time < now.since:
        raise ChangesLost(None, now.floor, now.sequence)
    found = connection.execute(_AT, (time,)).fetchone()
    return now.floor if found is None else int(found[0])


def counted(connection: sqlite3.Connection, after: int, until: int) -> dict[type[Change], int]:
    """Count the changes whose numbers are greater than one, and not greater than another, by their kind."""
    return {_CLASSES[kind]: count for kind, count in connection.execute(_COUNT, (after, until))}


def stored_after(connection: sqlite3.Connection, sequence: int) -> int | None:
    """Tell when the first change after a number was stored, in microseconds since 1970; None if there is none."""
    found = connection.execute(_STORED_AFTER, (sequence,)).fetchone()
    return None if found is None else int(found[0])


# --- writing ----------------------------------------------------------------------------------------------------------


class Appending:
    """What one transaction appends.

    Args:
        connection: in the transaction.
        clock: tells microseconds since 1970.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], int]) -> None:
        self._connection = connection
        self._sequence, last = connection.execute(_STATE).fetchone()
        self._now = max(clock(), last)
        self._rows: list[tuple[object, ...]] = []
        self._octets = 0

    def append(self, kind: str, origin: Origin, before: Entry | None, after: Entry | None) -> Provenance:
        """Append a change; returns its place."""
        self._sequence += 1
        entry = after or before
        assert entry is not None  # noqa: S101 - a change has one of them
        uuid = entry.uuid_octets
        old_attrs = None if before is None else before.attributes.wire
        new_attrs = None if after is None else after.attributes.wire
        difference = None
        if old_attrs is not None and new_attrs is not None and len(old_attrs) + len(new_attrs) > differences.LARGE:
            difference = self._difference(uuid, old_attrs, new_attrs)
            if difference is not None:
                old_attrs = new_attrs = None
        moved = before is not None and (after is None or before.dn != after.dn)
        self._rows.append(
            (
                self._sequence,
                uuid,
                kind,
                str(origin),
                self._now,
                # Who looks for a name finds what was given it or lost it, or the copy.
                names.key(before.dn) if before is not None and moved else None,
                names.key(after.dn) if after is not None and (moved or before is None) else None,
                before.dn if before is not None and moved else None,
                None if after is None else after.dn,
                old_attrs,
                new_attrs,
                difference,
            )
        )
        self._octets += len(old_attrs or b"") + len(new_attrs or b"") + len(difference or b"") + OVERHEAD
        if len(self._rows) >= _BATCH:
            self._flush()
        return Provenance(origin, self._sequence, self._now)

    def append_staged(self, origin: Origin) -> int:
        """Append what a refresh has staged for the attributes of entries that are not large, if nobody else is told.

        The rows do not leave SQLite, which takes half as long as to have them go by one by one.

        Returns:
            How many: entries that have other octets and no other values are left out.
        """
        self._flush()
        numbers: Iterator[int] = itertools.count(self._sequence + 1)

        def next_number(octets: int) -> int:
            # As they go by: to look at what was written would be a pass over all of it, at 1 µs for each.
            self._octets += octets + OVERHEAD
            return next(numbers)

        self._connection.create_function("same_values", 2, _same, deterministic=True)
        self._connection.create_function("next_number", 1, next_number)
        count: int = self._connection.execute(_APPEND_STAGED, (str(origin), self._now)).rowcount
        self._sequence += count
        return count

    def _difference(self, uuid: bytes, old: bytes, new: bytes) -> bytes | None:
        self._flush()
        (in_a_row,) = self._connection.execute(_IN_A_ROW, (uuid,)).fetchone()
        return None if in_a_row >= _MOST_IN_A_ROW else differences.splices(old, new)

    def anchor(self, uuid: bytes, version: bytes) -> None:
        """Store the newest logged version of an entry whole, before its octets change although its values do not.

        Args:
            uuid: the entry.
            version: the octets that its attributes have now.
        """
        self._flush()
        found = self._connection.execute(_LAST, (uuid,)).fetchone()
        if found is not None and found[1] is not None:
            sequence, difference = found
            before = differences.undo(version, difference)
            self._connection.execute(_ANCHOR, (before, version, sequence))
            self._octets += len(before) + len(version) - len(difference)

    def _flush(self) -> None:
        self._connection.executemany(_APPEND, self._rows)
        self._rows.clear()

    def finish(self) -> None:
        """Write what is left."""
        self._flush()
        if self._octets:
            self._connection.execute(_MOVE, (self._sequence, self._now, self._octets))


def _same(old: bytes, new: bytes) -> bool:
    try:
        return is_rewritten(old, new)
    except ProtocolError:
        # Whoever looks at it is told so.
        return False


# --- reading ----------------------------------------------------------------------------------------------------------

Row = tuple[int, bytes, str, str, int, str | None, str | None, bytes | None, bytes | None, bytes | None]
"""Number, UUID, kind, origin, time, old and new name, attributes before and after, difference."""


def rows_after(connection: sqlite3.Connection, sequence: int, limit: int, octets: int) -> list[Row]:
    """Read what was logged after a number, in a transaction; `change_of` makes changes of it.

    Args:
        connection: to the data file.
        sequence: the number.
        limit: how many at most.
        octets: when to stop because they are large enough together; at least one is read.
    """
    return _read(connection, connection.execute(_AFTER, (sequence, limit)), octets)


def changes_of(vocabulary: Vocabulary, uuid: bytes, sequence: int, limit: int, octets: int) -> list[Change]:
    """Read changes of one entry after a number, in a transaction; see `rows_after`."""
    connection = vocabulary.connection
    rows = _read(connection, connection.execute(_OF, (uuid, sequence, limit)), octets)
    return [change_of(vocabulary, row) for row in rows]


def first_after(vocabulary: Vocabulary, uuid: bytes, sequence: int) -> Change | None:
    """Find the first change of an entry after a number, in a transaction; None if there was none."""
    return next(iter(changes_of(vocabulary, uuid, sequence, 1, 0)), None)


def _read(connection: sqlite3.Connection, rows: Iterator[Row], octets: int) -> list[Row]:
    """Read rows, and make whole what is stored as a difference."""
    found: list[Row] = []
    for row in rows:
        before, after, difference = row[-3:]
        if difference is not None:
            after = _version_after(connection, row[1], row[0])
            before = differences.undo(after, difference)
            row = (*row[:-3], before, after, None)  # noqa: PLW2901 - the same row, whole
        elif before is None and after is None:
            raise DBError(f"the change {row[0]} has no entry", hint="the data file is damaged")
        found.append(row)
        octets -= len(before or b"") + len(after or b"")
        if octets <= 0:
            break
    return found


def change_of(vocabulary: Vocabulary, row: Row) -> Change:
    """Make a change of what was logged."""
    sequence, uuid, kind, origin, stored_at, old_dn, new_dn, before, after, _ = row
    entry = vocabulary.entry
    # To look it up takes a tenth of what the enumeration takes.
    provenance = Provenance(_ORIGINS[origin], sequence, stored_at)
    if after is None:
        return Deleted(entry(uuid, old_dn or new_dn or "", before or b""), provenance)
    if before is None:
        return Added(entry(uuid, new_dn or "", after), provenance)
    kind_of_change = Renamed if kind == RENAMED else Modified
    return kind_of_change(entry(uuid, old_dn or new_dn or "", before), entry(uuid, new_dn or "", after), provenance)


def _version_after(connection: sqlite3.Connection, uuid: bytes, sequence: int) -> bytes:
    """Make the attributes that an entry had after a change of which only the difference is stored."""
    until, version = connection.execute(_WHOLE, (uuid, sequence)).fetchone() or (_END, None)
    if version is None:
        (version,) = connection.execute(_NOW, (uuid,)).fetchone() or (None,)
    if version is None:
        raise DBError(f"nothing is left of what change {sequence} was about", hint="the data file is damaged")
    for (difference,) in connection.execute(_BETWEEN, (uuid, sequence, until)).fetchall():
        version = differences.undo(version, difference)
    return bytes(version)
