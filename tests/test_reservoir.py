"""What has arrived and was not read: in order, within its limits, in a file that nobody can find."""

from __future__ import annotations

import os
import random
import stat
from contextlib import closing
from pathlib import Path

import pytest

from syncrepl_client.exceptions import ConnectionLost, UsageError
from syncrepl_client.transport.reservoir import Buffers, Reservoir

PIECE = 4096
MEMORY = 4 * PIECE
SPOOL = 8 * PIECE


@pytest.fixture
def buffers(tmp_path: Path) -> Buffers:
    return Buffers(MEMORY, SPOOL, tmp_path)


def fill(reservoir: Reservoir, source: random.Random, most: int = 1 << 30) -> bytes:
    """Add random bytes, of random lengths, until there is no more room; returns them."""
    added = b""
    while len(added) < most and (room := reservoir.room()):
        data = source.randbytes(source.randint(1, min(room, 3000)))
        reservoir.add(data)
        added += data
    return added


def open_files(folder: Path) -> list[Path]:
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - as they are now
    return [link for link in links if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/")]


def test_bytes_come_out_in_the_order_in_which_they_came(buffers: Buffers) -> None:
    chance = random.Random(8)
    with closing(Reservoir(buffers)) as reservoir:
        added = taken = b""
        for _ in range(200):
            added += fill(reservoir, chance, chance.randrange(1, 40_000))
            assert reservoir.spooled <= SPOOL
            taken += reservoir.take(chance.randrange(1, 30_000))
        taken += reservoir.take(1 << 30)

        assert added == taken
        assert len(added) > 10 * SPOOL
        assert not reservoir
        assert reservoir.take(100) == b""


def test_it_holds_what_the_limits_allow_and_one_piece(buffers: Buffers) -> None:
    with closing(Reservoir(buffers)) as reservoir:
        added = fill(reservoir, random.Random(1))

        assert len(added) == MEMORY + SPOOL + PIECE
        assert reservoir.spooled == SPOOL
        assert reservoir.room() == 0
        reservoir.take(1)
        assert reservoir.room() == PIECE


def test_the_file_is_made_when_memory_is_full_and_never_has_a_name(buffers: Buffers, tmp_path: Path) -> None:
    with closing(Reservoir(buffers)) as reservoir:
        fill(reservoir, random.Random(1), MEMORY)
        assert open_files(tmp_path) == []

        fill(reservoir, random.Random(1), 2 * PIECE)

        (file,) = open_files(tmp_path)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_nlink == 0
        assert list(tmp_path.iterdir()) == []
    assert open_files(tmp_path) == []


def test_the_disk_is_given_back_when_the_file_was_read(buffers: Buffers, tmp_path: Path) -> None:
    with closing(Reservoir(buffers)) as reservoir:
        fill(reservoir, random.Random(1))
        (file,) = open_files(tmp_path)
        assert file.stat().st_size == SPOOL

        reservoir.take(MEMORY + SPOOL)

        assert file.stat().st_size == 0
        assert reservoir.spooled == 0


@pytest.mark.parametrize("folder", ["/dev/full", "/nowhere/at/all"])
def test_without_a_file_nothing_more_is_taken_and_nothing_is_lost(
    folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(2)
    with closing(Reservoir(Buffers(MEMORY, SPOOL, Path(folder)))) as reservoir:
        added = fill(reservoir, chance)
        assert len(added) == MEMORY + PIECE
        assert reservoir.room() == 0

        taken = reservoir.take(PIECE)
        added += fill(reservoir, chance)

        assert added == taken + reservoir.take(1 << 30)
    assert len([record for record in caplog.records if "has to wait" in record.message]) == 1


def test_a_full_disk_means_waiting(buffers: Buffers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that takes a part of what is written."""
    chance = random.Random(3)
    written = 0
    pwrite = os.pwrite

    def little(file: int, data: bytes, position: int) -> int:
        nonlocal written
        if written > 3 * PIECE:
            raise OSError(28, "No space left on device")
        count = pwrite(file, data[:1500], position)
        written += count
        return count

    monkeypatch.setattr(os, "pwrite", little)
    with closing(Reservoir(buffers)) as reservoir:
        added = fill(reservoir, chance)
        assert len(added) == MEMORY + 3 * PIECE + PIECE
        written = 0
        added += fill(reservoir, chance)

        assert added == reservoir.take(1 << 30)
        assert len(added) > MEMORY + 4 * PIECE


def test_a_file_that_cannot_be_read_is_a_lost_connection(buffers: Buffers, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with closing(Reservoir(buffers)) as reservoir:
        fill(reservoir, random.Random(4))
        monkeypatch.setattr(os, "pread", broken)
        with pytest.raises(ConnectionLost, match="Input/output error"):
            reservoir.take(1 << 30)
        monkeypatch.setattr(os, "pread", lambda *_: b"short")
        with pytest.raises(ConnectionLost, match="not there"):
            reservoir.take(1 << 30)


@pytest.mark.parametrize(("memory", "spool"), [(0, SPOOL), (MEMORY, 0), (0, 0)])
def test_either_limit_may_be_nothing(tmp_path: Path, memory: int, spool: int) -> None:
    with closing(Reservoir(Buffers(memory, spool, tmp_path))) as reservoir:
        added = fill(reservoir, random.Random(5))

        assert len(added) == memory + spool + PIECE
        assert added == reservoir.take(1 << 30)


def test_limits_below_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="buffers"):
        Buffers(memory=-1)
