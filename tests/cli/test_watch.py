"""`watch`, run as users run it, on real servers."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import subscribe
from syncrepl_client.cli.exits import ExitCode
from tests.cli.command import run
from tests.cli.running import AtTerminal, piped
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = 3
ENTRIES = PEOPLE + 3
READY = f"{ENTRIES} entries; waiting for changes"


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(sessionlog=100) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "copy.db")


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{SUFFIX}"


def person(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    assert next(process.stderr).startswith(READY)


def line_with(process: subprocess.Popen[str], part: str) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if part in line)


def stopped(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


# --- at a terminal ----------------------------------------------------------------------------------------------------


def test_a_terminal_sees_what_came_and_what_went_in_colours(server: Slapd) -> None:
    with AtTerminal("watch", where(server)) as terminal:
        terminal.until(READY)
        assert "u000001" not in terminal.shown
        server.replace(person(1), "title", ["Dr"])
        shown = terminal.until("+ title: Dr")
        assert "\x1b[33mmodified\x1b[0m" in shown
        assert "\x1b[31m    - title: " in shown
        assert "\x1b[32m    + title: Dr" in shown
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == ExitCode.OK


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"SYNCREPL_NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_sees_none(server: Slapd, variables: dict[str, str]) -> None:
    with AtTerminal("watch", where(server), **variables) as terminal:
        terminal.until(READY)
        server.replace(person(1), "title", ["Dr"])
        shown = terminal.until("+ title: Dr")
        assert "\x1b[3" not in shown
        assert f"modified {person(1)}" in shown


def test_a_server_cannot_reach_the_terminal(server: Slapd) -> None:
    with AtTerminal("watch", where(server), NO_COLOR="1") as terminal:
        terminal.until(READY)
        before = len(terminal.shown)
        server.replace(person(1), "title", ["\x1b]0;owned\x07"])
        assert "\x1b" not in terminal.until("owned")[before:]


# --- elsewhere --------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_no_colours_unless_they_are_forced(server: Slapd) -> None:
    for variables, coloured in (({}, False), ({"FORCE_COLOR": "1"}, True)):
        with piped("watch", where(server), **variables) as process:
            ready(process)
            server.replace(person(1), "title", [f"Dr {coloured}"])
            assert ("\x1b[" in line_with(process, f"+ title: Dr {coloured}")) is coloured


def test_json_tells_the_snapshot_and_then_each_change_with_number_and_time(server: Slapd) -> None:
    with piped("watch", "--json", where(server)) as process:
        assert process.stdout is not None
        first = [json.loads(next(process.stdout)) for _ in range(ENTRIES)]
        assert {record["op"] for record in first} == {"r"}
        server.rename(person(1), "uid=other")
        record = json.loads(next(process.stdout))
    assert (record["op"], record["sequence"]) == ("u", 1)
    assert (record["before"]["dn"], record["after"]["dn"]) == (person(1), f"uid=other,ou=people,{SUFFIX}")
    assert record["time"].endswith("Z")


@pytest.mark.parametrize(
    ("options", "first"),
    [(["--snapshot"], "is here "), (["--json", "--no-snapshot"], '"op":"u"'), (["--ldif", "--no-snapshot"], "version")],
)
def test_the_snapshot_can_be_asked_for_and_left_out(server: Slapd, options: list[str], first: str) -> None:
    with piped("watch", *options, where(server)) as process:
        ready(process)
        server.replace(person(1), "title", ["Dr"])
        assert process.stdout is not None
        assert first in next(process.stdout)


def test_some_kinds_alone_are_printed(server: Slapd, data: str) -> None:
    with piped("watch", "--json", "--no-snapshot", "--only", "added,deleted", where(server), data) as process:
        ready(process)
        server.replace(person(1), "title", ["Dr"])
        server.delete(person(2))
        assert process.stdout is not None
        assert json.loads(next(process.stdout))["op"] == "d"
    wrong = run("watch", "--only", "changed", where(server))
    assert wrong.returncode == ExitCode.USAGE
    assert "'changed' is none of added, modified, renamed, deleted" in wrong.stderr


def test_another_server_follows_by_its_ldif(server: Slapd) -> None:
    with Slapd() as other:
        other.start()
        with piped("watch", "--ldif", where(server)) as process:
            ready(process)
            server.replace(person(1), "mail", ["a@example.com", "b@example.com"])
            server.rename(person(2), "uid=moved")
            server.rename(f"ou=people,{SUFFIX}", "ou=staff")
            server.add(f"cn=last,{SUFFIX}", {"objectClass": ["device"], "cn": ["last"]})
            assert process.stdout is not None
            printed = ""
            while not printed.endswith("cn: last\n\n"):
                printed += next(process.stdout)
        command = ["ldapmodify", "-x", "-H", other.url, "-D", f"cn=admin,{SUFFIX}", "-w", "secret"]
        done = subprocess.run(command, input=printed, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert other.search() == server.search()


# --- the data file ----------------------------------------------------------------------------------------------------


def test_without_data_nothing_is_left(server: Slapd, tmp_path: Path) -> None:
    with piped("watch", where(server), TMPDIR=str(tmp_path)) as process:
        ready(process)
        assert list(tmp_path.iterdir())
        assert stopped(process) == (ExitCode.OK, "", "")
    assert list(tmp_path.iterdir()) == []


def test_with_data_it_tells_what_has_changed_in_between(server: Slapd, data: str) -> None:
    with piped("watch", where(server), data) as process:
        ready(process)
        assert stopped(process, signal.SIGHUP) == (ExitCode.OK, "", "")
    server.replace(person(1), "title", ["Dr"])
    with piped("watch", where(server), data) as process:
        assert "modified" in line_with(process, person(1))


def test_a_subscription_goes_on_where_it_was(server: Slapd, data: str) -> None:
    options = ("watch", "--json", "--subscription", "audit", where(server), data)
    with piped(*options) as process:
        assert process.stdout is not None
        assert len([next(process.stdout) for _ in range(ENTRIES)]) == ENTRIES
        ready(process)
        assert stopped(process) == (ExitCode.OK, "", "")
    server.replace(person(1), "title", ["Dr"])
    # Whoever else brings the copy up to date takes nothing from it.
    assert run("--nodir", where(server), data).returncode == ExitCode.OK
    with piped(*options) as process:
        assert json.loads(line_with(process, ""))["after"]["attributes"]["title"] == ["Dr"]
        assert stopped(process)[0] == ExitCode.OK
    with subscribe(data, "audit") as changes:
        assert changes.read(timeout=0) == []


def test_a_new_subscription_without_snapshot_begins_with_the_first_change(server: Slapd, data: str) -> None:
    options = ("watch", "--subscription", "audit", where(server), data)
    with piped(*options) as process:
        ready(process)
        server.replace(person(1), "title", ["Dr"])
        assert "modified" in line_with(process, person(1))
        assert stopped(process)[0] == ExitCode.OK


def test_what_a_reader_did_not_take_comes_again(server: Slapd, data: str) -> None:
    options = ("watch", "--json", "--no-snapshot", "--subscription", "audit", where(server), data)
    with piped(*options) as process:
        ready(process)
        assert process.stdout is not None
        process.stdout.close()
        server.replace(person(1), "title", ["Dr"])
        assert process.wait(20) == ExitCode.OK
        assert process.stderr is not None
        assert process.stderr.read() == ""
    with piped(*options) as process:
        assert json.loads(line_with(process, ""))["after"]["attributes"]["title"] == ["Dr"]


# --- servers that go and come -----------------------------------------------------------------------------------------


def test_a_server_that_was_away_is_followed_again(server: Slapd, data: str) -> None:
    with piped("watch", where(server), data) as process:
        ready(process)
        server.kill()
        assert process.stderr is not None
        assert next(process.stderr).startswith("warning: ")
        server.start()
        assert any(line.startswith("connected to ") for line in process.stderr)
        server.replace(person(1), "title", ["Dr"])
        assert "modified" in line_with(process, person(1))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_there_is_no_server(data: str, number: signal.Signals) -> None:
    with Slapd() as never_started, piped("watch", where(never_started), data) as process:
        assert process.stderr is not None
        assert next(process.stderr).startswith("warning: ")
        assert stopped(process, number)[:2] == (ExitCode.OK, "")


def test_wrong_use_is_told(server: Slapd, data: str) -> None:
    for arguments, said in (
        (["--json", "--ldif", where(server)], "exclude each other"),
        (["--subscription", "x", where(server)], "needs DATA"),
        (["http://x/"], "not a usable LDAP URL"),
    ):
        done = run("watch", *arguments)
        assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
        assert said in done.stderr
    assert run("watch", f"{server.url}/ou=none,{SUFFIX}").returncode == ExitCode.NOT_OFFERED
