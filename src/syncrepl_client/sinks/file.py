"""A file of JSON lines, or of LDIF; rotated by size and age, and never deleted.

A batch is confirmed when it is on the disk (`fsync`).  Whoever dies in the middle of a line or a record leaves the
beginning of it, which was not confirmed: it is cut off when the file is opened again.  What a file holds is seen by how
it begins; when events of the other form come it is moved away.

The file is moved away as ``NAME.000001`` and so on, by numbers that grow.  A file that somebody else has moved away or
deleted is begun anew, so ``logrotate`` needs no signal.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote, urlsplit

from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.sinks.written import LINES, form_of, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.sinks.written import Form

__all__ = ["FileSink"]

_BLOCK: Final = 1 << 16
_DIGITS: Final = 6


class FileSink:
    """Appends events to a file that only its owner may read.

    Args:
        path: the file; its folder must be there.
        max_octets: from which size on the file is moved away; None for any.
        max_age: after how many seconds it is, counted from when it was begun, or was found with something in it; None
            for never.
        records: whether each event is a line with a record around the body; see `syncrepl_client.sinks.lines`.
        clock: returns the time in seconds since 1970, as the operating system notes it of files.

    Raises:
        UsageError: a limit that no file could keep.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_octets: int | None = None,
        max_age: float | None = None,
        records: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if (max_octets is not None and max_octets <= 0) or (max_age is not None and max_age <= 0):
            raise UsageError("a file cannot be kept that small, or that short", hint="give a limit greater than 0")
        self.path = Path(path)
        self._max_octets = max_octets
        self._max_age = max_age
        self._records = records
        self._clock = clock
        self._file: int | None = None
        self._form = LINES
        self._size = 0
        self._begun = 0.0

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        max_octets: int | None = None,
        max_age: float | None = None,
        records: bool = False,
        source: str = "",
    ) -> Self:
        """Make one of a URL such as ``file:///var/lib/changes.jsonl``; ``{source}`` in it is the name of the source."""
        parts = urlsplit(url)
        if parts.netloc not in {"", "localhost"} or not parts.path or parts.query or parts.fragment:
            raise UsageError(f"{url!r} does not name a file", hint="write file:/// and the path, percent-encoded")
        path = unquote(parts.path).replace("{source}", source)
        return cls(path, max_octets=max_octets, max_age=max_age, records=records)

    @property
    def alone_at(self) -> str:
        """What no other sink may write to."""
        return str(self.path.absolute())

    def open(self) -> None:
        """Open the file, and cut off a line or record that is not whole."""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise self._unavailable(error) from error

    def _open(self) -> None:
        new = not self.path.exists()
        self._file = file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Two that write would take each other's beginnings of lines for torn ones.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(file)
        self._form = form_of(os.pread(file, _BLOCK, 0))
        self._size = _whole(file, found.st_size, self._form.end)
        if self._size < found.st_size:
            os.ftruncate(file, self._size)
            os.fsync(file)
        self._begun = found.st_mtime if self._size else self._clock()
        if new:
            self._sync_folder()

    def publish(self, batch: Sequence[Event]) -> None:
        """Append events, and wait for the disk; see `Sink.publish`."""
        try:
            for form, octets in written(batch, records=self._records):
                self._write(form, octets)
        except OSError as error:
            raise self._unavailable(error) from error

    def _write(self, form: Form, octets: bytes) -> None:
        if self._is_elsewhere():
            self.close()
            self._open()
        if self._size and (form != self._form or self._is_full()):
            self._rotate()
        self._form = form
        self._append(octets if self._size else form.begin + octets)

    def _append(self, octets: bytes) -> None:
        file = self._opened()
        left = memoryview(octets)
        try:
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        except OSError:
            # All of it comes again; on a full disk there is no room for it twice.
            os.ftruncate(file, self._size)
            raise
        self._size += len(octets)

    def _opened(self) -> int:
        if self._file is None:
            raise SinkUnavailable(f"{self.path} is not open")
        return self._file

    # --- rotation -----------------------------------------------------------------------------------------------------

    def _is_elsewhere(self) -> bool:
        """Whether somebody has moved the file away, or deleted it."""
        ours = os.fstat(self._opened())
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        return (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino)

    def _is_full(self) -> bool:
        too_large = self._max_octets is not None and self._size >= self._max_octets
        return too_large or (self._max_age is not None and self._clock() - self._begun >= self._max_age)

    def _rotate(self) -> None:
        self.path.rename(f"{self.path}.{self._last_number() + 1:0{_DIGITS}}")
        self.close()
        self._open()

    def _last_number(self) -> int:
        begin = f"{self.path.name}."
        names = (one.name.removeprefix(begin) for one in self.path.parent.iterdir() if one.name.startswith(begin))
        return max((int(name) for name in names if name.isdecimal() and name.isascii()), default=0)

    def _sync_folder(self) -> None:
        """Let the name of the file be on the disk as well."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def stop(self) -> None:
        """Do nothing: a disk answers soon."""

    def _unavailable(self, error: OSError) -> SinkUnavailable:
        hint = "look at the folder, its rights and how much room there is"
        if isinstance(error, BlockingIOError):
            hint = "another process writes to it; give each its own file"
        return SinkUnavailable(f"{self.path} cannot be written: {error.strerror or error}", hint=hint)


def _whole(file: int, size: int, mark: bytes) -> int:
    """Return where the last thing ends that is whole, which has a mark at its end."""
    end = size
    while end > 0:
        begin = max(0, end - _BLOCK)
        # A mark may begin in one block and end in the next.
        at = os.pread(file, end - begin + len(mark) - 1, begin).rfind(mark)
        if at >= 0:
            return begin + at + len(mark)
        end = begin
    return 0
