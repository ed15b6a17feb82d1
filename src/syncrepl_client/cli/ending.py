"""How a command ends: by an error, by a signal, or because nobody reads what it prints."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from syncrepl_client.cli.exits import ExitCode, exit_code
from syncrepl_client.cli.output import OutputFailed
from syncrepl_client.exceptions import ConnectionLost, Interrupted, SyncreplError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from syncrepl_client.cli.terminal import Messages

__all__ = ["Stoppable", "errors_told", "left_by_signals", "stopped_by_signals"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stoppable(Protocol):
    """What can be told to stop, in a signal handler."""

    def stop(self) -> None:
        """Stop soon."""


@contextmanager
def errors_told(messages: Messages) -> Iterator[None]:
    """Say what went wrong, and end the command with the exit code for it; who reads no more is no error."""
    try:
        yield
    except SyncreplError as error:
        messages.error(error)
        sys.exit(exit_code(error))
    except OutputFailed as failed:
        if not failed.nobody_reads:
            messages.error(SyncreplError(str(failed)))
            sys.exit(ExitCode.OTHER)


def _numbers() -> list[signal.Signals]:
    """Return the signals that end a command; what nohup ignores on purpose stays ignored."""
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def stopped_by_signals(replica: Stoppable) -> Iterator[list[int]]:
    """Let SIGHUP, SIGINT and SIGTERM stop a replica, and a second SIGINT end the process at once.

    Gives the numbers of those that came.
    """
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        replica.stop()

    former = {number: signal.signal(number, stop) for number in _numbers()}
    try:
        yield came
    except (ConnectionLost, Interrupted):
        # Who stops while the server is asked, or the data file opened, does not wait for the answer.
        if not came:
            raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def left_by_signals() -> Iterator[None]:
    """Let the same signals end the command at once, by way of what removes unfinished files; the exit code says so."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        for other in former:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    former = {number: signal.signal(number, leave) for number in _numbers()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
