"""The command, run as users run it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import ldap
import pytest
from click.testing import CliRunner

from syncrepl_client import __version__
from syncrepl_client import exceptions as errors
from syncrepl_client.cli.ending import stopped_by_signals
from syncrepl_client.cli.exits import ExitCode, exit_code
from syncrepl_client.cli.main import main
from tests.cli.command import COMMAND, environment
from tests.cli.command import run as run_command
from tests.slapd import SUFFIX, Slapd, empty_tree, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = f"cn=admin,{SUFFIX}"
IN_URL = quote(ADMIN)
# So that it is found if it is printed anywhere.
PASSWORD = "Tr0ub4dor-and-3"
PEOPLE = 5


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd(rootpw=PASSWORD) as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        yield slapd


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "copy.db")


def search(server: Slapd, rest: str = "") -> str:
    return f"{server.url}/{SUFFIX}{rest}"


def run(*arguments: str, text: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    done = run_command(*arguments, text=text, **variables)
    assert PASSWORD not in done.stdout + done.stderr
    return done


@contextlib.contextmanager
def persisting(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, "--persist", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_with(process: subprocess.Popen[str], beginning: str) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith(beginning))


# What is printed


def test_readable_output_ends_with_the_directory(server: Slapd, data: str) -> None:
    done = run(search(server), data)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "bound"
    assert lines.count(f"added uid=u000001,ou=people,{SUFFIX}") == 1
    end = lines.index(f"refresh done: {PEOPLE + 3} entries")
    assert f"uid=u000001,ou=people,{SUFFIX}" in lines[end:]
    assert "    uid: u000001" in lines[end:]


def test_nodir_leaves_the_directory_out(server: Slapd, data: str) -> None:
    assert run("--nodir", search(server), data).stdout.splitlines()[-1] == f"refresh done: {PEOPLE + 3} entries"


def test_quiet_prints_nothing(server: Slapd, data: str) -> None:
    done = run("--quiet", search(server), data)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, "", "")


def test_json_is_a_line_for_each_change_and_nothing_else(server: Slapd, data: str) -> None:
    first = [json.loads(line) for line in run("--json", search(server), data).stdout.splitlines()]
    assert [record["op"] for record in first] == ["r"] * (PEOPLE + 3)
    server.replace(f"uid=u000002,ou=people,{SUFFIX}", "title", ["Dr"])
    server.delete(f"uid=u000003,ou=people,{SUFFIX}")
    server.add(f"cn=new,{SUFFIX}", {"objectClass": ["device"], "cn": ["new"]})
    done = run("-q", "--json", search(server), data)
    assert [json.loads(line)["op"] for line in done.stdout.splitlines()] == ["d", "u", "c"]
    assert json.loads(done.stdout.splitlines()[1])["after"]["attributes"]["title"] == ["Dr"]


def test_trace_shows_messages_on_standard_error(server: Slapd, data: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    done = run("--trace", "--json", "--password-file", str(secret), search(server, f"????bindname={IN_URL}"), data)
    assert done.returncode == ExitCode.OK
    assert done.stderr.count("\n") > 5
    assert all(json.loads(line) for line in done.stdout.splitlines())


def test_what_the_log_warns_of_is_said_unless_it_shall_be_quiet(server: Slapd, data: str) -> None:
    run("--nodir", search(server), data)
    for quiet in (False, True):
        with contextlib.closing(sqlite3.connect(data, isolation_level=None)) as connection:
            connection.execute("UPDATE syncrepl_state SET cookie = CAST('rid=0' AS BLOB)")
        done = run("--nodir", *(["-q"] if quiet else []), search(server), data)

        assert done.returncode == ExitCode.OK
        reason = "the refresh reads everything: a cookie of this server cannot be resumed from"
        assert done.stderr == ("" if quiet else f"warning: {reason}\n")


def test_version_and_help() -> None:
    assert CliRunner().invoke(main, ["-V"]).output == f"syncrepl-client {__version__}\n"
    shown = CliRunner().invoke(main, ["--help"]).output
    of_the_oldest = CliRunner().invoke(main, ["--persist", "--help"]).output
    for code in ExitCode:
        assert f" {code:d} " in shown
        assert f"\n    {code:d}  " in of_the_oldest


def test_a_newcomer_sees_what_to_type_first_on_one_screen() -> None:
    shown = CliRunner().invoke(main, ["--help"], prog_name="syncrepl-client").output.splitlines()

    assert len(shown) <= 48
    assert max(map(len, shown)) <= 80
    for command in main.commands.values():
        (line,) = [line for line in shown if line.startswith(f"  {command.name} ")]
        assert not line.endswith("...")
    first = [line.split()[1] for line in shown if line.startswith("    syncrepl-client ")]
    assert first == ["doctor", "watch", "sync", "status"]
    assert set(first) < set(main.commands)


def test_the_word_may_be_left_out_and_a_mistyped_one_is_told() -> None:
    without, with_word = (CliRunner().invoke(main, [*word, "http://x/", "data"]) for word in ((), ("copy",)))
    assert (without.exit_code, without.output) == (with_word.exit_code, with_word.output)

    mistyped = CliRunner().invoke(main, ["veriffy", "ldap://x/", "data"])
    assert mistyped.exit_code == ExitCode.USAGE
    assert "did you mean verify?" in mistyped.stderr


def test_without_any_word_the_help_is_shown_as_an_error() -> None:
    shown = CliRunner().invoke(main, [])

    assert shown.exit_code == ExitCode.USAGE
    assert "What to type first" in shown.output


# Persist


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it(server: Slapd, data: str, number: signal.Signals) -> None:
    with persisting("--nodir", search(server), data) as process:
        line_with(process, "refresh done")
        server.replace(f"uid=u000002,ou=people,{SUFFIX}", "title", ["Dr"])
        assert "title +Dr" in line_with(process, "changed")
        process.send_signal(number)
        assert process.wait(20) == ExitCode.OK
        assert process.stderr is not None
        assert process.stderr.read() == ""


@contextlib.contextmanager
def asking_a_silent_server(data: str) -> Iterator[subprocess.Popen[str]]:
    """Run it up to where it waits for the answer to its first request, which never comes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}/{SUFFIX}????bindname={IN_URL},X-BINDPW={PASSWORD}"
        with persisting("--quiet", url, data) as process, silent.accept()[0] as connection:
            assert connection.recv(100)
            yield process


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_while_the_server_does_not_answer(data: str, number: signal.Signals) -> None:
    with asking_a_silent_server(data) as process:
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == ExitCode.OK


