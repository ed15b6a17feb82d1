"""PostgreSQL: a table that is kept equal to the directory, a table of events, or both; each event exactly once.

All of a batch is one transaction: what it changes, and how far the tables are then (`syncrepl_client.sinks.progress`).
So a batch that comes again, because nobody knows whether the last word was a commit, changes nothing.

Facts that shaped it:

* ``COPY`` takes two thirds of the server's time for the same rows, and asks it twice more, for it is no part of a
  pipeline; so it is for many rows.  It knows no ``ON CONFLICT``, nor policies for rows: what it does not take is tried
  as a statement.
* Arrays of JSON are slow to make: the rows of a statement are one JSON array.
* ``synchronous_commit = off`` confirms what a crash of the server loses.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg

from syncrepl_client.envelope.base import Kind, origin_of
from syncrepl_client.envelope.reading import Reading, is_json, read
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.sinks.addresses import Address
from syncrepl_client.sinks.halves import BatchRejected, send_in_halves
from syncrepl_client.sinks.postgresql_connection import (
    Connection,
    Patience,
    connect,
    encryption,
    is_about_the_table,
    is_about_what_was_sent,
    place,
    said,
    unavailable,
)
from syncrepl_client.sinks.postgresql_tables import Copy, Offsets, Table, checked, quoted
from syncrepl_client.sinks.progress import End, Ledger, NoSnapshot, Note, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg.rows import TupleRow

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.secret import Secret
    from syncrepl_client.sinks.postgresql_tables import Statement

__all__ = ["PostgreSQLSink"]

_SCHEMES: Final = {"postgresql": True, "postgres": True}
_PORTS: Final = {"postgresql": 5432, "postgres": 5432}
# From here on a copy takes less time than a statement, where the server is in the same building.
_COPIED: Final = 100
# To delete what a snapshot had not takes longer than a batch.
_SWEEP_TIMES: Final = 60

_PREPARE: Final = b"""
    SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
        set_config('synchronous_commit', CASE setting WHEN 'off' THEN 'on' ELSE setting END, true)
    FROM current_setting('synchronous_commit') AS setting
"""
_SET_TIMEOUT: Final = b"SELECT set_config('statement_timeout', %s, true)"
# One at a time for each table and source, also where the process before was killed and its server has not noticed.
_LOCK: Final = b"SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name"
_FIND: Final = b"""
    SELECT name, relpersistence FROM unnest(%s::text[]) AS name LEFT JOIN pg_class ON pg_class.oid = to_regclass(name)
