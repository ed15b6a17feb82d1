"""A refresh over a copy: what arrives is compared with what is here, and only the difference is staged.

A byte for each row of the copy remembers whether the server named it; everything else stands on disk, so memory does
not grow with the copy or with the difference.  The last message about an entry wins.

The staged difference holds whole entries, so that each pass over it reads them all: 60 ms for 100,000 entries.  So it
is remembered what cannot be among it, and nobody looks for that.
"""

from __future__ import annotations

from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from syncrepl_client.ldap import dn as names
from syncrepl_client.store import differences, lookup, staging
from syncrepl_client.store.brought import Brought
from syncrepl_client.store.delivery import Delivery, Some, apply_untold
from syncrepl_client.store.entries import children
from syncrepl_client.store.names import of_one_name, texts
from syncrepl_client.store.unknown import Unknown

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.store.base import Counts
    from syncrepl_client.store.database import Database
    from syncrepl_client.store.telling import Telling

__all__ = ["GONE", "Update"]

UNMENTIONED: Final = 0
SEEN: Final = 1
GONE: Final = 2
# Sent with all it has: its name is known, so it does not follow a parent that was renamed.
SENT: Final = 3

# How many new and renamed entries are staged in a transaction; see `staging` for the memory that it takes.
_AT_A_TIME: Final = 500

_SWEEP: Final = bytes((GONE, SEEN, GONE)) + bytes(range(3, 256))

_MAX_ID: Final = "SELECT coalesce(max(id), 0) FROM syncrepl_entry"
# A rename may have changed attributes too.
_NAMED: Final = "SELECT count(*) - count(entry), count(entry) FROM syncrepl_named"
_CHANGED: Final = "SELECT count(*) FROM syncrepl_changed"
_COUNT: Final = "SELECT count(*) FROM syncrepl_entry"
_FIND: Final = "SELECT id, dn, attrs FROM syncrepl_entry WHERE uuid = ?"
_FIND_ID: Final = "SELECT id FROM syncrepl_entry WHERE uuid = ?"
_NAME: Final = "SELECT uuid, dn FROM syncrepl_entry WHERE id = ?"
_STAGED: Final = """
    SELECT dn, attrs FROM syncrepl_named WHERE uuid = ?1
    UNION ALL SELECT e.dn, d.attrs FROM syncrepl_entry e JOIN syncrepl_changed d ON d.entry = e.id WHERE e.uuid = ?1
"""
_STAGE: Final = """
    INSERT INTO syncrepl_named (uuid, entry, old_key, new_key, dn, attrs) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (uuid) DO UPDATE SET
        entry = excluded.entry, old_key = excluded.old_key, new_key = excluded.new_key, dn = excluded.dn,
        attrs = excluded.attrs
"""
_STAGE_CHANGED: Final = "INSERT OR REPLACE INTO syncrepl_changed VALUES (?, ?)"
_KEPT_NAMES: Final = """
    SELECT id, uuid, dn FROM syncrepl_entry e
    WHERE key = ? AND NOT EXISTS (SELECT 1 FROM syncrepl_named WHERE uuid = e.uuid AND entry IS NOT NULL)
"""
_UNSTAGE: Final = "DELETE FROM syncrepl_named WHERE uuid = ?"
_UNSTAGE_CHANGED: Final = "DELETE FROM syncrepl_changed WHERE entry = ?"
_NEW: Final = "SELECT id, uuid, dn FROM syncrepl_named WHERE entry IS NULL AND id > ? ORDER BY id LIMIT 500"
_PLACED: Final = "SELECT new_key, id, dn FROM syncrepl_named WHERE id > ? ORDER BY id LIMIT 500"
# Few keys have more than one, if any.
_DOUBLES: Final = """
    SELECT new_key, uuid, dn FROM syncrepl_named WHERE new_key IN (
        SELECT new_key FROM syncrepl_named GROUP BY new_key HAVING count(*) > 1
    ) ORDER BY new_key
"""
_RENAMED: Final = """
    SELECT d.id, d.entry, e.dn, d.dn FROM syncrepl_named d JOIN syncrepl_entry e ON e.id = d.entry
    WHERE d.id > ? AND d.id <= ? ORDER BY d.id LIMIT 500
"""
_LAST_NAMED: Final = "SELECT coalesce(max(id), 0) FROM syncrepl_named"


