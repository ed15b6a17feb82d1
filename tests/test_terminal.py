"""The terminal for pages: what it takes for right, and what not."""

from __future__ import annotations

import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.terminal import Terminal, commands, pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    with closing(Terminal(tmp_path)) as terminal:
        yield terminal


def test_commands_have_what_stands_below_them() -> None:
    assert commands("$ a \\\n  b\nc\n$ d") == [("a \\\n  b", ["c"]), ("d", [])]
    with pytest.raises(AssertionError, match="no command prints"):
        commands("c\n$ d")


@pytest.mark.parametrize(
    ("lines", "right", "wrong"),
    [
        (["a b"], "a b\n", "a  b\n"),
        (["a … c"], "a b c\n", "a b\nc\n"),
        (["a", "…", "d"], "a\nb\nc\nd\n", "a\nb\nc\n"),
        (["a", "…"], "a\n", "b\n"),
        (["  …", "a"], "x\na\n", "x\na\ny\n"),
        ([], "", "a\n"),
    ],
)
def test_dots_stand_for_what_differs(lines: list[str], right: str, wrong: str) -> None:
    assert pattern(lines).fullmatch(right)
    assert not pattern(lines).fullmatch(wrong)


def test_what_is_printed_has_to_be_what_stands_there(terminal: Terminal) -> None:
    terminal.stands_for["HERE"] = "there"
    terminal.run("$ echo HERE\nHERE\n$ echo a; false | cat\na\n")
    for wrong in ("$ echo a\nb", "$ echo a", "$ false"):
        with pytest.raises(AssertionError):
            terminal.run(wrong)
    terminal.run("$ echo a >&2; exit 3\na", fails=True)
    with pytest.raises(AssertionError):
        terminal.run("$ true", fails=True)


def test_who_looks_again_sees_what_comes(terminal: Terminal) -> None:
    terminal.start("$ sh -c 'echo ready; while ! test -e go; do sleep 0.05; done; echo went > gone; exec cat'\nready")
    terminal.run("$ touch go")
    terminal.run("$ cat gone\nwent", until=True)


def test_what_goes_on_prints_each_line_once_and_ends_when_it_is_told_to(terminal: Terminal) -> None:
    terminal.start("$ sh -c 'echo a; echo b; echo c; exec sleep 100'\na", "one")
    terminal.expect("c", "one")
    terminal.expect("…b", "one")
    terminal.programs["one"].kill()
    for wrong in ("b", "d", "a"):
        with pytest.raises(AssertionError, match="is not in"):
            terminal.expect(wrong, "one")
    terminal.start("$ sleep 100", "one")
    assert terminal.programs["one"].interrupt() == -signal.SIGINT


def test_the_command_does_not_find_what_lies_about(terminal: Terminal, tmp_path: Path) -> None:
    """As one that is installed does not."""
    (tmp_path / "rich.py").write_text("raise SystemExit('the wrong one')")
    terminal.run("$ syncrepl-client --version\nsyncrepl-client …")
    terminal.run("$ PYTHONPATH=. python -c 'import rich'\nthe wrong one", fails=True)
