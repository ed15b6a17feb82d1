"""A real PostgreSQL for the tests of sinks: its own processes, folder, port and data.

Facts that shaped it:

* It does not run as root; tests that do start it as the user that Debian makes for it.
* To make a cluster takes a second of CPU time, to copy one a few milliseconds.
* Its children leave the process group of the first of them, and outlive it for a moment.
* Who is ended by SIGKILL leaves to the system what it has written, so nothing has to be on the disk for tests.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg

from tests.server import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PASSWORD", "USER", "PostgreSQLServer", "shared", "stop_shared"]

USER = "relay"
PASSWORD = "Wh1te-Elephant"

_SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 20
shared_buffers = 16MB
autovacuum = off
max_wal_size = 200MB
"""
_ACCESS = """
local all postgres trust
host all all 127.0.0.1/32 scram-sha-256
"""
_START_TIMEOUT = 20.0


def _program(name: str) -> str:
    """Find a program of the newest version; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed: the Debian package postgresql has it")
    return path


def _account() -> str | None:
    """Return whom to start it as; None for who is here."""
    return "postgres" if os.geteuid() == 0 else None


def _give(folder: Path) -> None:
    account = _account()
    if account is not None:
        found = pwd.getpwnam(account)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, found.pw_uid, found.pw_gid)


@cache
def _cluster() -> Path:
    """Make a cluster with a user, once."""
    made = tempfile.TemporaryDirectory(prefix="cluster-")
    atexit.register(made.cleanup)
    _give(Path(made.name))
    folder = Path(made.name) / "data"
    command = [_program("initdb"), "-D", str(folder), "-U", "postgres", "--no-sync", "--locale=C", "--encoding=UTF8"]
    subprocess.run(command, check=True, capture_output=True, user=_account(), cwd="/")
    for name, text in {"postgresql.auto.conf": _SETTINGS, "pg_hba.conf": _ACCESS}.items():
        (folder / name).write_text(text)
    return folder


class PostgreSQLServer:
    """One server; ``close`` (or ``with``) stops it and removes its folder.

    Args:
        settings: lines of its configuration.
        durable: whether what it has confirmed is on the disk.
    """

    def __init__(self, settings: str = "", *, durable: bool = False) -> None:
        self.port = free_port()
        self._durable = durable
        self._folder = tempfile.TemporaryDirectory(prefix="postgres-")
        self._data = Path(self._folder.name) / "data"
        shutil.copytree(_cluster(), self._data)
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.write(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where its data are, and files for it may be put."""
        return self._data

    @property
    def socket_folder(self) -> Path:
        """Where it has a socket, on which it knows its administrator."""
        return Path(self._folder.name)

    @property
    def log(self) -> str:
        return (Path(self._folder.name) / "log").read_text()

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        return f"postgresql://{USER}@{host}:{self.port}/{database}"

    @property
    def running(self) -> bool:
        return self._process is not None

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start, and return when it takes commands."""
        _give(Path(self._folder.name))
        options = ["-p", str(self.port), "-k", self._folder.name] + ([] if self._durable else ["-F"])
        with (Path(self._folder.name) / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=_account(),
                cwd="/",
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"PostgreSQL did not start: {self.log[-2000:]}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _processes(self) -> list[int]:
        """Return the first process and its children."""
        if self._process is None:
            return []
        first = self._process.pid
        try:
            children = Path(f"/proc/{first}/task/{first}/children").read_text()
        except OSError:
            children = ""
        return [first, *map(int, children.split())]

    def _signal(self, number: signal.Signals) -> list[int]:
        processes = self._processes()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        return processes

    def kill(self) -> None:
        """End it with no chance to write anything; harmless when it does not run."""
        if self._process is None:
            return
        # Nobody is begun any more who would be missed.
        os.kill(self._process.pid, signal.SIGSTOP)
        children = self._signal(signal.SIGKILL)[1:]
        self._process.wait()
        self._process = None
        deadline = time.monotonic() + _START_TIMEOUT
        while any(map(_lives, children)) and time.monotonic() < deadline:
            time.sleep(0.002)

    def freeze(self) -> None:
        """Let it do nothing, with its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        self._folder.cleanup()

    # --- what is in it ------------------------------------------------------------------------------------------------

    def execute(self, statement: str, database: str = "postgres", parameters: Sequence[Any] = ()) -> list[Any]:
        """Execute a statement as its administrator; returns the rows, if there are any."""
        told = {"host": self._folder.name, "port": self.port, "user": "postgres", "dbname": database}
        with psycopg.connect(autocommit=True, **told) as connection:  # type: ignore[arg-type]
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def make_database(self) -> str:
        """Make a database that the user of the tests owns; returns its name."""
        if not self.execute("SELECT FROM pg_roles WHERE rolname = %s", parameters=[USER]):
            self.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        self._numbers += 1
        name = f"test{self._numbers}"
        self.execute(f"CREATE DATABASE {name} OWNER {USER}")
        return name

    def disconnect(self, database: str) -> None:
        """End all connections to a database."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", "postgres", [database]
        )


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@cache
def shared() -> PostgreSQLServer:
    """Return the server that the tests of this process share, each with a database of its own."""
    server = PostgreSQLServer()
    server.start()
    return server


def stop_shared() -> None:
    """Stop the shared server, if somebody has asked for it."""
    if shared.cache_info().currsize:
        shared().close()
        shared.cache_clear()
