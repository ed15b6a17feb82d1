"""Nothing is deleted in bulk on weak evidence.

A refresh that would delete more than a limit is confirmed by an independent search first: what that finds is not gone,
whatever the refresh said.  If the rest is still more than the limit, the refresh is held until somebody decides.

In the persist stage the same is done where a few messages delete much: a refresh tells of that, too.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import MassDeletionHeld, UsageError
from syncrepl_client.log_fields import fields
from syncrepl_client.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncrepl_client.connection.inquiry import Inquiry
    from syncrepl_client.contentsync.events import Event
    from syncrepl_client.store.refresh import Update
    from syncrepl_client.store.store import Store

__all__ = ["Confirmed", "MaxDeletes", "check", "is_bulk"]

_log = logging.getLogger("syncrepl_client.guard")

_MOST_LEFT_OUT: Final = 5000
_FORM: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*,\s*(\d+)\s*")


@dataclass(frozen=True, slots=True)
class MaxDeletes:
    """How much one refresh may delete without being held: what exceeds both is too much.

    Args:
        share: of the entries of the copy, 0 to 1.
        number: entries.
    """

    share: float = 0.1
    number: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.number < 0:
            raise UsageError(f"{self} is no limit", hint="the share is between 0 and 1, the number not negative")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a limit such as ``10%,50``; ``none`` is no limit.

        Raises:
            UsageError: it is neither.
        """
        if text.strip().lower() == "none":
            return None
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no limit on deletions", hint="write a share and a number, 10%,50, or none")
        return cls(float(match[1]) / 100, int(match[2]))

    def exceeded(self, deletions: int, entries: int) -> bool:
        """Tell whether so many deletions among so many entries are too much."""
        return deletions > self.number and deletions > self.share * entries


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What an independent search had to say of the deletions of a refresh.

    Args:
        known: whether the refresh told of everything that is there; where so many were left out that their attributes
            were not fetched, only another refresh can tell.
        found: the UUIDs of entries that were to be deleted, and are there.
    """

    known: bool = True
    found: frozenset[bytes] = frozenset()


def is_bulk(events: Iterable[Event], store: Store, limit: MaxDeletes | None, in_content: Callable[[str], bool]) -> bool:
    """Tell whether a batch of the persist stage deletes too much by a few messages, or everything.

    Args:
        events: the batch.
        store: the copy.
        limit: None for the default one.
        in_content: tells whether a name lies within the base and scope of the search.
    """
    deletions = store.deleted_in_bulk(events, in_content)
    if not deletions:
        return False
    entries = len(store.entries)
    return deletions >= entries or (limit or MaxDeletes()).exceeded(deletions, entries)


def _confirm(staged: Update, inquiry: Inquiry) -> Confirmed:
    """Take off the deletions of a refresh whatever an independent search finds.

    Who is found was left out of the refresh, so its attributes may have been, too: they are fetched.
    """
    gone = frozenset(uuid for uuid, _ in islice(staged.gone(), _MOST_LEFT_OUT))
    before = staged.gone_count()
    for uuids in inquiry.listing():
        staged.still_there(uuids)
    if staged.gone_count():
        for uuids in inquiry.listing_of_withheld():
            staged.still_there(uuids)
    left_out = before - staged.gone_count()
    found = gone.difference(uuid for uuid, _ in staged.gone()) if left_out else frozenset[bytes]()
    if before > len(gone):
        return Confirmed(not left_out, found)
    if found:
        staged.sent(inquiry.withheld(set(found)))
    return Confirmed(found=found)


def check(
    staged: Update,
    store: Store,
    inquiry: Inquiry,
    limit: MaxDeletes | None,
    *,
    doubtful: bool = False,
    origin: Origin = Origin.REFRESH,
) -> Confirmed:
    """Confirm what a refresh would delete, and hold it if that is too much.

    Args:
        staged: the refresh; what an independent search finds is taken off its deletions.
        store: the copy.
        inquiry: does that search.
        limit: None to hold nothing; the deletions are confirmed all the same.
        doubtful: whether they have to be confirmed however few they are.
        origin: what found them.

    Returns:
        What that search had to say; without one, that all is known.

    Raises:
        MassDeletionHeld: nothing of the refresh was applied.
    """
    deletions, entries = staged.gone_count(), staged.entries()
    confirmed = Confirmed()
    if deletions and (doubtful or deletions == entries or (limit or MaxDeletes()).exceeded(deletions, entries)):
        extra = fields(what="deletions-doubted", url=store.state().url or "", deleted=deletions, entries=entries)
        _log.info("%d of %d entries would be deleted: asking for all that are there", deletions, entries, extra=extra)
        confirmed = _confirm(staged, inquiry)
        deletions = staged.gone_count()
    if limit is None or not deletions or not limit.exceeded(store.not_approved(staged), entries):
        return confirmed
    store.hold(staged, entries, origin)
    extra = fields(what="refresh-held", url=store.state().url or "", deleted=deletions, entries=entries)
    _log.error(
        "a refresh that would delete %d of %d entries is held; nothing was changed", deletions, entries, extra=extra
    )
    raise MassDeletionHeld(deletions, entries)
