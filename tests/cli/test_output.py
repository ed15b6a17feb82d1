"""Standard output: what was printed is with the reader before the transaction ends."""

from __future__ import annotations

import errno
import os
from typing import IO, TYPE_CHECKING

import pytest

from syncrepl_client.cli.ldif import Ldif
from syncrepl_client.cli.output import OutputFailed, Printer, StandardOutput
from syncrepl_client.cli.readable import Readable
from syncrepl_client.cli.terminal import ProgressLine
from syncrepl_client.model import Added, Deleted, Origin, Provenance
from tests.cli.entries import entry

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = entry("cn=a,dc=x", cn=b"a")


class Pipe:
    """A pipe whose reading end may be closed."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.reader: IO[bytes] = os.fdopen(reader, "rb", buffering=0)
        self.writer: IO[bytes] = os.fdopen(writer, "wb")
        os.set_blocking(reader, False)

    def read(self) -> str:
        return (self.reader.read(100_000) or b"").decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.writer.close()
    pipe.reader.close()


@pytest.fixture
def printer(pipe: Pipe) -> Printer:
    return Printer(Readable(), StandardOutput(pipe.writer), ProgressLine(enabled=False))


def test_a_first_load_is_printed_in_blocks_and_changes_at_once(pipe: Pipe, printer: Printer) -> None:
    printer.bound(None)
    printer.bound(None)
    assert pipe.read() == "bound\n"

    printer.change(Added(ENTRY, Provenance(Origin.SNAPSHOT)), None)
    assert pipe.read() == ""
    printer.cookie(b"c")
    assert pipe.read().splitlines()[0] == "added cn=a,dc=x"
    printer.refresh_done({ENTRY.dn: ENTRY.attributes}, None)
    assert pipe.read() == "refresh done: 1 entries\n"
    assert printer.refreshed

    printer.change(Deleted(ENTRY), None)
    assert pipe.read().splitlines()[0] == "deleted cn=a,dc=x"


def test_what_a_format_has_no_words_for_is_not_printed(pipe: Pipe) -> None:
    printer = Printer(Ldif(), StandardOutput(pipe.writer), ProgressLine(enabled=False))

    printer.cookie(b"c")
    printer.refresh_done({}, None)

    assert pipe.read() == ""
    assert printer.refreshed


def test_what_the_reader_does_not_know_is_escaped(pipe: Pipe) -> None:
    output = StandardOutput(pipe.writer, encoding="ascii")

    output.write("é\n")
    output.flush()

    assert pipe.read() == "\\xe9\n"


@pytest.mark.parametrize("size", [1, 1_000_000], ids=["at the flush", "at the write"])
def test_a_reader_that_left_has_read_enough(pipe: Pipe, size: int) -> None:
    output = StandardOutput(pipe.writer)
    pipe.reader.close()

    with pytest.raises(OutputFailed) as caught:
        _write_and_flush(output, "x" * size)

    assert caught.value.nobody_reads
    # What is left in the buffer goes nowhere, without another error.
    pipe.writer.flush()


def test_a_full_disk_is_said() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        with pytest.raises(OutputFailed, match=os.strerror(errno.ENOSPC)) as caught:
            _write_and_flush(StandardOutput(full), "x")
        assert not caught.value.nobody_reads


def _write_and_flush(output: StandardOutput, text: str) -> None:
    output.write(text)
    output.flush()
