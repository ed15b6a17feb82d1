"""`watch`: one line for programs that want to be told what changes, and nothing else."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, Protocol, Unpack

from syncrepl_client.model import SyncreplMode
from syncrepl_client.replica import Replica

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from syncrepl_client.ldap.url import LDAPUrl, SupportsUnparse
    from syncrepl_client.model import Change
    from syncrepl_client.options import Options
    from syncrepl_client.store.position import Start

__all__ = ["SupportsIsSet", "watch"]

# How often an event that ends it is looked at, in seconds.
_LOOK_EVERY: Final = 0.1


class SupportsIsSet(Protocol):
    """What `threading.Event` and its like have."""

    def is_set(self) -> bool:
        """Tell whether it happened."""


def watch(
    url: str | LDAPUrl | SupportsUnparse | None,
    path: str | os.PathLike[str],
    *,
    mode: SyncreplMode = SyncreplMode.REFRESH_AND_PERSIST,
    subscription: str | None = None,
    start: Start = "snapshot",
    kinds: Iterable[type[Change]] = (),
    stop_event: SupportsIsSet | None = None,
    reconnect: bool = True,
    **options: Unpack[Options],
) -> Iterator[Change]:
    """Iterate over what is and what changes in a search: first each entry as `Added`, then every change.

    The copy in the data file is kept in step by the iteration.  A later run tells what has changed since, and without
    a name that is all that it tells; with one it goes on where that reader has stopped.

    Args:
        url: the server and the search; None means the one stored in the data file.
        path: the data file; a folder gets a ``syncrepl.db`` in it.
        mode: whether to end when the refresh is complete or to go on listening.
        subscription: a name under which it is remembered which changes were handled, so that each is told at least
            once whatever is killed in between; see `Replica.subscribe`.
        start: where a new subscription begins.
        kinds: the kinds of change to tell of, such as ``(Added, Deleted)``; all if there are none.
        stop_event: ends the iteration within a tenth of a second.
        reconnect: whether to stay in step whatever servers and networks do.
        options: everything else; see `Options`.

    Raises:
        SyncreplError: something that does not get better by itself.
    """
    try:
        replica = Replica(url, path, mode=mode, **options)
    finally:
        # Tools print the variables of a traceback: no password may be among them.
        del url, options
    with closing(replica), _stopped_by(stop_event, replica):
        changes = (
            replica.changes(kinds=kinds, reconnect=reconnect)
            if subscription is None
            else replica.subscribe(subscription, start=start, kinds=kinds, reconnect=reconnect)
        )
        with changes:
            for change in changes:
                yield change
                if stop_event is not None and stop_event.is_set():
                    break
            # Who asks for the next change has handled the last one.
            changes.commit()


@contextmanager
def _stopped_by(event: SupportsIsSet | None, replica: Replica) -> Iterator[None]:
    """Let an event stop a replica, whatever it waits for: connecting may take long."""
    if event is None:
        yield
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY):
            if event.is_set():
                replica.stop()
                return

    thread = threading.Thread(target=look, name="syncrepl stop event", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
