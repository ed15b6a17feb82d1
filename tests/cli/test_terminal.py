"""What is said on standard error."""

from __future__ import annotations

import io
import sys

import pytest

from syncrepl_client.cli.terminal import Messages, ProgressLine
from syncrepl_client.exceptions import SyncreplError
from syncrepl_client.trace.words import printable

CLEAR = "\r\x1b[2K"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def at_a_screen(monkeypatch: pytest.MonkeyPatch, term: str = "xterm") -> Screen:
    """Put standard error on a terminal."""
    screen = Screen()
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


@pytest.mark.parametrize(
    ("text", "shown"), [("plain é", "plain é"), ("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\nb", "a\\nb"), ("\u202e", "\\u202e")]
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert shown == printable(text)


def test_progress_is_one_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_screen(monkeypatch)
    progress = ProgressLine(enabled=True)

    progress(1000)
    progress(2500)
    progress.clear()
    progress.clear()

    first, second, end = screen.getvalue().split(CLEAR)[1:]
    assert first == "1,000 entries received"
    assert second.startswith("2,500 entries received  ")
    assert second.endswith(" per second")
    assert end == ""


def test_the_rate_of_another_refresh_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_screen(monkeypatch)
    progress = ProgressLine(enabled=True)

    for received in (1000, 2000, 10):
        progress(received)

    assert screen.getvalue().split(CLEAR)[-1] == "10 entries received"


@pytest.mark.parametrize(("enabled", "term"), [(False, "xterm"), (True, "dumb")])
def test_progress_is_not_shown_where_it_would_be_in_the_way(
    monkeypatch: pytest.MonkeyPatch, *, enabled: bool, term: str
) -> None:
    screen = at_a_screen(monkeypatch, term)
    progress = ProgressLine(enabled=enabled)

    progress(1)
    progress(2)
    progress.clear()

    assert screen.getvalue() == ""


def test_a_message_takes_the_place_of_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_a_screen(monkeypatch)
    progress = ProgressLine(enabled=True)
    messages = Messages(progress, quiet=False)

    progress(1)
    messages.warn("careful")

    assert screen.getvalue() == f"{CLEAR}1 entries received{CLEAR}warning: careful\n"


@pytest.mark.parametrize("quiet", [False, True])
def test_errors_are_said_to_everybody_with_their_hints(capsys: pytest.CaptureFixture[str], *, quiet: bool) -> None:
    messages = Messages(ProgressLine(enabled=False), quiet=quiet)

    messages.warn("careful")
    messages.error(SyncreplError("it\x07 broke", hint="mend it"))
    messages.error(SyncreplError("again"))
    messages.trace("> 1 bind")

    assert capsys.readouterr().err.splitlines() == [
        *([] if quiet else ["warning: careful"]),
        "error: it\\x07 broke",
        "hint: mend it",
        "error: again",
        "> 1 bind",
    ]
