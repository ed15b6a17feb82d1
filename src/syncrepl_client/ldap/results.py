"""Result codes (RFC 4511 section 4.1.9 and appendix A), their names, and the error that each becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import (
    InsufficientAccess,
    InvalidCredentials,
    LDAPResultError,
    NoSuchBase,
    SyncNotSupported,
)

if TYPE_CHECKING:
    from syncrepl_client.ldap.messages import Result

__all__ = [
    "AUTHORIZATION_DENIED",
    "AUTH_METHOD_NOT_SUPPORTED",
    "CANCELED",
    "HICCUPS",
    "NO_SUCH_OBJECT",
    "SASL_BIND_IN_PROGRESS",
    "SIZE_LIMIT_EXCEEDED",
    "UNWILLING_TO_PERFORM",
    "check",
    "error_of",
    "name_of",
]

SIZE_LIMIT_EXCEEDED: Final = 4
AUTH_METHOD_NOT_SUPPORTED: Final = 7
SASL_BIND_IN_PROGRESS: Final = 14
NO_SUCH_OBJECT: Final = 32
UNWILLING_TO_PERFORM: Final = 53
CANCELED: Final = 118
AUTHORIZATION_DENIED: Final = 123
HICCUPS: Final = frozenset({1, 3, 51, 52, 80})
"""Results that may be others next time: an error inside the server, a time limit, busy, unavailable."""

_NAMES: Final = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    14: "saslBindInProgress",
    16: "noSuchAttribute",
    17: "undefinedAttributeType",
    18: "inappropriateMatching",
    21: "invalidAttributeSyntax",
    32: "noSuchObject",
    34: "invalidDNSyntax",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
    118: "canceled",
    119: "noSuchOperation",
    120: "tooLate",
    121: "cannotCancel",
    123: "authorizationDenied",
    4096: "e-syncRefreshRequired",
}

_KINDS: Final[dict[int, tuple[type[LDAPResultError], str]]] = {
    8: (InsufficientAccess, "the server wants a bind, or a stronger one"),
    12: (
        SyncNotSupported,
        (
            "the server does not offer RFC 4533 for this base; on OpenLDAP add 'overlay syncprov' to the database, "
            "on 389 Directory Server turn on the plugins Content Synchronization and Retro Changelog"
        ),
    ),
    13: (InsufficientAccess, "the server wants encryption: use ldaps:// or StartTLS"),
    32: (NoSuchBase, "check the base DN of the URL, and that the bound identity may see it"),
    48: (InvalidCredentials, "the server does not accept this kind of bind, anonymous perhaps"),
    49: (InvalidCredentials, "check the bind DN and the password"),
    123: (InsufficientAccess, "let the bound identity act as the other one; on OpenLDAP by authzTo and authz-policy"),
    50: (InsufficientAccess, "give the bound identity the right to use the sync control and to read the base"),
}
_HINTS: Final = {
    3: "raise the server's time limit for this identity",
    4: "raise the server's size limit for this identity; a refresh cut short is never applied",
    51: "try again later",
    52: "try again later: the server is going down, or not up yet",
    53: "the server's log says why; too many clients that listen may be one reason, a restored database another",
}
# What they mean where nothing but a bind was asked for.
_BIND_HINTS: Final = {
    50: "this user may not act as the authorization identity",
    80: "perhaps it does not know the user; look into the server's log",
}
_ANY_HINT: Final = "the copy is as it was; look into the server's log"


def name_of(code: int) -> str:
    """Return the name of a result code, or the word 'result'."""
    return _NAMES.get(code, "result")


def error_of(operation: str, result: Result) -> LDAPResultError:
    """Make the error that a result other than success is."""
    kind, hint = _KINDS.get(result.code, (LDAPResultError, _HINTS.get(result.code, _ANY_HINT)))
    if operation.startswith("bind"):
        hint = _BIND_HINTS.get(result.code, hint)
    return kind(operation, result.code, name_of(result.code), result.diagnostic, result.matched_dn, hint=hint)


def check(operation: str, result: Result) -> None:
    """Raise for a result other than success.

    Raises:
        LDAPResultError: or the kind of it that fits.
    """
    if result.code != 0:
        raise error_of(operation, result)
