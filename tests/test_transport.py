"""Every scheme against a real server: sockets, StartTLS and TLS from the first byte."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.exceptions import ConnectionFailed, LDAPResultError, UsageError
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def encrypted(authority: trustme.CA, tmp_path: Path) -> Iterator[Slapd]:
    """A server with a certificate for 127.0.0.1."""
    certificate = authority.issue_cert("127.0.0.1")
    paths = [tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem")]
    certificate.cert_chain_pems[0].write_to_path(paths[0])
    certificate.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    with Slapd(tls_cert=paths[0], tls_key=paths[1], tls_ca=paths[2]) as server:
        server.load(empty_tree())
        server.start()
        yield server


def sync(url: str, path: Path, *, starttls: bool = False) -> int:
    with Replica(url, path, mode=SyncreplMode.REFRESH_ONLY, starttls=starttls) as replica:
        return replica.refresh().entries


def test_a_local_socket_is_reached_by_its_path(slapd: Slapd, tmp_path: Path) -> None:
    assert slapd.ldapi_url.startswith("ldapi://")
    assert sync(f"{slapd.ldapi_url}/{slapd.suffix}", tmp_path / "data") == 3

    with pytest.raises(ConnectionFailed, match="cannot connect"):
        sync(f"ldapi://{quote(str(tmp_path / 'none'), safe='')}/{slapd.suffix}", tmp_path / "data")


@pytest.mark.parametrize("starttls", [False, True])
def test_a_certificate_of_a_known_authority_is_accepted(
    encrypted: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, starttls: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server = encrypted.url if starttls else encrypted.ldaps_url

    assert sync(f"{server}/{encrypted.suffix}", tmp_path / "data", starttls=starttls) == 3


@pytest.mark.parametrize("starttls", [False, True])
def test_a_certificate_of_an_unknown_authority_is_refused(encrypted: Slapd, tmp_path: Path, *, starttls: bool) -> None:
    server = encrypted.url if starttls else encrypted.ldaps_url

    with pytest.raises(ConnectionFailed, match="certificate") as caught:
        sync(f"{server}/{encrypted.suffix}", tmp_path / "data", starttls=starttls)

    assert caught.value.hint


def test_a_certificate_for_another_name_is_refused(
    encrypted: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    with pytest.raises(ConnectionFailed, match="localhost"):
        sync(f"ldaps://localhost:{encrypted.tls_port}/{encrypted.suffix}", tmp_path / "data")


def test_a_server_that_refuses_starttls_is_an_error_and_not_a_fall_back(slapd: Slapd, tmp_path: Path) -> None:
    with pytest.raises(LDAPResultError, match="StartTLS"):
        sync(f"{slapd.url}/{slapd.suffix}", tmp_path / "data", starttls=True)


def test_starttls_is_refused_where_everything_is_encrypted_already(encrypted: Slapd, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="StartTLS"):
        sync(f"{encrypted.ldaps_url}/{encrypted.suffix}", tmp_path / "data", starttls=True)
