"""The manual page, as groff reads it."""

from __future__ import annotations

import subprocess

import click
import pytest

from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main
from tests.cli.copied import run
from tests.server import find_program


@pytest.fixture(scope="module")
def page() -> str:
    shown = run("man")
    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    return shown.stdout


@pytest.fixture(scope="module")
def read(page: str) -> str:
    """Return the page as who reads it sees it."""
    groff = find_program("groff", "groff-base")
    # No colours, no overstriking, one long line for each paragraph.
    command = [groff, "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=2000n", "-rLT=2000n"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_is_without_warnings(page: str) -> None:
    command = [find_program("groff", "groff-base"), "-man", "-ww", "-z"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.isascii()


def test_it_has_every_command_with_every_option(read: str) -> None:
    for command in main.commands.values():
        assert_it_has(read, f"syncrepl-client {command.name}", command)
    assert "syncrepl-client config check [OPTIONS] CONFIG" in read


def assert_it_has(read: str, name: str, command: click.Command) -> None:
    assert f"{name} [OPTIONS]" in read
    for option in command.params:
        if isinstance(option, click.Option):
            assert all(name in read for name in (*option.opts, *option.secondary_opts))
    if isinstance(command, click.Group):
        for one, subcommand in command.commands.items():
            assert_it_has(read, f"{name} {one}", subcommand)


def test_it_has_exit_codes_variables_and_files(read: str) -> None:
    lines = [line.strip() for line in read.splitlines()]
    for code in ExitCode:
        assert any(line.split()[:1] == [str(int(code))] for line in lines)
    for name in ("NO_COLOR", "SYNCREPL_NO_COLOR", "SYNCREPL_PASSWORD_FILE", "CREDENTIALS_DIRECTORY", "DATA-lock"):
        assert any(line.startswith(name) for line in lines), name


def test_what_is_to_be_typed_is_shown_as_it_is_typed(read: str) -> None:
    assert "syncrepl-client doctor 'ldap://HOST/BASE'" in read
    assert "'ldap://ldap.example.com/dc=example,dc=com??sub?(objectClass=person)'" in read
    assert "~/.local/share/man/man1/syncrepl-client.1" in read


def test_its_date_may_be_that_of_a_reproducible_build() -> None:
    shown = run("man", SOURCE_DATE_EPOCH="86400")

    assert shown.stdout.startswith('.TH SYNCREPL\\-CLIENT 1 "1970-01-02" "syncrepl-client ')
