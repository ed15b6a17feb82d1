from __future__ import annotations

import io

import pytest

from syncrepl_client.cli.colours import Colours, wanted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "at_terminal", "elsewhere"),
    [
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"SYNCREPL_NO_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
    ],
)
def test_the_environment_and_the_terminal_decide(
    *, variables: dict[str, str], at_terminal: bool, elsewhere: bool
) -> None:
    assert wanted(Terminal(), variables) is at_terminal
    assert wanted(io.StringIO(), variables) is elsewhere


def test_without_colours_the_text_stays_as_it_is() -> None:
    plain, coloured = Colours(enabled=False), Colours(enabled=True)

    for name in ("new", "gone", "changed", "moved", "strong", "faint"):
        assert getattr(plain, name)("x") == "x"
        assert getattr(coloured, name)("x").startswith("\x1b[")
        assert getattr(coloured, name)("x").endswith("\x1b[0m")
