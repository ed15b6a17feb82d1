"""The store: the durable copy of one search, its cookie, and the transactions that change both.

The cookie is saved in the transaction that saves what it covers, so it may lag the data and never leads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DBError, Interrupted
from syncrepl_client.model import Origin
from syncrepl_client.store import changelog, held, tables, vocabulary
from syncrepl_client.store.database import Database
from syncrepl_client.store.entries import Entries
from syncrepl_client.store.erasure import Erasure
from syncrepl_client.store.keeping import Keeping
from syncrepl_client.store.live import LiveBatch, deleted_in_bulk, doubts_about
from syncrepl_client.store.loading import FirstLoad
from syncrepl_client.store.position import Position
from syncrepl_client.store.refresh import Update
from syncrepl_client.store.telling import Telling
from syncrepl_client.store.vocabulary import Vocabulary

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.ldap.attributes import Attributes
    from syncrepl_client.ldap.schema import Schema
    from syncrepl_client.redaction import Redaction
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.held import Held
    from syncrepl_client.store.live import Doubts
    from syncrepl_client.store.retention import Retention

__all__ = ["Ending", "State", "Store"]

_WITNESSES: Final = 3
_READ: Final = "SELECT url, fingerprint, cookie, visible, dialect, listener FROM syncrepl_state"
_SET_SEARCH: Final = "UPDATE syncrepl_state SET url = ?, fingerprint = ?"
_SET_LISTENER: Final = "UPDATE syncrepl_state SET listener = ?"
_SET_COOKIE: Final = "UPDATE syncrepl_state SET cookie = ?"
_SET_WHOLE: Final = """
    UPDATE syncrepl_state
    SET visible = 1, fingerprint = ?, dialect = coalesce(?, dialect), cookie = coalesce(?, cookie)
