"""What is worth another try, and what is not."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Backoff, Replica
from syncrepl_client.exceptions import (
    CallbackError,
    CertificateError,
    ConnectionFailed,
    DBError,
    IdentityChanged,
    KerberosError,
    MassDeletionHeld,
    MechanismNotOffered,
    NoSuchBase,
    ProtocolError,
    ProviderBehind,
    ServerNotProven,
    TicketExpired,
    UsageError,
)
from syncrepl_client.ldap import results
from syncrepl_client.ldap.messages import Result
from syncrepl_client.retry import Verdict, verdict
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = Backoff(base=0.05, cap=0.2)


@pytest.fixture
def server() -> Iterator[Slapd]:
    with Slapd() as running:
        running.load(sample_ldif(3))
        running.start()
        yield running


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionFailed("x"), Verdict.AGAIN),
        (CertificateError("h", "it has expired", 10), Verdict.IF_IT_WORKED),
        (ProviderBehind(b"a", b"b"), Verdict.AGAIN),
        (IdentityChanged("a", "b"), Verdict.AGAIN),
        (results.error_of("sync search", Result(11)), Verdict.AGAIN),
        (results.error_of("sync search", Result(53)), Verdict.AGAIN),
        (results.error_of("bind", Result(52)), Verdict.AGAIN),
        (results.error_of("bind with SCRAM-SHA-256", Result(80)), Verdict.STOP),
        (results.error_of("bind", Result(53)), Verdict.STOP),
        (results.error_of("bind", Result(49)), Verdict.STOP),
        (results.error_of("sync search", Result(8)), Verdict.STOP),
        (results.error_of("sync search", Result(32)), Verdict.IF_IT_WORKED),
        (results.error_of("sync search", Result(12)), Verdict.IF_IT_WORKED),
        (results.error_of("sync search", Result(21)), Verdict.IF_IT_WORKED),
        (ProtocolError("x"), Verdict.IF_IT_WORKED),
        (TicketExpired("x"), Verdict.IF_IT_WORKED),
        (MechanismNotOffered("PLAIN", ()), Verdict.IF_IT_WORKED),
        (KerberosError("x", -1765328353), Verdict.STOP),
        (KerberosError("x", -1765328360), Verdict.STOP),
        (ServerNotProven("x"), Verdict.STOP),
        (MassDeletionHeld(60, 100), Verdict.DECISION),
        (UsageError("x"), Verdict.STOP),
        (DBError("x"), Verdict.STOP),
        (CallbackError("x"), Verdict.STOP),
        (ValueError("x"), Verdict.STOP),
    ],
)
def test_each_error_is_worth_what_it_is_worth(error: Exception, expected: Verdict) -> None:
    assert verdict(error) is expected


def test_a_base_that_never_was_is_a_mistake(server: Slapd, tmp_path: Path) -> None:
    url = f"{server.url}/ou=none,{SUFFIX}"
    with closing(Replica(url, tmp_path / "data", backoff=QUICK)) as replica, pytest.raises(NoSuchBase):
        replica.follow()


def test_a_base_that_was_there_is_waited_for(server: Slapd, tmp_path: Path) -> None:
    base = f"ou=new,{SUFFIX}"
    unit = {"objectClass": ["organizationalUnit"]}
    server.add(base, unit)
    url, data = f"{server.url}/{base}", tmp_path / "data"
    with Replica(url, data) as replica:
        replica.refresh()
    server.delete(base)
    lost: list[str] = []
    again = threading.Event()

    class Listener:
        def disconnected(self, error: Exception, **_: object) -> None:
            lost.append(type(error).__name__)
            if len(lost) == 2:
                again.set()

        def refresh_done(self, *_: object) -> None:
            replica.finish()

    def put_back() -> None:
        again.wait(30)
        server.add(base, unit)

    other = threading.Thread(target=put_back)
    other.start()
    with closing(Replica(url, data, listener=Listener(), backoff=QUICK)) as replica:
        replica.follow()
    other.join()
    assert len(lost) >= 2
    assert set(lost) == {"NoSuchBase"}
