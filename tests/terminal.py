"""A terminal for what stands on a page: what is behind a ``$`` is typed, and has to print what stands below it.

``…`` stands for any text within a line, and alone in a line for any number of lines.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from tests.cli.command import PACKAGE, environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Program", "Terminal", "commands", "pattern"]

PATIENCE: Final = 20.0
_PROMPT: Final = "$ "
_SHELL: Final = "/bin/sh"


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands in a text, each with the lines below it; one that ends with a backslash goes on."""
    found: list[tuple[str, list[str]]] = []
    unfinished = False
    for line in text.splitlines():
        if unfinished:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        elif line.startswith(_PROMPT):
            found.append((line.removeprefix(_PROMPT), []))
        else:
            assert found, f"no command prints {line!r}"
            found[-1][1].append(line)
        unfinished = line.endswith("\\") and not found[-1][1]
    return found


def pattern(lines: list[str]) -> re.Pattern[str]:
    """Return what finds exactly those lines."""
    parts = [
        r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(map(re.escape, line.split("…"))) + r"\n" for line in lines
    ]
    return re.compile("".join(parts))


class Program:
    """A command that goes on.

    Args:
        command: what is typed.
        log: the file of what it prints.
        variables: its environment.
    """

    def __init__(self, command: str, log: Path, variables: dict[str, str]) -> None:
        self._log = log
        # The numbers of the lines that were on the page already, and of the one that was found last.
        self._shown: list[int] = []
        self._at = -1
        with log.open("wb") as opened:
            self._process = subprocess.Popen(
                [_SHELL, "-c", f"exec env {command}"],
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=subprocess.STDOUT,
                env=variables,
            )

    def expect(self, lines: list[str]) -> None:
        """Wait until it has printed these lines, in any order and with others: it has threads; each counts once."""
        deadline = time.monotonic() + PATIENCE
        for line in lines:
            wanted = pattern([line])
            while not self._found(wanted):
                ended = self._process.poll() is not None
                late = ended or time.monotonic() > deadline
                assert not late or self._found(wanted), f"{line}\nis not in\n{self._log.read_text(encoding='utf-8')}"
                time.sleep(0.02)
            self._shown.append(self._at)

    def _found(self, wanted: re.Pattern[str]) -> bool:
        """Tell whether there is such a line that was not on the page yet, and note which one."""
        printed = self._log.read_text(encoding="utf-8").splitlines(keepends=True)
        found = (at for at, one in enumerate(printed) if at not in self._shown and wanted.fullmatch(one))
        self._at = next(found, -1)
        return self._at >= 0

    @property
    def process_id(self) -> int:
        """Its number."""
        return self._process.pid

    def interrupt(self) -> int:
        """Type Ctrl-C, and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()


class Terminal:
    """Runs commands in the current folder as their reader would.

    Args:
        folder: where it may keep things of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.stands_for: dict[str, str] = {}
        """What stands on the page, and what it is here, such as an address."""
        self.programs: dict[str, Program] = {}
        """What goes on, by name."""
        self._folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        # What is installed does not look into the folder where it is started.
        start = f'PYTHONPATH="{PACKAGE}${{PYTHONPATH:+:$PYTHONPATH}}" exec {shlex.quote(sys.executable)}'
        for name, arguments in {"syncrepl-client": "-P -m syncrepl_client", "python": ""}.items():
            (bin_folder / name).write_text(f'#!/bin/sh\n{start} {arguments} "$@"\n')
            (bin_folder / name).chmod(0o755)
        self._variables = environment(PATH=f"{bin_folder}:{os.environ['PATH']}")
        del self._variables["PYTHONPATH"]

    def here(self, text: str) -> str:
        """Return a text of the page as it is here."""
        for on_page, here in self.stands_for.items():
            text = text.replace(on_page, here)
        return text

    def run(self, text: str, *, until: bool = False, fails: bool = False) -> None:
        """Run commands to their end, one after the other.

        Args:
            text: the commands, and what they print.
            until: whether to repeat each until it prints that: it looks at what somebody else does.
            fails: whether they end with anything but 0.
        """
        for command, lines in commands(self.here(text)):
            deadline = time.monotonic() + (PATIENCE if until else 0)
            while complaint := self._complaint(command, lines, fails=fails):
                assert time.monotonic() < deadline, complaint
                time.sleep(0.05)

    def _complaint(self, command: str, lines: list[str], *, fails: bool) -> str:
        done = subprocess.run(
            [_SHELL, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._variables,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        right = pattern(lines).fullmatch(done.stdout) and bool(done.returncode) is fails
        return "" if right else f"$ {command}\n{done.stdout}[{done.returncode}]"

    def start(self, text: str, name: str = "") -> None:
        """Start a command that goes on, and wait for what it prints first; the one of that name before it is killed."""
        ((command, lines),) = commands(self.here(text))
        self.kill(name)
        self.programs[name] = Program(command, self._folder / f"log {name}", self._variables)
        self.programs[name].expect(lines)

    def expect(self, text: str, name: str = "") -> None:
        """Wait until a program has printed these lines; see `Program.expect`."""
        self.programs[name].expect(self.here(text).splitlines())

    def kill(self, name: str = "") -> None:
        """Kill what goes on, if it does."""
        if name in self.programs:
            self.programs.pop(name).kill()

    def close(self) -> None:
        """Kill all that goes on."""
        for name in list(self.programs):
            self.kill(name)
