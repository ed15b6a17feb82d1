"""ApacheDS with replication on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.apacheds import LDAP_SERVER, ApacheDS
from tests.examination import found, ldapmodify, severities, url_of

if TYPE_CHECKING:
    from syncrepl_client.diagnosis.finding import Finding

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


def seen(server: ApacheDS) -> dict[str, Finding]:
    return found(url_of(server, who=server.rootdn), password=server.rootpw)


def test_replication_that_is_off_is_turned_on() -> None:
    with ApacheDS(settings={LDAP_SERVER: {"ads-replEnabled": ["FALSE"]}}) as server:
        server.start()
        replication = seen(server)["replication"]
        assert replication.severity == "problem"
        [remedy] = replication.remedies
        assert remedy.where.startswith("with ldapmodify -x -D uid=admin,ou=system")
        ldapmodify(server.url, server.rootdn, server.rootpw, remedy.lines)
        server.restart()
        findings = seen(server)
    assert severities(findings)["replication"] == "ok"
    assert severities(findings)["sync"] == "note"
    assert "version 2.0.0" in findings["product"].text
    assert "problem" not in severities(findings).values()
