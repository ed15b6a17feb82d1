"""The demonstration, from outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import exceptions
from syncrepl_client.cli import demo, demo_server
from syncrepl_client.cli.demo import _Client, _command, _leave, main

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


# --- the same inside this process -------------------------------------------------------------------------------------


def test_it_shows_what_each_change_looks_like(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    handlers = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)]

    assert main() == 0

    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if line.startswith("In the directory")] != []
    assert re.search(r"\| … 8\d\d more …", shown)
    assert handlers == [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)]
    assert leftovers(tmp_path) == []


class Failing(demo_server.Server):
    """A server that is interrupted, or fails, when it is asked for its first change."""

    error: type[BaseException] = KeyboardInterrupt

    def modify(self, ldif: str) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(KeyboardInterrupt, (130, "nothing is left running")), (demo_server.DemoError, (1, "error: "))],
)
def test_whatever_ends_it_is_said_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    outcome: tuple[int, str],
) -> None:
    code, said = outcome
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    monkeypatch.setattr(demo, "Server", Failing)
    monkeypatch.setattr(Failing, "error", error)

    assert code == main()

    assert said in capsys.readouterr().err
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGHUP, SystemExit), (signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_leaves_by_way_of_what_cleans_up(number: signal.Signals, how: type[BaseException]) -> None:
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    former = {one: signal.getsignal(one) for one in numbers}
    try:
        with pytest.raises(how) as left:
            _leave(number, None)
        assert getattr(left.value, "code", 128 + number) == 128 + number
        # Nothing disturbs what is left to do.
        assert [signal.getsignal(one) for one in numbers] == [signal.SIG_IGN] * 3
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


def test_a_server_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port is taken each time."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(demo_server, "_free_port", lambda: taken.getsockname()[1])
        server = demo_server.Server(tmp_path)
        with pytest.raises(demo_server.DemoError, match="slapd did not start"):
            server.__enter__()

    assert not any("slapd -d" in line for line in leftovers(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("_SCHEMAS", ("/none",), "schema files are in none of /none"),
        ("people", lambda: ["this is no LDIF\n"], "slapadd failed"),
    ],
    ids=["schema", "data"],
)
def test_a_server_that_cannot_be_filled_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object, reason: str
) -> None:
    monkeypatch.setattr(demo_server, name, value)
    server = demo_server.Server(tmp_path)

    with pytest.raises(demo_server.DemoError, match=reason):
        server.__enter__()


def test_a_machine_without_a_free_port_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socketserver, "TCPServer", refuse)
    server = demo_server.Server(tmp_path)

    with pytest.raises(demo_server.DemoError, match="no free port"):
        server.__enter__()


def test_a_change_that_the_server_refuses_is_said(tmp_path: Path) -> None:
    with demo_server.Server(tmp_path) as server, pytest.raises(demo_server.DemoError, match="ldapmodify failed"):
        server.modify("dn: cn=none,dc=example,dc=com\nchangetype: delete\n")


def test_a_client_that_ends_or_stays_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    with _Client("http://not-ldap/", tmp_path / "copy.db") as client:
        with pytest.raises(demo_server.DemoError, match="ended with exit code 2"):
            client.lines_until("refresh done")
        assert client.stop() == 2

    with (
        demo_server.Server(tmp_path) as server,
        _Client(f"{server.url}/{demo_server.SUFFIX}", tmp_path / "copy.db") as client,
    ):
        client.lines_until("bound")
        monkeypatch.setattr(demo, "_PATIENCE", 0.1)
        with pytest.raises(demo_server.DemoError, match="did not print 'nothing of the kind'"):
            client.lines_until("nothing of the kind")


@pytest.mark.parametrize(("on_path", "beside"), [(True, False), (False, True), (False, False)])
def test_the_command_is_shown_as_this_user_can_call_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, on_path: bool, beside: bool
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/x" if on_path else None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.chdir(tmp_path)
    if beside:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "syncrepl-client").touch()

    wanted = "syncrepl-client" if on_path else "bin/syncrepl-client" if beside else "bin/python -m syncrepl_client"
    assert wanted == _command()


def test_the_sample_directory_is_the_same_each_time() -> None:
    first = "".join(demo_server.people())
    assert first == "".join(demo_server.people())
    assert first.count("\ndn: uid=") == demo_server.PEOPLE
    assert first.count("employeeType: active") == demo_server.PEOPLE * 9 // 10