class Stubborn:
    stopped = 0

    def stop(self) -> None:
        self.stopped += 1


def test_a_second_interrupt_ends_it_at_once() -> None:
    replica = Stubborn()
    with stopped_by_signals(replica):
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        signal.raise_signal(signal.SIGTERM)
    assert replica.stopped == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_nohup_ignores_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals(Stubborn()):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_no_server_is_an_error_of_its_own(data: str, tmp_path: Path) -> None:
    with Slapd() as never_started:
        for url in (f"ldapi://{quote(str(tmp_path / 'none'), safe='')}/{SUFFIX}", search(never_started)):
            done = run("--persist", url, data)
            assert done.returncode == ExitCode.CONNECTION
            assert done.stderr.startswith("error: ")


def test_live_changes_come_at_once_in_each_format(server: Slapd, data: str) -> None:
    dn = f"uid=u000002,ou=people,{SUFFIX}"
    with persisting("--ldif", search(server), data) as process:
        while line_with(process, "dn: ") != f"dn: uid=u{PEOPLE:06},ou=people,{SUFFIX}\n":
            pass
        server.rename(dn, "uid=other")
        assert line_with(process, "newrdn:") == "newrdn: uid=other\n"
    with persisting("--json", search(server), data) as process:
        assert json.loads(line_with(process, "{"))["after"]["dn"] == f"uid=other,ou=people,{SUFFIX}"