"""
_FORGET: Final = "UPDATE syncrepl_state SET cookie = NULL"
_ROW: Final = "SELECT dn, attrs FROM syncrepl_entry WHERE uuid = ?"
_ASKED_FOR: Final = "SELECT 1 FROM syncrepl_request LIMIT 1"
_SOME: Final = "SELECT uuid FROM syncrepl_entry ORDER BY id DESC LIMIT ?"
_CLEAR: Final = "DELETE FROM syncrepl_entry"


@dataclass(frozen=True, slots=True)
class State:
    """What the data file says of itself.

    `whole` tells whether it holds a copy; `fingerprint` stands for all parameters that `cookie` belongs to, `dialect`
    for the kind of server that gave it; `listener` is who was told of the changes so far, None if nobody was.
    """

    url: str | None
    fingerprint: str | None
    cookie: bytes | None
    whole: bool
    dialect: str | None
    listener: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """What is stored at the end of a refresh, besides its entries.

    `cookie` is None to keep the former one, unless it shall be forgotten.
    """

    fingerprint: str
    cookie: bytes | None = None
    dialect: str | None = None
    forget: bool = False
    origin: Origin = Origin.REFRESH


class Store:
    """The data file of one consumer.

    Args:
        path: the data file.
        stopping: tells whether a stop was asked for.
        retention: how long the changelog is kept; None for no changelog, and nothing of it is written.
        redaction: what becomes of attributes of which nothing may be in the file; None for nothing.

    Raises:
        DatabaseInUse: another consumer owns the file.
        DBError: the file cannot be opened, or is not ours.
    """

    def __init__(
        self,
        path: Path,
        stopping: Callable[[], bool],
        *,
        retention: Retention | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        self.database = Database(path, stopping)
        self._vocabulary = Vocabulary(self.database.connection)
        self.entries = Entries(self._vocabulary)
        self.log = Keeping(self.database, retention)
        self._erasure = Erasure(self.database, redaction)
        try:
            if not self.state().whole:
                self._drop_unfinished()
            with self.working():
                self._erasure.begin()
            self.log.open()
        except BaseException:
            self.database.close()
            raise

    def _drop_unfinished(self) -> None:
        """Throw away what a first load that did not end has left."""
        connection = self.database.connection
        if connection.execute("SELECT 1 FROM syncrepl_entry LIMIT 1").fetchone():
            with self.database.transaction(durable=False):
                for statement in (*tables.DROP_INDEXES, _CLEAR):
                    connection.execute(statement)

    @property
    def in_callback(self) -> bool:
        """Whether a callback is running."""
        return self.database.in_callback

    def working(self) -> AbstractContextManager[None]:
        """Run a step; see `Database.working`."""
        return self.database.working()

    def close(self) -> None:
        """Close the data file."""
        try:
            if self._erasure.pending:
                with self.working():
                    self._erasure.finish()
        except (Interrupted, DBError):
            # Who opens the file next goes on with it, if it is still there.
            pass
        finally:
            self.database.close()

    def state(self) -> State:
        """Read what the file says of itself."""
        url, fingerprint, cookie, visible, dialect, listener = self.database.connection.execute(_READ).fetchone()
        return State(url, fingerprint, cookie, bool(visible), dialect, listener)

    def set_search(self, url: str, fingerprint: str) -> None:
        """Remember which search the copy is of; a cookie of other parameters is forgotten."""
        state = self.state()
        if (url, fingerprint) == (state.url, state.fingerprint):
            return
        with self.database.transaction() as connection:
            connection.execute(_SET_SEARCH, (url, fingerprint))
            if fingerprint != state.fingerprint:
                connection.execute(_FORGET)
                self._erasure.forget(connection)

    def set_listener(self, listener: str) -> None:
        """Remember who is told of the changes."""
        if listener != self.state().listener:
            with self.database.transaction() as connection:
                connection.execute(_SET_LISTENER, (listener,))

    @property
    def schema(self) -> Schema:
        """The server's schema, as it is stored."""
        return self._vocabulary.schema

    def subschema(self) -> tuple[str, Attributes] | None:
        """Return the name and the attributes of the subschema subentry that is stored; None if none is."""
        return vocabulary.stored(self.database.connection)

    def set_subschema(self, subentry: str, attributes: Attributes) -> None:
        """Store the server's schema; entries are read by it from here on."""
        with self.database.transaction() as connection:
            vocabulary.store(connection, subentry, attributes)
        self._vocabulary.look()

    # --- refresh ------------------------------------------------------------------------------------------------------

    def begin_refresh(self, listener: Listener | None, brought: Iterable[SentEntry] = ()) -> FirstLoad | Update:
        """Begin to stage a refresh.

        Args:
            listener: who will be told of the changes.
            brought: entries that take part in it as if they were in the copy; see `brought`.
        """
        if self.state().whole:
            return Update(self.database, brought)
        return FirstLoad(self.database, ordered=_told_of_changes(listener) is not None)

    def finish_refresh(
        self,
        staged: FirstLoad | Update,
        end: Ending,
        listener: Listener | None,
    ) -> int:
        """Apply a staged refresh whole, tell of it, and make it durable with its cookie.

        Returns:
            How many entries changed in their octets and not in their values, as far as anybody has looked.
        """
        cookie = end.cookie
        with self.database.transaction() as connection:
            former = self.state()
            silent = self._deliver(connection, staged, end.origin, _told_of_changes(listener))
            connection.execute(_SET_WHOLE, (end.fingerprint, end.dialect, cookie))
            another = None not in {former.dialect, end.dialect} and former.dialect != end.dialect
            if end.forget or (cookie is None and another):
                # A cookie of another kind of server covers nothing of what came now.
                connection.execute(_FORGET)
            held.settled(connection, end.origin)
            if listener is not None:
                if cookie is not None and cookie != former.cookie:
                    with self.database.guarded():
                        listener.cookie(cookie)
                with self.database.guarded():
                    listener.refresh_done(self.entries, connection.cursor())
        self._erasure.finish()
        self.database.log_large_wal()
        self.log.hurry()
        self.log.tidy()
        return silent

    def _deliver(
        self, connection: sqlite3.Connection, staged: FirstLoad | Update, origin: Origin, listener: Listener | None
    ) -> int:
        if isinstance(staged, FirstLoad):
            staged.deliver(connection, listener, self.log.loaded(connection), self._vocabulary.entry)
            return 0
        log = self.log.appending(connection)
        telling = Telling(self.database, listener, log, origin, self._vocabulary)
        staged.deliver(connection, telling)
        if log is not None:
            log.finish()
        return telling.silent

    @property
    def whole(self) -> bool:
        """Whether there is a copy."""
        return changelog.extent(self.database.connection).whole

    def end_of_log(self) -> Position:
        """Return the position of who has all that is here."""
        return Position(changelog.extent(self.database.connection).sequence)

    def some_uuids(self, *, exclude: set[bytes]) -> list[bytes]:
        """Return the UUIDs of a few entries of the copy that are not among `exclude`."""
        found = self.database.connection.execute(_SOME, (_WITNESSES + len(exclude),))
        return [uuid for (uuid,) in found if uuid not in exclude][:_WITNESSES]

    def row(self, uuid: bytes) -> tuple[str, bytes] | None:
        """Return name and attributes of an entry of the copy; None if it is not there."""
        found: tuple[str, bytes] | None = self.database.connection.execute(_ROW, (uuid,)).fetchone()
        return found

    def name_of(self, uuid: bytes) -> str | None:
        """Return the name of an entry of the copy; None if it is not there."""
        found = self.row(uuid)
        return None if found is None else found[0]

    # --- persist ------------------------------------------------------------------------------------------------------

    def doubts_about(self, events: Sequence[Event]) -> list[Doubts]:
        """Find what each event of a batch of the persist stage leaves open; see `live.doubts_about`."""
        return doubts_about(self.database.connection, events)

    def deleted_in_bulk(self, events: Iterable[Event], in_content: Callable[[str], bool]) -> int:
        """Count what a batch of the persist stage would delete in bulk; see `live.deleted_in_bulk`."""
        return deleted_in_bulk(self.database.connection, events, in_content)

    def apply(self, events: Iterable[Event], listener: Listener | None, in_content: Callable[[str], bool]) -> bool:
        """Apply a batch of the persist stage in one transaction.

        Returns:
            Whether all of it was applied; see `LiveBatch.apply`.
        """
        with self.database.transaction() as connection:
            log = self.log.appending(connection)
            telling = Telling(self.database, _told_of_changes(listener), log, Origin.PERSIST, self._vocabulary)
            batch = LiveBatch(connection, telling, in_content)
            complete = batch.apply(events)
            if log is not None:
                log.finish()
            if batch.received is not None:
                cookie = batch.received.cookie
                if listener is not None and cookie is not None:
                    with self.database.guarded():
                        listener.cookie(cookie)
                connection.execute(_SET_COOKIE, (cookie,))
        return complete

    # --- what is held, and what others ask for ------------------------------------------------------------------------

    def held(self) -> Held | None:
        """Tell of the refresh that is held; None if none is."""
        return held.read(self.database.connection)

    def not_approved(self, staged: Update) -> int:
        """Tell how many of the deletions of a refresh nobody has approved."""
        held_now = self.held()
        if held_now is None or not held_now.approved:
            return staged.gone_count()
        return sum(not held.holds(self.database.connection, uuid) for uuid, _ in staged.gone())

    def hold(self, staged: Update, entries: int, origin: Origin = Origin.REFRESH) -> None:
        """Hold a refresh: what it would delete is kept for those who decide, and nothing of it is applied."""
        with self.database.transaction() as connection:
            held.hold(connection, staged.gone, entries, origin)

    def release(self) -> None:
        """Forget what is held: it is settled."""
        with self.database.transaction() as connection:
            held.clear(connection)

    def decided(self) -> bool:
        """Tell whether another process has decided about what is held."""
        return held.decided(self.database.connection)

    def execute_requests(self) -> set[str]:
        """Execute what other processes asked for; returns the kinds that the caller has to see to."""
        if not self.database.connection.execute(_ASKED_FOR).fetchone():
            return set()
        with self.database.transaction() as connection:
            return held.execute(connection)


def _told_of_changes(listener: Listener | None) -> Listener | None:
    return listener if listener is not None and listener.hears_changes else None
