"""The lines to type into a server's configuration.

For OpenLDAP each remedy is given twice: for slapd.conf, and as LDIF for cn=config.  In LDIF the entry of the database
must be named; where this identity may not see its name, a usual one stands there and a comment says how to find it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from syncrepl_client.diagnosis.finding import Remedy
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from syncrepl_client.diagnosis.facts import Facts

__all__ = [
    "CONTENT_SYNC",
    "LDAPI",
    "RETRO_CHANGELOG",
    "address",
    "apacheds_modify",
    "ds389_modify",
    "modify",
    "openldap_access",
    "openldap_certificate",
    "openldap_content",
    "openldap_database",
    "openldap_limits",
    "openldap_look",
    "openldap_monitor",
    "openldap_overlay",
    "openldap_root_dse",
    "quoted",
]

CONTENT_SYNC: Final = "cn=Content Synchronization,cn=plugins,cn=config"
RETRO_CHANGELOG: Final = "cn=Retro Changelog Plugin,cn=plugins,cn=config"
_USUAL_DATABASE: Final = "olcDatabase={1}mdb,cn=config"
LDAPI: Final = "with ldapmodify -Y EXTERNAL -H ldapi:///"


def quoted(name: str) -> str:
    """Write a name as one word of OpenLDAP's configuration."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def modify(dn: str, *changes: tuple[str, str, str]) -> tuple[str, ...]:
    """Write an LDIF record of changes: what to do, attribute, value."""
    lines = [f"dn: {dn}", "changetype: modify"]
    for number, (act, attribute, value) in enumerate(changes):
        lines += [*(["-"] if number else []), f"{act}: {attribute}", f"{attribute}: {value}"]
    return tuple(lines)


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


def _who(facts: Facts) -> str:
    return f"dn.exact={quoted(facts.name)}" if facts.name else "anonymous"