def test_a_reader_that_leaves_stops_it_quietly_and_loses_nothing(server: Slapd, data: str) -> None:
    with persisting("--nodir", search(server), data) as process:
        line_with(process, "refresh done")
        assert process.stdout is not None
        process.stdout.close()
        server.replace(f"uid=u000002,ou=people,{SUFFIX}", "title", ["Dr"])
        assert process.wait(20) == ExitCode.OK
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert "title +Dr" in run("--nodir", search(server), data).stdout


def test_a_full_disk_is_an_error_and_loses_nothing(server: Slapd, data: str) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*COMMAND, search(server), data]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment())
    assert done.returncode == ExitCode.OTHER
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"
    assert f"refresh done: {PEOPLE + 3} entries" in run(search(server), data).stdout


# Passwords


def test_a_password_file_is_read(server: Slapd, data: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    url = search(server, f"????bindname={IN_URL}")
    assert outcome(run("--password-file", str(secret), url, data)) == (ExitCode.OK, "")
    assert outcome(run(url, data, SYNCREPL_PASSWORD_FILE=str(secret))) == (ExitCode.OK, "")
    assert outcome(run("--password-file", "-", url, data, text=f"{PASSWORD}\n")) == (ExitCode.OK, "")
    secret.chmod(0o644)
    code, said = outcome(run("--password-file", str(secret), url, data))
    assert code == ExitCode.OK
    assert said == f"warning: others can read {secret}; chmod 600 keeps it secret\n"
    assert outcome(run("--quiet", "--password-file", str(secret), url, data)) == (ExitCode.OK, "")


def outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stderr


def test_a_password_in_the_url_is_warned_about(server: Slapd, data: str) -> None:
    code, said = outcome(run(search(server, f"????bindname={IN_URL},X-BINDPW={PASSWORD}"), data))
    assert code == ExitCode.OK
    assert said.startswith("warning: a password in the URL shows in the list of processes")


def test_a_wrong_password_is_an_error_of_its_own(server: Slapd, data: str) -> None:
    done = run("--password-file", "-", search(server, f"????bindname={IN_URL}"), data, text="wrong horse")
    assert done.returncode == ExitCode.ACCESS
    assert done.stderr.startswith("error: bind failed: invalidCredentials")
    assert "wrong horse" not in done.stderr


def test_no_password_and_nobody_to_ask_is_an_error(server: Slapd, data: str) -> None:
    code, said = outcome(run(search(server, f"????bindname={IN_URL}"), data))
    assert code != ExitCode.OK
    assert said.startswith("error: no password")
    assert (
        outcome(run("--password-file", "-", search(server, f"????bindname={IN_URL}"), data, text="\n"))[0]
        == ExitCode.USAGE
    )
    assert outcome(run("--password-file", "/none", search(server, f"????bindname={IN_URL}"), data))[0] == ExitCode.USAGE


def at_terminal(*arguments: str, typed: str = "", **variables: str) -> tuple[int, str]:
    """Run it at a terminal of its own; standard output goes elsewhere."""
    child, terminal = pty.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.execve(sys.executable, [*COMMAND, *arguments], environment(**variables))  # noqa: S606
        os._exit(99)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
            if typed and shown.endswith(b": "):
                os.write(terminal, f"{typed}\n".encode())
                typed = ""
    except OSError:
        # Nobody has the other end open any more.
        pass
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_who_sits_at_the_terminal_is_asked(server: Slapd, data: str) -> None:
    code, shown = at_terminal(search(server, f"????bindname={IN_URL}"), data, typed=PASSWORD, TERM="xterm")
    assert code == ExitCode.OK
    assert shown.startswith(f"Password of {ADMIN}: ")
    assert PASSWORD not in shown


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_terminal_sees_how_far_the_refresh_is(server: Slapd, data: str) -> None:
    code, shown = at_terminal("--json", search(server), data, TERM="xterm")
    assert code == ExitCode.OK
    assert "entries received" in shown
    assert "\x1b[3" in shown
    assert shown.endswith("\r\x1b[2K")
    Path(data).unlink()
    code, shown = at_terminal("--json", search(server), data, TERM="xterm", NO_COLOR="1")
    assert "entries received" in shown
    assert "\x1b[3" not in shown
    Path(data).unlink()
    for arguments, term in ((["--json"], "dumb"), (["-q"], "xterm")):
        assert at_terminal(*arguments, search(server), data, TERM=term) == (ExitCode.OK, "")


# Errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LDAPUrlParseError("x"), ExitCode.USAGE),
        (errors.FilterError("(", 1, "x"), ExitCode.USAGE),
        (errors.LDAPUrlConflict("x", "y"), ExitCode.USAGE),
        (errors.ConnectionLost("x"), ExitCode.CONNECTION),
        (errors.ConnectionFailed("x"), ExitCode.CONNECTION),
        (errors.InvalidCredentials("bind", 49, "x"), ExitCode.ACCESS),
        (errors.InsufficientAccess("search", 50, "x"), ExitCode.ACCESS),
        (errors.SyncNotSupported("search", 12, "x"), ExitCode.NOT_OFFERED),
        (errors.NoSuchBase("search", 32, "x"), ExitCode.NOT_OFFERED),
        (errors.ProtocolError("x"), ExitCode.PROTOCOL),
        (errors.DBError("x"), ExitCode.DATA_FILE),
        (errors.DatabaseInUse("x"), ExitCode.DATA_FILE),
        (errors.VersionError("x", 1, 2), ExitCode.DATA_FILE),
        (errors.MassDeletionHeld(5, 6), ExitCode.HELD),
        (errors.LDAPResultError("search", 80, "other"), ExitCode.OTHER),
        (errors.SyncreplError("x"), ExitCode.OTHER),
    ],
)
def test_each_error_has_itsexit_code(error: errors.SyncreplError, code: ExitCode) -> None:
    assert code == exit_code(error)


