"""What the directory servers of tests have in common: a process, folder and port of their own, and an administrator.

``tests/slapd.py``, ``tests/ns_slapd.py`` and ``tests/apacheds.py`` say how theirs is configured, started and filled.
They inherit all the rest, so that a test says the same to each of them.  Nothing here imports the package: writing and
reading go through libldap (python-ldap), so that what the package does is compared with somebody else's work.

Facts that shaped it:

* Servers make a table of as many connections as they may open files; where that is a million it takes long to start.
* A client that keeps trying a closed port of the ephemeral range can get that port as its own and connect to itself;
  so ports are taken from below that range, and a server keeps its port when it starts again.
* A port can be somebody else's, a socket in our folder cannot; so servers that offer one are asked there as well.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote
from uuid import UUID

import ldap
from ldap.controls.simple import ManageDSAITControl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["SUFFIX", "Attributes", "Server", "Values", "find_program", "free_port"]

Attributes = dict[str, list[bytes]]
Values = Sequence[str | bytes]

SUFFIX = "dc=example,dc=com"
START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0


def free_port() -> int:
    """Find a TCP port of the loopback interface that nobody uses, below the ephemeral range."""
    # Not the seeded generator: tests that run side by side would all find the same port.
    for port in random.SystemRandom().sample(range(15000, 32000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found")


def find_program(name: str, package: str) -> str:
    """Find a program by its name, or raise RuntimeError that names the Debian package."""
    # Users' PATH leaves out where Debian keeps servers.
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed: the Debian package {package} has it")
    return path


@dataclass(kw_only=True)
class Server(ABC):
    """One server; ``close`` (or ``with``) stops it and removes its folder.

    Port and folder are known from the beginning: two servers that replicate each other must name each other.
    """

    # What the server calls itself in messages, and where its UUIDs are.
    product: ClassVar[str]
    uuid_attribute: ClassVar[str] = "entryUUID"
    start_timeout: ClassVar[float] = START_TIMEOUT

    suffix: str = SUFFIX
    rootdn: str = ""
    rootpw: str = "secret"

    port: int = field(init=False, default_factory=free_port)
    _folder: tempfile.TemporaryDirectory[str] = field(init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(init=False, repr=False, default=None)
    _connection: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        # Short, for the name of a socket in it may have 107 octets.
        self._folder = tempfile.TemporaryDirectory(prefix=f"{self.product}-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What it is

    @property
    def directory(self) -> Path:
        return Path(self._folder.name)

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldapi_url(self) -> str:
        return f"ldapi://{quote(str(self._socket_path), safe='')}"

    @property
    def administrator_url(self) -> str:
        """Where ``connection`` goes: the private socket, but for a server that has none."""
        return self.ldapi_url

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError(f"{self.product} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server wrote about itself so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def _socket_path(self) -> Path:
        return self.directory / "ldapi"

    @property
    def _log_path(self) -> Path:
        return self.directory / f"{self.product}.log"

    # Its life

    def start(self) -> None:
        """Start and return as soon as connections are accepted."""
        if self.running:
            raise RuntimeError(f"{self.product} runs already")
        command = self._prepare()
        self._socket_path.unlink(missing_ok=True)
        with self._log_path.open("ab") as log:
            # exec keeps the process id.
            self._process = process = subprocess.Popen(
                ["/bin/sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + self.start_timeout
        while not self._accepts():
            ended = process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.product} did not start (exit code {ended}): {self.log[-2000:]}")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop as an administrator would; harmless when it does not run."""
        self._disconnect()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it with no chance to write anything."""
        self._disconnect()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        # What it could still write would be thrown away.
        self.kill()
        self._folder.cleanup()

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Write the configuration, and return the command that starts the server in the foreground."""

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as local, socket.socket() as tcp:
            try:
                local.connect(str(self._socket_path))
                tcp.connect(("127.0.0.1", self.port))
            except OSError:
                return False
        return True

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.unbind_ext()

    # Writing and reading, as rootdn

    @property
    def connection(self) -> Any:  # python-ldap has no types
        """A python-ldap connection bound as rootdn, for what has no method here."""
        if self._connection is None:
            connection = ldap.initialize(self.administrator_url)
            connection.simple_bind_s(self.rootdn, self.rootpw)
            self._connection = connection
        return self._connection

    def add(self, dn: str, attrs: Mapping[str, Values]) -> None:
        self.connection.add_s(dn, [(name, _octets(values)) for name, values in attrs.items()])

    def modify(self, dn: str, changes: Iterable[tuple[int, str, Values | None]]) -> None:
        """Apply (ldap.MOD_ADD | MOD_DELETE | MOD_REPLACE, attribute, values) in one operation."""
        encoded = [(kind, name, None if values is None else _octets(values)) for kind, name, values in changes]
        self.connection.modify_ext_s(dn, encoded, serverctrls=[ManageDSAITControl()])

    def replace(self, dn: str, attr: str, values: Values) -> None:
        """Give an attribute these values; none removes it."""
        self.modify(dn, [(ldap.MOD_REPLACE, attr, values or None)])

    def rename(self, dn: str, newrdn: str, newsuperior: str | None = None, *, delete_old: bool = True) -> None:
        self.connection.rename_s(dn, newrdn, newsuperior, int(delete_old), serverctrls=[ManageDSAITControl()])

    def delete(self, dn: str) -> None:
        self.connection.delete_ext_s(dn, serverctrls=[ManageDSAITControl()])

    def search(
        self,
        base: str | None = None,
        scope: int = ldap.SCOPE_SUBTREE,
        filter: str = "(objectClass=*)",  # noqa: A002  # LDAP's word
        attrs: Sequence[str] | None = None,
    ) -> dict[str, Attributes]:
        """Return what the server holds, referral objects as entries; by default all user attributes."""
        where = self.suffix if base is None else base
        result = self.connection.search_ext_s(
            where, scope, filter, list(attrs or ["*"]), serverctrls=[ManageDSAITControl()]
        )
        return dict(result)

    def uuids(
        self,
        base: str | None = None,
        scope: int = ldap.SCOPE_SUBTREE,
        filter: str = "(objectClass=*)",  # noqa: A002  # LDAP's word
        attrs: Sequence[str] | None = None,
    ) -> dict[UUID, tuple[str, Attributes]]:
        """Return what ``search`` does, by the UUID of Content Synchronization: what a faithful copy holds."""
        name = self.uuid_attribute
        asked = attrs or ["*"]
        found = self.search(base, scope, filter, [*asked, name])
        take = dict.__getitem__ if name in asked else dict.pop
        return {UUID(take(entry, name)[0].decode()): (dn, entry) for dn, entry in found.items()}


def _octets(values: Values) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else value for value in values]
