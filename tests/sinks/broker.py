"""What the brokers of tests have in common: a process, a port and a folder of their own, for all its lives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from tests.server import find_program, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Broker", "wait_for"]

_START_TIMEOUT = 20.0
# For how long it is still, and then not, while it stutters.
_STILL = 0.02


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Look at a condition until it is true.

    Raises:
        RuntimeError: it does not become true.
    """
    deadline = time.monotonic() + _START_TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} in vain")
        time.sleep(0.003)


class Broker(ABC):
    """One broker; ``close`` (or ``with``) stops it and removes its folder."""

    program: ClassVar[str]
    package: ClassVar[str]

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{self.program}-")
        self._process: subprocess.Popen[bytes] | None = None
        self._stutter: threading.Thread | None = None
        self._fluent = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote about itself so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start, with what it kept, and return as soon as it answers."""
        command = [find_program(self.program, self.package), *self._prepare()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(self._answers, f"{self.program} was waited for")
        except RuntimeError:
            self.kill()
            raise RuntimeError(f"{self.program} did not start: {self.log[-2000:]}") from None

    def kill(self) -> None:
        """End it with no chance to write anything; harmless when it does not run."""
        self.thaw()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, however it was hindered."""
        if self._stutter is not None:
            self._fluent.set()
            self._stutter.join()
            self._stutter = None
        if self._process is not None:
            self.signal(signal.SIGCONT)

    def stutter(self) -> None:
        """Let it be frozen again and again, for a moment."""
        self._fluent.clear()
        self._stutter = threading.Thread(target=self._freeze_and_thaw)
        self._stutter.start()

    def _freeze_and_thaw(self) -> None:
        while not self._fluent.is_set():
            self.signal(signal.SIGSTOP)
            self._fluent.wait(_STILL)
            self.signal(signal.SIGCONT)
            self._fluent.wait(_STILL)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def close(self) -> None:
        self.kill()
        self._folder.cleanup()

    def said(self, size: int = 4096) -> bytes:
        """Return what it says to who connects and is silent; empty if nobody is there."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                return probe.recv(size)
        except OSError:
            return b""

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Write the configuration, and return the arguments of the program."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether it does its work."""
