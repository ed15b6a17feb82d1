"""What is said on standard error: messages, and how far a refresh is.

Standard output is for data and belongs to ``output``.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from syncrepl_client.cli import colours
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from syncrepl_client.exceptions import SyncreplError

__all__ = ["Messages", "ProgressLine", "warnings_shown"]

_CLEAR_LINE: Final = "\r\x1b[2K"
# What is raised as an error too, and said as one.
_SAID_ANYHOW: Final = frozenset({"session-failed", "refresh-held"})


class ProgressLine:
    """One line that is overwritten while a refresh runs; nothing at all where nobody would see it.

    Args:
        enabled: False where other lines go to the same place, or where the user wants silence.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._console: Console | None = None
        self._shown = False
        # When this refresh was first heard of, with how many entries, and with how many last.
        self._since = 0.0
        self._first = self._last = 0

    def __call__(self, received: int) -> None:
        """Show how many entries came so far."""
        if self._enabled:
            self._show(received, self._rate(received, time.monotonic()))

    def clear(self) -> None:
        """Take the line away; a later call shows it again."""
        if self._shown:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()
            self._shown = False

    def _rate(self, received: int, now: float) -> float:
        """Return entries per second; fewer entries than before are those of another refresh."""
        if not self._since or received < self._last:
            self._since, self._first = now, received
        self._last = received
        return (received - self._first) / (now - self._since) if now > self._since else 0.0

    def _show(self, received: int, rate: float) -> None:
        if self._console is None:
            # Late, for it takes longer to load than a small refresh to run.  It knows TERM.
            from rich.console import Console  # noqa: PLC0415

            self._console = Console(stderr=True, highlight=False, no_color=not colours.wanted(sys.stderr))
        if self._console.is_dumb_terminal:
            self._enabled = False
            return
        sys.stderr.write(_CLEAR_LINE)
        speed = f"  [cyan]{rate:,.0f}[/cyan] per second" if rate else ""
        self._console.print(f"[cyan]{received:,}[/cyan] entries received{speed}", end="")
        sys.stderr.flush()
        self._shown = True


class Messages:
    """Lines on standard error.

    Args:
        progress: the line to take away before anything else is written.
        quiet: say nothing but errors.
    """

    def __init__(self, progress: ProgressLine, *, quiet: bool) -> None:
        self._progress = progress
        self._quiet = quiet

    def warn(self, text: str) -> None:
        """Say what the user should know but need not act on at once."""
        if not self._quiet:
            self._line(f"warning: {text}")

    def note(self, text: str) -> None:
        """Say what is good to know."""
        if not self._quiet:
            self._line(text)

    def error(self, error: SyncreplError) -> None:
        """Say what went wrong, and what can be done about it."""
        self._line(f"error: {error}")
        if error.hint:
            self._line(f"hint: {error.hint}")

    def say(self, text: str) -> None:
        """Say what nobody may miss."""
        self._line(text)

    def trace(self, line: str) -> None:
        """Write a line of the protocol exchange."""
        self._line(line)

    def _line(self, text: str) -> None:
        self._progress.clear()
        click.echo(printable(text), err=True)


class _Warnings(logging.Handler):
    def __init__(self, messages: Messages) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        if record.__dict__.get("what") not in _SAID_ANYHOW:
            self._messages.warn(record.getMessage())


@contextmanager
def warnings_shown(messages: Messages) -> Iterator[None]:
    """Let the user see what the package warns of in its log."""
    logger = logging.getLogger("syncrepl_client")
    handler = _Warnings(messages)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
