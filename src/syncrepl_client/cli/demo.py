"""The demonstration: ``python -m syncrepl_client.cli.demo``.

It runs a directory server of its own and the command against it, changes the directory, and shows what the command
prints.  Nothing outside of a temporary folder is touched, and nothing is left.
"""

from __future__ import annotations

import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self, cast

import click

from syncrepl_client.cli.demo_server import PEOPLE, SUFFIX, DemoError, Server

if TYPE_CHECKING:
    from types import FrameType, TracebackType

__all__ = ["main"]

_FILTER: Final = "(&(objectClass=inetOrgPerson)(employeeType=active))"
_PATIENCE: Final = 20.0
_STOP_TIMEOUT: Final = 10.0
_INTERRUPTED: Final = 130
_SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class _Step:
    """A change of the directory, and what the client's line about it begins with at the end."""

    told: str
    ldif: str
    last_line: str


def _person(uid: str) -> str:
    return f"uid={uid},ou=people,{SUFFIX}"


_STEPS: Final = (
    _Step(
        "add uid=grace, who is active",
        f"dn: {_person('grace')}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: grace\ncn: Grace Hopper\n"
        "sn: Hopper\ntitle: Programmer\nemployeeType: active\n",
        f"added {_person('grace')}",
    ),
    _Step(
        "change her title, and give her two mail addresses",
        f"dn: {_person('grace')}\nchangetype: modify\nreplace: title\ntitle: Rear Admiral\n-\n"
        "add: mail\nmail: grace@example.com\nmail: hopper@example.com\n-\n",
        f"changed {_person('grace')}",
    ),
    _Step(
        "rename uid=grace to uid=ghopper",
        f"dn: {_person('grace')}\nchangetype: modrdn\nnewrdn: uid=ghopper\ndeleteoldrdn: 1\n",
        f"changed {_person('ghopper')}",
    ),
    _Step(
        "uid=p0007 retires: the filter no longer finds the entry, which is still there",
        f"dn: {_person('p0007')}\nchangetype: modify\nreplace: employeeType\nemployeeType: former\n-\n",
        f"deleted {_person('p0007')}",
    ),
    _Step(
        "uid=p0010 comes back from retirement",
        f"dn: {_person('p0010')}\nchangetype: modify\nreplace: employeeType\nemployeeType: active\n-\n",
        f"added {_person('p0010')}",
    ),
    _Step(
        "delete uid=p0042",
        f"dn: {_person('p0042')}\nchangetype: delete\n",
        f"deleted {_person('p0042')}",
    ),
)


class _Client:
    """The command, running in a process of its own; `with` starts and stops it.

    Args:
        url: the search.
        data: the data file.
    """

    def __init__(self, url: str, data: Path) -> None:
        self._command = [sys.executable, "-m", "syncrepl_client", "--persist", "--nodir", url, str(data)]
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - the arguments are our own
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C is ours to handle.
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        with cast("IO[str]", self._process.stdout) as stream:
            for line in stream:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def lines_until(self, beginning: str) -> list[str]:
        """Return what it prints up to the line that begins so."""
        found: list[str] = []
        deadline = time.monotonic() + _PATIENCE
        while not found or not found[-1].startswith(beginning):
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise DemoError(f"the client did not print {beginning!r} within {_PATIENCE:.0f} seconds") from None
            if line is None:
                raise DemoError(f"the client ended with exit code {self._process.wait()}")
            found.append(line)
        return found

    def stop(self) -> int:
        """Stop it as an administrator would; returns its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def main() -> int:
    """Run the demonstration.

    Returns:
        The exit code.
    """
    former = {number: signal.signal(number, _leave) for number in _SIGNALS}
    try:
        _show()
    except DemoError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo("stopped; nothing is left running", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more; the rest in the buffer would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return 0


def _leave(number: int, _frame: FrameType | None) -> None:
    """Leave by way of everything that stops and removes what was started."""
    _clean_up_undisturbed()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def _clean_up_undisturbed() -> None:
    """Ignore signals from here on; what is left to do takes a moment, and must be done."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _show() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="syncrepl-demo-")))
        _say(f"Starting a directory server with {PEOPLE:,} people, nine of ten of them active")
        server = stack.enter_context(Server(folder))
        url = f"{server.url}/{SUFFIX}??sub?{_FILTER}"
        _say("Copying those who are active, and listening:")
        click.echo(f"  $ syncrepl-client --persist --nodir {shlex.quote(url)} copy.db")
        started = time.monotonic()
        client = stack.enter_context(_Client(url, folder / "copy.db"))
        lines = client.lines_until("refresh done")
        _show_some(lines)
        click.echo(f"  (after {time.monotonic() - started:.1f} seconds)")
        for step in _STEPS:
            _say(f"In the directory: {step.told}")
            server.modify(step.ldif)
            _show_some([line for line in client.lines_until(step.last_line) if not line.startswith("cookie")])
        _say("Stopping the client, then the server")
        if code := client.stop():
            raise DemoError(f"the client ended with exit code {code}")
        _clean_up_undisturbed()
    click.echo("  done: nothing is left running, no file is left")
    _say("Next, on a directory of your own:")
    click.echo(f"  {_command()} --persist 'ldap://HOST/BASE' copy.db")
    click.echo(f"  {_command()} --help")


def _say(text: str) -> None:
    click.echo(f"\n{click.style(text, bold=True)}")


def _show_some(lines: list[str]) -> None:
    """Show lines of the client, of many only the first and the last."""
    most = 8
    if len(lines) > most:
        lines = [*lines[:4], f"… {len(lines) - 6:,} more …", *lines[-2:]]
    for line in lines:
        click.echo(f"  {click.style('|', dim=True)} {line}")


def _command() -> str:
    """Return how this user calls the command from here."""
    if shutil.which("syncrepl-client"):
        return "syncrepl-client"
    beside = Path(sys.executable).with_name("syncrepl-client")
    return _from_here(beside) if beside.exists() else f"{_from_here(Path(sys.executable))} -m syncrepl_client"


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


if __name__ == "__main__":
    sys.exit(main())
