"""Measure reading what is stored: does the memory that it takes grow with the copy?

The copies are made through the store, without a server: a million entries would take one minutes to load.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.measure import run
from syncrepl_client import Retention
from syncrepl_client.ldap.attributes import encode_attributes
from syncrepl_client.store.store import Ending, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.contentsync.events import SentEntry

_SUFFIX: Final = "ou=people,dc=example,dc=com"
_BATCH: Final = 1_000
# How much smaller the copy is that the large one is compared with.
_SMALLER: Final = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stored", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the larger copy")
    entries = parser.parse_args().entries
    with tempfile.TemporaryDirectory(prefix="syncrepl-bench-") as scratch:
        for number in (entries // _SMALLER, entries):
            path = Path(scratch, f"{number}.db")
            _make(path, number)
            measured = run([sys.executable, "-m", "bench.programs.stream", "iterate", "", path])
            print(
                f"iteration over {number:,} stored entries, {path.stat().st_size >> 20:,} MB: {measured.wall:.2f} s, "
                f"{measured.cpu:.2f} s of processor, at most {measured.peak:.1f} MB of memory",
                flush=True,
            )


def _make(path: Path, entries: int) -> None:
    store = Store(path, lambda: False, retention=Retention())
    try:
        staged = store.begin_refresh(None)
        rows = _rows(entries)
        while batch := list(itertools.islice(rows, _BATCH)):
            staged.sent(batch)
        staged.settle()
        store.finish_refresh(staged, Ending("bench", b"cookie"), None)
    finally:
        store.close()


def _rows(entries: int) -> Iterator[SentEntry]:
    """Make entries of about 600 octets."""
    for number in range(entries):
        attributes = {
            "objectClass": [b"top", b"person", b"organizationalPerson", b"inetOrgPerson"],
            "uid": [b"u%07d" % number],
            "cn": [b"Given Family %d" % number],
            "sn": [b"Family %d" % number],
            "mail": [b"u%d@example.com" % number],
            "employeeNumber": [b"%d" % number],
            "description": [b"text " * 75],
        }
        dn = f"uid=u{number:07},{_SUFFIX}"
        yield uuid.uuid5(uuid.NAMESPACE_X500, dn).bytes, dn.encode(), encode_attributes(attributes)


if __name__ == "__main__":
    main()
