"""Our own form: one JSON object per change, much like the lines of ``syncrepl-client watch --json``.

``{"id", "op", "entryUUID", "before", "after", "sequence", "time"}``, always all of them.  ``op`` is ``c`` create, ``u``
update, ``d`` delete or ``r`` read, which is an entry of a snapshot; ``before`` and ``after`` are ``{"dn",
"attributes"}`` or null, and a rename is an update whose two names differ.  ``time`` is when the change was stored.
A heartbeat is an ``m``, about no entry: all but ``id``, ``sequence``, the last change that is delivered, and ``time``,
when it was sent, is null.

Unlike those of the command, values have the types that the schema gives them: see `syncrepl_client.envelope.values`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from syncrepl_client.envelope.base import JSON, OPERATIONS, Batch, array, head_of, heartbeat_head, origin
from syncrepl_client.envelope.values import State, Values, encode
from syncrepl_client.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.model import Change

__all__ = ["Plain"]


class _Record(msgspec.Struct, frozen=True, rename={"uuid": "entryUUID"}):
    """A change."""

    id: str
    op: str
    uuid: str | None
    before: State | None
    after: State | None
    sequence: int
    time: datetime | None


class Plain:
    """Our own form.

    Args:
        origin_id: names the data file that changes come from.

    Raises:
        UsageError: the file's name is none.
    """

    def __init__(self, origin_id: str) -> None:
        self._origin_id = origin(origin_id)
        self._values = Values()

    def events(self, change: Change) -> list[Event]:
        """Return what to send for a change.

        Raises:
            UsageError: the change has no number.
        """
        head = head_of(self._origin_id, change)
        before, after = self._values.states(change)
        op = OPERATIONS[head.kind]
        record = _Record(head.id, op, head.key, before, after, head.sequence, change.stored_at)
        return [head.event(JSON, encode(record))]

    def heartbeat(self, sequence: int | None, time: int) -> Event:
        """Return a heartbeat; see `Envelope.heartbeat`."""
        head = heartbeat_head(self._origin_id, sequence, time)
        record = _Record(head.id, OPERATIONS[head.kind], None, None, None, head.sequence, moment(time))
        return head.event(JSON, encode(record))

    def batch(self, events: Iterable[Event]) -> Batch:
        """Join events that this envelope has made to one JSON array."""
        return Batch(JSON, array(events))