class Update:
    """Stages a refresh over a copy.

    Args:
        database: the data file.
        brought: entries that take part in the refresh as if they were in the copy.
    """

    def __init__(self, database: Database, brought: Iterable[SentEntry] = ()) -> None:
        self._database = database
        self._brought = Brought(brought)
        with database.staging() as connection:
            staging.clear(connection)
            (last,) = connection.execute(_MAX_ID).fetchone()
            # UUIDs that were named as present but are not here.
            self.unknown = Unknown(connection)
        self._connection = database.connection
        # One byte for each row id of the copy: UNMENTIONED, SEEN, GONE or SENT.
        self.marks = bytearray(last + 1)
        # The names of entries that are gone, and somebody below them was sent.
        self._above_sent: set[str] = set()
        # A sweep also marks ids that no row has.
        self._swept = False
        # Whether anything is, or was.
        self._staged = False
        # Whether names of entries are that nobody sent.
        self._followed = False
        # What may be among what is staged.
        self._some = Some()
        self.received = 0

    # --- what the server said -----------------------------------------------------------------------------------------

    def sent(self, rows: list[SentEntry]) -> None:
        """Compare entries with the copy and stage those that differ."""
        marks = self.marks
        known = lookup.rows(self._connection, [uuid for uuid, _, _ in rows])
        # By UUID and by row, so that the last of two messages in one batch wins.
        named: dict[bytes, tuple[object, ...]] = {}
        changed: dict[int, bytearray] = {}
        again: list[tuple[bytes, int]] = []
        dns = texts([dn for _, dn, _ in rows])
        for name, (uuid, _, attrs) in zip(dns, rows, strict=True):
            found = known.get(uuid)
            if found is None:
                named[uuid] = (uuid, None, None, names.key(name), name, attrs)
                continue
            row, old_name, old_attrs = found
            if marks[row] == SENT or self._followed:
                again.append((uuid, row))
                named.pop(uuid, None)
                changed.pop(row, None)
            marks[row] = SENT
            if old_name != name:
                named[uuid] = (uuid, row, names.key(old_name), names.key(name), name, attrs)
            elif old_attrs != attrs:
                # See `lookup` for why it is a bytearray.
                changed[row] = bytearray(attrs)
                if not differences.are_small(old_attrs, attrs):
                    self._some.large = True
        self.received += len(rows)
        if changed or named or again:
            self._stage(named, changed, again)

    def _stage(
        self, named: dict[bytes, tuple[object, ...]], changed: dict[int, bytearray], again: list[tuple[bytes, int]]
    ) -> None:
        with self._database.staging() as connection:
            # What was said of them before counts no longer.
            self._unstage(connection, again)
            connection.executemany(_STAGE_CHANGED, changed.items())
            # Servers name what they are about to send in present phases too.
            self.unknown.discard(named)
        rows = list(named.values())
        for start in range(0, len(rows), _AT_A_TIME):
            with self._database.staging() as connection:
                self._name(connection, rows[start : start + _AT_A_TIME])
        self._staged = True

    @staticmethod
    def _unstage(connection: sqlite3.Connection, entries: Sequence[tuple[bytes, int]]) -> None:
        connection.executemany(_UNSTAGE, [(uuid,) for uuid, _ in entries])
        connection.executemany(_UNSTAGE_CHANGED, [(row,) for _, row in entries])

    def _name(self, connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
        """Stage entries that are new or renamed."""
        self._some.named = self._some.named or bool(rows)
        connection.executemany(_STAGE, rows)

    def present(self, uuids: tuple[bytes, ...]) -> None:
        """Mark entries that are unchanged."""
        marks = self.marks
        known = lookup.ids(self._connection, uuids)
        for row in known.values():
            if marks[row] != SENT:
                marks[row] = SEEN
        unknown = [uuid for uuid in uuids if uuid not in known] if len(known) < len(uuids) else []
        if self._staged:
            unknown = [uuid for uuid in unknown if self._staged_name(uuid) is None]
        if unknown:
            with self._database.staging():
                self.unknown.add(unknown)
        self.received += len(uuids)

    def deleted(self, uuids: tuple[bytes, ...]) -> None:
        """Mark entries that are gone; one that was never here is none of our business (log replays name many)."""
        self._brought.deleted(uuids)
        rows = []
        for uuid in uuids:
            found = self._connection.execute(_FIND_ID, (uuid,)).fetchone()
            if found:
                self.marks[found[0]] = GONE
                rows.append(found)
        if self._staged or self.unknown:
            with self._database.staging() as connection:
                connection.executemany(_UNSTAGE, ((uuid,) for uuid in uuids))
                connection.executemany(_UNSTAGE_CHANGED, rows)
                self.unknown.discard(uuids)

    def present_phase_ended(self) -> None:
        """Whatever was not named until here is gone (RFC 4533 section 3.3.1)."""
        self.marks = self.marks.translate(_SWEEP)
        self._swept = True
        self._brought.swept(self.unknown, self._staged_name)

    def still_there(self, uuids: Iterable[bytes]) -> None:
        """Take back that entries are gone."""
        for uuid in uuids:
            found = self._connection.execute(_FIND_ID, (uuid,)).fetchone()
            if found and self.marks[found[0]] == GONE:
                self.marks[found[0]] = SEEN

    # --- what follows from it -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Complete the difference by new names below entries that were renamed, and by what was brought."""
        with self._database.staging() as connection:
            last = 0
            (end,) = connection.execute(_LAST_NAMED).fetchone()
            while self._some.named and (rows := connection.execute(_RENAMED, (last, end)).fetchall()):
                last = rows[-1][0]
                for _, entry, old, new in rows:
                    # Who followed another one, before this is settled again, does so with that one.
                    if self.marks[entry] == SENT:
                        self._rename_below(connection, old, new)
            known = {uuid for uuid in self._brought if connection.execute(_FIND_ID, (uuid,)).fetchone()}
            brought = self._brought.settled(self.outcome, known)
            self.unknown.discard(uuid for uuid, _, _ in brought)
            self._name(connection, [(uuid, None, None, names.key(dn), dn, attrs) for uuid, dn, attrs in brought])
            for statement in staging.CREATE_INDEXES if self._some.named else ():
                connection.execute(statement)

    def _staged_as(self, uuid: bytes) -> tuple[str, bytes | None] | None:
        found: tuple[str, bytes | None] | None = self._connection.execute(_STAGED, (uuid,)).fetchone()
        return found

    def _staged_name(self, uuid: bytes) -> str | None:
        found = self._staged_as(uuid)
        return None if found is None else found[0]

    def _rename_below(self, connection: sqlite3.Connection, old: str, new: str) -> None:
        """Stage new names of unsent entries below a renamed one: servers tell of it alone (RFC 4533 section 4.1)."""
        for row, uuid, dn in children(connection, old):
            if self.marks[row] in {GONE, SENT}:
                continue
            renamed = names.rebase(dn, old, new)
            self._followed = True
            connection.execute(_STAGE, (uuid, row, names.key(dn), names.key(renamed), renamed, None))
            self._rename_below(connection, dn, renamed)

    # --- what the server did not say ----------------------------------------------------------------------------------

    def new_names(self) -> Iterator[tuple[bytes, str]]:
        """Iterate over UUIDs and names of entries that are not in the copy yet."""
        last = 0
        while self._some.named and (rows := self._connection.execute(_NEW, (last,)).fetchall()):
            last = rows[-1][0]
            yield from ((uuid, dn) for _, uuid, dn in rows)

    def orphans(self) -> Iterator[bytes]:
        """Iterate over UUIDs of entries below ones that are gone, which nobody told a new name for."""
        yield from self._brought.orphans(self.outcome)
        for _, dn in self.gone():
            for child, uuid, _ in children(self._connection, dn):
                if self.marks[child] == SENT:
                    self._above_sent.add(dn)
                elif self.marks[child] != GONE:
                    yield uuid

    def displaced(self) -> Iterator[bytes]:
        """Iterate over UUIDs of entries that are kept as they are, but whose name another one has now."""
        for key, _, dn in self._placed():
            yield from self._keepers(key, dn)

    def doubles(self) -> Iterator[bytes]:
        """Iterate over UUIDs of entries that are new or renamed, and were given the name of another one of these."""
        if not self._some.named:
            return
        for _, group in groupby(self._connection.execute(_DOUBLES), itemgetter(0)):
            yield from of_one_name((uuid, dn) for _, uuid, dn in group)

    def new_parents(self) -> Iterator[str]:
        """Iterate over the names above entries that are new or renamed, without those that the copy will hold.

        So are those of entries that are gone although somebody below them was sent, as `orphans` has found.
        """
        above: dict[int, str] = {}
        for parent in chain((names.parent(dn) for _, _, dn in self._placed()), self._above_sent):
            key = names.key(parent)
            if key not in above and parent and not self._keeps(parent):
                above[key] = parent
        if above:
            for key, _, dn in self._placed():
                if key in above and names.same(above[key], dn):
                    del above[key]
        yield from above.values()

    def _placed(self) -> Iterator[tuple[int, int, str]]:
        last = 0
        while self._some.named and (rows := self._connection.execute(_PLACED, (last,)).fetchall()):
            last = rows[-1][1]
            yield from rows

    def _keeps(self, dn: str) -> bool:
        """Tell whether the copy holds an entry of a name, and keeps it as it is."""
        return any(self._keepers(names.key(dn), dn))

    def _keepers(self, key: int, dn: str) -> Iterator[bytes]:
        found = self._connection.execute(_KEPT_NAMES, (key,)).fetchall()
        yield from (uuid for row, uuid, name in found if self.marks[row] != GONE and names.same(name, dn))

    def outcome(self, uuid: bytes) -> str | None:
        """Return the name that an entry will have, once the settled difference is applied; None if it will be gone."""
        staged = self._staged_name(uuid)
        if staged is not None:
            return staged
        found = self._connection.execute(_FIND, (uuid,)).fetchone()
        return None if found is None or self.marks[found[0]] == GONE else str(found[1])

    def result(self, uuid: bytes) -> tuple[str, bytes] | None:
        """Return the name and the attributes that an entry will have; see `outcome`."""
        name = self.outcome(uuid)
        if name is None:
            return None
        staged = self._staged_as(uuid)
        if staged is not None and staged[1] is not None:
            return name, staged[1]
        return name, self._connection.execute(_FIND, (uuid,)).fetchone()[2]

    # --- the end ------------------------------------------------------------------------------------------------------

    def entries(self) -> int:
        """Return the number of entries in the copy."""
        (count,) = self._connection.execute(_COUNT).fetchone()
        return int(count)

    def counts(self) -> Counts:
        """Count what the settled difference does."""
        added, renamed = self._connection.execute(_NAMED).fetchone()
        (modified,) = self._connection.execute(_CHANGED).fetchone()
        return {"added": added, "modified": modified, "renamed": renamed, "deleted": self.gone_count()}

    def gone_count(self) -> int:
        """Return how many entries of the copy are gone."""
        marked = self.marks.count(GONE)
        return marked - (len(self.marks) - self.entries()) if marked and self._swept else marked

    def gone(self) -> Iterator[tuple[bytes, str]]:
        """Iterate over UUIDs and names of the entries of the copy that are gone."""
        row = self.marks.find(GONE)
        while row >= 0:
            found = self._connection.execute(_NAME, (row,)).fetchone()
            if found:
                yield found
            row = self.marks.find(GONE, row + 1)

    def deliver(self, connection: sqlite3.Connection, telling: Telling) -> None:
        """Apply the difference, telling of each change: deletes, renames, changes, adds."""
        if telling.heard:
            Delivery(connection, telling, self.marks, self._some).run()
        else:
            apply_untold(connection, self.marks, self._some)
        staging.clear(connection)
        self.unknown.clear()
