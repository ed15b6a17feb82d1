"""A copy of a real server's content, and how to run the command on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main
from tests.slapd import SUFFIX

if TYPE_CHECKING:
    from click.testing import Result

    from tests.slapd import Slapd

__all__ = ["person", "refresh", "run", "where"]


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{SUFFIX}"


def person(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def run(*arguments: str, **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, arguments, env={"SYNCREPL_PASSWORD_FILE": None, **variables})


def refresh(slapd: Slapd, data: str) -> None:
    """Bring the copy up to date."""
    shown = run("sync", "-q", where(slapd), data)
    assert (shown.exit_code, shown.output) == (ExitCode.OK, "")
