"""Trap E5: a present phase over many entries takes time in proportion to them, and hardly any memory."""

from __future__ import annotations

import random
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from bench.measure import Run, run

from syncrepl_client import Buffers
from syncrepl_client.contentsync.dialects import OPENLDAP
from syncrepl_client.contentsync.search import ONE_LEVEL, Search
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap.attributes import encode_attributes
from syncrepl_client.store.store import Ending, Store
from syncrepl_client.testing import Provider, script, wire
from tests.traps.laboratory import NEWER, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OLD = b"rid=000,csn=20200101000000.000000Z#000000#000#000000"
MOST_MEGABYTES = 48
# This server is faster than the store where all is new, so what is taken from it meanwhile fills its buffer in memory.
AND_A_FULL_BUFFER = Buffers().memory / 1e6
IDS_A_SET = 256
CHANGED = 10


def uuids(count: int) -> list[bytes]:
    chance = random.Random(count)
    return [chance.randbytes(16) for _ in range(count)]


def entry(number: int, title: str) -> tuple[str, dict[str, list[bytes]]]:
    values = {"objectClass": [b"person"], "sn": [b"x" * 80], "description": [b"y" * 80], "title": [title.encode()]}
    return f"uid=u{number:07},{SUFFIX}", values


def make_copy(path: Path, url: str, ids: Sequence[bytes]) -> None:
    """Make a data file as a client leaves it behind."""
    search = Search(SUFFIX, ONE_LEVEL, filters.encode("(objectClass=*)"), ())
    with closing(Store(path, bool)) as store:
        store.set_search(url, search.fingerprint)
        staged = store.begin_refresh(None)
        for start in range(0, len(ids), 1000):
            named = [(uuid, *entry(number, "old")) for number, uuid in enumerate(ids[start : start + 1000], start)]
            staged.sent([(uuid, dn.encode(), encode_attributes(values)) for uuid, dn, values in named])
        staged.settle()
        store.finish_refresh(staged, Ending(search.fingerprint, OLD, OPENLDAP.name), None)


def answer(ids: Sequence[bytes], sent: int) -> Iterator[bytes]:
    """Make the messages of a present phase as slapd sends it: first all that are there, then some of them as add."""
    for start in range(0, len(ids), IDS_A_SET):
        yield wire.info(1, wire.id_set(*ids[start : start + IDS_A_SET]))
    for number, uuid in enumerate(ids[:sent]):
        yield wire.message(1, wire.entry(*entry(number, "new")), wire.state(1, uuid))
    yield wire.done(1, 0, wire.sync_done(NEWER))


def refresh(folder: Path, count: int, *, copied: int, sent: int) -> Run:
    """Let a client in a process of its own go through a present phase, over a copy of some of the entries."""
    ids = uuids(count)
    path = folder / f"{count}.db"
    with Provider(SUFFIX) as provider:
        url = f"{provider.url}/{SUFFIX}??one"
        make_copy(path, url, ids[:copied])
        provider.script(script.replay(b"".join(answer(ids, sent))))
        measured = run([sys.executable, "-m", "bench.programs.ours", url, path])
        assert [request.cookie for request in provider.requests] == [OLD]
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM syncrepl_copy").fetchone() == (count,)
        assert reader.execute("SELECT cookie FROM syncrepl_state").fetchone() == (NEWER,)
    path.unlink()
    return measured


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.trap("E5", server="scripted")
@pytest.mark.parametrize(
    ("sizes", "what"),
    [((100_000, 300_000, 1_000_000), "present"), ((50_000, 300_000), "new")],
    ids=["all are in the copy", "all are new"],
)
def test_a_present_phase_is_linear_in_time_and_flat_in_memory(
    tmp_path: Path, sizes: tuple[int, ...], what: str
) -> None:
    measured = {}
    for size in sizes:
        copied, sent = (size, CHANGED) if what == "present" else (CHANGED, size)
        measured[size] = one = refresh(tmp_path, size, copied=copied, sent=sent)
        print(f"{what}, {size:,} UUIDs: {one.wall:.1f} s, {one.cpu:.1f} s of processor, {one.peak:.0f} MB")  # noqa: T201 - shown by -s

    smallest, largest = sizes[0], sizes[-1]
    most = MOST_MEGABYTES + (AND_A_FULL_BUFFER if what == "new" else 0)
    assert max(one.peak for one in measured.values()) <= most
    # Processor time, for other programs run here too; larger trees are somewhat deeper.
    assert measured[largest].cpu / largest <= 2.5 * measured[smallest].cpu / smallest
