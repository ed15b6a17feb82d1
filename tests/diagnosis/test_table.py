"""The table of checks: facts in, findings out."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from syncrepl_client.contentsync.cookies import OpenLDAPCookie
from syncrepl_client.contentsync.server import Server
from syncrepl_client.diagnosis.defects import DEFECTS
from syncrepl_client.diagnosis.facts import (
    ApacheDSFacts,
    Base,
    Clock,
    Containers,
    DS389Facts,
    Facts,
    Link,
    OpenLDAPFacts,
    Overlay,
    Sample,
    Trial,
)
from syncrepl_client.diagnosis.finding import Finding, Severity
from syncrepl_client.diagnosis.remedies import quoted
from syncrepl_client.diagnosis.table import CHECKS, diagnose, works
from syncrepl_client.exceptions import CertificateError, ConnectionFailed, LDAPResultError, NoSuchBase
from syncrepl_client.ldap import url as urls

SUFFIX = "dc=example,dc=com"
READER = f"cn=reader,{SUFFIX}"
COOKIE = b"rid=000,csn=20260101000000.000000Z#000000#000#000000"
START_TLS = "1.3.6.1.4.1.1466.20037"
SYNC = "1.3.6.1.4.1.4203.1.9.1.1"
IDENTIFIED = f"ldap://ldap.example.com/{SUFFIX}????bindname={READER.replace(',', '%2C')}"

OPENLDAP = Facts(
    url=urls.parse(IDENTIFIED),
    link=Link(encrypted=True, identity=f"dn:{READER}"),
    server=Server(
        classes=frozenset({"openldaprootdse"}),
        controls=frozenset({SYNC}),
        extensions=frozenset({START_TLS, "1.3.6.1.1.8"}),
        naming_contexts=(SUFFIX,),
        known=True,
    ),
    said_version="2.5.13",
    base=Base(visible=True),
    trial=Trial(cookie=COOKIE),
    sample=Sample(("cn=a",) * 3, whole=False, most=3),
    containers=Containers(1),
    clock=Clock(ahead=0.4),
    openldap=OpenLDAPFacts(
        contexts=OpenLDAPCookie.parse(COOKIE),
        overlay=Overlay("olcDatabase={1}mdb,cn=config", session_log=10, indexes=frozenset({"entryuuid", "entrycsn"})),
    ),
)
DS389 = replace(
    OPENLDAP,
    server=Server(vendor="389 Project", naming_contexts=(SUFFIX,), first_change=1, last_change=9, known=True),
    said_version="389-Directory/3.1.0",
    trial=Trial(cookie=b"host:389#x:y:z#9"),
    openldap=None,
    ds389=DS389Facts(maps_uuids=True, included=(), excluded=(), max_age="7d"),
)
APACHEDS = replace(
    OPENLDAP,
    server=Server(vendor="Apache Software Foundation", known=True),
    trial=None,
    openldap=None,
    apacheds=ApacheDSFacts(replicates=True),
)


def told(facts: Facts, **changes: Any) -> dict[str, Finding]:
    return {one.name: one for one in diagnose(replace(facts, **changes))}


def link(facts: Facts, **changes: Any) -> dict[str, Finding]:
    return told(facts, link=replace(facts.link, **changes))


@pytest.mark.parametrize("facts", [OPENLDAP, DS389, APACHEDS])
def test_what_is_healthy_works(facts: Facts) -> None:
    findings = diagnose(facts)
    assert works(findings)
    assert {Severity.OK, Severity.NOTE} == {one.severity for one in findings}


def test_nothing_known_is_nothing_told() -> None:
    nothing = Facts(url=urls.parse("ldap://h/dc=x"), link=Link(connecting=ConnectionFailed("no way", hint="try")))
    assert diagnose(nothing) == [Finding("connection", Severity.PROBLEM, "No way; try.")]


def test_each_text_is_one_sentence_with_a_capital_and_a_stop() -> None:
    for facts in (OPENLDAP, DS389, APACHEDS):
        for finding in diagnose(facts):
            assert re.fullmatch(r"[A-Z\d].*\.|[a-z]+[A-Z].*\.", finding.text), finding
            assert "\n" not in finding.text


def test_each_check_is_in_the_table_once() -> None:
    checks = [check for _, check in CHECKS]
    assert len(checks) == len(set(checks))


# The connection


def test_a_password_in_clear_is_a_problem_with_the_way_to_encrypt() -> None:
    clear = link(OPENLDAP, encrypted=False)["encryption"]
    assert clear.severity is Severity.PROBLEM
    assert "--starttls" in clear.remedies[0].lines[0]
    bare = replace(OPENLDAP.server, extensions=frozenset())
    remedies = told(OPENLDAP, link=replace(OPENLDAP.link, encrypted=False), server=bare)["encryption"].remedies
    assert any("TLSCertificateFile" in line for one in remedies for line in one.lines)
    remedies = link(DS389, encrypted=False)["encryption"].remedies
    assert remedies[0].lines[-1] == "dsctl INSTANCE restart"
    assert link(APACHEDS, encrypted=False)["encryption"].remedies == ()


def test_in_clear_on_this_machine_or_without_password_is_no_problem() -> None:
    assert link(OPENLDAP, encrypted=False, local=True)["encryption"].severity is Severity.OK
    anonymous = replace(OPENLDAP, url=urls.parse(f"ldap://ldap.example.com/{SUFFIX}"))
    assert link(anonymous, encrypted=False, identity="")["encryption"].severity is Severity.WARNING
    assert "anonymous" in link(anonymous, identity="")["identity"].text


def test_a_certificate_that_nobody_verified_gives_passwords_away() -> None:
    unverified = link(OPENLDAP, verified=False)
    assert unverified["encryption"].text == "The connection is encrypted."
    assert unverified["certificate"].severity is Severity.PROBLEM
    assert "the password" in unverified["certificate"].text
    (remedy,) = unverified["certificate"].remedies
    assert remedy.lines == ("openssl s_client -connect ldap.example.com:389 -starttls ldap -showcerts </dev/null",)
    assert link(OPENLDAP, verified=False, mechanism="PLAIN")["certificate"].severity is Severity.PROBLEM
    assert link(OPENLDAP, verified=False, mechanism="SCRAM-SHA-256")["certificate"].severity is Severity.WARNING
    anonymous = replace(OPENLDAP, url=urls.parse(f"ldaps://[2001:db8::1]/{SUFFIX}"))
    found = link(anonymous, verified=False, identity="")["certificate"]
    assert found.severity is Severity.WARNING
    assert found.remedies[0].lines == ("openssl s_client -connect '[2001:db8::1]:636' -showcerts </dev/null",)


@pytest.mark.parametrize(
    ("days", "severity", "text"),
    [
        (400.5, Severity.OK, "The server's certificate expires in 400 days."),
        (1.5, Severity.WARNING, "expires in 1 day: from then on no client"),
        (0.5, Severity.WARNING, "expires today: from then on no client"),
    ],
)
def test_how_long_the_certificate_is_good_for_is_told(days: float, severity: Severity, text: str) -> None:
    certificate = link(OPENLDAP, days_left=days)["certificate"]
    assert certificate.severity is severity
    assert text in certificate.text


def test_a_wrong_certificate_comes_with_the_way_to_look_at_it() -> None:
    wrong = CertificateError("ldap.example.com:389", "the authority is not known here", 19, hint="name it")
    for finding in (link(OPENLDAP, lost=wrong)["connection"], link(OPENLDAP, connecting=wrong)["connection"]):
        assert finding.severity is Severity.PROBLEM
        assert finding.remedies[0].lines[0].startswith("openssl s_client")


def test_what_sasl_proves_is_no_password_in_clear() -> None:
    """Kerberos protects the connection by itself, or gives no password away."""
    layered = link(OPENLDAP, layered=True, mechanism="GSSAPI", encrypted=False)["encryption"]
    assert (layered.severity, layered.text) == (Severity.OK, "The connection is encrypted by GSSAPI.")
    assert link(OPENLDAP, mechanism="SCRAM-SHA-1", encrypted=False)["encryption"].severity is Severity.WARNING
    unnamed = link(OPENLDAP, mechanism="EXTERNAL", identity=None)["identity"]
    assert "The bind with EXTERNAL succeeded" in unnamed.text
    assert replace(OPENLDAP, link=Link(mechanism="EXTERNAL", identity=None)).name == ""


def test_a_password_never_stands_in_a_finding() -> None:
    secret = urls.parse(IDENTIFIED + ",X-BINDPW=Tr0ub4dor")
    for facts in (OPENLDAP, DS389, APACHEDS):
        findings = told(facts, url=secret, link=replace(facts.link, encrypted=False), containers=Containers(1, "ou=x"))
        assert "Tr0ub4dor" not in repr(findings)


def test_an_error_on_the_way_leaves_what_was_told_before() -> None:
    findings = link(OPENLDAP, lost=ConnectionFailed("the connection broke"))
    assert findings["connection"].severity is Severity.PROBLEM
    assert "is not known" in findings["connection"].text
    assert "sync" in findings


@pytest.mark.parametrize(
    ("identity", "bind_name", "name"),
    [
        (f"dn: {READER}", True, READER),
        ("u:reader", True, ""),
        ("", True, ""),
        (None, True, READER),
        (None, False, ""),
    ],
)
def test_the_name_is_the_one_that_the_server_knows(identity: str | None, bind_name: bool, name: str) -> None:  # noqa: FBT001
    url = OPENLDAP.url if bind_name else urls.parse(f"ldap://h/{SUFFIX}")
    assert replace(OPENLDAP, url=url, link=Link(identity=identity)).name == name


# The search


def test_a_base_that_cannot_be_read_is_told_with_its_error() -> None:
    busy = told(OPENLDAP, base=Base(LDAPResultError("search", 51, "busy")), trial=None, sample=None)
    assert busy["base"].text == "The base cannot be read: search failed: busy (51)."
    assert "dialect" not in busy
    gone = told(OPENLDAP, base=Base(NoSuchBase("search", 32, "x")), server=replace(OPENLDAP.server, naming_contexts=()))
    assert gone["base"].text.endswith("the server holds nothing that it tells of.")


def test_limits() -> None:
    for code, said in ((3, "time limit"), (4, "size limit"), (11, "limit on how much"), (80, "search failed")):
        limits = told(OPENLDAP, sample=Sample(("cn=a",), LDAPResultError("search", code, "x"), most=9))["limits"]
        assert limits.severity is Severity.PROBLEM
        assert said in limits.text
    assert "came in time" in told(OPENLDAP, sample=Sample(("cn=a",), most=9))["limits"].text
    assert "1 entry;" in told(OPENLDAP, sample=Sample(("cn=a",), whole=True, most=9))["limits"].text
    assert "default is 1000" in told(APACHEDS, sample=Sample(("cn=a",), whole=True, most=9))["limits"].text
    assert told(APACHEDS, sample=Sample(whole=True, most=9))["limits"].remedies == ()


def test_a_container_without_a_telling_class_is_told_without_a_filter() -> None:
    hidden = told(OPENLDAP, containers=Containers(1, "cn=x", ""))["containers"]
    assert hidden.severity is Severity.WARNING
    assert [remedy.where for remedy in hidden.remedies] == ["or now and then"]


@pytest.mark.parametrize(
    ("clock", "severity", "said"),
    [
        (Clock(ahead=-3), Severity.OK, "agree"),
        (Clock(ahead=90), Severity.WARNING, "90 s ahead of"),
        (Clock(ahead=-90), Severity.WARNING, "90 s behind"),
        (Clock(newest_ahead=90), Severity.WARNING, "90 s in the future"),
        (Clock(newest_ahead=-90), Severity.NOTE, "cannot be read"),
        (Clock(), Severity.NOTE, "cannot be read"),
    ],
)
def test_clocks(clock: Clock, severity: Severity, said: str) -> None:
    found = told(OPENLDAP, clock=clock)["clock"]
    assert found.severity is severity
    assert said in found.text


# What is behind it


def test_openldap_without_context() -> None:
    context = told(OPENLDAP, openldap=OpenLDAPFacts())["context"]
    assert context.severity is Severity.WARNING
    assert f'dn.base="{SUFFIX}"' in context.remedies[0].lines[0]


def test_the_name_of_the_database_stands_in_the_lines_where_it_is_known() -> None:
    facts = replace(OPENLDAP.openldap or OpenLDAPFacts(), overlay=Overlay("olcDatabase={3}mdb,cn=config"))
    found = told(OPENLDAP, openldap=facts)
    assert found["indexes"].remedies[1].lines[0] == "dn: olcDatabase={3}mdb,cn=config"
    hidden = told(OPENLDAP, openldap=replace(facts, overlay=None, resumes=False))["change-numbers"]
    assert hidden.remedies[1].lines[0].startswith("# the name of the database")


def test_389_without_a_changelog_reads_everything() -> None:
    bare = replace(DS389.server, first_change=None, last_change=None)
    assert told(DS389, server=bare)["changelog"].severity is Severity.WARNING
    fresh = replace(DS389.server, first_change=0, last_change=0)
    assert "no change yet" in told(DS389, server=fresh)["changelog"].text


def test_apacheds_that_does_not_replicate() -> None:
    off = told(APACHEDS, apacheds=ApacheDSFacts(replicates=False))["replication"]
    assert off.severity is Severity.PROBLEM
    assert off.remedies[0].lines[-1] == "ads-replEnabled: TRUE"


# Versions


@pytest.mark.parametrize(
    ("facts", "version", "known"),
    [
        (OPENLDAP, "2.4.59", {"ITS#8768", "ITS#9691"}),
        (OPENLDAP, "2.5.13+dfsg-5 (Feb  8 2023 01:56:12)", {"ITS#9691"}),
        (OPENLDAP, "2.6.0", {"ITS#9691"}),
        (OPENLDAP, "2.6.13", set()),
        (OPENLDAP, "2.6.14", {"ITS#10026"}),
        (OPENLDAP, "2.7.0", {"ITS#10026"}),
        (OPENLDAP, "", set()),
        (DS389, "389-Directory/1.4.3.39 B1", {"389#5704"}),
        (DS389, "389-Directory/2.3.1 B2025.016.1616", {"389#5704"}),
        (DS389, "389-Directory/2.3.4 B1", set()),
        (DS389, "389-Directory/3.2.0 B1", {"389#7601"}),
    ],
)
def test_defects_are_those_of_the_version(facts: Facts, version: str, known: set[str]) -> None:
    found = told(facts, said_version=version)
    numbered = {name.removeprefix("defect:") for name in found if name.startswith("defect:") and "#" in name}
    assert known == numbered


def test_the_table_of_defects_has_each_once() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)


# The lines


@pytest.mark.parametrize(
    ("name", "word"),
    [("cn=a,dc=b", '"cn=a,dc=b"'), ('cn=a"b', '"cn=a\\"b"'), ("cn=a\\2Cb", '"cn=a\\\\2Cb"')],
)
def test_names_are_quoted(name: str, word: str) -> None:
    assert word == quoted(name)


def test_lines_hold_no_line_end() -> None:
    for facts in (OPENLDAP, DS389, APACHEDS):
        sick = replace(facts, link=replace(facts.link, encrypted=False, binding=None), trial=None)
        for finding in diagnose(sick):
            assert all("\n" not in line for remedy in finding.remedies for line in remedy.lines)
