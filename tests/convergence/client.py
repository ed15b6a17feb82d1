"""The client that is killed: a program that runs one client after another, each in a process of its own.

It reads one job for each line of its standard input, forks a process that does it, and says that process's id at once
and how it ended when it has.  Forking saves starting the interpreter some thousand times.

A failpoint is a number: the process kills itself before its n-th statement that writes, as counted on the connection
that the store writes through, callbacks included; each row of an ``executemany`` counts as a statement.  Reading
statements are left out, since between two of them the file does not change.  So a run without a failpoint counts how
many failpoints there are.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import pkgutil
import select
import signal
import sqlite3
import subprocess
import sys
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Self

import syncrepl_client
from syncrepl_client import Retention, Syncrepl
from syncrepl_client.store import database
from tests.convergence.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Clients", "Job", "Result", "Run"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one client is to do.

    `kill_at` is the failpoint, 0 for none; only statements that begin with `counting` are counted.  With `later`
    counting begins when the process is told so.  `verify_every` is that of the `Replica`.
    """

    url: str
    path: str
    mode: str
    kill_at: int = 0
    counting: str = ""
    later: bool = False
    verify_every: float | None = None


@dataclass(frozen=True)
class Result:
    """How a client ended: its exit status, negative if a signal ended it, what it counted, what it raised."""

    status: int
    statements: int = 0
    error: str = ""

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Failpoints:
    """Counts statements and ends the process before the one that is the failpoint."""

    def __init__(self, job: Job) -> None:
        self.count = 0
        self.armed = not job.later
        self._kill_at = job.kill_at
        self._counting = job.counting

    def arm(self) -> None:
        """Begin to count."""
        self.armed = True

    def statement(self, sql: str) -> None:
        sql = sql.lstrip()
        if not self.armed or sql.startswith("SELECT") or not sql.startswith(self._counting):
            return
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def rows(self, sql: str, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            self.statement(sql)
            yield row

    def install(self) -> None:
        """Let the store write through connections that count."""
        real: Callable[..., sqlite3.Connection] = vars(database)["connect"]
        statement, rows = self.statement, self.rows

        class Cursor(sqlite3.Cursor):
            def execute(self, sql: str, *args: Any) -> Self:
                statement(sql)
                return super().execute(sql, *args)

            def executemany(self, sql: str, parameters: Iterable[Any]) -> Self:
                return super().executemany(sql, rows(sql, parameters))

        class Connection(sqlite3.Connection):
            def cursor(self, factory: Any = Cursor) -> Any:
                return super().cursor(factory)

            def execute(self, *args: Any) -> sqlite3.Cursor:
                return self.cursor().execute(*args)  # type: ignore[no-any-return]

            def executemany(self, *args: Any) -> sqlite3.Cursor:
                return self.cursor().executemany(*args)  # type: ignore[no-any-return]

            def commit(self) -> None:
                statement("COMMIT")
                super().commit()

        def connect(path: Path, *, timeout: float = 5.0) -> sqlite3.Connection:
            former = sqlite3.connect
            counting: Callable[..., sqlite3.Connection] = partial(former, factory=Connection)
            vars(sqlite3)["connect"] = counting
            try:
                return real(path, timeout=timeout)
            finally:
                vars(sqlite3)["connect"] = former

        vars(database)["connect"] = connect


# --- in the child -----------------------------------------------------------------------------------------------------


def work(job: Job) -> int:
    """Be a client until there is nothing more to do; returns the number of statements."""
    failpoints = Failpoints(job)
    failpoints.install()
    signal.signal(signal.SIGUSR1, lambda *_: failpoints.arm())
    client = Syncrepl(job.path, Mirror, job.mode, job.url, verify_every=job.verify_every, changelog=Retention())
    signal.signal(signal.SIGTERM, lambda *_: client.please_stop())
    while client.poll(0.2):
        pass
    client.unbind()
    return failpoints.count


def child(job: Job, answer: int) -> None:
    """Do a job in a process of its own, which ends here."""
    # A client that hangs shows where when it is sent this.
    faulthandler.register(signal.SIGUSR2)
    status = 1
    result: dict[str, object] = {}
    try:
        result = {"statements": work(job)}
        status = 0
    except BaseException:  # noqa: BLE001 - the parent is told
        result = {"error": traceback.format_exc()}
    os.write(answer, json.dumps(result).encode())
    os._exit(status)


def load_all() -> None:
    """Import what a client imports when it is used, once for all of them."""
    for module in pkgutil.walk_packages(syncrepl_client.__path__, "syncrepl_client."):
        if module.name.split(".")[1] in {"consumer", "contentsync", "ldap", "model", "opening", "provider", "store"}:
            importlib.import_module(module.name)


def serve() -> None:
    """Do one job after another."""
    load_all()
    for line in sys.stdin:
        job = Job(**json.loads(line))
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            child(job, writing)
        os.close(writing)
        _say(str(pid))
        with os.fdopen(reading, "rb") as answer:
            said = json.loads(answer.read() or b"{}")
        _, status = os.waitpid(pid, 0)
        _say(json.dumps({"status": os.waitstatus_to_exitcode(status), **said}))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# --- in the tests -----------------------------------------------------------------------------------------------------


class Run:
    """A client that runs in a process of its own."""

    def __init__(self, pid: int, output: IO[str]) -> None:
        self._pid = pid
        self._output = output
        self._result: Result | None = None

    def kill(self) -> Result:
        """End it as a power cut would."""
        return self._signal(signal.SIGKILL)

    def stop(self) -> Result:
        """Ask it to end."""
        return self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> Result:
        self.send(number)
        return self.wait()

    def send(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self._result is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    @property
    def ended(self) -> bool:
        """Whether it has ended already."""
        return self._result is not None or bool(select.select([self._output], [], [], 0)[0])

    def wait(self) -> Result:
        """Wait for its end."""
        if self._result is None:
            self._result = Result(**json.loads(self._output.readline()))
        return self._result


class Clients:
    """Runs clients, one at a time."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.convergence.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._running: Run | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.kill()
        self._process.communicate()

    def start(self, job: Job) -> Run:
        """Start a client; the one before must have ended."""
        if self._running is not None:
            self._running.kill()
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("no pipes")
        stdin.write(json.dumps(asdict(job)) + "\n")
        stdin.flush()
        self._running = Run(int(stdout.readline()), stdout)
        return self._running

    def run(self, job: Job) -> Result:
        """Run a client to its end."""
        return self.start(job).wait()


if __name__ == "__main__":
    serve()
