"""A command that is run for each batch, with the events on its standard input, as JSON lines or as LDIF.

Exit code 0 means that it has handled all of them, 65 that it will never take what it got (`EX_DATAERR` of BSD's
sysexits.h), and any other that it is to be tried again.  There is no shell between.

Its input is a file that is already written, so a command that does not read it all cannot stall anybody.  What it
prints is logged at DEBUG, for it may show what it was given.  A command that takes too long is ended, with the
processes that it has started: by SIGTERM, then by SIGKILL.  One whose relay is killed goes on to its end, beside the
next one perhaps: a command that must run alone locks something, and knows repeats by the ids of events.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Final, Self

from syncrepl_client.exceptions import SinkUnavailable, UsageError
from syncrepl_client.log_fields import fields
from syncrepl_client.sinks.halves import BatchRejected, send_in_halves
from syncrepl_client.sinks.written import octets, parted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from syncrepl_client.envelope.base import Event
    from syncrepl_client.sinks.written import Form

__all__ = ["CommandSink"]

_logger = logging.getLogger(__name__)

_DATAERR: Final = 65
# What variables begin with that are for the service alone; see `service.reading`.
_CONFIGURATION: Final = ("SYNCREPL_SERVICE_", "SYNCREPL_SOURCES_", "SYNCREPL_SINKS_")
# How often it is looked whether a command is to be stopped, and how long its last words are waited for, in seconds.
_LOOK_EVERY: Final = 0.1
_LAST_WORDS: Final = 1.0
# The longest line of output that is logged in one piece, in octets, and how much of it an error shows.
_LINE: Final = 4096
_SHOWN: Final = 200


class CommandSink:
    """Runs a command for each batch.

    Args:
        command: the program and its arguments.
        timeout: how many seconds it may take for a batch.
        grace: how many seconds it has after SIGTERM.
        records: whether each event is a line with a record around the body; see `syncrepl_client.sinks.lines`.
        environment: of the command; None for that of this process, without the variables that stand for keys of a
            configuration: passwords may be among them.

    Raises:
        UsageError: there is no command.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout: float = 60.0,
        grace: float = 5.0,
        records: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(command, str) or not command:
            raise UsageError("a command is a list of words", hint="write ['program', 'argument']; there is no shell")
        self._command = list(command)
        self._timeout = timeout
        self._grace = grace
        self._records = records
        self._environment = environment
        self._stopped = threading.Event()

    @classmethod
    def from_url(cls, url: str, *, timeout: float = 60.0, grace: float = 5.0, records: bool = False) -> Self:
        """Make one of ``exec:`` and a command line, quoted as for a shell."""
        try:
            words = shlex.split(url.partition(":")[2])
        except ValueError as error:
            raise UsageError(f"{url!r} is not a command line: {error}", hint="close what is quoted") from error
        return cls(words, timeout=timeout, grace=grace, records=records)

    def open(self) -> None:
        """Look whether there is such a program."""
        if shutil.which(self._command[0]) is None:
            raise SinkUnavailable(
                f"there is no program {self._command[0]!r}", hint="install it, make it executable, or give its path"
            )

    def publish(self, batch: Sequence[Event]) -> None:
        """Run the command; see `Sink.publish`."""
        for form, events in parted(batch, records=self._records):
            send_in_halves(events, partial(self._run, form))

    def _run(self, form: Form, events: Sequence[Event]) -> None:
        if self._stopped.is_set():
            raise SinkUnavailable("the command was not run: the sink is stopped")
        with tempfile.TemporaryFile() as given:
            given.write(form.begin)
            given.write(octets(form, events, records=self._records))
            given.seek(0)
            process = self._start(given)
        output = _Output(process)
        code = self._wait(process)
        said = output.last_line()
        if code == _DATAERR:
            raise BatchRejected(said or f"the command ended with {_DATAERR}")
        if code:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            raise SinkUnavailable(
                f"{self._command[0]} {how}{said and ': '}{said}",
                hint=f"0 means that all is done, {_DATAERR} that it is never to be tried again",
            )

    def _start(self, given: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the command is whoever's who configured it
                self._command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment() if self._environment is None else self._environment,
                process_group=0,
            )
        except OSError as error:
            raise SinkUnavailable(
                f"{self._command[0]} cannot be run: {error.strerror}", hint="look at its path and rights"
            ) from error

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the end; whatever happens here, the command does not go on."""
        deadline = time.monotonic() + self._timeout
        try:
            with _watched(process) as watched:
                while not self._stopped.is_set() and time.monotonic() < deadline:
                    if watched is not None:
                        select.select([watched], [], [], _LOOK_EVERY)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        return process.wait(_LOOK_EVERY if watched is None else 0)
        finally:
            self._end(process)
        why = "the sink is stopped" if self._stopped.is_set() else f"it took longer than {self._timeout:g} s"
        raise SinkUnavailable(f"{self._command[0]} was ended: {why}")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End a command that runs, and what it has started."""
        if process.returncode is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(self._grace)
        except subprocess.TimeoutExpired:
            # It was not waited for, so its number is still its own.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """Do nothing: nothing runs between two batches."""

    def stop(self) -> None:
        """End the command that runs, and run no more."""
        self._stopped.set()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_CONFIGURATION)}


@contextmanager
def _watched(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """Give what is ready to be read when a process has ended; None where the system has nothing of that kind.

    `Popen.wait` with a timeout looks again and again, in pauses that grow: it would be most of what a short command
    takes.
    """
    try:
        file = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield file
    finally:
        os.close(file)


class _Output:
    """Logs what a command prints, as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._name = str(process.args[0] if isinstance(process.args, list) else process.args)
        self._last = ""
        # Something that the command has left running may keep the pipe open for long.
        self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while line := pipe.readline(_LINE):
                # No octet of it shall do anything to a terminal.
                text = "".join(c if c.isprintable() else " " for c in line.decode(errors="replace")).strip()
                if text:
                    self._last = text
                    _logger.debug("%s: %s", self._name, text, extra=fields(what="command-output"))

    def last_line(self) -> str:
        """Return what it said last."""
        self._thread.join(_LAST_WORDS)
        return self._last[:_SHOWN]
