"""This package: changes pile up in a changelog while a relay finds its receiver away; then all are delivered.

Arguments: data file, how many changes.  It prints what was delivered, and how large the process was before that.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from syncrepl_client import Backoff, Retention, subscribe
from syncrepl_client.envelope.cloudevents import CloudEvents
from syncrepl_client.exceptions import SinkUnavailable
from syncrepl_client.model import Attributes
from syncrepl_client.relay import Relay
from syncrepl_client.store.store import Ending, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.envelope.base import Event

_ENTRIES: Final = 10_000
_AT_ONCE: Final = 1_000
_URL: Final = "ldap://ldap.example.com/dc=example,dc=com"


class Away:
    """A receiver that is away until it is back, and then counts."""

    def __init__(self) -> None:
        self.back = False
        self.tries = 0
        self.delivered = 0
        self._last = 0

    def open(self) -> None:
        """Fail while it is away."""
        self.tries += 1
        if not self.back:
            raise SinkUnavailable("it is away")

    def publish(self, batch: Sequence[Event]) -> None:
        """Look at what comes."""
        for event in batch:
            assert self._last in {0, event.sequence - 1}
            self._last = event.sequence
        self.delivered += len(batch)

    def close(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def main(path: str, changes: int) -> None:
    """Let changes pile up, and deliver them."""
    sink = Away()
    with closing(Store(Path(path), lambda: False, retention=Retention(age=None, octets=None))) as store:
        _fill(store, 0, _ENTRIES)
        subscribe(path, "away", start="now").close()
        relays: list[Relay] = []
        thread = threading.Thread(target=_relay, args=(path, sink, relays))
        thread.start()
        try:
            _fill(store, _ENTRIES, changes)
            print(f"{_peak():.1f} MB of it while it was away ({sink.tries} tries);", end=" ")
            sink.back = True
            began = time.monotonic()
            while sink.delivered < changes and thread.is_alive():
                time.sleep(0.05)
            print(f"all delivered then, {changes / (time.monotonic() - began):,.0f}/s")
        finally:
            relays[0].stop()
            thread.join()
    assert sink.delivered == changes


def _relay(path: str, sink: Away, relays: list[Relay]) -> None:
    with subscribe(path, "away") as subscription:
        envelope = CloudEvents("away", _URL)
        relay = Relay(subscription, envelope.events, sink, random=Random(1).random, backoff=Backoff(0.05, 0.5))
        relays.append(relay)
        relay.run()


def _fill(store: Store, first: int, changes: int) -> None:
    """Make changes: the entries, and then new values in them, again and again."""
    random = Random(first)
    for begin in range(first, first + changes, _AT_ONCE):
        numbers = range(begin, min(begin + _AT_ONCE, first + changes))
        rows = [_row(number % _ENTRIES, random) for number in numbers]
        staged = store.begin_refresh(None, ())
        staged.sent(rows)
        staged.settle()
        store.finish_refresh(staged, Ending("fingerprint", b"cookie"), None)


def _row(number: int, random: Random) -> SentEntry:
    values = {"objectClass": [b"top"], "uid": [b"u%d" % number], "description": [random.randbytes(200).hex().encode()]}
    return number.to_bytes(16), b"uid=u%d,dc=example,dc=com" % number, Attributes.of(values).wire


def _peak() -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