"""


class PostgreSQLSink:
    """Writes entries to one table, events to another, or both.

    Args:
        url: ``postgresql://user@host:port/database``; a folder with a socket in it is a host, percent-encoded.
        table: the table of entries, which is kept equal to the directory; of one source; may have the field
            ``{source}``, and a schema before it.
        events: the table of events; the same.
        offsets: the table that says how far these are; the name of another one has ``_note`` after it.
        create: whether to make tables that are missing.
        user: who to be, if the URL does not say so.
        password: of the user; None for a server that wants none, or what libpq finds in its password file.
        ca_file: who may have issued the server's certificate; None for whomever the system trusts.
        cert_file: the certificate of the user, if the server wants one.
        key_file: its key.
        cleartext: whether the connection to another machine may do without TLS.
        timeout: how many seconds to wait for the server at a time.
        source: the name of the source.

    Raises:
        UsageError: the address or the name of a table is none, or there is no table.
    """

    def __init__(
        self,
        url: str,
        *,
        table: str | None = None,
        events: str | None = None,
        offsets: str = "syncrepl_offset",
        create: bool = False,
        user: str | None = None,
        password: Secret | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        cleartext: bool = False,
        timeout: float = 10.0,
        source: str = "directory",
    ) -> None:
        address = Address.parse(url, _SCHEMES, _PORTS, cleartext=cleartext)
        self._where = str(address)
        self._source = source
        self._offsets = Offsets(checked(offsets, source, "table of offsets"))
        self._tables = [
            Table(checked(name, source, what), entries, self._offsets)
            for name, what, entries in ((table, "table", True), (events, "table of events", False))
            if name is not None
        ]
        if not self._tables:
            raise UsageError("there is no table to write to", hint="give table, events or both")
        if len({self._offsets.name, *(one.name for one in self._tables)}) <= len(self._tables):
            raise UsageError("one table is given twice", hint="give each another name")
        entries = [one.name for one in self._tables if one.entries]
        self.alone_at = f"the table {entries[0]} at {address}{address.path}" if entries else None
        """What no other sink may write to; see `Sink`."""
        self._create = create
        self._timeout = timeout
        self._password = password
        self._parameters = {
            **place(address, user),
            **encryption(address, ca_file, cert_file, key_file, cleartext=cleartext),
        }
        self._connection: Connection | None = None
        self._patience = Patience(self._where, timeout)

    # --- the connection -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and look for the tables."""
        self._connection = connect(self._where, self._parameters, self._password, self._timeout)
        self._connection.patience = self._patience
        try:
            self._look_for_tables(self._connection)
        except psycopg.Error as error:
            raise unavailable(self._where, error) from error

    def _look_for_tables(self, connection: Connection) -> None:
        wanted = self._offsets.create()
        for table in self._tables:
            wanted |= table.create()
        self._prepare(connection, [self._offsets.name])
        found: dict[str, str | None] = dict(connection.execute(_FIND, (list(wanted),)).fetchall())
        missing = [name for name in wanted if found[name] is None]
        unlogged = [name for name, kind in found.items() if kind == "u"]
        if unlogged:
            raise SinkUnavailable(
                f"the table {unlogged[0]} is unlogged: a crash of the server empties it",
                hint=f"ALTER TABLE {unlogged[0]} SET LOGGED",
            )
        if missing and not self._create:
            raise SinkUnavailable(
                f"{self._where} has no table {', '.join(missing)}",
                hint="let create=True make it, or make it: "
                + "; ".join(one for name in missing for one in wanted[name]),
            )
        if quoted(self._offsets.name) not in missing:
            self._compare(connection, missing)
        for name in missing:
            for statement in wanted[name]:
                connection.execute(statement.encode())
        connection.commit()

    def _compare(self, connection: Connection, missing: list[str]) -> None:
        """Make sure that the table of entries is as the offsets say."""
        for table in self._tables:
            if not table.entries:
                continue
            rows = connection.execute(*self._offsets.known([table.name])).fetchall()
            self._check_source(rows, {table.name})
            if rows and quoted(table.name) in missing:
                raise SinkUnavailable(
                    f"the table {table.name} is gone, and is known to hold what came up to change {rows[-1][3]}",
                    hint=f"delete the rows of {self._offsets.name} whose target is {table.name}, "
                    "and let the subscription begin again with a snapshot",
                )

    def _check_source(self, rows: Sequence[TupleRow], entries: set[str]) -> None:
        others = {source for target, _, source, *_ in rows if target in entries and source != self._source}
        if others:
            raise UsageError(
                f"the table {', '.join(entries)} is that of the source {', '.join(others)}, not of {self._source}",
                hint="give each source a table of its own, such as table = 'people_{source}'",
            )

    def _prepare(self, connection: Connection, locks: Sequence[str]) -> None:
        """Begin a transaction of one process at a time."""
        self._patience.allow()
        names = [f"syncrepl {self._source} {name}" for name in locks]
        connection.execute(_PREPARE, (self._patience.milliseconds(), self._patience.milliseconds(0.5)))
        connection.execute(_LOCK, (names,))

    # --- events -------------------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Event]) -> None:
        """Write events and how far that is, in one transaction; see `Sink.publish`.

        A tombstone says nothing to tables, nor does a heartbeat; they are left out.
        """
        events = [event for event in batch if event.body is not None and event.kind is not Kind.HEARTBEAT]
        try:
            if events:
                send_in_halves(events, self._write)
        except EventRejected as error:
            # Those before it are in, and those after it may be when it comes again.
            self._refuse(error.event)
            raise

    def _write(self, events: Sequence[Event]) -> None:
        if len(events) >= _COPIED and not all(table.entries for table in self._tables):
            # What is refused may be there already, or only not for copying.
            with suppress(BatchRejected):
                return self._store(events, copies=True)
        return self._store(events, copies=False)

    def _store(self, events: Sequence[Event], *, copies: bool) -> None:
        """Do all of a batch in one transaction.

        Raises:
            BatchRejected: an event is refused, or copying.
        """
        connection = self._opened()
        try:
            with connection.pipeline():
                self._prepare(connection, [table.name for table in self._tables])
                known = connection.execute(*self._offsets.known([table.name for table in self._tables]))
                # While the server looks.
                readings = {event.id: self._reading(event) for event in events}
                planned = self._plan(connection, known.fetchall(), events, readings, copies=copies)
                if not copies:
                    _execute(connection, planned)
                    connection.commit()
            if copies:
                _execute(connection, planned)
                connection.commit()
        except BatchRejected:
            connection.rollback()
            raise
        except psycopg.Error as error:
            if not (is_about_what_was_sent(error) or (copies and is_about_the_table(error))):
                raise unavailable(self._where, error) from error
            connection.rollback()
            raise BatchRejected(said(error)) from error

    def _plan(
        self,
        connection: Connection,
        known: Sequence[TupleRow],
        events: Sequence[Event],
        readings: dict[str, Reading],
        *,
        copies: bool,
    ) -> list[Statement | Copy]:
        """Return what is to be done, by how far the tables are."""
        self._check_source(known, {table.name for table in self._tables if table.entries})
        notes: list[TupleRow] = []
        if not known or any(has_notes for *_, has_notes in known):
            notes = connection.execute(*self._offsets.noted([table.name for table in self._tables], events)).fetchall()
        self._patience.allow()
        planned: list[Statement | Copy] = []
        for table in self._tables:
            before = {row[1]: Progress(*row[3:5]) for row in known if row[0] == table.name}
            ledger = Ledger(before, [Note(*row[1:]) for row in notes if row[0] == table.name], entries=table.entries)
            self._add(ledger, table, events)
            if table.entries and any(isinstance(step, End) for step in ledger.steps):
                self._patience.allow(_SWEEP_TIMES)
                planned.append((_SET_TIMEOUT, (self._patience.milliseconds(_SWEEP_TIMES),)))
            if ledger.settled:
                planned.append(self._offsets.settle(table.name, ledger.settled))
            for step in ledger.steps:
                planned += table.statements(step, readings, copies=copies)
            moved = [one for one in ledger.progress.items() if before.get(one[0]) != one[1]]
            planned += [self._offsets.move(table.name, self._source, *one) for one in moved]
        return planned

    def _add(self, ledger: Ledger, table: Table, events: Sequence[Event]) -> None:
        try:
            for event in events:
                ledger.add(event)
        except NoSnapshot:
            raise SinkUnavailable(
                f"the table {table.name} holds the entries of another data file, and no snapshot of this one has come",
                hint="let the subscription begin again with a snapshot: entries that are gone can then be told",
            ) from None

    def _reading(self, event: Event) -> Reading:
        """Return what an event says.

        Raises:
            BatchRejected: nothing that the tables can hold.
        """
        try:
            return read(event)
        except ValueError as error:
            if any(table.entries for table in self._tables):
                raise BatchRejected(str(error)) from None
        if not is_json(event.body or b""):
            raise BatchRejected("its body is not JSON")
        return Reading(None, None, None)

    def _refuse(self, event: Event) -> None:
        """Remember that an event is not in."""
        connection = self._opened()
        try:
            with connection.pipeline():
                self._prepare(connection, [table.name for table in self._tables])
                for table in self._tables:
                    connection.execute(*self._offsets.note(table.name, origin_of(event), [event], taken=False))
                connection.commit()
        except psycopg.Error as error:
            raise unavailable(self._where, error) from error

    def _opened(self) -> Connection:
        if self._connection is None:
            raise SinkUnavailable(f"nothing was sent to {self._where}: the sink is not open")
        return self._connection

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; what is not committed is undone."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def stop(self) -> None:
        """Let a wait for the server end."""
        self._patience.stop()


def _execute(connection: Connection, planned: Iterable[Statement | Copy]) -> None:
    for one in planned:
        if isinstance(one, Copy):
            with connection.cursor().copy(one.sql) as copy:
                for rows in one.rows:
                    copy.write(rows)
        else:
            connection.execute(*one)
