"""The command with --reconnect, --provider and --srv."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.testing import Provider
from tests.cli.command import COMMAND, environment, run
from tests.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = "dc=example,dc=com"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


class Running:
    """The command in a process of its own; ``with`` ends it by SIGTERM, which is a clean end."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,))
            for stream in (self._process.stdout, self._process.stderr)
        ]

    def __enter__(self) -> Self:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self.code = self._process.wait(10)
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _read(self, stream: Any) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: sum(text in line for line in self.lines) >= times, 20), self.lines


def test_a_lost_connection_and_its_return_are_told(provider: Provider, tmp_path: Path) -> None:
    url = f"{provider.url}/{SUFFIX}"
    with Running("--persist", "--reconnect", "--json", url, str(tmp_path / "data")) as command:
        command.wait_for('"op"')
        provider.stop()
        command.wait_for("Connection refused")
        provider.start()
        command.wait_for("connected to ldap://", 2)
        provider.add(f"cn=later,{SUFFIX}", {})
        command.wait_for("cn=later")
    assert command.code == ExitCode.OK
    dns = [json.loads(line)["after"]["dn"] for line in command.lines if line.startswith("{")]
    assert dns == [SUFFIX, f"cn=later,{SUFFIX}"]
    (lost, *_) = [line for line in command.lines if "closed the connection" in line]
    assert lost.startswith("warning: 127.0.0.1:")
    assert "the next try is in" in lost


def test_a_server_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
    with Running("--reconnect", "--nodir", url, str(tmp_path / "data")) as command:
        command.wait_for("the next try is in", 2)
    assert command.code == ExitCode.OK


def test_silence_is_silence(provider: Provider, tmp_path: Path) -> None:
    url = f"{provider.url}/{SUFFIX}"
    with Running("--persist", "--reconnect", "--quiet", "--json", url, str(tmp_path / "data")) as command:
        command.wait_for('"op"')
        provider.disconnect()
        provider.wait_for_requests(2)
    assert all(line.startswith("{") for line in command.lines)


def test_without_it_the_command_ends_with_its_connection(tmp_path: Path) -> None:
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"

    done = run("--persist", url, str(tmp_path / "data"))

    assert done.returncode == ExitCode.CONNECTION
    assert "the next try" not in done.stderr


def test_a_wrong_password_ends_it_all_the_same(tmp_path: Path) -> None:
    with Provider(bind_dn="cn=reader", password="secret") as provider:
        (tmp_path / "password").write_text("wrong", encoding="utf-8")
        (tmp_path / "password").chmod(0o600)
        url = f"{provider.url}/{SUFFIX}????bindname=cn=reader"

        done = run(
            "--persist", "--reconnect", "--password-file", str(tmp_path / "password"), url, str(tmp_path / "data")
        )

    assert done.returncode == ExitCode.ACCESS
    assert "the next try" not in done.stderr


def test_another_server_is_tried_next(provider: Provider, tmp_path: Path) -> None:
    gone = f"ldap://127.0.0.1:{free_port()}"

    done = run("--json", "--provider", gone, "--provider", provider.url, f"{gone}/{SUFFIX}", str(tmp_path / "data"))

    assert done.returncode == ExitCode.OK
    assert json.loads(done.stdout)["after"]["dn"] == SUFFIX
    assert "trying the next server" in done.stderr


@pytest.mark.parametrize(
    ("options", "url", "reason"),
    [
        (["--provider", "ldap://b/ou=other"], "ldap://a/dc=x", "another search"),
        (["--srv", "example.com"], "ldap://a/dc=x", "names the host"),
        (["--srv", "example.com", "--provider", "ldap://b"], "ldap:///dc=x", "listed or looked up"),
        (["--srv", "no.such..name"], "ldap:///dc=x", "no name that the DNS can have"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, options: list[str], url: str, reason: str) -> None:
    done = run(*options, url, str(tmp_path / "data"))

    assert done.returncode == ExitCode.USAGE
    assert reason in done.stderr
    assert "hint: " in done.stderr


def test_a_password_that_goes_to_another_server_in_clear_is_told(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret", encoding="utf-8")
    (tmp_path / "password").chmod(0o600)
    url = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}????bindname=cn=reader"
    options = ["--password-file", str(tmp_path / "password"), "--provider", "ldap://192.0.2.1:0"]

    done = run(*options[:-1], "ldap://server.invalid", url, str(tmp_path / "data"))

    assert "the password for server.invalid:389 goes over the network in clear" in done.stderr
    assert "127.0.0.1" not in next(line for line in done.stderr.splitlines() if "in clear" in line)
