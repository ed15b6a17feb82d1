"""What a data file holds of attributes that are redacted from now on: replaced, and the octets themselves erased.

The server is not needed for it, and nobody is told: nothing changed in the directory, and a change would show what it
was before.  Which rules a file was written under stands in a table of its own, which a file without redaction does not
have.

Facts about SQLite that shaped this module:

* What is overwritten or deleted stays readable in the file until its place is used again; with ``secure_delete`` it is
  zeroed, but not what was deleted before that was on.  ``VACUUM`` writes the whole file anew, and the checkpoint behind
  it cuts off the rest.
* The write-ahead log holds pages as they were, until a checkpoint that no reader hinders truncates it.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import UsageError
from syncrepl_client.log_fields import fields
from syncrepl_client.store import changelog

if TYPE_CHECKING:
    from syncrepl_client.redaction import Redaction
    from syncrepl_client.store.database import Database

__all__ = ["Erasure"]

_log = logging.getLogger("syncrepl_client.store")

_PAGE: Final = 500
_EXISTS: Final = "SELECT 1 FROM sqlite_master WHERE name = 'syncrepl_redaction'"
_CREATE: Final = "CREATE TABLE syncrepl_redaction (rules TEXT NOT NULL, erased INTEGER NOT NULL) STRICT"
_DROP: Final = "DROP TABLE IF EXISTS syncrepl_redaction"
_READ: Final = "SELECT rules, erased FROM syncrepl_redaction"
_STORE: Final = "INSERT INTO syncrepl_redaction VALUES (?, ?)"
_ERASED: Final = "UPDATE syncrepl_redaction SET erased = 1"
_HOLDS_ANYTHING: Final = "SELECT 1 FROM syncrepl_state WHERE fingerprint IS NOT NULL"
_ROWS: Final = "SELECT id, attrs FROM syncrepl_entry WHERE id > ? ORDER BY id LIMIT ?"
_REPLACE: Final = "UPDATE syncrepl_entry SET attrs = ? WHERE id = ?"
# Checksums of attribute lists.
_CLEAR: Final = "DELETE FROM syncrepl_marker"


class Erasure:
    """Keeps what is redacted out of a data file.

    Args:
        database: the data file.
        redaction: what is redacted; None for nothing.
    """

    def __init__(self, database: Database, redaction: Redaction | None) -> None:
        self._database = database
        self._redaction = redaction
        # Whether the file may still hold octets that it should not.
        self.pending = False

    def begin(self) -> None:
        """Bring the file under the rules: for whoever opens it, before anything of it is read.

        The changelog is emptied when they change, for it says what was there before.

        Raises:
            UsageError: the file was made under rules, and somebody has forgotten them.
        """
        redaction = self._redaction
        rules, erased = self._known()
        if redaction is None and rules is not None:
            raise UsageError(
                f"{self._database.path} was made under rules of redaction, and none are given now",
                hint="give the same rules; an empty Redaction() ends them, and everything is read in clear",
            )
        if not redaction:
            return
        if rules == redaction.fingerprint and erased:
            return
        self._database.connection.execute("PRAGMA secure_delete = ON")
        self.pending = self._database.connection.execute(_HOLDS_ANYTHING).fetchone() is not None
        if rules != redaction.fingerprint:
            with self._database.transaction() as connection:
                self._replace(connection, redaction)
                changelog.clear(connection)
                for statement in (_CLEAR, _DROP, _CREATE):
                    connection.execute(statement)
                connection.execute(_STORE, (redaction.fingerprint, not self.pending))
        self.finish()

    def _known(self) -> tuple[str | None, bool]:
        """Tell under which rules the file was written, and whether nothing older is in it."""
        connection = self._database.connection
        found = connection.execute(_READ).fetchone() if connection.execute(_EXISTS).fetchone() else None
        return (None, False) if found is None else (found[0], bool(found[1]))

    @staticmethod
    def _replace(connection: sqlite3.Connection, redaction: Redaction) -> None:
        """Redact the entries, whether the copy is whole or not."""
        last = 0
        while rows := connection.execute(_ROWS, (last, _PAGE)).fetchall():
            last = rows[-1][0]
            redacted = ((redaction.of(attrs, stored=True), row, attrs) for row, attrs in rows)
            connection.executemany(_REPLACE, [(new, row) for new, row, attrs in redacted if new != attrs])

    def finish(self) -> None:
        """Erase what is left in the free space of the file and in its log, if anything may be and nobody reads it."""
        if not self.pending:
            return
        connection = self._database.connection
        try:
            connection.execute("VACUUM")
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT:
                raise
            busy, reason = True, str(error)
        else:
            reason = "somebody reads it"
        if busy:
            extra = fields(what="not-erased-yet", path=str(self._database.path))
            _log.warning(
                "what was redacted stays in free space of %s for now: %s", self._database.path, reason, extra=extra
            )
            return
        with self._database.transaction():
            connection.execute(_ERASED)
        self.pending = False

    def forget(self, connection: sqlite3.Connection) -> None:
        """Take note, in a transaction, that another search begins: without redaction it may bring anything."""
        if not self._redaction:
            connection.execute(_DROP)
