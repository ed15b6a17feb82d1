"""Every error keeps what it has to say."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from syncrepl_client import exceptions
from syncrepl_client.envelope.base import Event, Kind
from syncrepl_client.ldap import results
from syncrepl_client.ldap.messages import Result

ERRORS = [
    exceptions.UsageError("no", hint="do it otherwise"),
    exceptions.LDAPUrlParseError("ldap:/", "it is short", hint="write more"),
    exceptions.LDAPUrlConflict("ldap://a/", "ldap://b/"),
    exceptions.FilterError("(a", 2, "a bracket"),
    exceptions.ClosedError(),
    exceptions.ProviderBehind(b"ours", b"theirs"),
    results.error_of("bind", Result(49, "dc=x", "no such user")),
    exceptions.MassDeletionHeld(51, 100),
    exceptions.SchemaVersionError(9, 2),
    exceptions.SinkUnavailable("busy", retry_after=3.0),
    exceptions.EventRejected(Event("a:1", "u", Kind.CREATED, "cn=x", 1, "text/plain", {}, b""), "too large"),
    exceptions.VersionJumpError("SQLite", 3, 2),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_another_process_can_be_told(error: exceptions.SyncreplError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(other) is type(error)
        assert (str(other), vars(other)) == (str(error), vars(error))


def test_a_traceback_shows_what_to_do() -> None:
    """Once, also where another process shows it."""
    error = exceptions.UsageError("no", hint="do something else")

    for one in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        shown = "".join(traceback.format_exception_only(one))
        assert shown.endswith("UsageError: no\nhint: do something else\n")
