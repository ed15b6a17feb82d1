"""Where the time of a refresh goes: the processor time of each layer, one after the other, for one entry.

What one layer makes is kept in memory for the next one, so the sum is that of a whole refresh, and the memory is not.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tests.slapd import SUFFIX

from bench.provider import prepare
from bench.table import table
from syncrepl_client.connection.client import Client
from syncrepl_client.contentsync.controls import SYNC_DONE
from syncrepl_client.contentsync.events import EntriesSent
from syncrepl_client.contentsync.search import SUBTREE, Search
from syncrepl_client.contentsync.session import Mode, Session
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages
from syncrepl_client.ldap import url as urls
from syncrepl_client.ldap.attributes import decode_attributes
from syncrepl_client.ldap.connection import Connection
from syncrepl_client.ldap.messages import Control
from syncrepl_client.store.store import Ending, Store
from syncrepl_client.transport.sockets import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.slapd import Slapd

    from syncrepl_client.contentsync.events import SentEntry

    Batches = Sequence[list[SentEntry]]

_T = TypeVar("_T")

_SEARCH: Final = Search(SUFFIX, SUBTREE, filters.encode("(objectClass=*)"), ())
_END: Final = Ending(_SEARCH.fingerprint, b"rid=000", "openldap")


class _Clock:
    """Adds up processor time by the name of what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def of(self, name: str, work: Callable[[], _T]) -> _T:
        """Do something, and remember how long it took."""
        began = time.process_time()
        made = work()
        self.seconds.setdefault(name, []).append(time.process_time() - began)
        return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000, help="people in the directory")
    parser.add_argument("--rounds", type=int, default=5, help="how often; the least of each is printed")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="syncrepl-bench-"))
    clock = _Clock()
    try:
        with prepare(options.entries, random_uuids=True) as slapd:
            slapd.start()
            for number in range(options.rounds):
                batches = _received(slapd, clock)
                size = _stored(batches, clock, scratch / f"{number}.db")
    finally:
        shutil.rmtree(scratch)
    _print(batches, size, clock)


def _print(batches: Batches, size: int, clock: _Clock) -> None:
    entries = sum(map(len, batches))
    octets = sum(len(uuid) + len(dn) + len(attributes) for batch in batches for uuid, dn, attributes in batch)
    least = {name: min(seconds) / entries * 1e6 for name, seconds in clock.seconds.items()}
    print(f"{entries:,} entries of {octets / entries:.0f} octets; the least of {len(clock.seconds['read'])} rounds\n")
    print(table(("layer", "µs for an entry"), [(name, f"{cost:.2f}") for name, cost in least.items()]))
    print(f"\nThe data file has {size / octets:.2f} times the octets of UUIDs, names and attributes.")


# --- what comes -------------------------------------------------------------------------------------------------------


def _received(slapd: Slapd, clock: _Clock) -> Batches:
    """Take a refresh up to where entries are stored."""
    pieces = clock.of("read", lambda: _read(slapd))
    codec = Connection()
    items = clock.of("split into messages", lambda: [item for piece in pieces for item in codec.receive_data(piece)])
    session = Session(Mode.REFRESH_ONLY, None)
    events = clock.of("understand", lambda: [event for item in items for event in session.receive(item)])
    return [event.rows for event in events if isinstance(event, EntriesSent)]


def _read(slapd: Slapd) -> list[bytes]:
    with closing(connect(urls.parse(slapd.url))) as transport:
        controls = [Session(Mode.REFRESH_ONLY, None).request_control(), Control(messages.MANAGE_DSA_IT, critical=True)]
        Client(transport).send(_SEARCH.request(), controls)
        pieces = [b""]
        end = SYNC_DONE.encode()
        while end not in pieces[-1][-256:]:
            pieces.append(transport.read(10.0, patient=True) or b"")
        return pieces


# --- what becomes of it -----------------------------------------------------------------------------------------------


def _stored(batches: Batches, clock: _Clock, path: Path) -> int:
    """Store it, again and again; returns how large the data file was when there was just the copy."""
    with closing(Store(path, bool)) as store:
        staged = store.begin_refresh(None)
        clock.of("store", lambda: _all(staged.sent, batches))
        clock.of("index", staged.settle)
        clock.of("commit", lambda: store.finish_refresh(staged, _END, None))
    size = path.stat().st_size
    with closing(Store(path, bool)) as store:
        again = store.begin_refresh(None)
        clock.of("(compare with what is stored)", lambda: _all(again.sent, batches))
    entries = [attributes for batch in batches for _, _, attributes in batch]
    clock.of("(decode every attribute)", lambda: _all(decode_attributes, entries))
    return size


def _all(work: Callable[[_T], object], things: Sequence[_T]) -> None:
    for thing in things:
        work(thing)


if __name__ == "__main__":
    main()
