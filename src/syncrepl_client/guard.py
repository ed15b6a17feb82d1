"""Nothing is deleted in bulk on weak evidence.

A refresh that would delete more than a limit is confirmed by an independent search first: what that finds is not gone,
whatever the refresh said.  If the rest is still more than the limit, the refresh is held until somebody decides.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import MassDeletionHeld, UsageError
from syncrepl_client.log_fields import fields

if TYPE_CHECKING:
    from syncrepl_client.inquiry import Inquiry
    from syncrepl_client.store.refresh import Update
    from syncrepl_client.store.store import Store

__all__ = ["MaxDeletes", "check"]

_log = logging.getLogger("syncrepl_client.guard")

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


def check(staged: Update, store: Store, inquiry: Inquiry, limit: MaxDeletes | None, *, doubtful: bool = False) -> None:
    """Confirm what a refresh would delete, and hold it if that is too much.

    Args:
        staged: the refresh; what an independent search finds is taken off its deletions.
        store: the copy.
        inquiry: does that search.
        limit: None to hold nothing; the deletions are confirmed all the same.
        doubtful: whether they have to be confirmed however few they are.

    Raises:
        MassDeletionHeld: nothing of the refresh was applied.
    """
    deletions, entries = staged.gone_count(), staged.entries()
    if not deletions:
        return
    if doubtful or deletions == entries or (limit or MaxDeletes()).exceeded(deletions, entries):
        extra = fields(what="deletions-doubted", url=store.state().url or "", deleted=deletions, entries=entries)
        _log.info("%d of %d entries would be deleted: asking for all that are there", deletions, entries, extra=extra)
        for uuids in inquiry.listing():
            staged.still_there(uuids)
        deletions = staged.gone_count()
    if limit is None or not limit.exceeded(store.not_approved(staged), entries):
        return
    store.hold(staged, entries)
    extra = fields(what="refresh-held", url=store.state().url or "", deleted=deletions, entries=entries)
    _log.error(
        "a refresh that would delete %d of %d entries is held; nothing was changed", deletions, entries, extra=extra
    )
    raise MassDeletionHeld(deletions, entries)
