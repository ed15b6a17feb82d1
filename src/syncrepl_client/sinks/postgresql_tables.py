"""The tables of PostgreSQL that a sink writes to, and what is said to the server about them; nothing here says it.

Names are quoted, so they are as they were written; they consist of letters, digits and ``_``, and need no escapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from syncrepl_client.exceptions import UsageError
from syncrepl_client.sinks.progress import Begin, End, Take
from syncrepl_client.sinks.templates import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.envelope.reading import Reading
    from syncrepl_client.sinks.progress import Progress, Step

__all__ = ["Copy", "Offsets", "Statement", "Table", "checked", "quoted"]

Statement = tuple[bytes, tuple[Any, ...]]
"""What to execute, and its parameters."""


class Copy(NamedTuple):
    """Rows for ``COPY``.

    Args:
        sql: the statement.
        rows: what follows it, in the text format; several at a time.
    """

    sql: bytes
    rows: Iterable[bytes]


# How many rows of a copy are sent at once.
_TOGETHER: Final = 100
# PostgreSQL cuts off longer names without a word.
_LONGEST: Final = 63

_CREATE_ENTRIES: Final = """\
CREATE TABLE {table} (uuid uuid PRIMARY KEY, dn text NOT NULL, attributes jsonb NOT NULL, sequence bigint NOT NULL, \
time timestamptz)"""
_CREATE_EVENTS: Final = """\
CREATE TABLE {table} (position bigint GENERATED ALWAYS AS IDENTITY UNIQUE, id text PRIMARY KEY, \
sequence bigint NOT NULL, key text NOT NULL, kind text NOT NULL, dn text NOT NULL, time timestamptz, \
headers jsonb NOT NULL, body jsonb NOT NULL)"""
_CREATE_OFFSETS: Final = """\
CREATE TABLE {offsets} (target text, origin text, source text NOT NULL, sequence bigint NOT NULL, \
loading boolean NOT NULL, begun_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (target, origin))"""
_CREATE_NOTES: Final = """\
CREATE TABLE {notes} (target text, id text, origin text NOT NULL, key text NOT NULL, sequence bigint NOT NULL, \
taken boolean NOT NULL, PRIMARY KEY (target, id))"""
_INDEX_NOTES: Final = "CREATE INDEX ON {notes} (target, key) WHERE NOT taken"

# An entry that is as it was stays untouched, so that no trigger runs.
_UPSERT: Final = """
    INSERT INTO {table} AS old (uuid, dn, attributes, sequence, time)
    SELECT * FROM jsonb_to_recordset(%s::jsonb)
        AS new (uuid uuid, dn text, attributes jsonb, sequence bigint, time timestamptz)
    ON CONFLICT (uuid) DO UPDATE SET dn = excluded.dn, attributes = excluded.attributes,
        sequence = excluded.sequence, time = excluded.time
    WHERE (old.dn, old.attributes) IS DISTINCT FROM (excluded.dn, excluded.attributes)
"""
_DELETE: Final = "DELETE FROM {table} WHERE uuid = ANY (%s::uuid[])"
# Of an entry that was refused nobody knows that it is gone.
_SWEEP: Final = """
    DELETE FROM {table} AS old
    WHERE NOT EXISTS (SELECT FROM {notes} WHERE target = %s AND origin = %s AND key = old.uuid::text)
"""
_INSERT: Final = """
    INSERT INTO {table} (id, sequence, key, kind, dn, time, headers, body)
    SELECT * FROM jsonb_to_recordset(%s::jsonb)
        AS new (id text, sequence bigint, key text, kind text, dn text, time timestamptz, headers jsonb, body jsonb)
    ON CONFLICT (id) DO NOTHING
"""

_COPY: Final = "COPY {table} (id, sequence, key, kind, dn, time, headers, body) FROM STDIN"

_KNOWN: Final = """
    SELECT target, origin, source, sequence, loading, EXISTS (SELECT FROM {notes} WHERE target = known.target)
    FROM {offsets} AS known WHERE target = ANY (%s) ORDER BY begun_at
