"""Who works with a folder of data: one service at a time, and what it does, for commands in other processes.

The lock is the kernel's, so it goes with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from syncrepl_client.exceptions import UsageError
from syncrepl_client.service.config import LOCK, REPORT
from syncrepl_client.service.snapshot import SinkState, SourceState

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client.service.snapshot import Snapshot

__all__ = ["Claim", "Report", "is_claimed", "last_report"]

# In seconds: whoever looks whether the folder is taken holds the lock for a moment, too.
_PATIENCE: Final = 0.5
_PAUSE: Final = 0.01


class Report(msgspec.Struct, frozen=True):
    """What a service has said of itself.

    Args:
        sources: how its sources were.
        sinks: how its sinks were.
    """

    sources: list[SourceState]
    sinks: list[SinkState]


class Claim:
    """The right to work with a folder, for as long as it is not given back.

    Args:
        folder: the folder, which is there.

    Raises:
        UsageError: another service works with it, or it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._report = folder / REPORT
        self._told: bytes | None = None
        try:
            self._lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(
                f"{folder} cannot be used: {error.strerror}", hint="make it a folder that this user may write to"
            ) from error
        deadline = time.monotonic() + _PATIENCE
        while not _locked(self._lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(self._lock)
                raise UsageError(
                    f"another service works with {folder}", hint="stop that one, or name another folder as service.data"
                )
            time.sleep(_PAUSE)

    def tell(self, snapshot: Snapshot) -> None:
        """Let others know how the service is; where that cannot be written, they know it from before."""
        told = msgspec.json.encode({"sources": snapshot.sources, "sinks": snapshot.sinks})
        if told == self._told:
            return
        new = self._report.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(told)
            new.replace(self._report)
        except OSError:
            # The disk is full, perhaps; whoever watches the service is told so by the sources.
            return
        self._told = told

    def release(self) -> None:
        """Give the folder back."""
        # Without the lock nobody believes it, where it cannot be taken away.
        with suppress(OSError):
            self._report.unlink()
        os.close(self._lock)


def _locked(lock: int, how: int) -> bool:
    """Take a lock, if it can be had now; tells whether it was."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_claimed(folder: Path) -> bool:
    """Tell whether a service works with a folder."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def last_report(folder: Path) -> Report | None:
    """Return what the service that works with a folder has said last; None if there is none, or it has said nothing."""
    if not is_claimed(folder):
        return None
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None
