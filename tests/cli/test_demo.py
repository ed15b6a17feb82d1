"""The demonstration, from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import exceptions
from syncrepl_client.cli import demo_server
from syncrepl_client.cli.demo import main

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(exceptions.__file__).parent.parent


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run it with a folder for temporary files of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "syncrepl_client.cli.demo"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def leftovers(folder: Path) -> list[str]:
    """Return files, and command lines of processes, that have the folder in their names."""
    found = [str(path) for path in folder.iterdir()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


def test_it_shows_each_change_and_leaves_nothing(process: subprocess.Popen[str], tmp_path: Path) -> None:
    shown, said = process.communicate(timeout=50)
    assert (process.returncode, said) == (0, "")
    for line in (
        "| refresh done: 900 entries",
        "| added uid=grace,ou=people,dc=example,dc=com",
        "| renamed uid=grace,ou=people,dc=example,dc=com -> uid=ghopper,ou=people,dc=example,dc=com",
        "| deleted uid=p0007,ou=people,dc=example,dc=com",
        "--persist 'ldap://HOST/BASE' copy.db",
    ):
        assert line in shown
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("beginning", ["Starting", "Copying", "In the directory", "Stopping"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_leaves_nothing_when_it_is_interrupted(
    process: subprocess.Popen[str], tmp_path: Path, beginning: str, number: signal.Signals
) -> None:
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith(beginning))
    process.send_signal(number)
    _, said = process.communicate(timeout=50)
    # At the very end it may be too late to interrupt anything.
    assert process.returncode in {128 + number, 0}
    assert "Traceback" not in said
    assert leftovers(tmp_path) == []


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name, path: path and None)
    assert main() == 1
    assert "apt-get install slapd ldap-utils" in capsys.readouterr().err


def test_the_sample_directory_is_the_same_each_time() -> None:
    first = "".join(demo_server.people())
    assert first == "".join(demo_server.people())
    assert first.count("\ndn: uid=") == demo_server.PEOPLE
    assert first.count("employeeType: active") == demo_server.PEOPLE * 9 // 10