def test_wrong_use_is_exit_code_2(data: str) -> None:
    for arguments in (
        ["ldap://x"],
        ["--json", "--ldif", "ldap://x/", data],
        ["http://x/", data],
        ["ldap://x/???(", data],
    ):
        done = run(*arguments)
        assert done.returncode == ExitCode.USAGE
        assert done.stderr
        assert done.stdout == ""


def test_a_password_does_not_show_in_the_error_about_its_url(data: str) -> None:
    done = run(f"ldap://x/dc=x???((?bindname=cn=x,X-BINDPW={PASSWORD}", data)
    assert done.returncode == ExitCode.USAGE


def test_another_search_needs_another_data_file(server: Slapd, data: str) -> None:
    assert run(search(server), data).returncode == ExitCode.OK
    done = run(search(server, "???(uid=u000001)"), data)
    assert done.returncode == ExitCode.USAGE
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]


def test_a_base_that_is_not_there(server: Slapd, data: str) -> None:
    assert run(f"{server.url}/ou=none,{SUFFIX}", data).returncode == ExitCode.NOT_OFFERED


def test_a_server_without_synchronization(data: str) -> None:
    with Slapd(sync_provider=False) as server:
        server.load(empty_tree())
        server.start()
        assert run(search(server), data).returncode == ExitCode.NOT_OFFERED


def test_a_file_that_is_no_database(server: Slapd, data: str) -> None:
    Path(data).write_text("this is a letter, not a database\n" * 50)
    assert run(search(server), data).returncode == ExitCode.DATA_FILE


def test_a_data_file_that_somebody_uses(server: Slapd, data: str) -> None:
    with persisting("--nodir", search(server), data) as process:
        line_with(process, "refresh done")
        assert run(search(server), data).returncode == ExitCode.DATA_FILE


# LDIF, as another server takes it


