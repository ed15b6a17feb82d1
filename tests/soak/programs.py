"""`Program`: one of the processes whose package this is, with a disk and a system that are its own; and its log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.cli.command import environment
from tests.server import find_program
from tests.soak.vitals import Vitals, vitals

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

__all__ = ["Disk", "Ended", "Program", "System", "build_system"]

ROOT: Final = Path(__file__).parent.parent.parent
_STOP: Final = 20.0
_AGAIN: Final = 0.3
_YOUNG: Final = 10.0


class Disk:
    """A disk of some megabytes, which can be full or read-only; ``close`` takes it away."""

    def __init__(self, point: Path, megabytes: int) -> None:
        point.mkdir()
        self.point = point
        self._run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(point))

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([find_program(program, "mount"), *arguments], check=True)

    def fill(self) -> None:
        """Leave no room."""
        free = shutil.disk_usage(self.point).free
        with (self.point / "ballast").open("wb") as file:
            while free > 0:
                # What somebody else takes meanwhile is not free either.
                try:
                    os.posix_fallocate(file.fileno(), 0, free)
                except OSError:
                    free -= 4096
                else:
                    break

    def empty(self) -> None:
        """Leave room again."""
        (self.point / "ballast").unlink(missing_ok=True)

    def read_only(self) -> None:
        """Let nobody write; nobody may have a file open for that."""
        self._run("mount", "-o", "remount,ro", str(self.point))

    def writable(self) -> None:
        """Let everybody write."""
        self._run("mount", "-o", "remount,rw", str(self.point))

    def close(self) -> None:
        self._run("umount", "--lazy", str(self.point))


def build_system(folder: Path) -> Path:
    """Compile what stands between programs and their system."""
    library = folder / "system.so"
    source = Path(__file__).parent / "system.c"
    subprocess.run([find_program("gcc", "gcc"), "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


class System:
    """What a program is told by its system: the time of the day, and where hosts are."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file = file
        # How far the clock is off, and whether no host is found.
        file.write_bytes(bytes(16))
        self.environment = {"LD_PRELOAD": str(library), "SOAK_SYSTEM": str(file)}

    def set_clock(self, seconds: int) -> None:
        """Let the clock be so much fast, or slow if it is negative."""
        self._put(0, seconds)

    def set_names(self, *, known: bool) -> None:
        """Let hosts be found by their names, or not."""
        self._put(1, int(not known))

    def _put(self, place: int, number: int) -> None:
        # In place: it is mapped.
        with self._file.open("r+b") as file:
            file.seek(8 * place)
            file.write(number.to_bytes(8, sys.byteorder, signed=True))


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended by itself."""

    program: str
    code: int
    said: str


class Program:
    """A process that is started again whenever it ends by itself, for it is to work for ever.

    Args:
        name: in reports.
        command: what is run.
        folder: where its log is.
        system: what tells it the time of the day, and where hosts are.
        variables: of its environment.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, system: System, **variables: str) -> None:
        self.name = name
        self.system = system
        self._command = command
        self._environment = environment(**system.environment, **variables)
        self._environment["PYTHONPATH"] += f":{ROOT}"
        self._log = folder / f"{name}.log"
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None
        # Whether it is to run, and nobody ends it just now.
        self._wanted = False
        self._lock = threading.RLock()
        self._began = 0.0
        self.ended: list[Ended] = []
        self.lives: list[list[Vitals]] = []

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, if it does not run."""
        with self._lock:
            self._wanted = True
            if self._process is not None:
                return
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, cwd=ROOT
                )
            self.lives.append([])
            self._began = time.monotonic()

    def kill(self) -> None:
        """End it with no chance to do anything."""
        with self._lock:
            self._wanted = False
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                self._process = None

    def stop(self) -> int | None:
        """Ask it to end; returns how it did, or None if it does not."""
        with self._lock:
            self._wanted = False
            process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        try:
            return process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        with self._lock:
            if self._process is not None:
                self._process.send_signal(number)

    def look(self) -> None:
        """Start it again if it has ended by itself."""
        with self._lock:
            if self._process is None or self._process.poll() is None:
                return
            self.ended.append(Ended(self.name, self._process.returncode, self._last_line()))
            self._process = None
            again = self._wanted
        if again:
            time.sleep(_AGAIN)
            with self._lock:
                if self._wanted:
                    self.start()

    @property
    def young(self) -> bool:
        """Whether the interpreter may not have come so far yet as to hear signals."""
        return time.monotonic() < self._began + _YOUNG

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # --- what is seen of it -------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """Note how large it is."""
        if self._process is not None:
            self.lives[-1].append(vitals(self._process.pid))

    def log(self) -> list[str]:
        """Return the lines that it has written since this was called last."""
        octets = self._log.read_bytes()[self._read :] if self._log.exists() else b""
        whole = octets[: octets.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").splitlines()

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else ""
