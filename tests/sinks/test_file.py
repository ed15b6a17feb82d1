"""The file: whole lines, on the disk, for its owner alone; moved away by size and age and by others."""

from __future__ import annotations

import errno
import os
import resource
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.sinks.file import FileSink
from tests.sinks.events import event

if TYPE_CHECKING:
    from pathlib import Path

ONE = b'{"id":"e1"}\n'
TWO = b'{"id":"e2"}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes"


def write(sink: FileSink, *numbers: int) -> None:
    sink.open()
    with closing(sink):
        for number in numbers:
            sink.publish([event(number)])


@pytest.mark.parametrize(
    ("torn", "left"),
    [
        (b"", b""),
        (ONE, ONE),
        (ONE + b'{"id"', ONE),
        (b'{"id"', b""),
        (ONE + b"x" * 200_000, ONE),
        (b"x" * (1 << 16), b""),
        (b"x" * ((1 << 16) - 1) + b"\n" + b"y" * (1 << 16), b"x" * ((1 << 16) - 1) + b"\n"),
    ],
)
def test_a_line_that_is_not_whole_is_cut_off(path: Path, torn: bytes, left: bytes) -> None:
    path.write_bytes(torn)
    write(FileSink(path), 2)
    assert path.read_bytes() == left + TWO


def test_only_the_owner_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        write(FileSink(path, max_octets=1), 1, 2)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()] == [0o600, 0o600]


def test_a_large_file_is_moved_away_before_more_is_written(path: Path) -> None:
    (path.parent / "changes.000007").write_bytes(b"")
    (path.parent / "changes.old").write_bytes(b"")
    write(FileSink(path, max_octets=20), 1, 2, 3)
    write(FileSink(path, max_octets=20), 4, 5)
    assert (path.parent / "changes.000008").read_bytes() == ONE + TWO
    assert (path.parent / "changes.000009").read_bytes() == b'{"id":"e3"}\n{"id":"e4"}\n'
    assert path.read_bytes() == b'{"id":"e5"}\n'


def test_an_old_file_is_moved_away_also_if_it_was_found(path: Path) -> None:
    now = 1000.0
    sink = FileSink(path, max_age=60, clock=lambda: now)
    sink.open()
    with closing(sink):
        sink.publish([event(1)])
        now += 59
        sink.publish([event(2)])
        now += 1
        sink.publish([event(3)])
    assert (path.parent / "changes.000001").read_bytes() == ONE + TWO
    now = path.stat().st_mtime + 61
    write(sink, 4)
    assert path.read_bytes() == b'{"id":"e4"}\n'


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_somebody_has_taken_away_is_begun_anew(path: Path, gone: bool) -> None:  # noqa: FBT001
    sink = FileSink(path)
    sink.open()
    with closing(sink):
        sink.publish([event(1)])
        path.rename(path.with_name("elsewhere"))
        if not gone:
            path.write_bytes(ONE)
        sink.publish([event(2)])
    assert path.read_bytes() == (b"" if gone else ONE) + TWO


def test_two_do_not_write_to_one_file(path: Path) -> None:
    first, other = FileSink(path), FileSink(path)
    first.open()
    with closing(first), pytest.raises(SinkUnavailable) as caught:
        other.open()
    assert "another process" in caught.value.hint
    write(other, 1)


def test_a_disk_that_is_full_takes_nothing_of_a_batch(path: Path) -> None:
    sink = FileSink(path)
    sink.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with closing(sink):
        sink.publish([event(1)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with pytest.raises(SinkUnavailable, match=os.strerror(errno.EFBIG)):
                sink.publish([event(number) for number in range(20)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == ONE
        sink.publish([event(2)])
    assert path.read_bytes() == ONE + TWO


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="No such file") as caught:
        FileSink(tmp_path / "none" / "changes").open()
    assert "folder" in caught.value.hint


def test_what_is_not_open_takes_nothing(path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="is not open"):
        FileSink(path).publish([event(1)])


@pytest.mark.parametrize("limits", [{"max_octets": 0}, {"max_age": -1.0}])
def test_limits_that_no_file_keeps_are_refused(path: Path, limits: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        FileSink(path, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["file:", "file://host/changes", "file:///changes?a=b"])
def test_a_url_without_a_path_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="does not name a file"):
        FileSink.from_url(url)


def test_a_url_names_the_path() -> None:
    assert str(FileSink.from_url("file:///var/a%20b").path) == "/var/a b"
    assert str(FileSink.from_url("file:///var/{source}.jsonl", source="corp").path) == "/var/corp.jsonl"
