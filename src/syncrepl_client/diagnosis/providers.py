"""Findings about what is behind synchronization: OpenLDAP's overlay, the changelog of 389, ApacheDS's replication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import dialects
from syncrepl_client.diagnosis.finding import Finding, Remedy, Severity
from syncrepl_client.diagnosis.remedies import (
    LDAPI,
    RETRO_CHANGELOG,
    apacheds_modify,
    ds389_modify,
    modify,
    openldap_access,
    openldap_database,
    openldap_look,
    quoted,
)
from syncrepl_client.ldap import dn as names
from syncrepl_client.ldap import filter as filters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.diagnosis.facts import DS389Facts, Facts, Overlay

__all__ = ["apacheds", "change_numbers", "changelog", "context", "overlay"]

_MARKS: Final = ("entryuuid", "entrycsn")
_MAPPING: Final = ("add", "nsslapd-attribute", "nsuniqueid:targetUniqueId")
_APACHEDS: Final = "ads-serverId=ldapServer,ou=servers,ads-directoryServiceId=default,ou=config"


# --- OpenLDAP ---------------------------------------------------------------------------------------------------------


def change_numbers(facts: Facts) -> Iterator[Finding]:
    """Tell whether this identity has the rights by which OpenLDAP finds what changed."""
    if facts.openldap is None or facts.base is None or facts.base.error is not None:
        return
    hidden = facts.openldap.hidden_marks
    remedies = openldap_access(facts, f"dn.subtree={quoted(facts.url.base)} attrs=entryUUID,entryCSN")
    if not facts.openldap.resumes:
        text = (
            "This identity may not search and read entryUUID and entryCSN, by which the server finds what changed: "
            "each start reads everything."
        )
        yield Finding("change-numbers", Severity.WARNING, text, remedies)
    elif hidden:
        text = (
            f"This identity may not search and read {' and '.join(hidden)} of entries of the content, by which the "
            "server finds what changed: changes would be missing from the copy."
        )
        yield Finding("change-numbers", Severity.PROBLEM, text, remedies)
    else:
        text = "This identity may search and read entryUUID and entryCSN, by which the server finds what changed."
        yield Finding("change-numbers", Severity.OK, text)


def context(facts: Facts) -> Iterator[Finding]:
    """Tell how many servers write."""
    if facts.openldap is None or facts.trial is None or facts.trial.error is not None:
        return
    contexts = facts.openldap.contexts
    if contexts is None:
        text = (
            f"contextCSN of {facts.suffix} cannot be read: with several providers, the client could not see that the "
            "one it fails over to lags behind."
        )
        remedies = openldap_access(facts, f"dn.base={quoted(facts.suffix)} attrs=entry,contextCSN")
        yield Finding("context", Severity.WARNING, text, remedies)
        return
    sids = sorted(sid.decode() for sid in contexts.sids)
    text = "One server writes here."
    if len(sids) > 1:
        text = (
            f"Several servers write here (server ids {', '.join(sids)}): the client may go on with any of them that is "
            "not behind its copy."
        )
    yield Finding("context", Severity.OK, text)


def overlay(facts: Facts) -> Iterator[Finding]:
    """Tell how the sync provider is configured."""
    if facts.openldap is None or facts.trial is None or facts.trial.error is not None:
        return
    found = facts.openldap.overlay
    if found is None:
        yield _unseen(facts)
        return
    no_log = f"olcOverlay={{0}}syncprov,{found.database}"
    if found.session_log is None:
        text = "There is no session log: after an absence the server names everything that is still there."
        yield Finding("session-log", Severity.NOTE, text, _overlay_setting(facts, no_log, "sessionlog", "10000"))
    else:
        text = f"The session log holds {found.session_log} changes: after a short absence deletions come by name."
        yield Finding("session-log", Severity.OK, text)
    if found.no_present:
        text = "syncprov-nopresent is set, so deletions are never told: it is for logs, not for data."
        yield Finding("no-present", Severity.PROBLEM, text, _overlay_setting(facts, no_log, "nopresent", "FALSE"))
    yield from _indexes(facts, found)


def _overlay_setting(facts: Facts, overlay_dn: str, name: str, value: str) -> tuple[Remedy, ...]:
    attributes = {"sessionlog": "olcSpSessionlog", "nopresent": "olcSpNoPresent"}
    return (
        Remedy(f"in slapd.conf, after 'overlay syncprov' of {facts.suffix}", (f"syncprov-{name} {value}",)),
        Remedy(LDAPI, modify(overlay_dn, ("replace", attributes[name], value))),
    )


def _indexes(facts: Facts, found: Overlay) -> Iterator[Finding]:
    missing = [name for name in ("entryUUID", "entryCSN") if name.lower() not in found.indexes]
    if missing:
        text = f"There is no index of {' and '.join(missing)}: each resumption looks at every entry."
        what = f"{','.join(missing)} eq"
        yield Finding("indexes", Severity.WARNING, text, openldap_database(facts, f"index {what}", "olcDbIndex", what))
    else:
        yield Finding("indexes", Severity.OK, "entryUUID and entryCSN are indexed.")


def _unseen(facts: Facts) -> Finding:
    text = (
        "This identity may not read cn=config, so what is there of session log, syncprov-nopresent and indexes could "
        "not be found out; this should print olcDbIndex with entryUUID and entryCSN, olcSpSessionlog, and no "
        "olcSpNoPresent."
    )
    either = f"(|(olcSuffix={filters.escape(facts.suffix)})(objectClass=olcSyncProvConfig))"
    look = openldap_look(either, "olcDbIndex", "olcSpSessionlog", "olcSpNoPresent")
    return Finding("overlay", Severity.NOTE, text, (Remedy("in a shell on the server", (look,)),))


# --- 389 Directory Server ---------------------------------------------------------------------------------------------


def changelog(facts: Facts) -> Iterator[Finding]:
    """Tell what the changelog of 389 covers."""
    if facts.ds389 is None or (facts.trial is not None and facts.trial.error is not None):
        return
    first, last = facts.server.first_change, facts.server.last_change
    if first is None or last is None:
        text = "The server shows no changelog: nobody knows what a cookie still covers, so each start reads everything."
        yield Finding("changelog", Severity.WARNING, text)
    else:
        held = f"changes {first} to {last}" if last else "no change yet"
        yield Finding("changelog", Severity.OK, f"The changelog holds {held}.")
    yield _mapping(facts, facts.ds389)
    if facts.dialect is dialects.DS389:
        yield from _coverage(facts, facts.ds389)
    yield _age(facts, facts.ds389)


def _mapping(facts: Facts, found: DS389Facts) -> Finding:
    repair = ds389_modify(facts, modify(RETRO_CHANGELOG, _MAPPING), restart=True)
    if found.maps_uuids is None:
        text = (
            "Whether the changelog holds the UUIDs of what changed this identity may not see; without them no change "
            "is told to a client that resumes. This should print nsslapd-attribute: nsuniqueid:targetUniqueId."
        )
        look = f"ldapsearch -LLL -x -D 'cn=Directory Manager' -W -s base -b '{RETRO_CHANGELOG}' nsslapd-attribute"
        return Finding("changelog-uuids", Severity.NOTE, text, (Remedy("in a shell on the server", (look,)), *repair))
    if found.maps_uuids:
        return Finding("changelog-uuids", Severity.OK, "The changelog holds the UUIDs of what changed.")
    text = "The changelog does not hold the UUIDs of what changed: no change is told to a client that resumes."
    return Finding("changelog-uuids", Severity.PROBLEM, text, repair)


def _coverage(facts: Facts, found: DS389Facts) -> Iterator[Finding]:
    base = facts.url.base
    included, excluded = found.included, found.excluded
    if included and not any(names.is_under(base, one) for one in included):
        text = f"The changelog covers {'; '.join(included)} alone: changes below {base} are found by comparison only."
        remedies = ds389_modify(facts, modify(RETRO_CHANGELOG, ("add", "nsslapd-include-suffix", base)), restart=True)
        yield Finding("changelog-suffix", Severity.WARNING, text, remedies)
    for one in excluded or ():
        if names.is_under(base, one) or names.is_under(one, base):
            text = f"The changelog leaves {one} out: changes there are found by comparison only."
            change = modify(RETRO_CHANGELOG, ("delete", "nsslapd-exclude-suffix", one))
            yield Finding("changelog-suffix", Severity.WARNING, text, ds389_modify(facts, change, restart=True))


def _age(facts: Facts, found: DS389Facts) -> Finding:
    if found.max_age is None:
        text = (
            "How long the changelog keeps changes this identity may not see; who is away for longer reads everything."
        )
        return Finding("changelog-age", Severity.NOTE, text)
    if found.max_age:
        text = f"The changelog keeps changes for {found.max_age}: who is away for longer reads everything."
        return Finding("changelog-age", Severity.OK, text)
    change = modify(RETRO_CHANGELOG, ("replace", "nsslapd-changelogmaxage", "7d"))
    text = "The changelog keeps every change for ever, and grows."
    return Finding("changelog-age", Severity.NOTE, text, ds389_modify(facts, change, restart=True))


# --- ApacheDS ---------------------------------------------------------------------------------------------------------


def apacheds(facts: Facts) -> Iterator[Finding]:
    """Tell whether ApacheDS replicates at all."""
    if facts.apacheds is None:
        return
    if facts.apacheds.replicates is None:
        text = "Whether replication is on (ads-replEnabled) this identity may not see."
        yield Finding("replication", Severity.NOTE, text)
    elif facts.apacheds.replicates:
        yield Finding("replication", Severity.OK, "Replication is on (ads-replEnabled).")
    else:
        record = modify(_APACHEDS, ("replace", "ads-replEnabled", "TRUE"))
        text = "Replication is off (ads-replEnabled): the server refuses every sync request."
        yield Finding("replication", Severity.PROBLEM, text, apacheds_modify(facts, record))