"""
_NOTED: Final = """
    SELECT target, id, key, sequence, taken FROM {notes}
    WHERE target = ANY (%s) AND (id = ANY (%s) OR (NOT taken AND key = ANY (%s)))
"""
_NOTE: Final = """
    INSERT INTO {notes} (target, id, origin, key, sequence, taken)
    SELECT %s, id, %s, key, %s, %s FROM unnest(%s::text[], %s::text[]) AS new (id, key)
    ON CONFLICT (target, id) DO UPDATE SET taken = excluded.taken
"""
_SETTLE: Final = "DELETE FROM {notes} WHERE target = %s AND id = ANY (%s)"
_FORGET_ALL: Final = "DELETE FROM {notes} WHERE target = %s"
_FORGET_TAKEN: Final = "DELETE FROM {notes} WHERE target = %s AND origin = %s AND taken"
_BEGIN: Final = "UPDATE {offsets} SET begun_at = clock_timestamp() WHERE target = %s AND origin = %s"
_MOVE: Final = """
    INSERT INTO {offsets} (target, origin, source, sequence, loading) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (target, origin) DO UPDATE SET source = excluded.source, sequence = excluded.sequence,
        loading = excluded.loading
"""


class _EntryRow(msgspec.Struct, frozen=True):
    uuid: str
    dn: str
    attributes: msgspec.Raw
    sequence: int
    time: datetime | None


class _EventRow(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    key: str
    kind: str
    dn: str
    time: datetime | None
    headers: dict[str, str]
    body: msgspec.Raw


_NULL: Final = rb"\N"
_encode: Final = msgspec.json.Encoder().encode


def quoted(name: str) -> str:
    """Return the name of a table, which may have that of its schema before it, as SQL has it."""
    return ".".join(f'"{part}"' for part in name.split("."))


def checked(name: str, source: str, what: str) -> str:
    """Return the name of a table.

    Args:
        name: a template with no field but ``{source}``.
        source: the name of the source.
        what: the table, for errors.

    Raises:
        UsageError: it can be none.
    """
    made = Template(name, source=source, what=what, allowed="0-9A-Za-z_.", longest=2 * _LONGEST + 1).constant
    if made is None:
        raise UsageError(f"the {what} {name!r} is not one for all events", hint="use no field but {source}")
    parts = made.split(".")
    if len(parts) > 2 or not all(0 < len(part) <= _LONGEST for part in parts):  # noqa: PLR2004 - schema and table
        raise UsageError(
            f"{name!r} cannot be a {what}", hint=f"write table or schema.table, each of at most {_LONGEST} characters"
        )
    return made


@dataclass(frozen=True, slots=True)
class Offsets:
    """The two tables that say how far the others are.

    Args:
        name: of the first; the other one has ``_note`` after it.
    """

    name: str

    def sql(self, text: str) -> bytes:
        """Return SQL with the names of these tables in it."""
        return text.format(offsets=quoted(self.name), notes=quoted(f"{self.name}_note"), table="{table}").encode()

    def create(self) -> dict[str, list[str]]:
        """Return what makes each of them, by its quoted name."""
        return {
            quoted(self.name): [self.sql(_CREATE_OFFSETS).decode()],
            quoted(f"{self.name}_note"): [self.sql(_CREATE_NOTES).decode(), self.sql(_INDEX_NOTES).decode()],
        }

    def known(self, targets: list[str]) -> Statement:
        """Ask how far tables are: target, origin, source, sequence, loading, and whether there are notes.

        The newest origin of each comes last.
        """
        return self.sql(_KNOWN), (targets,)

    def noted(self, targets: list[str], events: Iterable[Event]) -> Statement:
        """Ask for the notes about events and about refused ones of the same entries; see `Note`."""
        ids, keys = [event.id for event in events], list({event.key for event in events})
        return self.sql(_NOTED), (targets, ids, keys)

    def note(self, target: str, origin_id: str, events: list[Event], *, taken: bool) -> Statement:
        """Note events of one number."""
        return self.sql(_NOTE), (
            target,
            origin_id,
            events[0].sequence,
            taken,
            [event.id for event in events],
            [event.key for event in events],
        )

    def settle(self, target: str, ids: list[str]) -> Statement:
        """Forget notes."""
        return self.sql(_SETTLE), (target, ids)

    def move(self, target: str, source: str, origin_id: str, progress: Progress) -> Statement:
        """Store how far a table is."""
        return self.sql(_MOVE), (target, origin_id, source, *progress)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is written to.

    Args:
        name: its name, under which `offsets` know it.
        entries: whether its rows are entries, and not events.
        offsets: how far it is.
    """

    name: str
    entries: bool
    offsets: Offsets

    def create(self) -> dict[str, list[str]]:
        """Return what makes it, by its quoted name."""
        text = _CREATE_ENTRIES if self.entries else _CREATE_EVENTS
        return {quoted(self.name): [text.format(table=quoted(self.name))]}

    def _sql(self, text: str) -> bytes:
        return self.offsets.sql(text).replace(b"{table}", quoted(self.name).encode())

    def statements(self, step: Step, readings: Mapping[str, Reading], *, copies: bool) -> list[Statement | Copy]:
        """Return what to execute for a step.

        Args:
            step: what to do.
            readings: what each event says, by its id.
            copies: whether events may be copied: none of them must be there then.
        """
        match step:
            case Begin(origin_id):
                begin = self._sql(_BEGIN), (self.name, origin_id)
                if self.entries:
                    return [begin, (self._sql(_FORGET_ALL), (self.name,))]
                return [begin, (self._sql(_FORGET_TAKEN), (self.name, origin_id))]
            case Take(origin_id, events, loading):
                made: list[Statement | Copy]
                if self.entries:
                    made = [*self._entries(events, readings)]
                else:
                    made = [self._copy(events, readings) if copies else self._events(events, readings)]
                return [*made, self.offsets.note(self.name, origin_id, events, taken=True)] if loading else made
            case End(origin_id):
                forget = self._sql(_FORGET_TAKEN), (self.name, origin_id)
                return [(self._sql(_SWEEP), (self.name, origin_id)), forget] if self.entries else [forget]

    def _entries(self, events: list[Event], readings: Mapping[str, Reading]) -> list[Statement]:
        """Make the rows what the last event of each entry says."""
        kept: list[_EntryRow] = []
        gone: list[str] = []
        for key, event in {event.key: event for event in events}.items():
            _, after, time = readings[event.id]
            if after is None:
                gone.append(key)
            else:
                kept.append(_EntryRow(key, after.dn, after.attributes, event.sequence, time))
        made: list[Statement] = [(self._sql(_DELETE), (gone,))] if gone else []
        return [*made, (self._sql(_UPSERT), (_encode(kept).decode(),))] if kept else made

    def _copy(self, events: list[Event], readings: Mapping[str, Reading]) -> Copy:
        # The server takes in some while the next are made.
        pieces = (
            b"".join(_row(event, readings[event.id]) for event in events[start : start + _TOGETHER])
            for start in range(0, len(events), _TOGETHER)
        )
        return Copy(self._sql(_COPY), pieces)

    def _events(self, events: list[Event], readings: Mapping[str, Reading]) -> Statement:
        rows = [
            _EventRow(
                event.id,
                event.sequence,
                event.key,
                event.kind,
                event.dn,
                readings[event.id].time,
                dict(event.headers),
                msgspec.Raw(event.body or b""),
            )
            for event in events
        ]
        return self._sql(_INSERT), (_encode(rows).decode(),)


def _row(event: Event, reading: Reading) -> bytes:
    """Return an event as a row for ``COPY``; in octets, for to look for something in text takes ten times as long."""
    return b"%b\t%d\t%b\t%b\t%b\t%b\t%b\t%b\n" % (
        _cell(event.id.encode()),
        event.sequence,
        event.key.encode(),
        event.kind.encode(),
        _cell(event.dn.encode()),
        _NULL if reading.time is None else _encode(reading.time)[1:-1],
        _cell(_encode(dict(event.headers))) if event.headers else b"{}",
        _cell(event.body or b""),
    )


def _cell(octets: bytes) -> bytes:
    """Return octets as they stand in a row for ``COPY``."""
    return octets.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