def _database(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """Return the DN of the database's configuration, and the comment that belongs to it."""
    overlay = facts.openldap.overlay if facts.openldap else None
    if overlay is not None:
        return overlay.database, ()
    find = openldap_look(f"(olcSuffix={filters.escape(facts.suffix)})", "dn")
    return _USUAL_DATABASE, (f"# the name of the database is what this prints: {find}",)


def openldap_look(filter_: str, *attributes: str) -> str:
    """Write the command that shows a part of the configuration."""
    return f"ldapsearch -LLL -Y EXTERNAL -H ldapi:/// -b cn=config {shlex.quote(filter_)} {' '.join(attributes)}"


def openldap_root_dse() -> tuple[Remedy, ...]:
    """Let everybody read the root DSE."""
    rule = 'to dn.base="" by * read'
    return (
        Remedy("on OpenLDAP, in slapd.conf, before the first database", (f"access {rule}",)),
        Remedy(LDAPI, modify("olcDatabase={-1}frontend,cn=config", ("add", "olcAccess", f"{{0}}{rule}"))),
    )


def openldap_certificate() -> tuple[Remedy, ...]:
    """Give the server a certificate, which makes it offer StartTLS."""
    cert, key = "/etc/ssl/certs/ldap.pem", "/etc/ssl/private/ldap.key"
    lines = (f"TLSCertificateFile {cert}", f"TLSCertificateKeyFile {key}")
    both = (("add", "olcTLSCertificateFile", cert), ("add", "olcTLSCertificateKeyFile", key))
    return Remedy("in slapd.conf, before the first database", lines), Remedy(LDAPI, modify("cn=config", *both))


def openldap_monitor(facts: Facts) -> tuple[Remedy, ...]:
    """Let this identity read cn=Monitor."""
    rule = f"to * by {_who(facts)} read by * break"
    record = (
        "dn: olcDatabase=monitor,cn=config",
        "changetype: add",
        "objectClass: olcMonitorConfig",
        "olcDatabase: monitor",
        f"olcAccess: {{0}}{rule}",
    )
    return Remedy("in slapd.conf, at its end", ("database monitor", f"access {rule}")), Remedy(LDAPI, record)


def openldap_database(facts: Facts, conf: str, attribute: str, value: str) -> tuple[Remedy, ...]:
    """Add a line to the database of the base."""
    database, comment = _database(facts)
    return (
        Remedy(f"in slapd.conf, in the database of {facts.suffix}", (conf,)),
        Remedy(LDAPI, (*comment, *modify(database, ("add", attribute, value)))),
    )


def openldap_access(facts: Facts, what: str) -> tuple[Remedy, ...]:
    """Let this identity read something, and change nothing for others."""
    return _access(facts, f"to {what} by {_who(facts)} read by * break")


def openldap_content(facts: Facts) -> tuple[Remedy, ...]:
    """Let this identity, which is not anonymous, read the content but for its passwords."""
    where = f"to dn.subtree={quoted(facts.url.base)}"
    return _access(
        facts,
        f"{where} attrs=userPassword by {_who(facts)} none by * break",
        f"{where} by {_who(facts)} read by * break",
    )


def _access(facts: Facts, *rules: str) -> tuple[Remedy, ...]:
    database, comment = _database(facts)
    numbered = [("add", "olcAccess", f"{{{number}}}{rule}") for number, rule in enumerate(rules)]
    return (
        Remedy(
            f"in slapd.conf, in the database of {facts.suffix}, before its other access lines",
            tuple(f"access {rule}" for rule in rules),
        ),
        Remedy(LDAPI, (*comment, *modify(database, *numbered))),
    )


def openldap_limits(facts: Facts) -> tuple[Remedy, ...]:
    """Let this identity read everything."""
    rule = f"{_who(facts)} size=unlimited time=unlimited"
    return openldap_database(facts, f"limits {rule}", "olcLimits", f"{{0}}{rule}")


def openldap_overlay(facts: Facts) -> tuple[Remedy, ...]:
    """Put the sync provider over the database of the base."""
    database, comment = _database(facts)
    record = (
        f"dn: olcOverlay=syncprov,{database}",
        "changetype: add",
        "objectClass: olcSyncProvConfig",
        "olcOverlay: syncprov",
        "olcSpSessionlog: 10000",
    )
    return (
        Remedy("in slapd.conf, before the first database", ("moduleload syncprov",)),
        Remedy(
            f"in slapd.conf, in the database of {facts.suffix}, after its other lines",
            ("overlay syncprov", "syncprov-sessionlog 10000"),
        ),
        Remedy(
            f"{LDAPI}, unless the module is loaded already",
            modify("cn=module{0},cn=config", ("add", "olcModuleLoad", "syncprov")),
        ),
        Remedy(LDAPI, (*comment, *record)),
        # Two lines for the same index keep slapd from starting.
        *(
            Remedy(f"{remedy.where}, unless the index is there already", remedy.lines)
            for remedy in openldap_database(facts, "index entryUUID,entryCSN eq", "olcDbIndex", "entryUUID,entryCSN eq")
        ),
    )


# --- others -----------------------------------------------------------------------------------------------------------


def ds389_modify(facts: Facts, *records: tuple[str, ...], restart: bool = False) -> tuple[Remedy, ...]:
    """Write records for 389 Directory Server."""
    remedy = Remedy(f"with ldapmodify -x -D 'cn=Directory Manager' -W -H {address(facts)}", _together(records))
    return (remedy, Remedy("in a shell on the server", ("dsctl INSTANCE restart",))) if restart else (remedy,)


def apacheds_modify(facts: Facts, record: tuple[str, ...]) -> tuple[Remedy, ...]:
    """Write a record for ApacheDS."""
    return (
        Remedy(f"with ldapmodify -x -D uid=admin,ou=system -W -H {address(facts)}, then restart the server", record),
    )


def address(facts: Facts) -> str:
    """Return the URL of the server alone."""
    scheme, _, rest = str(facts.url).partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _together(records: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(line for number, record in enumerate(records) for line in (*([""] if number else []), *record))
