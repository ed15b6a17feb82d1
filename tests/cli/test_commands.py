"""The commands inside this process: how what happens becomes output, messages and an exit code."""

from __future__ import annotations

import errno
import json
import runpy
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.cli.deletes import deletes
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main
from syncrepl_client.cli.output import OutputFailed, StandardOutput
from syncrepl_client.cli.verify import verify
from tests.slapd import Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

PEOPLE = 60


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "copy.db")


def where(slapd: Slapd, rest: str = "") -> str:
    return f"{slapd.url}/{slapd.suffix}{rest}"


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env={"SYNCREPL_PASSWORD_FILE": None})


def person(slapd: Slapd, number: int) -> str:
    return f"uid=u{number:06},ou=people,{slapd.suffix}"


def forget(data: str, slapd: Slapd, number: int) -> None:
    """Take an entry out of a copy, behind the back of the stream."""
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("DELETE FROM syncrepl_entry WHERE dn = ?", (person(slapd, number),))


# --- the command ------------------------------------------------------------------------------------------------------


def test_readable_output_ends_with_the_directory(server: Slapd, data: str) -> None:
    shown = run(main, where(server), data)

    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    lines = shown.stdout.splitlines()
    assert lines[0] == "bound"
    assert person(server, 1) in lines[lines.index(f"refresh done: {PEOPLE + 3} entries") :]


@pytest.mark.parametrize(("option", "beginning"), [("--json", '{"op":"u"'), ("--ldif", "dn: uid=u000002"), ("-q", "")])
def test_what_changed_is_printed_as_it_was_asked_for(server: Slapd, data: str, option: str, beginning: str) -> None:
    run(main, "-q", where(server), data)
    server.replace(person(server, 2), "title", ["Dr"])

    shown = run(main, option, where(server), data)

    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    assert beginning in shown.stdout
    assert bool(beginning) == bool(shown.stdout)


def test_a_trace_goes_to_standard_error(server: Slapd, data: str) -> None:
    shown = run(main, "--trace", "--nodir", where(server), data)

    assert "unbind" in shown.stderr
    assert shown.stdout.splitlines()[-1] == f"refresh done: {PEOPLE + 3} entries"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--json", "--ldif", "ldap://h/"], ExitCode.USAGE, "exclude each other"),
        (["--max-deletes", "many", "ldap://h/"], ExitCode.USAGE, "is no limit on deletions"),
        (["http://h/"], ExitCode.USAGE, "error: not a usable LDAP URL"),
        (["ldap://no-such-host.invalid/dc=x"], ExitCode.CONNECTION, "hint: check its name"),
    ],
)
def test_what_goes_wrong_is_said_with_an_exit_code(data: str, arguments: list[str], code: ExitCode, said: str) -> None:
    shown = run(main, *arguments, data)

    assert (code, "") == (shown.exit_code, shown.stdout)
    assert said in shown.stderr


def test_another_search_is_refused_before_anything_is_changed(server: Slapd, data: str) -> None:
    run(main, "-q", where(server), data)

    assert run(main, where(server, "?cn"), data).exit_code == ExitCode.USAGE
    assert run(verify, where(server, "?cn"), data).exit_code == ExitCode.USAGE


def test_the_first_word_may_be_another_command(server: Slapd, data: str) -> None:
    run(main, "-q", where(server), data)

    assert run(main, "verify", where(server), data).exit_code == ExitCode.OK
    assert run(main, "deletes", "list", data).exit_code == ExitCode.OK
    assert "Usage: " in run(main, "verify", "--help").stdout


def test_the_package_itself_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--version"])

    with pytest.raises(SystemExit) as left:
        runpy.run_module("syncrepl_client", run_name="__main__", alter_sys=True)

    assert left.value.code == ExitCode.OK
    assert capsys.readouterr().out.startswith("syncrepl-client ")


class Gone(StandardOutput):
    """A reader that went away, or a disk that is full."""

    error: OSError = BrokenPipeError()

    def write(self, text: str) -> None:
        raise OutputFailed(self.error)


