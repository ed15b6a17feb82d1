"""`sync`, run as users run it, on a real server."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Reader
from syncrepl_client.cli.exits import ExitCode
from tests.cli.command import run
from tests.cli.running import AtTerminal, piped
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = 60
ENTRIES = PEOPLE + 3


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "a copy.db")


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{SUFFIX}"


def person(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def test_the_first_one_copies_and_says_what_to_type_next(server: Slapd, data: str) -> None:
    done = run("sync", where(server), data)

    assert (done.returncode, done.stdout) == (ExitCode.OK, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"{ENTRIES} entries copied in ")
    assert second == f"what is in it: syncrepl-client status '{data}'"


def test_a_later_one_says_how_many_entries_came_and_went(server: Slapd, data: str) -> None:
    run("sync", where(server), data)
    server.replace(person(1), "title", ["Dr"])
    server.rename(person(2), "uid=other")
    server.delete(person(3))
    server.add(f"cn=new,{SUFFIX}", {"objectClass": ["device"], "cn": ["new"]})

    done = run("sync", "--json", where(server), data)

    assert done.stderr.startswith(f"{ENTRIES} entries: 1 added, 1 modified, 1 renamed, 1 deleted, in ")
    summary = json.loads(done.stdout)
    assert summary.pop("seconds") >= 0
    assert summary == {"entries": ENTRIES, "added": 1, "modified": 1, "renamed": 1, "deleted": 1, "first": False}
    with Reader(data) as reader:
        assert {type(change).__name__ for change in reader.history(person(1))} == {"Modified"}


def test_quiet_says_nothing(server: Slapd, data: str) -> None:
    done = run("sync", "-q", where(server), data)

    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "", "")


def test_a_terminal_sees_how_far_it_is(server: Slapd, data: str) -> None:
    with AtTerminal("sync", where(server), data) as terminal:
        assert terminal.end() == ExitCode.OK
        assert "entries received" in terminal.shown
        assert f"{ENTRIES} entries copied" in terminal.shown


def test_what_is_held_has_an_exit_code_and_another_search_is_refused(server: Slapd, data: str) -> None:
    run("sync", where(server), data)
    for number in range(1, PEOPLE):
        server.delete(person(number))

    held = run("sync", where(server), data)

    assert (held.returncode, held.stdout) == (ExitCode.HELD, "")
    assert "syncrepl-client deletes list" in held.stderr
    assert run("sync", f"{where(server)}?cn", data).returncode == ExitCode.USAGE


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_one_that_is_stopped_is_not_taken_for_a_complete_one(data: str, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}/{SUFFIX}"
        with piped("sync", url, data) as process, silent.accept()[0] as connection:
            assert connection.recv(100)
            process.send_signal(number)
            assert process.communicate(timeout=20) == ("", "stopped; the copy is as it was\n")
            assert process.returncode == 128 + number


def test_a_server_that_is_not_there_yet_is_waited_for(data: str) -> None:
    with Slapd() as late:
        late.load(sample_ldif(1))
        assert run("sync", where(late), data).returncode == ExitCode.CONNECTION
        with piped("sync", "--reconnect", where(late), data) as process:
            assert process.stderr is not None
            assert next(process.stderr).startswith("warning: ")
            late.start()
            with contextlib.closing(process.stderr) as said:
                assert any(line.startswith("4 entries copied") for line in said)
            assert process.wait(20) == ExitCode.OK
