"""This package: what reads a stream of changes.

Arguments: what to do, URL, data file.

``load``, ``load-without``: one refresh, with a changelog or without one; nobody listens.
``watch``: one refresh, and every change of it through ``watch``; ``touch``: the same, looking at an attribute of each.
``iterate``: every entry of the copy, without the server.
``listen``, ``iterate-live``: a line for each change of the persist stage, with the time on the monotonic clock in
nanoseconds, from a callback or from an iterator; the last line is the processor time in seconds.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from syncrepl_client import Modified, Reader, Replica, Retention, SyncreplMode, watch

if TYPE_CHECKING:
    from syncrepl_client import Change

ONCE = SyncreplMode.REFRESH_ONLY
LAST = b" last"


def load(url: str, path: str, *, log: bool) -> None:
    """Refresh once."""
    with Replica(url, path, mode=ONCE, changelog=Retention() if log else None, max_deletes=None) as replica:
        replica.run()


def every_change(url: str, path: str, *, look: bool) -> None:
    """Refresh once, and iterate."""
    count = 0
    for change in watch(url, path, mode=ONCE, max_deletes=None):
        count += 1
        if look:
            change.entry["description"]
    print(count)


def iterate(path: str) -> None:
    """Iterate over the copy."""
    with Reader(path) as reader:
        print(sum(1 for _ in reader.entries.all()))


class Listener:
    """Says when it heard of each change."""

    def __init__(self) -> None:
        self.began = 0.0
        self.ended = False

    def refresh_done(self, entries: object, cursor: object) -> None:
        """Say that it is ready."""
        del entries, cursor
        ready()
        self.began = time.process_time()

    def change(self, change: Change, cursor: object) -> None:
        """Say when."""
        del cursor
        if isinstance(change, Modified):
            self.ended = say(change)


def ready() -> None:
    """Say that changes may come."""
    print("ready", flush=True)


def say(change: Change) -> bool:
    """Print what changed and when that is known here; tells whether it was the last one."""
    now = time.monotonic_ns()
    value = change.entry["description"][0]
    print(value.decode(), now)
    return value.endswith(LAST)


def listen(url: str, path: str) -> None:
    """Hear of changes by a callback."""
    listener = Listener()
    with Replica(url, path, listener=listener) as replica:
        while not listener.ended and replica.step():
            pass
    print(time.process_time() - listener.began)


def iterate_live(url: str, path: str) -> None:
    """Hear of changes by an iterator."""
    with Replica(url, path) as replica:
        replica.refresh()
        changes = replica.changes(kinds=(Modified,))
        ready()
        began = time.process_time()
        for change in changes:
            if say(change):
                break
    print(time.process_time() - began)


def main(what: str, url: str, path: str) -> None:
    """Do one of them."""
    match what:
        case "load" | "load-without":
            load(url, path, log=what == "load")
        case "watch" | "touch":
            every_change(url, path, look=what == "touch")
        case "iterate":
            iterate(path)
        case "listen":
            listen(url, path)
        case "iterate-live":
            iterate_live(url, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
