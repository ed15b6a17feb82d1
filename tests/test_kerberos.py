"""Kerberos with a real realm and a real server: the copy over each layer, what crosses, and what can go wrong."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import BaseCallback, Replica, Syncrepl, SyncreplMode
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.connection.access import Access, credentials_of
from syncrepl_client.credentials import Choice, Kerberos, Scram
from syncrepl_client.exceptions import TicketMissing, UsageError
from syncrepl_client.ldap import url as urls
from syncrepl_client.secret import Secret
from tests.cli.command import run
from tests.eavesdropper import Eavesdropper
from tests.identities import ALICE, BOB, provider
from tests.kerberos import realm_in_use
from tests.slapd import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kerberos import Realm
    from tests.slapd import Slapd

SOUGHT = "Zaphod-Beeblebrox"


@pytest.fixture(scope="module")
def realm() -> Iterator[Realm]:
    with realm_in_use() as running:
        running.add("alice", keytab="alice.keytab")
        running.add("bob", keytab="bob.keytab")
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def server(realm: Realm, folder: Path) -> Iterator[Slapd]:
    """Run a server with its keytab, and an entry to look for."""
    with provider(folder, binding="tls-endpoint") as running:
        running.add(
            f"cn={SOUGHT},{SUFFIX}",
            {"objectClass": ["organizationalPerson"], "cn": [SOUGHT], "sn": ["x"], "title": ["President"]},
        )
        yield running


@pytest.fixture
def keytab(realm: Realm) -> str:
    return str(realm.directory / "alice.keytab")


def at(server: Slapd, rest: str = "", port: int = 0) -> str:
    # The name that the realm knows the server by.
    return f"ldap://localhost:{port or server.port}/{SUFFIX}{rest}"


@pytest.mark.parametrize("layer", ["none", "integrity", "confidentiality", ""])
def test_a_copy_is_made_and_kept_over_each_layer(server: Slapd, keytab: str, tmp_path: Path, layer: str) -> None:
    """Only confidentiality hides from whoever is on the line what is looked for, and what is found."""
    new = f"cn=new-{layer},ou=people,{SUFFIX}"
    with Eavesdropper(server.port) as line:
        url = at(server, f"??sub?(|(cn={SOUGHT})(cn=new*))", line.port)
        with Replica(url, tmp_path / "copy.db", credentials=Kerberos(keytab, layer=layer)) as replica:
            assert replica.refresh().entries >= 1
            server.add(new, {"objectClass": ["person"], "cn": [f"new-{layer}", "Trillian"], "sn": ["x"]})
            while new not in replica.entries:
                assert replica.step()
            server.delete(new)
            while new in replica.entries:
                assert replica.step()
            assert not replica.verify().drift

    readable = layer in {"none", "integrity"}
    assert (SOUGHT.encode() in line.requests) == readable
    assert (b"Trillian" in line.answers) == readable
    assert (b"President" in line.answers) == readable


def test_many_entries_come_through_the_layer(server: Slapd, keytab: str, tmp_path: Path) -> None:
    """Messages and buffers do not end at the same places."""
    long = "x" * 5000
    names = [f"cn=n{number},ou=groups,{SUFFIX}" for number in range(100)]
    for name in names:
        server.add(
            name, {"objectClass": ["person"], "cn": [name[3:].split(",")[0]], "sn": ["x"], "description": [long]}
        )
    with Replica(
        at(server), tmp_path / "copy.db", credentials=Kerberos(keytab), mode=SyncreplMode.REFRESH_ONLY
    ) as replica:
        replica.refresh()
        assert [long.encode()] == replica.entries[names[-1]]["description"]
        assert set(names) <= set(replica.entries)
    for name in names:
        server.delete(name)


def test_a_connection_in_place_of_a_lost_one_begins_without_the_layer(server: Slapd, keytab: str) -> None:
    access = Access(urls.parse(at(server)), Kerberos(keytab))
    with closing(access.enter()) as client:
        assert (client.identity, client.confidential) == (ALICE, True)
        access.renew(client)
        assert (client.identity, client.confidential) == (ALICE, True)
        assert client.who_am_i() == f"dn:{ALICE}"


def test_under_tls_there_is_no_second_encryption(
    server: Slapd, folder: Path, keytab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    url = urls.parse(f"ldaps://localhost:{server.tls_port}/{SUFFIX}")
    with closing(Access(url, Kerberos(keytab)).enter()) as client:
        assert client._layer is None  # noqa: SLF001 - nothing else shows it
        assert client.identity == ALICE


def test_the_ticket_or_the_principal_says_who_one_is(server: Slapd, realm: Realm, keytab: str) -> None:
    url = urls.parse(at(server))
    realm.get_ticket("bob", realm.directory / "bob.keytab")
    for credentials, who in (
        (Kerberos(), BOB),
        (Kerberos(keytab), ALICE),
        (Kerberos(str(realm.directory / "bob.keytab"), "bob"), BOB),
        (Kerberos(keytab, authzid="u:bob"), BOB),
        (Choice((Kerberos(keytab), Scram("bob", Secret("pencil")))), ALICE),
    ):
        with closing(Access(url, credentials).enter()) as client:
            assert who == client.identity


def test_a_layer_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="secrecy"):
        Kerberos(layer="secrecy")


# --- bindname=GSSAPI --------------------------------------------------------------------------------------------------


def test_the_word_in_the_url_is_enough(server: Slapd, realm: Realm, tmp_path: Path) -> None:
    url = at(server, "????bindname=GSSAPI")
    assert credentials_of(urls.parse(url)) == Kerberos()
    realm.get_ticket("alice", realm.directory / "alice.keytab")

    for given in (url, None):
        with Syncrepl(tmp_path / "copy.db", BaseCallback, SyncreplMode.REFRESH_ONLY, given) as client:
            while client.poll():
                pass

    realm.forget_ticket()
    with pytest.raises(TicketMissing):
        Syncrepl(tmp_path / "copy.db", BaseCallback, SyncreplMode.REFRESH_ONLY, url)


def test_the_command_takes_it_too(server: Slapd, realm: Realm, keytab: str, tmp_path: Path) -> None:
    url, data = at(server, "????bindname=GSSAPI"), str(tmp_path / "copy.db")
    realm.forget_ticket()
    done = run(url, data)
    assert done.returncode == ExitCode.ACCESS
    assert done.stderr.count("\n") == 2
    assert "kinit" in done.stderr

    realm.get_ticket("alice", realm.directory / "alice.keytab")
    assert run("-q", url, data).returncode == ExitCode.OK
    realm.forget_ticket()
    options = ("--sasl", "gssapi", "--keytab", keytab, "--principal", "alice", "--sasl-layer", "integrity")
    assert run("verify", *options, at(server), data).returncode == ExitCode.OK
    assert run("-q", at(server), data, "--sasl", "GSSAPI", SYNCREPL_KEYTAB_FILE=keytab).returncode == ExitCode.OK


def test_the_doctor_knows_who_it_is_and_who_can_read_along(server: Slapd, keytab: str) -> None:
    for layer, text in (("confidentiality", "encrypted by GSSAPI"), ("none", "does not leave this machine")):
        done = run("doctor", "--json", "--keytab", keytab, "--sasl-layer", layer, at(server, "????bindname=GSSAPI"))
        found = json.loads(done.stdout)
        texts = {one["name"]: one["text"] for one in found["findings"]}
        assert found["identity"] == f"dn:{ALICE}"
        assert text in texts["encryption"]


def test_a_keytab_that_others_can_read_is_warned_about(
    server: Slapd, keytab: str, realm: Realm, caplog: pytest.LogCaptureFixture
) -> None:
    (realm.directory / "alice.keytab").chmod(0o644)
    try:
        with closing(Access(urls.parse(at(server)), Kerberos(keytab)).enter()):
            pass
        done = run("doctor", "--keytab", keytab, at(server, "????bindname=GSSAPI"))
    finally:
        (realm.directory / "alice.keytab").chmod(0o600)

    assert [one.args for one in caplog.records if one.levelno == logging.WARNING]
    assert done.stderr.startswith(f"warning: others can read {keytab}")
