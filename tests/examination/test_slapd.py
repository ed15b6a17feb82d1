"""OpenLDAP, well and badly configured."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldap
import pytest
import trustme

from syncrepl_client.diagnosis.finding import Severity
from syncrepl_client.transport.tls import TLS
from tests.certificates import Authority
from tests.examination import (
    PASSWORD,
    READER,
    found,
    reader_entry,
    reconfigure,
    repair_conf,
    repair_ldif,
    severities,
    url_of,
)
from tests.providers import Providers
from tests.slapd import SUFFIX, Slapd, empty_tree, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = 8
MONITOR = "database monitor\naccess to * by * read\n"
# Both ways to configure a server: the file, and LDIF for cn=config.
REPAIRS = pytest.mark.parametrize("repair", [repair_conf, repair_ldif])


@contextmanager
def running(**options: Any) -> Iterator[Slapd]:
    with Slapd(**options) as server:
        reconfigure(server)
        server.load([*sample_ldif(PEOPLE), reader_entry()])
        server.start()
        yield server


def test_a_healthy_server_has_no_problem() -> None:
    with running(sessionlog=100) as server:
        told = severities(found(url_of(server)))
    assert {"ok", "note"} == set(told.values())
    assert told == {
        "product": "note",
        "encryption": "ok",
        "identity": "ok",
        "base": "ok",
        "sync": "ok",
        "dialect": "ok",
        "change-numbers": "ok",
        "context": "ok",
        "overlay": "note",
        "limits": "note",
        "containers": "ok",
        "cancel": "ok",
        "clock": "note",
    }


def test_nothing_is_written_and_no_more_is_read_than_said() -> None:
    with running(debug="stats") as server:
        before = server.uuids(attrs=["*", "contextCSN"])
        found(url_of(server))
        assert before == server.uuids(attrs=["*", "contextCSN"])
        log = server.log
    assert " MOD dn=" not in log
    assert " ADD dn=" not in log


@REPAIRS
def test_cn_monitor_tells_version_and_time(repair: Any) -> None:
    with running() as server:
        product = found(url_of(server))["product"]
        repair(server, product.remedies)
        findings = found(url_of(server))
    assert "version 2." in findings["product"].text
    assert findings["clock"].severity == "ok"
    assert findings["clock"].text == "The server's clock and the one here agree."


def test_defects_are_those_of_the_version() -> None:
    with running(extra_overlay=MONITOR) as server:
        findings = found(url_of(server))
        version = findings["product"].text
    assert ("defect:ITS#9691" in findings) == ("version 2.4." in version or "version 2.5." in version)
    assert ("defect:ITS#8768" in findings) == ("version 2.4." in version)


def test_clocks_that_differ_are_told() -> None:
    hour = timedelta(hours=1)
    with running() as server:
        ahead = found(url_of(server), now=lambda: datetime.now(UTC) - hour)["clock"]
    assert ahead.severity == "warning"
    assert "in the future" in ahead.text
    with running(extra_overlay=MONITOR) as server:
        behind = found(url_of(server), now=lambda: datetime.now(UTC) + hour)["clock"]
    assert "behind the one here" in behind.text


# The overlay


class Bare(Slapd):
    """A server whose configuration has neither module nor indexes, but for the lines that a test adds."""

    def _write_config(self) -> str:
        path = Path(super()._write_config())
        text = path.read_text()
        for line in ("moduleload syncprov\n", "index entryUUID,entryCSN eq\n"):
            text = text.replace(line, "", 1)
        path.write_text(text)
        return str(path)


@REPAIRS
def test_a_database_without_the_overlay_is_given_one(repair: Any) -> None:
    with Bare(sync_provider=False) as server:
        reconfigure(server)
        server.load([*sample_ldif(PEOPLE), reader_entry()])
        server.start()
        sync = found(url_of(server))["sync"]
        assert sync.severity == "problem"
        repair(server, sync.remedies)
        assert found(url_of(server))["sync"].severity == "ok"


def test_a_server_that_synchronizes_another_database_says_so() -> None:
    with running(sync_provider=False) as server:
        assert "not for this base" in found(url_of(server))["sync"].text


def test_an_administrator_sees_session_log_indexes_and_nopresent() -> None:
    grants = f'access to * by dn.exact="{READER}" read\n'
    with Slapd(extra_overlay="syncprov-nopresent TRUE") as server:
        reconfigure(server)
        server.extra_global += grants
        server.load([*sample_ldif(PEOPLE), reader_entry()])
        server.start()
        findings = found(url_of(server))
        assert severities(findings)["session-log"] == "note"
        assert severities(findings)["no-present"] == "problem"
        assert severities(findings)["indexes"] == "ok"
        assert "overlay" not in findings
        for name in ("session-log", "no-present"):
            repair_ldif(server, findings[name].remedies)
        repaired = found(url_of(server))
    assert "10000 changes" in repaired["session-log"].text
    assert "no-present" not in repaired


@REPAIRS
def test_indexes_that_are_missing_are_told_to_an_administrator(repair: Any) -> None:
    with Bare() as server:
        reconfigure(server)
        server.extra_global += f'moduleload syncprov\naccess to * by dn.exact="{READER}" read\n'
        server.load([*sample_ldif(PEOPLE), reader_entry()])
        server.start()
        indexes = found(url_of(server))["indexes"]
        assert "no index of entryUUID and entryCSN" in indexes.text
        repair(server, indexes.remedies)
        assert found(url_of(server))["indexes"].severity == "ok"


# Rights


@REPAIRS
@pytest.mark.parametrize("hidden", ["entryCSN", "entryUUID", "entryUUID,entryCSN"])
def test_rights_to_the_change_numbers_can_be_given(repair: Any, hidden: str) -> None:
    rules = f"access to attrs={hidden} by * none\naccess to attrs=userPassword by * auth\naccess to * by * read"
    with running(extra_database=rules) as server:
        numbers = found(url_of(server))["change-numbers"]
        assert numbers.severity == "warning"
        assert "dialect" not in found(url_of(server))
        repair(server, numbers.remedies)
        assert found(url_of(server))["change-numbers"].severity == "ok"


@REPAIRS
def test_change_numbers_hidden_in_the_content_alone_lose_changes(repair: Any) -> None:
    rules = (
        f'access to dn.subtree="ou=people,{SUFFIX}" attrs=entryCSN by * none\n'
        "access to attrs=userPassword by * auth\naccess to * by * read"
    )
    with running(extra_database=rules) as server:
        numbers = found(url_of(server))["change-numbers"]
        assert numbers.severity == "problem"
        assert "search and read entryCSN of entries of the content" in numbers.text
        repair(server, numbers.remedies)
        assert found(url_of(server))["change-numbers"].severity == "ok"


@REPAIRS
def test_a_base_that_may_not_be_read_is_opened(repair: Any) -> None:
    rules = f'access to attrs=userPassword by * auth\naccess to dn.exact="{SUFFIX}" by * search\naccess to * by * none'
    with running(extra_database=rules) as server:
        findings = found(url_of(server))
        assert severities(findings)["base"] == "warning"
        assert "Nothing matches" in findings["limits"].text
        repair(server, findings["base"].remedies)
        findings = found(url_of(server))
        assert severities(findings)["base"] == "ok"
        assert f"{PEOPLE + 4} entries" in findings["limits"].text
        connection = ldap.initialize(server.url)
        connection.simple_bind_s(READER, PASSWORD)
        assert connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE, "(userPassword=*)") == []
        connection.unbind_s()


def test_nobody_is_told_to_open_a_directory_to_everybody() -> None:
    with running(
        extra_database="access to attrs=userPassword by * auth\naccess to * by users read by * search"
    ) as server:
        findings = found(url_of(server, who=None))
    assert findings["base"].severity == findings["limits"].severity == "warning"
    assert findings["base"].remedies == findings["limits"].remedies == ()
    assert "bind as somebody" in findings["base"].text


@REPAIRS
def test_context_csns_can_be_shown(repair: Any) -> None:
    rules = "access to attrs=contextCSN by * none\naccess to attrs=userPassword by * auth\naccess to * by * read"
    with running(extra_database=rules) as server:
        context = found(url_of(server))["context"]
        assert context.severity == "warning"
        repair(server, context.remedies)
        assert found(url_of(server))["context"].severity == "ok"


@REPAIRS
def test_a_root_dse_that_is_hidden_can_be_shown(repair: Any) -> None:
    with Slapd() as server:
        server.extra_database = "access to * by * read"
        server.limits = ""
        reconfigure(server)
        # A rule of the whole server comes before the databases.
        server.extra_global = 'access to dn.base="" by * none\n' + server.extra_global
        server.load([*sample_ldif(PEOPLE), reader_entry()])
        server.start()
        findings = found(url_of(server))
        assert severities(findings)["product"] == "warning"
        assert severities(findings)["sync"] == "ok"
        if repair is repair_conf:
            server.extra_global = "\n".join(findings["product"].remedies[0].lines) + "\n" + server.extra_global
            server.restart()
        else:
            repair(server, findings["product"].remedies)
        assert "OpenLDAP" in found(url_of(server))["product"].text


# Limits


@REPAIRS
def test_a_size_limit_is_seen_and_lifted(repair: Any) -> None:
    with running(sizelimit="5") as server:
        limits = found(url_of(server))["limits"]
        assert limits.severity == "problem"
        assert "size limit ends the search after 5 entries" in limits.text
        repair(server, limits.remedies)
        assert found(url_of(server))["limits"].severity == "note"


def test_a_limit_is_lifted_for_anonymous_clients_too() -> None:
    with running(sizelimit="5") as server:
        url = url_of(server, who=None)
        repair_conf(server, found(url)["limits"].remedies)
        assert found(url)["limits"].severity == "note"
        assert found(url_of(server))["limits"].severity == "problem"


# The search


def test_containers_that_the_filter_hides_are_told_with_a_filter_that_shows_them() -> None:
    with running() as server:
        hiding = found(url_of(server, "?sub?(uid=*)"))["containers"]
        assert hiding.severity == "warning"
        assert f"hides ou=people,{SUFFIX}" in hiding.text
        assert hiding.remedies[0].lines == ("(|(objectClass=organizationalUnit)(uid=*))",)
        wider = found(url_of(server, f"?sub?{hiding.remedies[0].lines[0]}"))["containers"]
        assert wider.severity == "ok"
        assert "containers" not in found(url_of(server, "?one?(uid=*)", base=f"ou=people,{SUFFIX}"))


def test_a_base_that_is_not_there_is_told_with_what_is() -> None:
    with running() as server:
        for base in (f"ou=none,{SUFFIX}", ""):
            findings = found(url_of(server, base=base))
            assert severities(findings)["base"] == "problem"
            assert f"the server holds {SUFFIX}" in findings["base"].text
            assert "sync" not in findings


def test_an_empty_database_has_no_base() -> None:
    with Slapd() as server:
        server.start()
        assert severities(found(url_of(server, who=None)))["base"] == "problem"


# Who, and how


def test_a_wrong_password_leaves_the_rest_to_be_told() -> None:
    with running() as server:
        findings = found(url_of(server), password="wrong")
    assert severities(findings)["identity"] == "problem"
    assert "invalidCredentials" in findings["identity"].text
    assert severities(findings)["sync"] == "ok"


def test_no_password_is_no_bind() -> None:
    with running() as server:
        findings = found(url_of(server), password="")
    assert "no password" in findings["identity"].text.lower()


def test_several_providers_are_seen() -> None:
    with Providers() as both:
        both.load([empty_tree(), reader_entry()])
        both.start()
        first, second = both
        for number, server in enumerate(both):
            server.add(f"ou=unit{number},{SUFFIX}", {"objectClass": ["organizationalUnit"], "ou": [f"unit{number}"]})
        both.wait_replicated()
        for server in (first, second):
            assert "(server ids 001, 002)" in found(url_of(server))["context"].text


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slapd]:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key, ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with running(tls_cert=cert, tls_key=key) as server:
        yield server


def test_an_encrypted_connection_is_told(encrypted: Slapd) -> None:
    assert "encrypted" in found(url_of(encrypted), starttls=True)["encryption"].text
    assert severities(found(url_of(encrypted), starttls=True))["encryption"] == "ok"
    ldaps = url_of(encrypted).replace(encrypted.url, encrypted.ldaps_url)
    assert "and the certificate is" in found(ldaps)["encryption"].text


def test_the_certificate_is_looked_at(encrypted: Slapd) -> None:
    ldaps = url_of(encrypted).replace(encrypted.url, encrypted.ldaps_url)
    for url, starttls in ((ldaps, False), (url_of(encrypted), True)):
        good = found(url, starttls=starttls)["certificate"]
        assert good.severity is Severity.OK
        assert "The server's certificate expires in " in good.text
        unverified = found(url, starttls=starttls, tls=TLS(insecure_skip_verification=True))["certificate"]
        assert unverified.severity is Severity.PROBLEM


def test_a_certificate_that_expires_soon_is_warned_about(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("127.0.0.1", lasts=timedelta(days=3, hours=1))
    with running(tls_cert=cert, tls_key=key) as server:
        soon = found(url_of(server), starttls=True, tls=TLS(ca_file=authority.file))["certificate"]
    assert soon.severity is Severity.WARNING
    assert "expires in 3 days" in soon.text


def test_a_certificate_of_nobody_known_ends_it(encrypted: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    findings = found(url_of(encrypted), starttls=True)
    assert severities(findings)["connection"] == "problem"
    assert "no encrypted connection" in findings["connection"].text.lower()
    assert "-starttls ldap" in findings["connection"].remedies[0].lines[0]


def test_no_password_is_sent_where_encryption_fails(tmp_path: Path, encrypted: Slapd) -> None:
    with running(debug="stats") as server:
        findings = found(url_of(server), starttls=True)
        assert severities(findings)["encryption"] == "problem"
        assert " BIND dn=" not in server.log
        # The lines that offer TLS, with the files there are.
        for remedy in findings["encryption"].remedies[:1]:
            lines = "\n".join(remedy.lines)
            lines = lines.replace("/etc/ssl/certs/ldap.pem", str(tmp_path / "cert.pem"))
            lines = lines.replace("/etc/ssl/private/ldap.key", str(tmp_path / "key.pem"))
            server.extra_global += lines + "\n"
        server.restart()
        assert severities(found(url_of(server), starttls=True))["encryption"] == "ok"
