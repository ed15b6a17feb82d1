"""Completion, asked for as the shells ask."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main
from tests.cli.command import COMMAND, environment
from tests.cli.copied import run
from tests.server import find_program

if TYPE_CHECKING:
    from pathlib import Path


def completed(*words: str) -> list[tuple[str, str]]:
    """Ask for what may stand in the place of the last word; each answer has a kind."""
    asked = {
        "COMP_WORDS": " ".join(["syncrepl-client", *words]),
        "COMP_CWORD": str(len(words)),
        "_SYNCREPL_CLIENT_COMPLETE": "bash_complete",
    }
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=True, env=environment(**asked))
    assert done.stderr == ""
    return [tuple(line.split(",", 1)) for line in done.stdout.splitlines()]  # type: ignore[misc]


def values(*words: str) -> list[str]:
    return [value for _, value in completed(*words)]


def test_the_first_word_is_a_command_or_an_option_of_the_one_without_a_word() -> None:
    assert set(values("")) == set(main.commands)
    assert values("hi") == ["history"]
    assert values("--pers") == ["--persist"]
    assert values("--vers") == ["--version"]


def test_options_of_each_command_are_completed() -> None:
    assert values("watch", "--on") == ["--only", "--on-behalf-of"]
    assert values("export", "--at") == ["--attrs", "--at"]
    assert values("--persist", "--nod") == ["--nodir"]
    assert values("ldap://localhost/dc=x", "--nod") == ["--nodir"]
    assert values("deletes", "a") == ["approve"]
    assert values("config", "") == ["check", "example"]
    assert values("dead", "retry", "--s") == ["--sink"]
    assert values("watch", "--sasl", "GSS") == ["gssapi"]


def test_files_are_completed_by_the_shell() -> None:
    for words in (
        ("ldap://x/", "co"),
        ("watch", "ldap://x/", "co"),
        ("status", "co"),
        ("backup", "copy.db", "co"),
        ("watch", "--password-file", "co"),
        ("export", "-o", "co"),
        ("run", "co"),
        ("config", "check", "co"),
    ):
        assert completed(*words) == [("file", "co")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_lines_that_ask_this_command(shell: str) -> None:
    shown = run("completion", shell)

    assert (shown.exit_code, shown.stderr) == (ExitCode.OK, "")
    assert f"_SYNCREPL_CLIENT_COMPLETE={shell}_complete" in shown.stdout
    assert run("completion", "tcsh").exit_code == ExitCode.USAGE


def test_bash_completes_by_what_is_printed_for_it(tmp_path: Path) -> None:
    program = tmp_path / "syncrepl-client"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m syncrepl_client "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(syncrepl-client completion bash)" || exit 9
        COMP_WORDS=(syncrepl-client ver) COMP_CWORD=1
        _syncrepl_client_completion syncrepl-client
        echo "${COMPREPLY[@]}"
        complete -p syncrepl-client
    """
    path = f"{tmp_path}:{environment()['PATH']}"
    done = subprocess.run(
        [find_program("bash", "bash"), "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment(PATH=path),
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "verify"
    assert done.stdout.splitlines()[1].startswith("complete ")
