"""What a server leaves unsaid, and how to find out.

Of a subtree that was renamed or moved, servers tell by one message for its top (RFC 4533 section 4.1).  Entries that
came along into the content, or left it, are never mentioned; they have to be asked for.  The answer is of now, the
question of a moment before, and between the two there may be changes that the stream has yet to tell.  Three rules make
the result what the directory holds:

* An answer that shows nothing unexpected settles the matter.
* Entries that came along are not put into the copy at once.  The search begins again from the stored cookie, and they
  take part in that refresh as if they had been here before (`Unsettled`): so it tells what happened to them since.
* Entries whose parent is gone are asked for one by one.  Who is found neither by UUID nor by name is gone, too.  So are
  those of whom nobody said that they left their name, but which another entry has now.
* An entry that is new and already gone again cannot be looked below any more.  Its messages are applied in one
  transaction (`Unfinished`): a copy that held it alone would miss what is below it when it comes back.

What cannot be settled in a few rounds is left to a refresh of everything, which leaves nothing open.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from syncrepl_client.connection.inquiry import TooMuchToAsk
from syncrepl_client.contentsync.events import EntriesDeleted, EntriesSent
from syncrepl_client.contentsync.search import SUBTREE
from syncrepl_client.exceptions import LDAPResultError
from syncrepl_client.ldap import dn as names
from syncrepl_client.store.names import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from syncrepl_client.connection.inquiry import Inquiry
    from syncrepl_client.contentsync.events import Event, SentEntry
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.store.live import Doubts
    from syncrepl_client.store.loading import FirstLoad
    from syncrepl_client.store.refresh import Update
    from syncrepl_client.store.store import Store

__all__ = ["Unfinished", "Unsettled", "settle_batch", "settle_found", "settle_names", "settle_refresh"]

_MOST_SUBTREES: Final = 10_000
_MOST_ENTRIES: Final = 5000
# Seconds for messages that are on their way.
_PATIENCE: Final = 0.1
_PAUSE: Final = 0.01
_T = TypeVar("_T")
_S = TypeVar("_S", bound="FirstLoad | Update")


class Unsettled(Exception):
    """The search has to begin again from the stored cookie.

    Args:
        brought: entries that came along with others; see the module's docstring.
    """

    def __init__(self, brought: Iterable[SentEntry] = ()) -> None:
        super().__init__()
        self.brought = tuple(brought)


class Unfinished(Exception):
    """What has come after the batch by now belongs to it: both have to be applied together."""


# --- a refresh --------------------------------------------------------------------------------------------------------


def settle_refresh(staged: Update, store: Store, search: Search, inquiry: Inquiry, *, swept: bool) -> None:
    """Settle what a refresh from a cookie leaves open.

    Args:
        staged: the refresh.
        store: the copy.
        search: what is asked for.
        inquiry: answers questions.
        swept: whether what was not mentioned is gone.  Then everything in the content was named.

    Raises:
        Unsettled: another round is needed.
        TooMuchToAsk: only a refresh of everything can tell.
    """
    staged.settle()
    if search.scope == SUBTREE and (not swept or staged.unknown):
        _settle_subtrees(staged, staged.new_names(), inquiry)
    answers = _settle_entries(staged, store, inquiry, _open)
    found = [(uuid, now) for uuid, (_, now) in answers.items() if now is not None]
    if found:
        staged.settle()
        if search.scope == SUBTREE:
            _settle_subtrees(staged, found, inquiry)
    _check_parents(staged, search, inquiry)


def settle_found(staged: Update, found: Iterable[bytes], search: Search, inquiry: Inquiry, *, swept: bool) -> None:
    """Settle what is open about entries that a refresh told to be gone, and that a later search has found.

    They are kept.  One may have left the content and come back in between.  The server tells of that after the refresh,
    as of an entry that the copy holds; who came along and was never here would be missed.

    Args:
        staged: the refresh.
        found: their UUIDs.
        search: what is asked for.
        inquiry: answers questions.
        swept: whether what was not mentioned is gone.  Then everything in the content was named.

    Raises:
        Unsettled: another round is needed.
        TooMuchToAsk: only a refresh of everything can tell.
    """
    if search.scope == SUBTREE and not swept:
        staged.settle()
        _settle_subtrees(staged, [(uuid, name) for uuid in found if (name := staged.outcome(uuid))], inquiry)


def settle_names(staged: FirstLoad | Update, store: Store, inquiry: Inquiry) -> bool:
    """Settle who has a name that a refresh of everything told of two: it is of many moments, if somebody writes.

    One of them has been renamed or deleted after it was sent, or before the other one was.  What the server will tell
    of that comes after the refresh; a program that knows entries by their names alone has lost one by then.

    The answers are of now.  When the server tells how it came to that, there is nothing left to be renamed or deleted,
    and so nobody looks below: entries there may keep the names that they were sent with.

    Args:
        staged: the refresh, whole.
        store: the copy.
        inquiry: answers questions.

    Returns:
        Whether an answer was another one than what was told, so that the copy is not that of its cookie.
    """
    staged.settle()
    try:
        answers = _settle_entries(staged, store, inquiry, _named_twice)
    except (TooMuchToAsk, LDAPResultError):
        # Names that differ by case alone may be those of two entries, for ever; who has many of them knows.
        return False
    return any(now is None or not names.same(told, now) for told, now in answers.values())


def _settle_subtrees(staged: Update, new: Iterable[tuple[bytes, str]], inquiry: Inquiry) -> None:
    """Look for entries that came along with others."""
    tops = _topmost(_at_most(new, _MOST_SUBTREES))
    found = inquiry.below(tops.values())
    strangers = False
    for uuid, rows in zip(tops, found, strict=True):
        expected = all(_same(staged.outcome(row[0]), row) for row in rows)
        strangers = strangers or not expected or all(row[0] != uuid for row in rows)
    if strangers:
        raise Unsettled(row for rows in found for row in rows)


def _open(staged: Update) -> tuple[Iterable[bytes], ...]:
    return staged.unknown, staged.orphans(), *_named_twice(staged)


def _named_twice(staged: FirstLoad | Update) -> tuple[Iterable[bytes], ...]:
    return staged.displaced(), staged.doubles()


def _settle_entries(
    staged: _S, store: Store, inquiry: Inquiry, who_is_open: Callable[[_S], tuple[Iterable[bytes], ...]]
) -> dict[bytes, tuple[str, str | None]]:
    """Ask for entries that leave something open, such as those whose parent is gone.

    Returns:
        By their UUIDs, the name that each would have had, and the one that it has; nothing for who is unknown or gone.
    """
    answers: dict[bytes, tuple[str, str | None]] = {}
    while open_ones := {uuid for who in who_is_open(staged) for uuid in _at_most(who, _MOST_ENTRIES)} - answers.keys():
        told = {uuid: staged.outcome(uuid) or "" for uuid in open_ones}
        witnesses = store.some_uuids(exclude=open_ones)
        found = inquiry.entries(open_ones, witnesses=witnesses, name_of=store.name_of)
        staged.sent(found)
        there = {row[0]: text(row[1]) for row in found}
        staged.deleted(tuple(open_ones - there.keys()))
        answers.update((uuid, (name, there.get(uuid))) for uuid, name in told.items())
    return answers


def _check_parents(staged: Update, search: Search, inquiry: Inquiry) -> None:
    """Make sure that new names fit those of the entries above.

    Who is sent or found has the name of now, and the one above may have come or been renamed since.  slapd tells of
    that after the refresh, or not at all if the search ends with it (refreshOnly).  If the copy kept what is below
    without what is above, and that left again before it was told of, nobody would ask for those entries.
    """
    # Where the filter hides the containers nobody is found; the base stays what it is.
    others = (dn for dn in staged.new_parents() if search.holds(dn) and not names.same(dn, search.base))
    parents = list(islice(others, _MOST_SUBTREES))
    if not all(_same(staged.outcome(row[0]), row) for row in inquiry.named(parents)):
        raise Unsettled


# --- the persist stage ------------------------------------------------------------------------------------------------


def settle_batch(
    events: list[Event], pending: Callable[[], list[Event]], store: Store, search: Search, inquiry: Inquiry
) -> list[Event]:
    """Settle what a batch of the persist stage leaves open.

    Args:
        events: the batch.
        pending: tells what has come after it by now.
        store: the copy.
        search: what is asked for.
        inquiry: answers questions.

    Returns:
        The batch with the answers.

    Raises:
        Unfinished: the batch has to be taken together with what came after it.
        Unsettled: another round is needed.
        TooMuchToAsk: only a refresh of everything can tell.
    """
    doubts = store.doubts_about(events)
    if not any(doubts):
        return events
    if search.scope == SUBTREE:
        _look_below(events, pending, doubts, inquiry)
    orphans = {uuid for doubt in doubts for uuid in doubt.entries}
    witnesses = store.some_uuids(exclude=orphans)
    found = {row[0]: row for row in inquiry.entries(orphans, witnesses=witnesses, name_of=store.name_of)}
    return _answered(events, pending(), doubts, found)


def _look_below(
    events: Sequence[Event], pending: Callable[[], list[Event]], doubts: Sequence[Doubts], inquiry: Inquiry
) -> None:
    """Look below entries that are new here: whoever is there without having been told of came along.

    Or the message about it is on its way, so there is a little time to wait for it.
    """
    new = {uuid for doubt in doubts for uuid in doubt.below}
    deadline = time.monotonic() + _PATIENCE
    asked: dict[bytes, str] = {}
    answers: dict[bytes, list[SentEntry]] = {}
    while True:
        later = pending()
        if not new.isdisjoint(_deleted(later)):
            raise Unfinished
        tops = _tops(new, [*events, *later])
        if asked.keys() - tops.keys():
            # One came below another since: what was found there before is not all that is there now.
            asked.clear()
        unasked = {uuid: dn for uuid, dn in tops.items() if asked.get(uuid) != dn}
        if unasked:
            answers.update(zip(unasked, inquiry.below(unasked.values()), strict=True))
            asked.update(unasked)
        elif _explained(tops, answers, events, later, doubts):
            return
        elif time.monotonic() > deadline:
            raise Unsettled(row for rows in answers.values() for row in rows)
        else:
            inquiry.wait(_PAUSE)


def _tops(new: set[bytes], events: Iterable[Event]) -> dict[bytes, str]:
    """Tell the last names of new entries, without those that are below others or gone again."""
    last: dict[bytes, bytes] = {}
    for event in events:
        if isinstance(event, EntriesSent):
            last.update((row[0], row[1]) for row in event.rows)
        elif isinstance(event, EntriesDeleted):
            for uuid in event.uuids:
                last.pop(uuid, None)
    # In an import parents come before their children, so a look below the topmost is enough for all.
    return _topmost(_at_most(((uuid, text(last[uuid])) for uuid in new & last.keys()), _MOST_SUBTREES))


def _explained(
    tops: Iterable[bytes],
    answers: dict[bytes, list[SentEntry]],
    events: Sequence[Event],
    later: Sequence[Event],
    doubts: Sequence[Doubts],
) -> bool:
    """Tell whether messages since each entry was new account for all that was found below it."""
    told = _sent(later)
    for event, doubt in zip(reversed(events), reversed(doubts), strict=True):
        told |= _sent([event])
        for uuid in doubt.below.intersection(tops):
            there = {row[0] for row in answers[uuid]}
            if uuid not in there or not there <= told:
                return False
    return True


def _answered(
    events: list[Event], pending: Sequence[Event], doubts: Sequence[Doubts], found: dict[bytes, SentEntry]
) -> list[Event]:
    """Put behind each event what became of the entries whose parent it took away; later messages know better."""
    told = _sent(pending) | _deleted(pending)
    answered: list[Event] = []
    for event, doubt in zip(reversed(events), reversed(doubts), strict=True):
        open_ones = [uuid for uuid in doubt.entries if uuid not in told]
        if not all(_same(doubt.entries[uuid], found[uuid]) for uuid in open_ones if uuid in found):
            raise Unsettled
        if open_ones:
            answered.append(EntriesDeleted(tuple(uuid for uuid in open_ones if uuid not in found)))
            answered.append(EntriesSent([found[uuid] for uuid in open_ones if uuid in found]))
        answered.append(event)
        told |= _sent([event]) | _deleted([event])
    return answered[::-1]


# --- names and UUIDs --------------------------------------------------------------------------------------------------


def _topmost(named: Iterable[tuple[bytes, str]]) -> dict[bytes, str]:
    """Leave out those that are below another one."""
    tops: dict[bytes, str] = {}
    taken: set[str] = set()
    for uuid, dn in sorted(named, key=lambda item: names.depth(item[1])):
        normal = names.normalize(dn)
        above = names.split_first(normal)[1]
        while above and above not in taken:
            above = names.split_first(above)[1]
        if not above:
            tops[uuid] = dn
            taken.add(normal)
    return tops


def _sent(events: Iterable[Event]) -> set[bytes]:
    return {row[0] for event in events if isinstance(event, EntriesSent) for row in event.rows}


def _deleted(events: Iterable[Event]) -> set[bytes]:
    return {uuid for event in events if isinstance(event, EntriesDeleted) for uuid in event.uuids}


def _same(name: str | None, row: SentEntry) -> bool:
    return name is not None and names.same(name, text(row[1]))


def _at_most(items: Iterable[_T], limit: int) -> Iterator[_T]:
    for count, item in enumerate(items):
        if count >= limit:
            raise TooMuchToAsk
        yield item
