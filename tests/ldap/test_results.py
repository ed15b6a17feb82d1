"""Result codes: their names, and the errors that they become."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import (
    InsufficientAccess,
    InvalidCredentials,
    LDAPResultError,
    NoSuchBase,
    SyncNotSupported,
)
from syncrepl_client.ldap import results
from syncrepl_client.ldap.messages import Result


def test_success_is_no_error() -> None:
    results.check("search", Result(0, "", "well done"))


@pytest.mark.parametrize(
    ("code", "kind", "name", "hint"),
    [
        (3, LDAPResultError, "timeLimitExceeded", "time limit"),
        (4, LDAPResultError, "sizeLimitExceeded", "size limit"),
        (8, InsufficientAccess, "strongerAuthRequired", "bind"),
        (12, SyncNotSupported, "unavailableCriticalExtension", "overlay syncprov"),
        (13, InsufficientAccess, "confidentialityRequired", "StartTLS"),
        (32, NoSuchBase, "noSuchObject", "base DN"),
        (48, InvalidCredentials, "inappropriateAuthentication", "bind"),
        (49, InvalidCredentials, "invalidCredentials", "password"),
        (50, InsufficientAccess, "insufficientAccessRights", "right"),
        (53, LDAPResultError, "unwillingToPerform", "log"),
        (4096, LDAPResultError, "e-syncRefreshRequired", "log"),
        (9999, LDAPResultError, "result", "log"),
    ],
)
def test_every_other_result_is_an_error_that_says_what_to_do(
    code: int, kind: type[LDAPResultError], name: str, hint: str
) -> None:
    with pytest.raises(LDAPResultError) as caught:
        results.check("search", Result(code, "dc=x", "the server's words"))

    error = caught.value
    assert kind is type(error)
    assert f"search failed: {name} ({code}): the server's words" == str(error)
    assert ("search", code, name, "the server's words", "dc=x") == (
        error.operation,
        error.code,
        error.name,
        error.diagnostic,
        error.matched_dn,
    )
    assert hint in error.hint
    assert bool(hint) == bool(error.hint)


def test_a_result_without_words_is_its_name_alone() -> None:
    assert str(results.error_of("bind", Result(51))) == "bind failed: busy (51)"
