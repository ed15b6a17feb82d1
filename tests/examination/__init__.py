"""Real servers, well and badly configured; and that the lines a finding gives make it go away.

What stands in slapd.conf, and what changes cn=config, is tried one by one: the same words, put where they say.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from syncrepl_client.connection.access import Access, credentials_of
from syncrepl_client.diagnosis.table import diagnose
from syncrepl_client.examination.examine import examine
from syncrepl_client.ldap import url as urls
from syncrepl_client.secret import Secret
from syncrepl_client.transport.tls import TLS
from tests.slapd import SUFFIX, Slapd, ldif_entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncrepl_client.diagnosis.finding import Finding, Remedy
    from tests.server import Server

__all__ = [
    "PASSWORD",
    "READER",
    "found",
    "ldapmodify",
    "reader_entry",
    "reconfigure",
    "repair_conf",
    "repair_ldif",
    "severities",
    "url_of",
]

READER = f"cn=reader,{SUFFIX}"
PASSWORD = "secret"
# What lets cn=config be changed while slapd runs, as ldapi with SASL EXTERNAL would.
RECONFIGURABLE = "database config\nrootdn cn=config\nrootpw secret\n"


def reader_entry() -> str:
    attrs = {"objectClass": ["person"], "cn": ["reader"], "sn": ["reader"], "userPassword": [PASSWORD]}
    return ldif_entry(READER, attrs)


def url_of(server: Server, rest: str = "??", *, who: str | None = READER, base: str = SUFFIX) -> str:
    return f"{server.url}/{quote(base)}?{rest}" + (f"?bindname={quote(who, safe='=')}" if who else "")


def found(
    url: str, *, password: str = PASSWORD, starttls: bool = False, tls: TLS | None = None, **options: Any
) -> dict[str, Finding]:
    """Examine a server; the last of several findings of a name counts."""
    parsed = urls.parse(url)
    access = Access(parsed, credentials_of(parsed, Secret(password)), starttls, tls=TLS.of(tls))
    return {one.name: one for one in diagnose(examine(access, **options))}


def severities(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: one.severity.value for name, one in findings.items()}


# --- repairs ----------------------------------------------------------------------------------------------------------


def repair_conf(server: Slapd, remedies: Iterable[Remedy]) -> None:
    """Put lines for slapd.conf where they say, and start again."""
    for remedy in remedies:
        lines = "\n".join(remedy.lines) + "\n"
        if "before the first database" in remedy.where:
            server.extra_global += lines
        elif "at its end" in remedy.where or "after " in remedy.where:
            server.extra_overlay += "\n" + lines
        elif "in the database of" in remedy.where:
            # Before the lines of the test.
            server.limits = lines + server.limits
    server.restart()


def reconfigure(server: Slapd) -> None:
    """Let cn=config of a server that does not run yet be changed by `repair_ldif`."""
    server.extra_global += RECONFIGURABLE


def repair_ldif(server: Slapd, remedies: Iterable[Remedy]) -> None:
    """Give the lines for cn=config to ldapmodify."""
    for remedy in remedies:
        if remedy.where.startswith("with ldapmodify -Y EXTERNAL"):
            ldapmodify(server.url, "cn=config", "secret", remedy.lines)


def ldapmodify(url: str, who: str, password: str, lines: Iterable[str]) -> None:
    command = ["ldapmodify", "-x", "-H", url, "-D", who, "-w", password]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{lines}"
