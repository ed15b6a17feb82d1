"""What is worth another try."""

from __future__ import annotations

import pytest

from syncrepl_client.exceptions import (
    AuthenticationError,
    ConnectionLost,
    LDAPResultError,
    UsageError,
)
from syncrepl_client.retry import Verdict, verdict


@pytest.mark.parametrize(
    ("operation", "code", "expected"),
    [
        ("search", 51, Verdict.AGAIN),
        ("search", 52, Verdict.AGAIN),
        ("search", 53, Verdict.AGAIN),
        ("search", 80, Verdict.AGAIN),
        ("search", 13, Verdict.STOP),
        ("search", 2, Verdict.IF_IT_WORKED),
        ("bind", 51, Verdict.AGAIN),
        # slapd says so of a user that SASL does not know.
        ("bind", 80, Verdict.STOP),
        ("bind with PLAIN", 80, Verdict.STOP),
        ("bind", 53, Verdict.STOP),
    ],
)
def test_a_code_means_something_else_of_a_bind(operation: str, code: int, expected: Verdict) -> None:
    assert verdict(LDAPResultError(operation, code, "named")) is expected


def test_other_errors() -> None:
    assert verdict(ConnectionLost("gone")) is Verdict.AGAIN
    assert verdict(AuthenticationError("no")) is Verdict.STOP
    assert verdict(UsageError("wrong")) is Verdict.STOP
    assert verdict(ValueError("a callback's")) is Verdict.STOP
