"""The documentation mentions whatever a user can name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import syncrepl_client
from syncrepl_client import BaseCallback, exceptions
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOCS = {page.name: page.read_text(encoding="utf-8") for page in (Path(__file__).parent.parent / "docs").glob("*.rst")}
EVERYTHING = "\n".join(DOCS.values())


def below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Iterate over a command and all that are below it, by what is typed for them."""
    yield name, command
    if isinstance(command, click.Group):
        for one, subcommand in command.commands.items():
            yield from below(f"{name} {one}", subcommand)


COMMANDS = dict(below("syncrepl-client", main))


def unmentioned(names: Iterable[str], text: str) -> list[str]:
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def options() -> list[str]:
    return [
        name
        for command in COMMANDS.values()
        for one in command.params
        if isinstance(one, click.Option)
        for name in (*one.opts, *one.secondary_opts)
    ]


def test_every_option_is_explained() -> None:
    assert unmentioned(options(), DOCS["command.rst"]) == []
    assert {"--persist", "-q", "--repair", "--sink"} <= set(options())


def test_every_option_that_is_explained_exists() -> None:
    terms = [line for line in DOCS["command.rst"].splitlines() if line.startswith("``-")]

    assert {*options(), "-h", "--help"} >= {name for line in terms for name in re.findall(r"``(--?[a-zA-Z-]+)", line)}


def test_every_command_is_explained() -> None:
    assert "syncrepl-client config check" in COMMANDS
    assert [name for name in COMMANDS if not re.search(rf"``{name}\b", DOCS["command.rst"])] == []


def test_every_variable_of_the_environment_is_explained() -> None:
    variables = [str(one.envvar) for command in COMMANDS.values() for one in command.params if one.envvar]

    assert variables
    assert unmentioned(variables, DOCS["command.rst"]) == []


@pytest.mark.parametrize("code", list(ExitCode))
def test_every_exit_code_is_explained(code: ExitCode) -> None:
    (codes,) = re.findall(r"Exit codes: (.*?)\.\n", DOCS["command.rst"], re.DOTALL)

    assert f"{code:d}" in [part.split()[0] for part in codes.split(";")]


def test_every_callback_is_mentioned() -> None:
    callbacks = [name for name in vars(BaseCallback) if not name.startswith("_")]

    assert len(callbacks) == 8
    assert unmentioned(callbacks, DOCS["callbacks.rst"]) == []
    assert "autoclass:: BaseCallback\n   :members:" in DOCS["callbacks.rst"]


def test_every_exception_is_mentioned() -> None:
    assert unmentioned(exceptions.__all__, DOCS["exceptions.rst"]) == []
    assert "automodule:: syncrepl_client.exceptions\n   :members:" in DOCS["exceptions.rst"]


def test_every_name_of_the_package_is_mentioned() -> None:
    names = [name for name in syncrepl_client.__all__ if not name.startswith("_")]

    assert unmentioned(names, EVERYTHING) == []


def test_every_page_can_be_reached() -> None:
    trees = re.findall(r"\.\. toctree::\n(?:   :.*\n)*\n((?:   \w+\n)+)", DOCS["index.rst"])
    pages = [page for tree in trees for page in tree.split()]

    assert len(trees) == len(["tutorial", "how-to", "topics", "reference"])
    assert sorted(["index", *pages]) == sorted(name.removesuffix(".rst") for name in DOCS)