def apply(server: Slapd, printed: str) -> None:
    command = ["ldapmodify", "-x", "-H", server.url, "-D", ADMIN, "-w", "secret"]
    done = subprocess.run(command, input=printed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{printed}"


def as_sets(server: Slapd) -> dict[str, dict[str, set[bytes]]]:
    found = server.search()
    return {dn: {name: set(values) for name, values in attrs.items()} for dn, attrs in found.items()}


@pytest.fixture
def other() -> Iterator[Slapd]:
    """Run a server that holds nothing."""
    with Slapd() as slapd:
        slapd.start()
        yield slapd


def people(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def change_a_lot(server: Slapd) -> None:
    odd: dict[str, list[str | bytes]] = {
        "objectClass": ["inetOrgPerson"],
        "cn": [" odd, +name "],
        "sn": ["x" * 300],
        "jpegPhoto": [b"\xff\xd8\x00"],
    }
    server.add(f"cn=\\20odd\\2c \\2bname\\20,{SUFFIX}", {**odd, "description": [":a", "<b", "zwei\nZeilen", "ü"]})
    server.add(
        f"cn=ref,{SUFFIX}", {"objectClass": ["referral", "extensibleObject"], "cn": ["ref"], "ref": ["ldap://x"]}
    )
    server.replace(people(1), "jpegPhoto", [b"\xff1", b"\xff2"])
    server.replace(people(1), "facsimileTelephoneNumber", ["+1 2", "+1 3"])
    server.modify(people(1), [(ldap.MOD_ADD, "mail", ["third@example.com"]), (ldap.MOD_DELETE, "title", None)])
    server.rename(people(2), "uid=Renamed+sn=Other")
    server.rename(people(3), "uid=u000003", f"ou=groups,{SUFFIX}")
    server.rename(people(4), "uid=kept", delete_old=False)
    server.delete(people(5))


def change_again(server: Slapd) -> None:
    server.replace(people(1), "jpegPhoto", [b"\xff1", b"\xff3"])
    server.replace(people(1), "facsimileTelephoneNumber", ["+1 3", "+1 4"])
    server.replace(people(1), "mail", ["a@example.com", "third@example.com", "b@example.com"])
    server.rename(f"uid=Renamed+sn=Other,ou=people,{SUFFIX}", "uid=renamed")
    server.rename(f"ou=groups,{SUFFIX}", "ou=Teams")
    server.rename(f"uid=kept,ou=people,{SUFFIX}", "uid=kept", f"ou=Teams,{SUFFIX}")
    server.replace(f"uid=kept,ou=Teams,{SUFFIX}", "title", ["Dr"])
    server.replace(f"cn=ref,{SUFFIX}", "ref", ["ldap://y"])


def test_another_server_follows_by_the_ldif_of_each_refresh(server: Slapd, other: Slapd, data: str) -> None:
    for change in (lambda _: None, change_a_lot, change_again, lambda it: it.delete(f"cn=ref,{SUFFIX}")):
        change(server)
        done = run("--ldif", search(server, "?*,ref"), data)
        assert outcome(done) == (ExitCode.OK, "")
        apply(other, done.stdout)
        assert as_sets(server) == as_sets(other)


def text_until(process: subprocess.Popen[str], ending: str) -> str:
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if printed.endswith(ending):
            break
    return printed


def test_another_server_follows_by_the_ldif_of_live_changes(server: Slapd, other: Slapd, data: str) -> None:
    apply(other, run("--ldif", search(server, "?*,ref"), data).stdout)
    with persisting("--ldif", search(server, "?*,ref"), data) as process:
        # Once it is printed the refresh is over.
        server.add(f"cn=first,{SUFFIX}", {"objectClass": ["device"], "cn": ["first"]})
        printed = text_until(process, "cn: first\n\n")
        change_a_lot(server)
        change_again(server)
        server.add(f"cn=last,{SUFFIX}", {"objectClass": ["device"], "cn": ["last"]})
        printed += text_until(process, "cn: last\n\n")
    apply(other, printed)
    assert as_sets(server) == as_sets(other)
