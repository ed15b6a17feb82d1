"""Time, processor and memory of one run of a program."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Run", "run"]

_SAMPLE_EVERY = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: seconds of wall time and of processor time, and its largest resident set in MB."""

    wall: float
    cpu: float
    peak: float


class _Peak(threading.Thread):
    """Watches the largest resident set of a process.

    The kernel's own account at the end of a process includes what its parent had before the program was loaded.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self.megabytes = 0.0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_EVERY):
            with contextlib.suppress(OSError):
                match = re.search(r"VmHWM:\s+(\d+)", self._status.read_text())
                self.megabytes = max(self.megabytes, int(match[1]) / 1024 if match else 0.0)

    def stop(self) -> float:
        self._ended.set()
        self.join()
        return self.megabytes


def run(command: Sequence[str | Path], *, output: Path | None = None) -> Run:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        output: where its standard output goes; nowhere by default.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    # An installed package is compiled once, and not at every start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (output or Path(os.devnull)).open("wb") as sink:
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=sink, env=environment)
        peak = _Peak(process.pid)
        peak.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    megabytes = peak.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall, usage.ru_utime + usage.ru_stime, megabytes)
