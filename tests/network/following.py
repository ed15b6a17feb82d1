"""The other side of `tests.network.follow`: a process that follows, what it holds, and what it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.convergence.mirror import content_of, difference, look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.slapd import Slapd

__all__ = ["PATIENCE", "Following", "until"]

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 25.0
"""How long a client may need to be back in step, in seconds: its own limits, and those of a busy machine."""
TICK = os.sysconf("SC_CLK_TCK")


def until(condition: Callable[[], object], why: Callable[[], object] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


class Following:
    """A process that follows a server; ``with`` ends it, and is an error if it did not end well.

    Args:
        server: what the copy is compared with.
        url: where the process goes.
        path: the data file.
        every: seconds of silence after which it asks.
        answer: seconds that it waits for an answer.
        hosts: a file in which it looks names up.
        prefix: what its command begins with.
    """

    def __init__(
        self,
        server: Slapd,
        url: str,
        path: Path,
        *,
        every: float = 1.0,
        answer: float = 1.0,
        hosts: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.server, self.path = server, path
        self._log = path.with_suffix(".log")
        options = json.dumps({"every": every, "answer": answer, "hosts": str(hosts or "")})
        command = [*prefix, sys.executable, "-m", "tests.network.follow", f"{url}/{server.suffix}", str(path), options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._process.terminate()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if kind is None:
            assert code == 0, self.log()

    def log(self) -> list[str]:
        """What it wrote so far."""
        return self._log.read_text(encoding="utf-8").splitlines()

    def lost(self) -> list[str]:
        """What ended its connections so far."""
        return [line for line in self.log() if line != "connected"]

    def connections(self) -> int:
        """How often it has got in."""
        return self.log().count("connected")

    def cpu(self) -> float:
        """Seconds of all processors that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def wait_in_step(self) -> None:
        """Wait until the copy is what the server holds, and what was told is the copy."""
        until(lambda: not self._differences(), lambda: (self._differences(), self.log()))
        look(self.path).check(self.log())

    def _differences(self) -> list[str]:
        assert self._process.poll() is None, self.log()
        return difference(content_of(self.server.uuids()), look(self.path).copy)


class Idleness:
    """Checks that a process that can do nothing does nothing: a loop without a pause uses a whole processor."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def __enter__(self) -> None:
        self._began, self._cpu = time.monotonic(), self._following.cpu()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            used, took = self._following.cpu() - self._cpu, time.monotonic() - self._began
            assert used < 0.1 + 0.3 * took, f"{used:.2f} s of processor in {took:.2f} s"
