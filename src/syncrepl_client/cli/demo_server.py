"""A directory server of the demonstration's own: OpenLDAP on a free port, in a folder that goes away with it."""

from __future__ import annotations

import base64
import os
import random
import shutil
import socketserver
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["PEOPLE", "SUFFIX", "DemoError", "Server", "people"]

SUFFIX: Final = "dc=example,dc=com"
PEOPLE: Final = 1000

_ADMIN: Final = f"cn=admin,{SUFFIX}"
_PASSWORD: Final = "demonstration"  # noqa: S105 - of a server that lives for seconds and listens on this machine alone
_PROGRAMS: Final = ("slapd", "slapadd", "ldapmodify")
_SCHEMAS: Final = ("/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema")
_MODULES: Final = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap", "/usr/local/libexec/openldap")
_START_TIMEOUT: Final = 20.0
_STOP_TIMEOUT: Final = 10.0

_FIRST: Final = ("Ada", "Björn", "Carla", "Deniz", "Elena", "Farid", "Grace", "Henri", "Inês", "Kofi")
_LAST: Final = ("Bauer", "Costa", "Dubois", "Evans", "García", "Keller", "Lindqvist", "Novák", "Okafor", "Tanaka")
_TITLES: Final = ("Accountant", "Engineer", "Librarian", "Nurse", "Secretary")


class DemoError(Exception):
    """The demonstration cannot go on; its text is for the user."""


class Server:
    """A slapd with 1,000 people in it; `with` starts and stops it.

    Args:
        folder: where everything it writes goes; the caller removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = _find_programs()
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address, without a search."""
        return f"ldap://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._load()
        try:
            # Somebody may take the port between looking and listening.
            started = any(self._start() for _ in range(3))
        except BaseException:
            # Whoever is interrupted here never gets to the end of `with`.
            self._stop()
            raise
        if not started:
            raise DemoError(f"slapd did not start:\n{self._log.read_text(errors='replace')[-2000:]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def modify(self, ldif: str) -> None:
        """Apply change records."""
        command = [self._programs["ldapmodify"], "-x", "-H", self.url, "-D", _ADMIN, "-w", _PASSWORD]
        done = _run(command, ldif)
        if done.returncode:
            raise DemoError(f"ldapmodify failed: {done.stderr}")

    @property
    def _log(self) -> Path:
        return self._folder / "slapd.log"

    def _load(self) -> None:
        data = self._folder / "data"
        data.mkdir()
        config = self._folder / "slapd.conf"
        config.write_text("\n".join(_configuration(data)) + "\n", encoding="utf-8")
        done = _run([self._programs["slapadd"], "-q", "-f", str(config), "-b", SUFFIX], "".join(people()))
        if done.returncode:
            raise DemoError(f"slapadd failed: {done.stderr}")

    def _start(self) -> bool:
        self._port = _free_port()
        slapd = [self._programs["slapd"], "-d", "none", "-f", str(self._folder / "slapd.conf"), "-h", self.url]
        with self._log.open("wb") as log:
            # slapd makes a table of as many connections as it may open files; where that is a million it takes long.
            # The shell becomes slapd, with the same process id; in a session of its own, for Ctrl-C is ours to handle.
            self._process = process = subprocess.Popen(  # noqa: S603 - the arguments are our own
                ["/bin/sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh", *slapd],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            if not _run(
                [self._programs["ldapmodify"], "-x", "-H", self.url, "-D", _ADMIN, "-w", _PASSWORD], ""
            ).returncode:
                return True
            time.sleep(0.02)
        self._stop()
        return False

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def people() -> Iterator[str]:
    """Write the sample directory as LDIF: the same each time, nine of ten people active."""
    yield f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"
    yield f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n"
    for number in range(1, PEOPLE + 1):
        first = _FIRST[number % len(_FIRST)]
        last = _LAST[number // len(_FIRST) % len(_LAST)]
        lines = [
            f"dn: uid=p{number:04},ou=people,{SUFFIX}",
            "objectClass: inetOrgPerson",
            f"uid: p{number:04}",
            _line("cn", f"{first} {last}"),
            _line("givenName", first),
            _line("sn", last),
            f"mail: p{number:04}@example.com",
            f"title: {_TITLES[number % len(_TITLES)]}",
            f"telephoneNumber: +41 44 555 {number:04}",
            f"employeeType: {'former' if number % 10 == 0 else 'active'}",
        ]
        yield "\n".join(lines) + "\n\n"


def _line(name: str, value: str) -> str:
    return f"{name}: {value}" if value.isascii() else f"{name}:: {base64.b64encode(value.encode()).decode('ascii')}"


def _configuration(data: Path) -> list[str]:
    schemas = next((folder for folder in map(Path, _SCHEMAS) if folder.is_dir()), None)
    if schemas is None:
        raise DemoError(f"OpenLDAP's schema files are in none of {', '.join(_SCHEMAS)}")
    # Where there are no such files the modules are built in.
    modules = next((folder for folder in map(Path, _MODULES) if any(folder.glob("syncprov*"))), None)
    return [
        *(f'include "{schemas / name}.schema"' for name in ("core", "cosine", "inetorgperson")),
        *([f'modulepath "{modules}"'] if modules else []),
        *(
            f"moduleload {path.stem}"
            for path in sorted(modules.glob("*.la") if modules else [])
            if path.stem in _WANTED
        ),
        "database mdb",
        f'suffix "{SUFFIX}"',
        f'rootdn "{_ADMIN}"',
        f"rootpw {_PASSWORD}",
        f'directory "{data}"',
        "maxsize 268435456",
        "dbnosync",
        "index objectClass,employeeType eq",
        "index entryUUID,entryCSN eq",
        "limits * size=unlimited",
        "overlay syncprov",
    ]


_WANTED: Final = ("back_mdb", "syncprov")


def _find_programs() -> dict[str, str]:
    # Users' PATH leaves out where servers are.
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = {name: shutil.which(name, path=path) for name in _PROGRAMS}
    if missing := [name for name, program in found.items() if program is None]:
        raise DemoError(
            f"the demonstration needs OpenLDAP's {', '.join(missing)}\n"
            "hint: on Debian and its relatives: apt-get install slapd ldap-utils"
        )
    return {name: program for name, program in found.items() if program is not None}


def _free_port() -> int:
    """Find a port that nobody uses, below the range from which programs get theirs unasked."""
    for port in random.SystemRandom().sample(range(15000, 32000), 100):
        try:
            # The least that listens: only the transport makes sockets in this package.
            with socketserver.TCPServer(("127.0.0.1", port), socketserver.BaseRequestHandler):
                return port
        except OSError:
            continue
    raise DemoError("no free port found")


def _run(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the arguments are our own
        command, input=text, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False
    )
