"""389 Directory Server, well and badly configured."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ldap
import pytest

from tests.examination import PASSWORD, found, ldapmodify, severities, url_of
from tests.ns_slapd import CONTENT_SYNC, RETRO_CHANGELOG, NsSlapd
from tests.slapd import SUFFIX, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.diagnosis.finding import Finding

OFF = {"nsslapd-pluginEnabled": ["off"]}
FEATURE = "oid=1.3.6.1.4.1.4203.1.9.1.1,cn=features,cn=config"
READER = f"uid=reader,{SUFFIX}"
READABLE = '(targetattr!="userPassword")(version 3.0; acl "read"; allow (read,search,compare) userdn="ldap:///all";)'


class Keeping(NsSlapd):
    """A server that keeps, from its first start on, what is written to its configuration while it runs."""

    def _write_config(self) -> str:
        exists = (self._config / "dse.ldif").exists()
        return str(self._config) if exists else super()._write_config()


@contextmanager
def running(**options: Any) -> Iterator[NsSlapd]:
    with Keeping(**options) as server:
        server.start()
        server.load(empty_tree())
        server.modify(SUFFIX, [(ldap.MOD_ADD, "aci", [READABLE])])
        attrs = {"objectClass": ["inetOrgPerson"], "uid": ["reader"], "cn": ["r"], "sn": ["r"]}
        server.add(READER, {**attrs, "userPassword": [PASSWORD]})
        yield server


def seen_by_reader(server: NsSlapd, **options: Any) -> dict[str, Finding]:
    return found(url_of(server, who=READER, **options))


def seen_by_administrator(server: NsSlapd, **options: Any) -> dict[str, Finding]:
    return found(url_of(server, who=server.rootdn, **options), password=server.rootpw)


def repair(server: NsSlapd, finding: Finding) -> None:
    """Give the lines to ldapmodify, and start again where they say so."""
    for remedy in finding.remedies:
        if remedy.where.startswith("with ldapmodify"):
            assert remedy.where == f"with ldapmodify -x -D 'cn=Directory Manager' -W -H {server.url}"
            ldapmodify(server.url, server.rootdn, server.rootpw, remedy.lines)
        elif "dsctl INSTANCE restart" in remedy.lines:
            server.restart()


def test_a_healthy_server_has_no_problem() -> None:
    with running() as server:
        findings = seen_by_reader(server)
        assert "version 389-Directory/" in findings["product"].text
        assert severities(findings) == {
            "product": "ok",
            "encryption": "ok",
            "identity": "ok",
            "base": "ok",
            "sync": "ok",
            "dialect": "note",
            "changelog": "ok",
            "changelog-uuids": "note",
            "changelog-age": "note",
            "limits": "note",
            "cancel": "note",
            "clock": "ok",
            **{name: one.severity for name, one in findings.items() if name.startswith("defect:")},
        }
        assert "defect:389-updates" in findings
        administrator = severities(seen_by_administrator(server))
        assert (administrator["changelog-uuids"], administrator["changelog-age"]) == ("ok", "note")
        repair(server, seen_by_administrator(server)["changelog-age"])
        assert "for 7d" in seen_by_administrator(server)["changelog-age"].text


@pytest.mark.parametrize(
    "settings",
    [{CONTENT_SYNC: OFF}, {CONTENT_SYNC: OFF, RETRO_CHANGELOG: {**OFF, "nsslapd-attribute": []}}],
    ids=["plugin off", "plugin and changelog off"],
)
def test_plugins_that_are_off_are_turned_on(settings: Any) -> None:
    with running(settings=settings) as server:
        sync = seen_by_reader(server)["sync"]
        assert sync.severity == "problem"
        assert "does not offer it" in sync.text
        repair(server, sync)
        findings = seen_by_administrator(server)
    assert severities(findings)["sync"] == "ok"
    assert severities(findings)["changelog"] == "ok"
    assert severities(findings)["changelog-uuids"] == "ok"


def test_a_changelog_without_uuids_is_a_problem() -> None:
    with running(settings={RETRO_CHANGELOG: {"nsslapd-attribute": []}}) as server:
        mapping = seen_by_administrator(server)["changelog-uuids"]
        assert mapping.severity == "problem"
        assert seen_by_reader(server)["changelog-uuids"].severity == "note"
        repair(server, mapping)
        assert seen_by_administrator(server)["changelog-uuids"].severity == "ok"


def test_who_may_read_the_changelog_sees_whether_it_has_uuids() -> None:
    readable = '(targetattr="*")(version 3.0; acl "read"; allow (read,search,compare) userdn="ldap:///all";)'
    for attribute, severity in (([], "problem"), (["nsuniqueid:targetUniqueId"], "ok")):
        with running(settings={RETRO_CHANGELOG: {"nsslapd-attribute": attribute}}) as server:
            server.modify("cn=changelog", [(ldap.MOD_ADD, "aci", [readable])])
            assert severity == seen_by_reader(server)["changelog-uuids"].severity


def test_a_changelog_of_another_suffix_is_told() -> None:
    with running(include_suffix=[f"ou=groups,{SUFFIX}"]) as server:
        findings = seen_by_administrator(server)
        assert severities(findings)["changelog-suffix"] == "warning"
        assert f"covers ou=groups,{SUFFIX} alone" in findings["changelog-suffix"].text
        assert "changelog-suffix" not in seen_by_administrator(server, base=f"ou=groups,{SUFFIX}")
        repair(server, findings["changelog-suffix"])
        assert "changelog-suffix" not in seen_by_administrator(server)


def test_a_suffix_that_is_left_out_is_told() -> None:
    out = f"ou=people,{SUFFIX}"
    with running(settings={RETRO_CHANGELOG: {"nsslapd-exclude-suffix": [out]}}) as server:
        left_out = seen_by_administrator(server)["changelog-suffix"]
        assert f"leaves {out} out" in left_out.text
        repair(server, left_out)
        assert "changelog-suffix" not in seen_by_administrator(server)


def test_anonymous_clients_are_told_to_bind() -> None:
    with running() as server:
        sync = found(url_of(server, who=None))["sync"]
    assert sync.severity == "problem"
    assert "bind as somebody" in sync.text


def test_an_identity_that_may_not_synchronize_is_allowed_to() -> None:
    administrators = '(targetattr != "aci")(version 3.0; acl "x"; allow(read,search) userdn = "ldap:///cn=nobody";)'
    with running(settings={FEATURE: {"aci": [administrators]}}) as server:
        sync = seen_by_reader(server)["sync"]
        assert sync.severity == "problem"
        assert "does not let this identity" in sync.text
        repair(server, sync)
        assert seen_by_reader(server)["sync"].severity == "ok"


def test_a_base_that_may_not_be_read_is_opened() -> None:
    with running() as server:
        server.modify(SUFFIX, [(ldap.MOD_DELETE, "aci", [READABLE])])
        findings = seen_by_reader(server)
        assert severities(findings)["base"] == "warning"
        assert severities(findings)["limits"] == "warning"
        repair(server, findings["base"])
        assert severities(seen_by_reader(server))["base"] == "ok"


def test_a_size_limit_is_seen_and_lifted() -> None:
    with running() as server:
        server.replace(READER, "nsSizeLimit", ["2"])
        limits = seen_by_reader(server)["limits"]
        assert limits.severity == "problem"
        assert "size limit ends the search after 2 entries" in limits.text
        repair(server, limits)
        assert seen_by_reader(server)["limits"].severity == "note"


def test_a_number_sign_makes_its_cookies_useless() -> None:
    with running() as server:
        assert severities(seen_by_reader(server, rest="?sub?(!(cn=a#b))"))["cookie"] == "warning"
