"""What is compared, each as a function of a running provider and a scratch folder."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench import peers, provider
from bench.measure import Run, run
from syncrepl_client.contentsync import controls
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.slapd import Slapd

__all__ = ["ENCRYPTED", "FLOORS", "LATER", "OURS", "PEERS", "Contender", "Later"]

Contender = "Callable[[Slapd, Path], Run]"

_PROGRAMS: Final = "bench.programs"


def _url(slapd: Slapd) -> str:
    return f"{slapd.url}/{slapd.suffix}"


def _floor(pause: float) -> Callable[[Slapd, Path], Run]:
    def contender(slapd: Slapd, place: Path) -> Run:
        search = messages.search_request(slapd.suffix, 2, filters.encode("(objectClass=*)"), ())
        request = messages.encode_message(1, search, [controls.request_control(1, _cookie(place))])
        end = controls.SYNC_DONE.encode()
        program = "bench/programs/floor.py"
        return run([sys.executable, program, "127.0.0.1", str(slapd.port), request.hex(), end.hex(), str(pause)])

    return contender


def _cookie(place: Path) -> bytes | None:
    """Return the cookie of a data file; None if it has none, or this is none."""
    if not place.is_file():
        return None
    with closing(sqlite3.connect(place)) as connection:
        (cookie,) = connection.execute("SELECT cookie FROM syncrepl_state").fetchone()
    return None if cookie is None else bytes(cookie)


def _refresh(slapd: Slapd, path: Path, *words: str | Path, server: str = "") -> Run:
    url = f"{server or slapd.url}/{slapd.suffix}"
    return run([sys.executable, "-m", f"{_PROGRAMS}.ours", url, path, *words])


def _ours(slapd: Slapd, scratch: Path) -> Run:
    return _refresh(slapd, scratch / "ours.db")


def _ours_reading(slapd: Slapd, scratch: Path) -> Run:
    return _refresh(slapd, scratch / "reading.db", "read")


def _ours_encrypted(slapd: Slapd, scratch: Path) -> Run:
    return _refresh(slapd, scratch / "encrypted.db", "--ca-file", _authority(slapd), server=slapd.ldaps_url)


def _authority(slapd: Slapd) -> Path:
    if slapd.tls_ca is None:
        raise LookupError("the provider has no certificate")
    return slapd.tls_ca


def _ldapsearch(slapd: Slapd, scratch: Path) -> Run:
    command = ["ldapsearch", "-x", "-LLL", "-H", slapd.url, "-b", slapd.suffix, "-E", "sync=ro"]
    return run(command, output=scratch / "ldapsearch.ldif")


def _ldapsearch_encrypted(slapd: Slapd, scratch: Path) -> Run:
    command = ["ldapsearch", "-x", "-LLL", "-H", slapd.ldaps_url, "-b", slapd.suffix, "-E", "sync=ro"]
    with_authority = ["env", f"LDAPTLS_CACERT={_authority(slapd)}", *command]
    return run(with_authority, output=scratch / "ldapsearch.ldif")


def _python_ldap(slapd: Slapd, _: Path) -> Run:
    python = peers.python_with("python-ldap", "python-ldap==3.4.8", "pyasn1==0.6.4", "pyasn1_modules==0.4.2")
    return run([python, "bench/programs/python_ldap.py", slapd.url, slapd.suffix])


def _reference(slapd: Slapd, scratch: Path) -> Run:
    requirements = ("syncrepl-client==0.95.1", "python-ldap==3.4.8", "pyasn1==0.4.8", "pyasn1_modules==0.2.8")
    python = peers.python_with("reference", *requirements)
    url = f"{_url(slapd)}?*?sub?(objectClass=*)"
    return run([python, "bench/programs/reference.py", url, scratch / "reference"])


def _slapd(slapd: Slapd, _: Path) -> Run:
    return provider.copy_with_slapd(slapd)


FLOORS: Final = {
    "floor, eager": _floor(0),
    "floor, paced 1 ms": _floor(0.001),
    "floor, paced 3 ms": _floor(0.003),
    "floor, paced 5 ms": _floor(0.005),
}
OURS: Final = {"ours": _ours, "ours, ldaps": _ours_encrypted, "ours, reading callback": _ours_reading}
PEERS: Final = {
    "ldapsearch -E sync=ro": _ldapsearch,
    "ldapsearch -E sync=ro, ldaps": _ldapsearch_encrypted,
    "python-ldap SyncreplConsumer": _python_ldap,
    "slapd as consumer": _slapd,
    "syncrepl-client 0.95.1": _reference,
}
ENCRYPTED: Final = {"ours, ldaps": "ours", "ldapsearch -E sync=ro, ldaps": "ldapsearch -E sync=ro"}
"""What is the same as another but for encryption."""

# --- what happens to a copy that is there ----------------------------------------------------------------------------


def _nothing(slapd: Slapd, path: Path) -> None:
    """Leave all as it is."""


def _change_ten(slapd: Slapd, _: Path) -> None:
    changes = "".join(
        f"dn: uid=u{number:06d},ou=people,{slapd.suffix}\nchangetype: modify\nreplace: title\ntitle: changed\n\n"
        for number in range(1, 11)
    )
    command = ["ldapmodify", "-x", "-H", slapd.url, "-D", slapd.rootdn, "-w", slapd.rootpw]
    subprocess.run(command, input=changes, text=True, check=True, stdout=subprocess.DEVNULL)


def _from_an_empty_one(slapd: Slapd, path: Path) -> Run:
    slapd.stop()
    with provider.prepare(0, random_uuids=False) as empty:
        empty.start()
        return _refresh(empty, path)


def _forget_cookie(_: Slapd, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE syncrepl_state SET cookie = NULL")
        connection.commit()


@dataclass(frozen=True, slots=True)
class Later:
    """What happens to a copy that is there.

    Args:
        before: what is done to the directory or the copy first; that is not measured.
        run: what is measured.
        has_floor: whether to compare it with what reads the same answer and throws it away.
    """

    before: Callable[[Slapd, Path], None]
    run: Callable[[Slapd, Path], Run] = _refresh
    has_floor: bool = False


LATER: Final = {
    "second start, nothing changed": Later(_nothing),
    "present phase, 10 changes": Later(_change_ten, has_floor=True),
    "full resend over the copy": Later(_forget_cookie, has_floor=True),
    "delete of everything": Later(_forget_cookie, _from_an_empty_one),
}
