"""Findings about the search: whether it can be synchronized, what limits it, and what its filter hides."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync import dialects
from syncrepl_client.diagnosis.connection import explained
from syncrepl_client.diagnosis.finding import Finding, Remedy, Severity
from syncrepl_client.diagnosis.remedies import (
    CONTENT_SYNC,
    RETRO_CHANGELOG,
    ds389_modify,
    modify,
    openldap_content,
    openldap_limits,
    openldap_overlay,
)
from syncrepl_client.exceptions import InsufficientAccess, LDAPResultError, NoSuchBase, SyncNotSupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.diagnosis.facts import Facts, Sample, Trial

__all__ = ["base", "clock", "containers", "limits", "rights", "trial"]

_TIME_LIMIT: Final = 3
_LIMITS: Final = {_TIME_LIMIT: "time limit", 4: "size limit", 11: "limit on how much one search may look at"}
_FEATURE: Final = "oid=1.3.6.1.4.1.4203.1.9.1.1,cn=features,cn=config"
# A difference of clocks that no network explains, in seconds.
_MUCH: Final = 10.0
_DEFAULT_LIMITS: Final = {
    dialects.OPENLDAP: "500 entries",
    dialects.DS389: "2000 entries",
    dialects.FREEIPA: "2000 entries",
    dialects.APACHEDS: "1000 entries and 15 seconds",
}


def base(facts: Facts) -> Iterator[Finding]:
    """Tell whether the base is there."""
    found, name = facts.base, facts.url.base
    if found is None:
        return
    if isinstance(found.error, NoSuchBase) or (found.error is not None and not name):
        contexts = ", ".join(facts.server.naming_contexts) or "nothing that it tells of"
        text = f"The base '{name}' is not there, or this identity may not know of it; the server holds {contexts}."
        yield Finding("base", Severity.PROBLEM, text)
    elif found.error is not None:
        yield Finding("base", Severity.PROBLEM, f"The base cannot be read: {explained(found.error)}")
    elif not found.visible:
        text = f"The entry of the base {name} may not be read by this identity, or is not there{_bind_first(facts)}."
        yield Finding("base", Severity.WARNING, text, rights(facts))
    else:
        yield Finding("base", Severity.OK, f"The base {name} is there and may be read.")


def rights(facts: Facts) -> tuple[Remedy, ...]:
    """Give the lines by which this identity may read the content; nobody opens a directory to everybody for us."""
    if not facts.name:
        return ()
    if facts.dialect is dialects.OPENLDAP:
        return openldap_content(facts)
    if facts.is_389:
        allowed = f"allow (read,search,compare) {_bound(facts)};"
        aci = f'(targetattr!="userPassword || aci")(version 3.0; acl "sync"; {allowed})'
        return ds389_modify(facts, modify(facts.url.base, ("add", "aci", aci)))
    return ()


def _bind_first(facts: Facts) -> str:
    return "" if facts.name else ": bind as somebody who may"


def _bound(facts: Facts) -> str:
    return f'userdn="ldap:///{facts.name}"'


# --- the sync request -------------------------------------------------------------------------------------------------


def trial(facts: Facts) -> Iterator[Finding]:
    """Tell whether a sync request is answered."""
    tried = facts.trial
    if tried is None:
        if facts.apacheds is not None:
            text = (
                "A sync request was not tried: each leaves a log on the server that is never removed; whether "
                "synchronization works is known by the first refresh only."
            )
            yield Finding("sync", Severity.NOTE, text)
    elif tried.error is not None:
        yield _refused(facts, tried.error)
    else:
        yield from _answered(facts, tried)


def _answered(facts: Facts, tried: Trial) -> Iterator[Finding]:
    where = "" if facts.server.offers_sync else ", although it does not announce the control"
    text = f"The server answered a sync request (RFC 4533) for the base{where}; listening (--persist) was not tried."
    yield Finding("sync", Severity.OK, text)
    if facts.dialect.cookies.to_send(tried.cookie) is None and facts.dialect is not dialects.FREEIPA:
        text = "The server gave no cookie that could be resumed from: each start reads everything."
        yield Finding("cookie", Severity.WARNING, text)
    elif facts.is_389 and "#" in f"{facts.url.base}{facts.url.filter}{facts.name}":
        text = (
            "A '#' in base, filter or bind name makes this server refuse its own cookies: each start reads everything."
        )
        yield Finding("cookie", Severity.WARNING, text)


def _refused(facts: Facts, error: Exception) -> Finding:
    if isinstance(error, SyncNotSupported):
        announced = (
            "announces synchronization but not for this base" if facts.server.offers_sync else "does not offer it"
        )
        text = f"A sync request is refused: the server {announced} (unavailableCriticalExtension)."
        return Finding("sync", Severity.PROBLEM, text, _switch_on(facts))
    if isinstance(error, InsufficientAccess):
        whom = "this identity" if facts.name else "anonymous clients"
        said = f"{error.name}, {error.code}"
        text = f"The server does not let {whom} synchronize ({said}){'' if facts.name else '; bind as somebody'}."
        return Finding("sync", Severity.PROBLEM, text, _allow(facts))
    hint = getattr(error, "hint", "")
    return Finding("sync", Severity.PROBLEM, f"A sync request fails: {error}{f'; {hint}' if hint else ''}.")


def _switch_on(facts: Facts) -> tuple[Remedy, ...]:
    if facts.dialect is dialects.OPENLDAP:
        return openldap_overlay(facts)
    if facts.is_389:
        changelog = modify(
            RETRO_CHANGELOG,
            ("replace", "nsslapd-pluginEnabled", "on"),
            ("replace", "nsslapd-attribute", "nsuniqueid:targetUniqueId"),
            ("replace", "nsslapd-changelogmaxage", "7d"),
        )
        plugin = modify(CONTENT_SYNC, ("replace", "nsslapd-pluginEnabled", "on"))
        # In this order: with Content Synchronization alone the server does not start any more.
        return ds389_modify(facts, changelog, plugin, restart=True)
    return ()


def _allow(facts: Facts) -> tuple[Remedy, ...]:
    if not facts.is_389 or not facts.name:
        return ()
    aci = f'(targetattr!="aci")(version 3.0; acl "sync"; allow (read,search) {_bound(facts)};)'
    return ds389_modify(facts, modify(_FEATURE, ("add", "aci", aci)))


# --- limits -----------------------------------------------------------------------------------------------------------


def limits(facts: Facts) -> Iterator[Finding]:
    """Tell whether the whole content comes through."""
    sample = facts.sample
    if sample is None:
        return
    if sample.error is not None:
        yield _cut_short(facts, sample)
    elif not sample.whole:
        few = len(sample.names) < sample.most
        text = f"The first {len(sample.names)} names of the content came in time; the rest was not read."
        if not few:
            text = f"The content has more than {sample.most} entries, which came without hitting a limit."
        yield Finding("limits", Severity.NOTE if few else Severity.OK, text)
    elif not sample.names:
        text = f"Nothing matches the search, or this identity may not see what does{_bind_first(facts)}."
        yield Finding("limits", Severity.WARNING, text, rights(facts))
    else:
        yield _small(facts, len(sample.names))


def _small(facts: Facts, count: int) -> Finding:
    default = _DEFAULT_LIMITS.get(facts.dialect, "")
    usual = f", and this server's own default is {default}" if default else ""
    text = (
        f"The whole content came through, {count} entr{'y' if count == 1 else 'ies'}; a limit greater than that cannot "
        f"be seen from here{usual}: a content that outgrows it is refreshed no more."
    )
    return Finding("limits", Severity.NOTE, text, _unlimited(facts))


def _cut_short(facts: Facts, sample: Sample) -> Finding:
    error = sample.error
    kind = _LIMITS.get(error.code) if isinstance(error, LDAPResultError) else None
    if kind is None:
        return Finding("limits", Severity.PROBLEM, f"The search fails: {error}.")
    text = f"The server's {kind} ends the search after {len(sample.names)} entries: no refresh would ever be complete."
    return Finding("limits", Severity.PROBLEM, text, _unlimited(facts))


def _unlimited(facts: Facts) -> tuple[Remedy, ...]:
    if facts.dialect is dialects.OPENLDAP:
        return openldap_limits(facts)
    if facts.is_389 and facts.name and not facts.name.lower().startswith("cn=directory manager"):
        names = ("nsSizeLimit", "nsTimeLimit", "nsLookThroughLimit")
        return ds389_modify(facts, modify(facts.name, *(("replace", name, "-1") for name in names)))
    return ()


# --- what the filter hides, and the clock -----------------------------------------------------------------------------


def containers(facts: Facts) -> Iterator[Finding]:
    """Tell whether the filter hides entries above those of the content."""
    found = facts.containers
    if found is None or not found.looked_at:
        return
    if found.hidden is None:
        text = f"The filter shows the entries above those of the content too ({found.looked_at} looked at)."
        yield Finding("containers", Severity.OK, text)
        return
    text = (
        f"The filter hides {found.hidden}, below which there is content: no server tells when it is renamed or moved, "
        "so the names below it stay as they were until a verification finds it."
    )
    wider = f"(|(objectClass={found.object_class}){facts.url.filter})"
    remedies = (
        Remedy("in the URL, as its filter", (wider,)),
        Remedy("or now and then", (f"syncrepl-client verify {shlex.quote(str(facts.url))} DATA",)),
    )
    yield Finding("containers", Severity.WARNING, text, remedies if found.object_class else remedies[1:])


def clock(facts: Facts) -> Iterator[Finding]:
    """Tell whether the clocks agree."""
    ahead, newest = facts.clock.ahead, facts.clock.newest_ahead
    if ahead is not None and abs(ahead) < _MUCH:
        yield Finding("clock", Severity.OK, "The server's clock and the one here agree.")
    elif ahead is not None:
        text = f"The server's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the one here"
        yield Finding("clock", Severity.WARNING, f"{text}: times of changes are wrong by that.")
    elif newest is not None and newest > _MUCH:
        text = (
            f"The newest change lies {newest:.0f} s in the future, so the clock of a server, or the one here, is wrong"
        )
        yield Finding("clock", Severity.WARNING, f"{text}.")
    else:
        yield Finding("clock", Severity.NOTE, "The server's clock cannot be read, and nothing shows that it is wrong.")
