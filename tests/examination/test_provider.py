"""Servers that are not installed here, played by the provider in memory; and servers that misbehave."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client.connection.access import Access
from syncrepl_client.connection.client import Client
from syncrepl_client.contentsync.search import Search
from syncrepl_client.examination.examine import examine
from syncrepl_client.examination.probes import take_sample
from syncrepl_client.exceptions import ProtocolError, UsageError
from syncrepl_client.ldap import filter as filters
from syncrepl_client.ldap import url as urls
from syncrepl_client.testing import Provider, script
from syncrepl_client.transport.sockets import connect
from tests.examination import found, severities

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIX = "dc=example,dc=com"
READER = f"cn=reader,{SUFFIX}"
UUID_TAIL = b"only 15 octets."


def url_of(provider: Provider, base: str = SUFFIX, rest: str = "") -> str:
    return f"{provider.url}/{base}{rest}"


def posing(root_dse: Mapping[str, Any], *, base: str = SUFFIX) -> tuple[dict[str, str], int]:
    """Return what is found, and how many sync requests that took."""
    with Provider(root_dse={"objectClass": "top", **root_dse}) as provider:
        if base != SUFFIX:
            provider.add(base, {"objectClass": "nsContainer"})
        return {name: one.text for name, one in found(url_of(provider, base)).items()}, len(provider.requests)


def test_apacheds_is_not_asked_for_synchronization() -> None:
    texts, requests = posing({"vendorName": "Apache Software Foundation", "vendorVersion": "2.0.0.AM26"})
    assert requests == 0
    assert "ApacheDS, version 2.0.0.AM26" in texts["product"]
    assert "was not tried" in texts["sync"]
    assert "this identity may not see" in texts["replication"]
    assert "reads everything" in texts["dialect"]
    assert "defect:apacheds-losses" in texts


def test_freeipa_resumes_below_cn_dns_alone() -> None:
    ipa = {"vendorName": "389 Project", "vendorVersion": "389-Directory/2.4.5", "ipaDomainLevel": "1"}
    texts, requests = posing(ipa)
    assert requests == 1
    assert "FreeIPA" in texts["product"]
    assert "covers cn=dns alone" in texts["dialect"]
    texts, _ = posing(ipa, base=f"cn=dns,{SUFFIX}")
    assert "resumes from the stored cookie" in texts["dialect"]


def test_a_server_that_nobody_knows_is_taken_at_its_word() -> None:
    with Provider(root_dse={"objectClass": "top", "vendorName": "Acme", "vendorVersion": "1.0"}) as provider:
        findings = found(url_of(provider))
    assert "Acme, version 1.0" in findings["product"].text
    assert severities(findings)["dialect"] == "warning"
    assert severities(findings)["sync"] == "ok"
    assert "cookie" not in findings


def test_a_server_without_version_or_vendor_is_none_that_is_known() -> None:
    texts, _ = posing({})
    assert "a server that does not tell its maker, of a version" in texts["product"]


def test_a_server_that_does_not_announce_what_it_can_do_is_tried_all_the_same() -> None:
    with Provider(root_dse={"supportedControl": "2.16.840.1.113730.3.4.2"}) as provider:
        sync = found(url_of(provider))["sync"]
    assert sync.severity == "problem"
    assert "does not offer it" in sync.text


def test_who_must_bind_is_told_so() -> None:
    with Provider(bind_dn=READER, password="secret") as provider:
        findings = found(url_of(provider))
        assert severities(findings)["base"] == "problem"
        findings = found(url_of(provider, rest=f"????bindname={READER.replace(',', '%2C')}"))
        assert findings["identity"].text == f"The server takes this client for dn:{READER}."


def test_an_identity_that_is_not_told_is_no_error() -> None:
    with Provider(root_dse={"supportedExtension": []}, bind_dn=READER, password="secret") as provider:
        findings = found(url_of(provider, rest=f"????bindname={READER.replace(',', '%2C')}"))
    assert severities(findings)["identity"] == "note"
    assert "does not tell whom" in findings["identity"].text
    assert severities(findings)["cancel"] == "note"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([script.plain_entry(SUFFIX, {"o": ["x"]}), script.search_done(0)], "without a Sync State control"),
        ([script.search_done(0)], "without a Sync Done control"),
        ([script.entry(SUFFIX, {"o": ["x"]}, uuid=UUID_TAIL)], "a syncUUID of 15 octets"),
        ([script.search_done(4096)], "e-syncRefreshRequired"),
        ([script.search_done(53, "too many")], "too many"),
    ],
)
def test_what_is_no_answer_to_a_sync_request_is_told(steps: list[Any], said: str) -> None:
    with Provider() as provider:
        provider.script(*steps)
        findings = found(url_of(provider))
    assert severities(findings)["sync"] == "problem"
    assert said in findings["sync"].text
    assert severities(findings)["limits"] == "note"


def test_a_cookie_that_cannot_be_resumed_from_is_told() -> None:
    with Provider() as provider:
        provider.script(script.search_done(0, "", script.sync_done(None, deletes=True)))
        assert severities(found(url_of(provider)))["cookie"] == "warning"


def test_a_sync_request_that_ends_the_connection_is_told_as_such() -> None:
    with Provider() as provider:
        provider.script(script.cut())
        findings = found(url_of(provider))
    assert severities(findings)["sync"] == "problem"
    assert severities(findings)["connection"] == "problem"
    assert severities(findings)["base"] == "ok"


def test_a_large_content_is_not_read_to_its_end() -> None:
    with Provider() as provider:
        for number in range(20):
            provider.add(f"cn={number},{SUFFIX}", {})
        client = Client(connect(urls.parse(provider.url + "/")))
        search = Search(SUFFIX, 2, filters.encode("(objectClass=*)"), ())
        some = take_sample(client, search, most=5)
        everything = take_sample(client, search, most=50)
        client.close()
    assert (len(some.names), some.whole) == (5, False)
    assert (len(everything.names), everything.whole) == (21, True)


def test_what_is_no_ldap_server_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        def answer() -> None:
            connection, _ = web.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        with pytest.raises(ProtocolError):
            examine(Access(urls.parse(f"ldap://127.0.0.1:{web.getsockname()[1]}/{SUFFIX}")))
        server.join()


def test_nobody_there_and_no_such_host_are_findings() -> None:
    with Provider() as provider:
        url = url_of(provider)
    for where in (url, f"ldap://no-such-host.invalid/{SUFFIX}", f"ldapi://%2Fnone/{SUFFIX}"):
        assert severities(found(where)) == {"connection": "problem"}


def test_starttls_is_for_one_scheme() -> None:
    with pytest.raises(UsageError, match="StartTLS"):
        found(f"ldapi://%2Fnone/{SUFFIX}", starttls=True)
