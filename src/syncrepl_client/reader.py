"""`Reader`: a data file as any process may read it, while the one that owns it keeps it in step.

It connects to no server and changes nothing.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from uuid import UUID

from syncrepl_client.model.moments import microseconds, moment

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from datetime import datetime
    from types import TracebackType

    from syncrepl_client.ldap.schema import Schema
    from syncrepl_client.model import Change
    from syncrepl_client.store.entries import Entries
    from syncrepl_client.store.held import Held
    from syncrepl_client.store.past import Past

__all__ = ["Behind", "Reader", "Status"]


@dataclass(frozen=True, slots=True)
class Behind:
    """A subscription, and how far it has come.

    Args:
        name: its name.
        sequence: the number of the last change that it has; None if it has nothing yet.
        changes: how many it has not read yet.
        snapshot: whether it is still reading its snapshot.
        moved_at: when that was stored last.
    """

    name: str
    sequence: int | None
    changes: int
    snapshot: bool
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """What a data file says of itself.

    Args:
        path: the data file.
        url: the search that it is a copy of, without credentials; None if there was none yet.
        whole: whether there is a copy.
        entries: how many entries it has.
        server: the kind of server that it came from; None if that is not known.
        sequence: the number of the last change.
        changed_at: when the last change was stored; None if there was none.
        logged_after: the number after which the changelog begins.
        logged_since: from when on the changelog is complete; None if none is kept.
        log_octets: how large the changelog is, in bytes.
        subscriptions: who reads it.
        held: a refresh that is held; None if none is.
        file_id: names the file, for those to whom numbers of its changes are told; a backup has another one, since it
            would give the same numbers to other changes.
    """

    path: str
    url: str | None
    whole: bool
    entries: int
    server: str | None
    sequence: int
    changed_at: datetime | None
    logged_after: int
    logged_since: datetime | None
    log_octets: int
    subscriptions: tuple[Behind, ...]
    held: Held | None
    file_id: str


class Reader:
    """Reads a data file.

    Use it as a context manager, or call `close`.  It belongs to one thread.

    Args:
        path: the data file, or the folder with a ``syncrepl.db`` in it.

    Raises:
        DBError: there is none, or it is not one of ours.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from syncrepl_client.store.copy import Copy
        from syncrepl_client.store.files import data_file

        self.path = data_file(path)
        self._copy = Copy(self.path)

    def close(self) -> None:
        """Close the file."""
        self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def entries(self) -> Entries:
        """The copy as a read-only mapping of DN, in any spelling, to attributes."""
        return self._copy.entries

    @property
    def schema(self) -> Schema:
        """The schema of the server, as far as it was read; it is for `syncrepl_client.ldap.evaluation`."""
        return self._copy.schema

    def status(self) -> Status:
        """Tell what the file says of itself."""
        facts = self._copy.facts()
        log = facts.log
        return Status(
            path=str(self.path),
            url=facts.url,
            whole=log.whole,
            entries=facts.entries,
            server=facts.dialect,
            sequence=log.sequence,
            changed_at=moment(facts.changed_at) if facts.changed_at else None,
            logged_after=log.floor,
            logged_since=None if log.since is None else moment(log.since),
            log_octets=log.octets,
            subscriptions=tuple(
                Behind(
                    one.name,
                    None if one.position is None else one.position.sequence,
                    0 if one.position is None else log.sequence - one.position.sequence,
                    one.position is not None and one.position.place is not None,
                    moment(one.moved_at),
                )
                for one in facts.subscriptions
            ),
            held=facts.held,
            file_id=facts.file_id,
        )

    def history(self, which: str | UUID) -> Iterator[Change]:
        """Iterate over the logged changes of an entry, the oldest first.

        Args:
            which: its UUID, or a name that it has or had; of several entries that had the name, all are told of.
        """
        uuids = [which.bytes] if isinstance(which, UUID) else self._uuids(which)
        return heapq.merge(*map(self._copy.changes_of, uuids), key=lambda change: change.sequence or 0)

    def _uuids(self, which: str) -> list[bytes]:
        try:
            return [UUID(which).bytes]
        except ValueError:
            return self._copy.named(which)

    def counted(self, after: int, until: int) -> dict[type[Change], int]:
        """Count the logged changes whose numbers are greater than one, and not greater than another, by their kind."""
        return self._copy.counted(after, until)

    def stored_after(self, sequence: int) -> datetime | None:
        """Tell when the first logged change after a number was stored; None if there is none."""
        found = self._copy.stored_after(sequence)
        return None if found is None else moment(found)

    def at(self, when: datetime | int) -> Past:
        """Return the copy as it was.

        Args:
            when: a time with its zone, or the number of a change, after which it is meant.

        Returns:
            A read-only mapping of DN to attributes; close it when you have read it.

        Raises:
            ChangesLost: that is longer ago than the changelog reaches.
            UsageError: a time without zone.
        """
        if isinstance(when, int):
            return self._copy.past(when)
        return self._copy.past_at(microseconds(when))
