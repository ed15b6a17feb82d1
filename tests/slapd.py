"""A real OpenLDAP server for one test: its own process, folder, port and data; and sample data to fill it with.

    with Slapd(sessionlog=1000) as server:
        server.load(sample_ldif(100))
        server.start()
        server.replace("uid=u000001,ou=people,dc=example,dc=com", "title", ["Dr"])
        server.kill()
        server.start()

Nothing here imports the package.

Facts that shaped it, besides those of ``tests/server.py``:

* libldap compares a certificate with the machine's own name where it is told "localhost"; so addresses are numbers.
* slapd writes why it could not start only at a debug level; "none" is the level of nothing else.
* slapd begins to listen in the order of its addresses; so the private socket is the last of them.
* slapadd adds each operational attribute that an entry lacks.  The UUIDs it makes grow from entry to entry; those of a
  directory that has lived are in no order.
"""

from __future__ import annotations

import base64
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from tests.server import SUFFIX, Attributes, Server, find_program, free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["SUFFIX", "Attributes", "Slapd", "empty_tree", "free_port", "ldif_entry", "sample_ldif"]

SCHEMA_FOLDER = Path("/etc/ldap/schema")
MODULE_FOLDER = Path("/usr/lib/ldap")


@dataclass(kw_only=True)
class Slapd(Server):
    """One slapd with one mdb database.

    The settings are written to its configuration at each ``load`` and ``start``, so they may be changed in between.
    """

    product: ClassVar[str] = "slapd"

    sync_provider: bool = True
    # How many changes syncprov remembers; None: no session log.
    sessionlog: int | None = None
    # Who wrote a change, in its CSN, where several servers replicate each other.
    server_id: int = 0
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

    tls_port: int = field(init=False, default_factory=free_port)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rootdn = self.rootdn or f"cn=admin,{self.suffix}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

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
        options = ["-q", "-w", "-S", str(self.server_id), "-b", self.suffix, "-l", str(path)]
        command = [_program("slapadd"), "-f", self._write_config(), *options]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise RuntimeError(f"slapadd failed: {done.stderr[-2000:]}")

    def _prepare(self) -> list[str]:
        urls = [self.url, *([self.ldaps_url] if self.tls_cert else []), self.ldapi_url]
        return [_program("slapd"), "-d", self.debug, "-f", self._write_config(), "-h", " ".join(urls)]

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
            *([f"serverID {self.server_id}"] if self.server_id else []),
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


def _program(name: str) -> str:
    return find_program(name, "slapd")
