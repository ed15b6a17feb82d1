"""The command while it runs: at a terminal of its own or with pipes, until the test has seen enough."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from tests.cli.command import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AtTerminal", "piped"]

PATIENCE = 30.0


class AtTerminal:
    """The command with a terminal as standard input, output and error.

    Args:
        arguments: of the command.
        variables: of its environment besides TERM.
    """

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._terminal, inner = pty.openpty()
        self.shown = ""
        try:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=inner,
                stdout=inner,
                stderr=inner,
                env=environment(**{"TERM": "xterm", **variables}),
                start_new_session=True,
            )
        finally:
            os.close(inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)

    def until(self, text: str) -> str:
        """Wait until it has shown something; returns all that it has shown."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0], self.shown
            assert self._read(), self.shown
        return self.shown

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def _read(self) -> bool:
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:
            # Nobody has the other end open any more.
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@contextmanager
def piped(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run it with pipes as standard output and error."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(**variables),
    ) as process:
        try:
            yield process
        finally:
            process.kill()
