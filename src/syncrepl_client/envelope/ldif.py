"""Changes as LDIF (RFC 2849), for people, archives and ``ldapmodify``.

The body of an event is an LDIF file: the line ``version: 1`` and the record of the change, below comments that name the
event.  Whoever writes several one after the other writes the version once; see `records_of`.

What shaped it:

* A rename that changed attributes as well is two records.  The second has an id of its own, with ``:modify`` behind
  that of the event, so that whoever drops the ids that he knows can do so record by record.
* Some changes have nothing to apply: an entry's name changed with one above it, or a server alone could have made them.
  They are comments without a record, so that each event is there; programs read over them.
* A heartbeat is comments as well.
* What was renamed above an entry is remembered to the end of its transaction.  Whoever begins in the middle of one gets
  renames of names that are not there any more.
* Neither RFC 2849 nor anybody else has registered a media type.  ``text/x-ldif`` is what the MIME database of
  freedesktop.org has, and so most systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.envelope.base import Batch, head_of, heartbeat_head, origin
from syncrepl_client.ldif import attribute_line, fold
from syncrepl_client.ldif_records import Records
from syncrepl_client.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from syncrepl_client.envelope.base import Event, Head
    from syncrepl_client.model import Change

__all__ = ["CONTENT_TYPE", "VERSION", "Ldif", "records_of"]

CONTENT_TYPE: Final = "text/x-ldif"
VERSION: Final = b"version: 1\n\n"
"""What an LDIF file begins with."""


class Ldif:
    """LDIF, for the changes of one changelog in their order.

    Args:
        origin_id: names the data file that changes come from.

    Raises:
        UsageError: the file's name is none.
    """

    def __init__(self, origin_id: str) -> None:
        self._origin_id = origin(origin_id)
        self._records = Records()
        # Asked again for the same change, it does not take its rename for one above it.
        self._made: Event | None = None

    def events(self, change: Change) -> list[Event]:
        """Return what to send for a change.

        Raises:
            UsageError: the change has no number.
        """
        head = head_of(self._origin_id, change)
        if self._made is None or self._made.id != head.id:
            text = "".join(_named(head, change, self._records.logged(change)))
            self._made = head.event(CONTENT_TYPE, VERSION + text.encode("ascii"))
        return [self._made]

    def heartbeat(self, sequence: int | None, time: int) -> Event:
        """Return a heartbeat, which is a comment; see `Envelope.heartbeat`."""
        head = heartbeat_head(self._origin_id, sequence, time)
        said = [("id", head.id), ("kind", head.kind.value), ("time", _rfc3339(moment(time)))]
        text = _comments([*said, ("sequence", str(head.sequence))])
        return head.event(CONTENT_TYPE, VERSION + f"{text}\n".encode("ascii"))

    def batch(self, events: Iterable[Event]) -> Batch:
        """Join events to one LDIF file; tombstones are left out."""
        return Batch(CONTENT_TYPE, VERSION + b"".join(records_of(event.body) for event in events if event.body))


def records_of(body: bytes) -> bytes:
    """Return the records of a body without the version, to be written one after the other: an empty line ends them."""
    return body.removeprefix(VERSION).rstrip(b"\n") + b"\n\n"


def _named(head: Head, change: Change, text: str) -> Iterable[str]:
    """Put the comments that name an event above each of its records."""
    stored = change.stored_at
    time = [] if stored is None else [("time", _rfc3339(stored))]
    # In a record no line is empty, so this is where one ends.
    first, *others = text.removesuffix("\n\n").split("\n\n")
    for at, record in enumerate((first, *others)):
        said = [("id", f"{head.id}:modify" if at else head.id), ("kind", head.kind.value), *time]
        yield _comments(said)
        if record:
            yield f"{record}\n\n"
        else:
            yield _comments([("entryUUID", head.key), ("dn", head.dn)]) + "# nothing to apply\n\n"


def _comments(said: Iterable[tuple[str, str]]) -> str:
    return "".join(fold(f"# {attribute_line(name, value.encode())}") for name, value in said)


def _rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