@pytest.mark.parametrize(
    ("error", "code"), [(BrokenPipeError(), ExitCode.OK), (OSError(errno.ENOSPC, "it is full"), ExitCode.OTHER)]
)
def test_output_that_nobody_takes_loses_nothing(
    server: Slapd, data: str, monkeypatch: pytest.MonkeyPatch, error: OSError, code: ExitCode
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Gone, "error", error)
        patched.setattr("syncrepl_client.cli.copy.StandardOutput", Gone)
        shown = run(main, where(server), data)

    assert code == shown.exit_code
    assert ("it is full" in shown.stderr) == bool(code)
    assert f"refresh done: {PEOPLE + 3} entries" in run(main, where(server), data).stdout


# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_copy_that_is_right_is_no_drift(server: Slapd, data: str) -> None:
    run(main, "-q", where(server), data)

    shown = run(verify, where(server), data)

    assert (shown.exit_code, shown.stdout) == (ExitCode.OK, "")
    assert f"{PEOPLE + 3} entries compared, 0 differ" in shown.stderr


def test_what_the_stream_never_told_is_found_and_repaired(server: Slapd, data: str) -> None:
    run(main, "-q", where(server), data)
    forget(data, server, 7)

    found = run(verify, where(server), data)
    as_json = run(verify, "--json", where(server), data)
    repaired = run(verify, "--repair", where(server), data)
    after = run(verify, where(server), data)

    codes = [shown.exit_code for shown in (found, as_json, repaired, after)]
    assert codes == [ExitCode.DRIFT, ExitCode.DRIFT, ExitCode.REPAIRED, ExitCode.OK]
    assert found.stdout.startswith("missing ")
    assert person(server, 7) in found.stdout
    report = json.loads(as_json.stdout)
    assert [(one["kind"], one["serverDN"]) for one in report["differences"]] == [("missing", person(server, 7))]
    assert report["repaired"] is False


def test_a_copy_that_somebody_keeps_is_compared_and_the_keeper_is_asked(server: Slapd, data: str) -> None:
    run(main, "-q", where(server), data)
    forget(data, server, 7)
    with Replica(where(server), data, mode=SyncreplMode.REFRESH_AND_PERSIST) as keeper:
        keeper.refresh()
        shown = run(verify, "--repair", where(server), data)
        assert shown.exit_code == ExitCode.DRIFT
        assert "was asked to compare and repair it" in shown.stderr
        while person(server, 7) not in keeper.entries:
            assert keeper.step(0.1)


def test_a_file_that_is_not_there_is_no_empty_copy(server: Slapd, data: str) -> None:
    for shown in (run(verify, where(server), data), run(deletes, "list", data)):
        assert shown.exit_code == ExitCode.DATA_FILE
        assert "there is no data file" in shown.stderr


# --- deletes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def held(server: Slapd, data: str) -> Slapd:
    """Let a refresh be held that would delete all people but a few."""
    run(main, "-q", where(server), data)
    for number in range(1, PEOPLE - 4):
        server.delete(person(server, number))
    shown = run(main, where(server), data)
    assert shown.exit_code == ExitCode.HELD
    assert f"would delete {PEOPLE - 5} of {PEOPLE + 3} entries" in shown.stderr
    return server


def test_what_is_held_can_be_looked_at_and_approved(held: Slapd, data: str) -> None:
    listed = run(deletes, "list", data)
    assert listed.exit_code == ExitCode.HELD
    assert {person(held, number) for number in range(1, PEOPLE - 4)} == {
        line.split()[1] for line in listed.stdout.splitlines()
    }

    assert f"approved: {PEOPLE - 5} of" in run(deletes, "approve", data).stderr
    shown = run(main, "--nodir", where(held), data)

    assert shown.exit_code == ExitCode.OK
    assert shown.stdout.count("deleted ") == PEOPLE - 5
    assert run(deletes, "list", data).exit_code == ExitCode.OK


def test_what_is_rejected_is_read_anew(held: Slapd, data: str) -> None:
    assert f"rejected: {PEOPLE - 5} of" in run(deletes, "reject", data).stderr

    # The server still means it.
    assert run(main, where(held), data).exit_code == ExitCode.HELD
    assert run(main, "-q", "--max-deletes", "none", where(held), data).exit_code == ExitCode.OK


def test_there_is_nothing_to_decide_where_nothing_is_held(server: Slapd, data: str) -> None:
    run(main, "-q", where(server), data)

    assert run(deletes, "approve", data).exit_code == ExitCode.USAGE
    assert "nothing is held" in run(deletes, "list", data).stderr
