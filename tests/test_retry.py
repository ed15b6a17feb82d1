"""Which errors are worth another try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from syncrepl_client import exceptions
from syncrepl_client.exceptions import (
    CertificateError,
    ClientCertificateRefused,
    ConnectionFailed,
    ConnectionLost,
    DBError,
    IdentityChanged,
    Interrupted,
    KerberosError,
    MassDeletionHeld,
    MechanismNotOffered,
    ProtocolError,
    ProviderBehind,
    ServerNotProven,
    StartTLSRefused,
    SyncreplError,
    TicketExpired,
    UsageError,
)
from syncrepl_client.ldap.messages import Result
from syncrepl_client.ldap.results import error_of
from syncrepl_client.retry import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator


def kinds(base: type[SyncreplError]) -> Iterator[type[SyncreplError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionLost("gone"),
        ConnectionFailed("refused"),
        ProviderBehind(b"a", b"b"),
        IdentityChanged("cn=a", "cn=b"),
        StartTLSRefused("a:389", 52, "unavailable"),
    ],
)
def test_what_passes_by_itself_is_tried_again(error: SyncreplError) -> None:
    assert verdict(error) is Verdict.AGAIN


@pytest.mark.parametrize("code", [3, 11, 51, 52, 53, 80])
def test_a_server_that_has_too_much_to_do_is_asked_again(code: int) -> None:
    assert verdict(error_of("sync search", Result(code))) is Verdict.AGAIN


@pytest.mark.parametrize("code", [51, 52, 80])
@pytest.mark.parametrize("operation", ["bind", "bind with SCRAM-SHA-256"])
def test_a_bind_that_was_not_looked_at_is_tried_again(operation: str, code: int) -> None:
    assert verdict(error_of(operation, Result(code))) is Verdict.AGAIN


@pytest.mark.parametrize("code", [1, 7, 8, 13, 14, 19, 34, 48, 49, 50, 53, 123])
@pytest.mark.parametrize("operation", ["bind", "bind with SCRAM-SHA-256"])
def test_no_bind_that_failed_is_tried_again(operation: str, code: int) -> None:
    """An account that is locked is told in many ways, and each try could be the one that locks it."""
    assert verdict(error_of(operation, Result(code))) is Verdict.STOP


@pytest.mark.parametrize("code", [8, 13])
def test_a_password_is_not_shown_to_the_network_again_and_again(code: int) -> None:
    assert verdict(error_of("sync search", Result(code))) is Verdict.STOP


@pytest.mark.parametrize("code", [1, 2, 4, 10, 12, 32, 50, 123])
def test_what_worked_before_may_work_again(code: int) -> None:
    assert verdict(error_of("sync search", Result(code))) is Verdict.IF_IT_WORKED


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("not LDAP"),
        CertificateError("a:636", "expired", 10),
        ClientCertificateRefused("a:636", "expired"),
        MechanismNotOffered("EXTERNAL"),
        KerberosError("no server of the realm answers", -1765328228),
        TicketExpired("expired"),
        StartTLSRefused("a:389", 2, "protocolError"),
    ],
)
def test_what_somebody_is_perhaps_repairing_may_work_again(error: SyncreplError) -> None:
    assert verdict(error) is Verdict.IF_IT_WORKED


@pytest.mark.parametrize("code", [-1765328360, -1765328353])
def test_an_older_key_is_a_wrong_password(code: int) -> None:
    assert verdict(KerberosError("preauthentication failed", code)) is Verdict.STOP


def test_what_somebody_decides_about_waits_for_it() -> None:
    assert verdict(MassDeletionHeld(60, 100)) is Verdict.DECISION


@pytest.mark.parametrize("base", [UsageError, DBError, exceptions.CallbackError])
def test_what_is_wrong_on_this_side_stays_wrong(base: type[SyncreplError]) -> None:
    for kind in kinds(base):
        assert verdict(kind.__new__(kind)) is Verdict.STOP


@pytest.mark.parametrize("error", [LookupError("a callback's own"), Interrupted(), ServerNotProven("no proof")])
def test_everything_else_is_passed_on(error: Exception) -> None:
    assert verdict(error) is Verdict.STOP
