"""The questions that only one kind of server can answer, most of them to administrators alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.consumer.resumption import context_csns, shows_change_numbers
from syncrepl_client.diagnosis.facts import ApacheDSFacts, DS389Facts, OpenLDAPFacts, Overlay
from syncrepl_client.diagnosis.remedies import RETRO_CHANGELOG
from syncrepl_client.examination.probes import read
from syncrepl_client.exceptions import LDAPResultError
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from syncrepl_client.connection.client import Client
    from syncrepl_client.contentsync.search import Search
    from syncrepl_client.contentsync.server import Server
    from syncrepl_client.diagnosis.facts import Sample

__all__ = ["ask_389", "ask_apacheds", "ask_openldap", "openldap_version", "server_time"]

_MARKS: Final = ("entryUUID", "entryCSN")
_LOOK_AT: Final = 10
_ONE_LEVEL: Final = 1
_APACHEDS: Final = "ou=config"
_SUBTREE: Final = 2


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


def ask_openldap(client: Client, search: Search, suffix: str, sample: Sample) -> OpenLDAPFacts:
    """Ask about rights, providers and the overlay."""
    return OpenLDAPFacts(
        resumes=shows_change_numbers(client, search),
        hidden_marks=_hidden_marks(client, sample),
        contexts=context_csns(client, suffix),
        overlay=_overlay(client, suffix),
    )


def _hidden_marks(client: Client, sample: Sample) -> tuple[str, ...]:
    """Name the attributes that some entries of the content may not be searched by.

    Rights differ from subtree to subtree, so one entry below each of some parents is looked at.
    """
    of_parent = {names.normalize(names.parent(name)): name for name in sample.names}
    chosen = list(of_parent.values())[:_LOOK_AT]
    return tuple(mark for mark in _MARKS if any(not _shows(client, name, mark) for name in chosen))


def _shows(client: Client, name: str, mark: str) -> bool:
    try:
        found = client.search(name, 0, f"({mark}=*)", (mark,))
    except LDAPResultError:
        return False
    return any(values for _, values in found)


def _overlay(client: Client, suffix: str) -> Overlay | None:
    asked = (f"(olcSuffix={filters.escape(suffix)})", ("olcDbIndex",))
    try:
        found = client.search("cn=config", _ONE_LEVEL, *asked)
        if not found:
            return None
        database, settings = found[0]
        overlays = client.search(database, _ONE_LEVEL, "(objectClass=olcSyncProvConfig)", ("*",))
    except LDAPResultError:
        return None
    if not overlays:
        return None
    values = {name.lower(): [value.decode() for value in of_name] for name, of_name in overlays[0][1].items()}
    [log] = values.get("olcspsessionlog", [""])
    indexes = [value.decode() for value in settings.get("olcDbIndex", [])]
    return Overlay(
        database,
        session_log=int(log) if log.isdigit() else None,
        no_present=values.get("olcspnopresent") == ["TRUE"],
        indexes=frozenset(
            name.lower() for index in indexes if "eq" in index.partition(" ")[2] for name in index.split()[0].split(",")
        ),
    )


def openldap_version(client: Client) -> str:
    """Read the version where it is told, which is in cn=Monitor."""
    values = read(client, "cn=Monitor", "monitoredInfo").get("monitoredinfo", [])
    return values[0].decode(errors="replace").removeprefix("OpenLDAP: slapd ") if values else ""


# --- 389 Directory Server ---------------------------------------------------------------------------------------------


def ask_389(client: Client, server: Server) -> DS389Facts:
    """Ask about the changelog: its configuration, or else its last change."""
    asked = ("nsslapd-attribute", "nsslapd-include-suffix", "nsslapd-exclude-suffix", "nsslapd-changelogmaxage")
    config = read(client, RETRO_CHANGELOG, "cn", *asked)
    if not config:
        return DS389Facts(maps_uuids=_last_change_has_uuid(client, server))
    mapping, included, excluded, age = (tuple(value.decode() for value in config.get(name, ())) for name in asked)
    return DS389Facts(
        maps_uuids=any(value.replace(" ", "").lower() == "nsuniqueid:targetuniqueid" for value in mapping),
        included=included,
        excluded=excluded,
        max_age=next(iter(age), ""),
    )


def _last_change_has_uuid(client: Client, server: Server) -> bool | None:
    change = read(client, f"changenumber={server.last_change},cn=changelog", "targetUniqueId", "changeType")
    return "targetuniqueid" in change if change else None


# --- ApacheDS ---------------------------------------------------------------------------------------------------------


def ask_apacheds(client: Client) -> ApacheDSFacts:
    """Ask whether it replicates."""
    try:
        found = client.search(_APACHEDS, _SUBTREE, "(ads-replEnabled=*)", ("ads-replEnabled",), size_limit=1)
    except LDAPResultError:
        found = []
    values = [value for _, entry in found for of_name in entry.values() for value in of_name]
    return ApacheDSFacts(values[0].upper() == b"TRUE" if values else None)


# --- clocks -----------------------------------------------------------------------------------------------------------


def server_time(client: Client) -> bytes | None:
    """Read a server's clock where it has an entry for it, as 389 and OpenLDAP's cn=Monitor do."""
    for name, attribute in (
        ("cn=monitor", "currentTime"),
        ("cn=Current,cn=Time,cn=Monitor", "monitorTimestamp"),
    ):
        values = read(client, name, attribute).get(attribute.lower())
        if values:
            return values[0]
    return None
