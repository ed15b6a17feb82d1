"""Record what real servers send: ``scripts/record [SERVER ...]``, without names all of them.

Needs the packages of ``make test-long``.  What is recorded of a server replaces what there was of it; UUIDs, cookies
and the order in which a server sends entries are new each time.  Prints each message in a line.

A recording ends with the search, or where it persists with the first message about the entry ``cn=last``.  The
connection is closed then: nothing else was asked on it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import ldap

from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import messages
from tests.apacheds import ApacheDS
from tests.ns_slapd import NsSlapd
from tests.recordings import FOLDER, INDEX
from tests.recordings.expected import CAME
from tests.recordings.tap import Tap
from tests.recordings.words import describe, refresh_ends
from tests.server import SUFFIX, find_program
from tests.slapd import Slapd, empty_tree, ldif_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server import Server

PEOPLE = f"ou=people,{SUFFIX}"
LAST = f"cn=last,{PEOPLE}"
ALL = "(objectClass=*)"
SHOWN = "(!(description=hidden))"
REFRESH_REQUIRED = 4096
ATTEMPTS = 100


def person(name: str) -> dict[str, list[str]]:
    return {"objectClass": ["top", "person"], "cn": [name], "sn": [name.upper()], "description": ["shown"]}


CONTENT = empty_tree() + "".join(ldif_entry(f"cn={name},{PEOPLE}", person(name)) for name in "abcdefgh")


@dataclass
class Session:
    """The recordings of one server, one after the other, each with the cookie that the one before left."""

    folder: str
    server: Server
    cookie: bytes | None = None
    recordings: dict[str, Any] = field(default_factory=dict)

    def refresh(self, name: str, *, cookie: bytes | None = None) -> None:
        """Record a refreshOnly with the last cookie, or another."""
        asked = {"mode": "refreshOnly", "base": SUFFIX, "filter": ALL}
        given = self.cookie if cookie is None else cookie
        for _ in range(ATTEMPTS):
            with Tap(self.server, **asked, cookie=given) as tap:
                tap.read_until(lambda message: False)
            result = ended(tap.answers[-1])
            # ApacheDS gives a cookie before it knows it.
            if cookie is not None or result is None or result.code != REFRESH_REQUIRED:
                break
        self._keep(name, tap.answers, asked, given)

    def persist(self, name: str, changes: Callable[[Server], None], *, cookie: bytes | None = None) -> None:
        """Record a refreshAndPersist until `changes` and the entry that marks the end came."""
        asked = {"mode": "refreshAndPersist", "base": SUFFIX, "filter": SHOWN}
        with Tap(self.server, **asked, cookie=cookie) as tap:
            tap.read_until(refresh_ends)
            if not ended(tap.answers[-1]):
                changes(self.server)
                self.server.add(LAST, person("last"))
                tap.read_until(is_last)
        self._keep(name, tap.answers, asked, cookie)

    def _keep(self, name: str, answers: list[bytes], asked: dict[str, str], cookie: bytes | None) -> None:
        print(f"\n{self.folder}/{name}: {asked['mode']} {asked['filter']} {cookie!r}")
        for answer in answers:
            print("   ", describe(answer))
        folder = FOLDER / self.folder
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.bin").write_bytes(b"".join(answers))
        held = self.server.uuids(SUFFIX, filter=asked["filter"], attrs=["1.1"])
        result = ended(answers[-1])
        self.recordings[name] = {
            **asked,
            "cookie": None if cookie is None else cookie.decode(),
            "result": None if result is None else result.code,
            "came": CAME[self.folder][name],
            "content": {str(uuid): dn for uuid, (dn, _) in held.items()},
        }
        # An empty one is none; who asks with the one before gets what is new since.
        self.cookie = last_cookie(answers[-1]) or self.cookie


def ended(answer: bytes) -> messages.Result | None:
    operation = messages.decode_message(answer).operation
    return operation.result if isinstance(operation, messages.SearchResultDone) else None


def last_cookie(answer: bytes) -> bytes | None:
    value = controls.find(messages.decode_message(answer).controls, controls.SYNC_DONE)
    return None if value is None else controls.decode_done(value).cookie


def is_last(message: messages.Message) -> bool:
    operation = message.operation
    return isinstance(operation, messages.SearchResultEntry) and operation.dn.decode() == LAST


def change(server: Server) -> None:
    """Add, modify, delete and rename an entry each."""
    server.add(f"cn=new,{PEOPLE}", person("new"))
    server.replace(f"cn=b,{PEOPLE}", "description", ["modified"])
    server.delete(f"cn=c,{PEOPLE}")
    server.rename(f"cn=d,{PEOPLE}", "cn=renamed")


def change_live(server: Server) -> None:
    """Add, modify, rename and move an entry each; let one leave the filter and one enter it; delete one."""
    server.add(f"cn=live,{PEOPLE}", person("live"))
    server.replace(f"cn=e,{PEOPLE}", "description", ["modified"])
    server.rename(f"cn=f,{PEOPLE}", "cn=renamed again")
    server.rename(f"cn=g,{PEOPLE}", "cn=g", f"ou=groups,{SUFFIX}")
    server.replace(f"cn=a,{PEOPLE}", "description", ["hidden"])
    server.replace(f"cn=a,{PEOPLE}", "description", ["shown"])
    server.delete(f"cn=h,{PEOPLE}")


@contextmanager
def slapd(sessionlog: int | None) -> Iterator[Server]:
    overlay = "" if sessionlog is None else "syncprov-reloadhint TRUE"
    with Slapd(sessionlog=sessionlog, extra_overlay=overlay) as server:
        server.load(CONTENT)
        server.start()
        yield server


@contextmanager
def ns_slapd(*, allow_openldap: bool) -> Iterator[Server]:
    with NsSlapd(allow_openldap=allow_openldap) as server:
        server.start()
        server.load(CONTENT)
        yield server


@contextmanager
def apacheds() -> Iterator[Server]:
    with ApacheDS() as server:
        server.start()
        server.load(CONTENT)
        yield server


def record(folder: str) -> dict[str, Any]:
    """Record all of one server, and return what the index says of it."""
    source = SOURCES[folder]
    with source.open() as server:
        session = Session(folder, server, cookie=source.first_cookie)
        session.refresh("first-refresh")
        session.refresh("nothing-changed")
        change(server)
        session.refresh("changes")
        session.refresh("rejected-cookie", cookie=source.rejected(session.cookie or b""))
        if source.foreign_cookie:
            session.refresh("foreign-cookie", cookie=source.foreign_cookie)
        session.persist("persist", change_live, cookie=source.first_cookie)
        return {"version": version(server), "recordings": session.recordings}


def version(server: Server) -> str:
    root = server.search("", ldap.SCOPE_BASE, attrs=["vendorName", "vendorVersion"])[""]
    if root:
        return " ".join(values[0].decode() for values in root.values())
    # slapd tells nobody but who starts it, and calls that a failure.
    said = subprocess.run([find_program("slapd", "slapd"), "-V"], capture_output=True, text=True, check=False).stderr
    return " ".join(["OpenLDAP", *said.split()[2:4]])


@dataclass(frozen=True, kw_only=True)
class Source:
    """A server to record."""

    open: Callable[[], AbstractContextManager[Server]]
    # What it refuses, made of the last cookie that it gave.
    rejected: Callable[[bytes], bytes]
    # What it takes from another server for no cookie at all.
    foreign_cookie: bytes | None = None
    first_cookie: bytes | None = None


FOREIGN = b"localhost:389#cn=x:dc=x:(objectClass=*)#7"

SOURCES = {
    "slapd": Source(
        open=partial(slapd, None),
        rejected=lambda _: b"rid=000,csn=29990101000000.000000Z#000000#000#000000",
        foreign_cookie=FOREIGN,
    ),
    "slapd-sessionlog": Source(
        open=partial(slapd, 100),
        rejected=lambda _: b"rid=000,csn=20000101000000.000000Z#000000#000#000000",
        foreign_cookie=FOREIGN,
    ),
    "389": Source(
        open=partial(ns_slapd, allow_openldap=False),
        rejected=lambda last: last.replace(b"localhost:", b"elsewhere:"),
    ),
    "389-compat": Source(
        open=partial(ns_slapd, allow_openldap=True),
        rejected=lambda _: b"localhost:389#cn=x:dc=x:(objectClass=*)#7",
        first_cookie=b"rid=001",
    ),
    "apacheds": Source(
        open=apacheds,
        rejected=lambda last: last.replace(b"rid=", b"rid=9"),
    ),
}


def main(names: list[str]) -> None:
    """Record these servers, or all."""
    index = json.loads(INDEX.read_text()) if INDEX.exists() else {}
    for name in names or SOURCES:
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        index[name] = record(name)
    ordered = {name: index[name] for name in SOURCES if name in index}
    INDEX.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
