"""A real OpenLDAP server for one test: its own process, folder, port and data; and sample data to fill it with.

    with Slapd(sessionlog=1000) as server:
        server.load(sample_ldif(100))
        server.start()
        server.replace("uid=u000001,ou=people,dc=example,dc=com", "title", ["Dr"])
        server.kill()
        server.start()

Writing and reading go through libldap (python-ldap), so that what the package does is compared with somebody else's
work.  Nothing here imports the package.

Facts that shaped it:

* slapd makes a table of as many connections as it may open files; where that is a million it takes long to start.
* A client that keeps trying a closed port of the ephemeral range can get that port as its own and connect to itself;
  so ports are taken from below that range, and a server keeps its port when it starts again.
* libldap compares a certificate with the machine's own name where it is told "localhost"; so addresses are numbers.
* slapd writes why it could not start only at a debug level; "none" is the level of nothing else.
* slapd begins to listen in the order of its addresses; so the private socket is the last of them.
* slapadd adds each operational attribute that an entry lacks.  The UUIDs it makes grow from entry to entry; those of a
  directory that has lived are in no order.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from uuid import UUID

import ldap
from ldap.controls.simple import ManageDSAITControl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Attributes = dict[str, list[bytes]]
    Values = Sequence[str | bytes]

__all__ = ["Slapd", "empty_tree", "free_port", "ldif_entry", "sample_ldif"]

SUFFIX = "dc=example,dc=com"
SCHEMA_FOLDER = Path("/etc/ldap/schema")
MODULE_FOLDER = Path("/usr/lib/ldap")
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


@dataclass(kw_only=True)
class Slapd:
    """One slapd with one mdb database; ``close`` (or ``with``) stops it and removes its folder.

    The settings are written to its configuration at each ``load`` and ``start``, so they may be changed in between.
    Port and folder are known from the beginning: two servers that replicate each other must name each other.
    """

    suffix: str = SUFFIX
    rootdn: str = ""
    rootpw: str = "secret"
    sync_provider: bool = True
    # How many changes syncprov remembers; None: no session log.
    sessionlog: int | None = None
    sizelimit: str = "unlimited"
    # Whole lines of configuration: limits of the database, before the database (may hold another one), in it, after
    # syncprov's own.
    limits: str = ""
    extra_global: str = ""
    extra_database: str = ""
    extra_overlay: str = ""
    # With a certificate the server offers StartTLS, and ldaps on a port of its own.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    # What slapd writes to its log, as for its option -d: "none" is errors only, "stats" shows every operation.
    debug: str = "none"

    port: int = field(init=False, default_factory=free_port)
    tls_port: int = field(init=False, default_factory=free_port)
    _folder: tempfile.TemporaryDirectory[str] = field(
        init=False, repr=False, default_factory=lambda: tempfile.TemporaryDirectory(prefix="slapd-")
    )
    _process: subprocess.Popen[bytes] | None = field(init=False, repr=False, default=None)
    _connection: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.rootdn = self.rootdn or f"cn=admin,{self.suffix}"

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
    def ldaps_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def ldapi_url(self) -> str:
        return f"ldapi://{quote(str(self._socket_path), safe='')}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("slapd is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What slapd wrote so far; see ``debug``."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def _socket_path(self) -> Path:
        return self.directory / "ldapi"

    @property
    def _log_path(self) -> Path:
        return self.directory / "slapd.log"

    # Its life

    def load(self, ldif: str | Path | Iterable[str]) -> None:
        """Add the entries of an LDIF text, file or pieces of text to the database of a server that does not run."""
        if self.running:
            raise RuntimeError("slapadd needs the server stopped")
        if isinstance(ldif, Path):
            path = ldif
        else:
            path = self.directory / "load.ldif"
            with path.open("w", encoding="utf-8") as file:
                file.writelines([ldif] if isinstance(ldif, str) else ldif)
        command = [_program("slapadd"), "-q", "-w", "-f", self._write_config(), "-b", self.suffix, "-l", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise RuntimeError(f"slapadd failed: {done.stderr[-2000:]}")

    def start(self) -> None:
        """Start and return as soon as connections are accepted."""
        if self.running:
            raise RuntimeError("slapd runs already")
        urls = [self.url, *([self.ldaps_url] if self.tls_cert else []), self.ldapi_url]
        slapd = [_program("slapd"), "-d", self.debug, "-f", self._write_config(), "-h", " ".join(urls)]
        self._socket_path.unlink(missing_ok=True)
        with self._log_path.open("ab") as log:
            # exec keeps the process id.
            self._process = process = subprocess.Popen(
                ["/bin/sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh", *slapd],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._accepts():
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"slapd did not start: {self.log[-2000:]}")
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
        self.stop()
        self._folder.cleanup()

    def _accepts(self) -> bool:
        # The socket in our folder cannot be anybody else's; the port can.
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

    def _write_config(self) -> str:
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        tls = {
            "TLSCertificateFile": self.tls_cert,
            "TLSCertificateKeyFile": self.tls_key,
            "TLSCACertificateFile": self.tls_ca,
        }
        lines = [
            *(f"include {SCHEMA_FOLDER / name}.schema" for name in ("core", "cosine", "inetorgperson", "nis")),
            f"modulepath {MODULE_FOLDER}",
            *(f"moduleload {name}" for name in ("back_mdb", "syncprov", "accesslog")),
            f"sizelimit {self.sizelimit}",
            *(f'{name} "{path}"' for name, path in tls.items() if path),
            self.extra_global,
            "database mdb",
            f'suffix "{self.suffix}"',
            f'rootdn "{self.rootdn}"',
            f"rootpw {self.rootpw}",
            f'directory "{data}"',
            "maxsize 4294967296",
            "dbnosync",
            "index objectClass eq",
            "index entryUUID,entryCSN eq",
            self.limits,
            self.extra_database,
        ]
        if self.sync_provider:
            lines.append("overlay syncprov")
            if self.sessionlog is not None:
                lines.append(f"syncprov-sessionlog {self.sessionlog}")
        lines.append(self.extra_overlay)
        path = self.directory / "slapd.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    # Writing and reading, as rootdn

    @property
    def connection(self) -> Any:  # python-ldap has no types
        """A python-ldap connection bound as rootdn, for what has no method here."""
        if self._connection is None:
            connection = ldap.initialize(self.ldapi_url)
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
        """Return what ``search`` does, by entryUUID: what a faithful copy holds."""
        found = self.search(base, scope, filter, [*(attrs or ["*"]), "entryUUID"])
        return {UUID(entry.pop("entryUUID")[0].decode()): (dn, entry) for dn, entry in found.items()}


def ldif_entry(dn: str, attrs: Mapping[str, Iterable[str]]) -> str:
    """Write one entry as LDIF, with the empty line after it."""
    lines = [_ldif_line("dn", dn)]
    lines += [_ldif_line(name, value) for name, values in attrs.items() for value in values]
    return "\n".join(lines) + "\n\n"


def empty_tree(suffix: str = SUFFIX) -> str:
    """Write the LDIF of a suffix (dc=… or o=…) with ou=people and ou=groups below it."""
    kind, _, name = suffix.partition(",")[0].partition("=")
    classes = ["top", "dcObject", "organization"] if kind == "dc" else ["top", "organization"]
    top = {"objectClass": classes, kind: [name], "o": [name]}
    units = [
        ldif_entry(f"ou={unit},{suffix}", {"objectClass": ["top", "organizationalUnit"], "ou": [unit]})
        for unit in ("people", "groups")
    ]
    return ldif_entry(suffix, top) + "".join(units)


def sample_ldif(people: int, *, seed: int = 4533, random_uuids: bool = False, suffix: str = SUFFIX) -> Iterator[str]:
    """Write the empty tree and people ``uid=u000001,ou=people,…`` upwards: 15 attributes, 600 octets each.

    The same arguments give the same text.  Without ``random_uuids`` slapadd chooses the UUIDs.
    """
    yield empty_tree(suffix)
    chance = random.Random(seed)
    for number in range(1, people + 1):
        attrs = _person(number, chance)
        if random_uuids:
            attrs["entryUUID"] = [str(UUID(int=chance.getrandbits(128), version=4))]
        yield ldif_entry(f"uid=u{number:06},ou=people,{suffix}", attrs)


_GIVEN_NAMES = (
    "Anna Björn Chiara Dmitri Elif François Grace Hiroshi Inês Jan Karen Łukasz Mária Noor Olga Pedro".split()
)
_SURNAMES = "Adams Bäcker Costa Dvořák Evans Fischer García Hansen Ivanova Jensen Kowalski Lefèvre Müller Novák".split()
_TITLES = ["Accountant", "Engineer", "Librarian", "Nurse", "Professor", "Secretary", "System Administrator"]
_CITIES = ["Amsterdam", "Bern", "Kraków", "Lisboa", "London", "Zürich"]
_STREETS = ["Bahnhofstrasse", "Church Lane", "Harbour Road", "Kerkstraat", "Park Avenue"]
_WORDS = (
    "access annex building card contract desk from group key leave locker office parking part project shift".split()
)


def _person(number: int, chance: random.Random) -> dict[str, list[str]]:
    given, surname = chance.choice(_GIVEN_NAMES), chance.choice(_SURNAMES)
    phone = f"+41 44 {chance.randrange(10**7):07}"
    return {
        "objectClass": ["top", "person", "organizationalPerson", "inetOrgPerson"],
        "uid": [f"u{number:06}"],
        "cn": [f"{given} {surname} {number}"],
        "sn": [surname],
        "givenName": [given],
        "mail": [f"u{number:06}@example.com", f"person.{number}@mail.example.com"],
        "telephoneNumber": [phone],
        "mobile": [f"+41 79 {chance.randrange(10**7):07}"],
        "employeeNumber": [str(100000 + number)],
        "employeeType": [chance.choice(["staff", "student", "guest"])],
        "title": [chance.choice(_TITLES)],
        "l": [chance.choice(_CITIES)],
        "street": [f"{chance.choice(_STREETS)} {chance.randrange(1, 200)}"],
        "postalCode": [f"{chance.randrange(1000, 9999)}"],
        "description": [" ".join(chance.choices(_WORDS, k=40))],
    }


def _ldif_line(name: str, value: str) -> str:
    safe = value.isascii() and value.isprintable() and value[:1] not in {" ", ":", "<"} and value[-1:] != " "
    return f"{name}: {value}" if safe else f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _octets(values: Values) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else value for value in values]


def _program(name: str) -> str:
    # Users' PATH leaves out where Debian keeps servers.
    path = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed: the Debian package slapd has it")
    return path
