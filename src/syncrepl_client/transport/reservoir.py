"""What has arrived and was not read yet: in memory first, then in a file, both bounded.

The newest bytes gather in memory until they make a piece.  A whole piece stays in memory as long as there is room, and
goes to a place of its own in the file after that; a place whose piece was taken is used again.  So the file never grows
beyond its limit, and pieces are taken in the order in which they came, wherever they are.

The file has no name from the beginning, and so goes away with the process that opened it.  It holds what crossed the
network, in clear where the connection is not encrypted.  Nothing here knows of sockets or threads: who calls takes
turns.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import ConnectionLost, UsageError
from syncrepl_client.log_fields import fields

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["Buffers", "Reservoir"]

_log = logging.getLogger("syncrepl_client.transport")

_LARGEST_PIECE: Final = 256 * 1024
_SMALLEST_PIECE: Final = 4096
# A piece is this part of what memory may hold, so that small limits are kept as well as large ones.
_PIECES: Final = 8


@dataclass(frozen=True, slots=True)
class Buffers:
    """How much of what the server sends is taken from it while the program is busy.

    Beyond that nothing is read any more until the program comes back, and the server has to wait.

    Args:
        memory: bytes that are kept in memory.
        spool: bytes that are kept in a file after that; 0 for no file.
        folder: where that file is made; None for the folder of the data file.

    Raises:
        UsageError: one of them is less than 0.
    """

    memory: int = 8 * 1024 * 1024
    spool: int = 256 * 1024 * 1024
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.memory < 0 or self.spool < 0:
            raise UsageError(f"buffers of {self.memory} and {self.spool} bytes", hint="give None for no buffers")


class Reservoir:
    """Bytes in the order in which they came.

    Args:
        buffers: how many of them, and where.
    """

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._piece = max(_SMALLEST_PIECE, min(_LARGEST_PIECE, buffers.memory // _PIECES))
        # Whole pieces, the oldest first: their bytes, or their places in the file.
        self._pieces: deque[bytes | int] = deque()
        self._in_memory = 0
        # The beginning of the next piece.
        self._open: list[bytes] = []
        self._open_size = 0
        self._file: BinaryIO | None = None
        # Places that are free again, and how many were ever used since the file was empty.
        self._free: list[int] = []
        self._places = 0
        self._warned = False

    def __bool__(self) -> bool:
        return bool(self._pieces or self._open)

    @property
    def spooled(self) -> int:
        """How many bytes are in the file."""
        return (self._places - len(self._free)) * self._piece

    @property
    def held(self) -> int:
        """How many bytes are here, wherever."""
        return self._in_memory + self.spooled + self._open_size

    def room(self) -> int:
        """Tell how many bytes may be added now; 0 if there is no room."""
        if self._open_size == self._piece and not self._put_away():
            return 0
        return self._piece - self._open_size

    def add(self, data: bytes) -> None:
        """Add bytes, as many as there is room for at most."""
        self._open.append(data)
        self._open_size += len(data)

    def take(self, most: int) -> bytes:
        """Take out the oldest bytes, about `most` of them; empty if nothing is here.

        Raises:
            ConnectionLost: the file cannot be read.
        """
        taken: list[bytes] = []
        size = 0
        while self._pieces and size < most:
            piece = self._pieces.popleft()
            if isinstance(piece, bytes):
                self._in_memory -= len(piece)
            else:
                piece = self._fetched(piece)
            taken.append(piece)
            size += len(piece)
        if not self._pieces and size < most:
            taken += self._open
            self._open.clear()
            self._open_size = 0
        return b"".join(taken)

    def close(self) -> None:
        """Forget everything, and let the file go."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        self._pieces.clear()
        self._open.clear()

    # --- pieces -------------------------------------------------------------------------------------------------------

    def _put_away(self) -> bool:
        """Make what has gathered a piece, if there is a place for it."""
        piece = b"".join(self._open)
        if self._in_memory + len(piece) <= self._buffers.memory:
            self._pieces.append(piece)
            self._in_memory += len(piece)
        elif (place := self._spool(piece)) is not None:
            self._pieces.append(place)
        else:
            self._open = [piece]
            return False
        self._open = []
        self._open_size = 0
        return True

    def _spool(self, piece: bytes) -> int | None:
        """Write a piece to the file; returns its place, or None if there is none."""
        if not self._free and (self._places + 1) * self._piece > self._buffers.spool:
            return None
        place = self._free[-1] if self._free else self._places
        try:
            if self._file is None:
                self._file = self._opened()
            _write(self._file.fileno(), piece, place * self._piece)
        except OSError as error:
            # What cannot be kept is not read, and waits at the server.
            self._warn(error)
            return None
        if self._free:
            self._free.pop()
        else:
            self._places += 1
        return place

    def _opened(self) -> BinaryIO:
        """Make a file that nobody else can open and that has no name, or none any more."""
        # Few need it, and it brings a dozen modules.
        import tempfile  # noqa: PLC0415

        extra = fields(what="spool-begins", spool_after_bytes=self._in_memory)
        _log.info(
            "the program is busy; what the server sends goes to a file after %d bytes", self._in_memory, extra=extra
        )
        return tempfile.TemporaryFile(dir=self._buffers.folder, prefix="syncrepl-", buffering=0)

    def _fetched(self, place: int) -> bytes:
        """Read a piece, and free its place."""
        assert self._file is not None  # noqa: S101 - our own guarantee
        try:
            piece = os.pread(self._file.fileno(), self._piece, place * self._piece)
        except OSError as error:
            piece = b""
            reason = error.strerror or str(error)
        else:
            reason = "it is not there"
        if len(piece) < self._piece:
            raise ConnectionLost(
                f"what the server sent ahead cannot be read back from its file: {reason}",
                hint="check the disk of the data file; the client resumes where it was",
            )
        self._free.append(place)
        if len(self._free) == self._places:
            self._free.clear()
            self._places = 0
            # The disk is given back.
            self._file.truncate(0)
        return piece

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            extra = fields(what="spool-fails", error=type(error).__name__)
            _log.warning(
                "no file takes what the server sends while the program is busy, so it has to wait: %s",
                error,
                extra=extra,
            )


def _write(file: int, data: bytes, position: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, position)
        position += written
        rest = rest[written:]
