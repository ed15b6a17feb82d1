"""Standard output: the listener that prints each change in the format chosen.

The listener runs inside the transaction of a change, and what it printed is flushed before that transaction ends.  So
when the reader of a pipe goes away the change is rolled back and comes again with the next run: whoever reads gets
every change at least once.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client.cli.terminal import Messages, ProgressLine
    from syncrepl_client.model import Attributes, Change

__all__ = ["COMMAND", "Format", "OutputFailed", "Printer", "StandardOutput"]


COMMAND: Final = "syncrepl-client"
"""Who is told of the changes in data files that the command alone has kept."""


class Format(Protocol):
    """What each thing looks like; an empty text prints nothing."""

    def begin(self) -> str:
        """Return what comes before everything else."""

    def change(self, change: Change) -> str:
        """Return the text of a change."""

    def refresh_done(self, entries: Mapping[str, Attributes]) -> str:
        """Return what marks the end of a refresh, given the whole copy."""

    def cookie(self, cookie: bytes) -> str:
        """Return the text of a cookie."""


class OutputFailed(Exception):
    """The output took no more; not an OSError, so that nobody mistakes it for trouble with the server.

    Args:
        reason: what writing it raised.
        name: what could not be written to.
    """

    def __init__(self, reason: OSError, name: str = "standard output") -> None:
        super().__init__(f"cannot write to {name}: {reason.strerror or reason}")
        # Whoever read it has read enough, which is no error.
        self.nobody_reads = isinstance(reason, BrokenPipeError)


class StandardOutput:
    """The stream of the data, standard output or what stands in its place; its errors are `OutputFailed`.

    Args:
        stream: text is written to it as octets: UTF-8, whatever the terminal can show.
        encoding: what the reader expects instead; what it cannot express is escaped.
        name: what it is called in errors.
    """

    def __init__(self, stream: IO[bytes], *, encoding: str = "utf-8", name: str = "standard output") -> None:
        self._stream = stream
        self._encoding = encoding
        self._name = name

    def write(self, text: str) -> None:
        """Write it, now or later."""
        try:
            self._stream.write(text.encode(self._encoding, "backslashreplace"))
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Give the reader all that was written."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputFailed:
        # What is still in the buffer would fail once more when the interpreter ends, with a traceback.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        return OutputFailed(error, self._name)


class Printer:
    """The listener.

    Args:
        form: what to print.
        output: where to.
        progress: the line to take away before something is printed.
        messages: where connections that are lost and made again are told of; None for nowhere.
    """

    name = COMMAND

    by_name = True
    """What is printed can be followed by who knows entries by their names alone."""

    def __init__(
        self, form: Format, output: StandardOutput, progress: ProgressLine, messages: Messages | None = None
    ) -> None:
        self._form = form
        self._messages = messages
        self._output = output
        self._progress = progress
        self._began = False
        # After the first refresh each change goes out at once; before, in blocks, for there may be millions.
        self._live = False
        # A refresh ended since this was last set to False.
        self.refreshed = False

    def bound(self, connection: object) -> None:  # noqa: ARG002 - it is the listener's signature
        """Print the beginning, once."""
        if not self._began:
            self._began = True
            self._print(self._form.begin())
            self._output.flush()

    def change(self, change: Change, cursor: object) -> None:  # noqa: ARG002 - the same
        """Print a change."""
        self._print(self._form.change(change))
        if self._live:
            self._output.flush()

    def refresh_done(self, entries: Mapping[str, Attributes], cursor: object) -> None:  # noqa: ARG002 - the same
        """Print that a refresh is complete."""
        self._progress.clear()
        self._print(self._form.refresh_done(entries))
        self._output.flush()
        self._live = self.refreshed = True

    def cookie(self, cookie: bytes) -> None:
        """Print a cookie."""
        self._print(self._form.cookie(cookie))
        self._output.flush()

    def connected(self, url: str) -> None:
        """Say that there is a connection again."""
        if self._messages is not None:
            self._messages.note(f"connected to {url}")

    def _print(self, text: str) -> None:
        if text:
            self._progress.clear()
            self._output.write(text)
