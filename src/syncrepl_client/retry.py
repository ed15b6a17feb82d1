"""Which errors are worth another try, and why.

Two things decide.  Some errors pass by themselves.  Others mean that somebody has to do something: where the search has
worked before, that is somebody at the server, who may be at it already, and the copy serves meanwhile; where it never
has, it is who started this program, and is told at once.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from syncrepl_client.exceptions import (
    CertificateError,
    ClientCertificateRefused,
    ConnectionLost,
    IdentityChanged,
    InsufficientAccess,
    InvalidCredentials,
    KerberosError,
    LDAPResultError,
    MassDeletionHeld,
    MechanismNotOffered,
    NoSuchBase,
    ProtocolError,
    ProviderBehind,
    SyncNotSupported,
)

__all__ = ["Verdict", "verdict"]


class Verdict(Enum):
    """What to do after an error."""

    AGAIN = "it passes by itself"
    IF_IT_WORKED = "try again if the search has worked before"
    DECISION = "somebody has to decide first"
    STOP = "it does not get better"


_ERRORS: Final[tuple[tuple[type[Exception], Verdict], ...]] = (
    # Each bind with a wrong password counts towards the lock of the account.
    (InvalidCredentials, Verdict.STOP),
    # Whoever opens anew reads everything as who he is now.
    (IdentityChanged, Verdict.AGAIN),
    # A ticket is fetched and renewed by somebody else; what the server offers, its administrator decides.
    (KerberosError, Verdict.IF_IT_WORKED),
    (MechanismNotOffered, Verdict.IF_IT_WORKED),
    # Certificates expire and are replaced, without a word to the other side.  At first it is the wrong authority.
    (CertificateError, Verdict.IF_IT_WORKED),
    (ClientCertificateRefused, Verdict.IF_IT_WORKED),
    # The server stopped, or the network: what reconnecting is for.
    (ConnectionLost, Verdict.AGAIN),
    # Replication catches up.
    (ProviderBehind, Verdict.AGAIN),
    # Somebody looks at what would be deleted; see `store.held`.
    (MassDeletionHeld, Verdict.DECISION),
    # A base, a right or an overlay that was there is missing while a directory is restored or set up anew.
    (NoSuchBase, Verdict.IF_IT_WORKED),
    (InsufficientAccess, Verdict.IF_IT_WORKED),
    (SyncNotSupported, Verdict.IF_IT_WORKED),
    # A proxy that answers for its server, or a server with a defect: the copy is intact.  At first it is a wrong port.
    (ProtocolError, Verdict.IF_IT_WORKED),
)
"""The first that fits counts.  What is not here, such as errors of the caller, of the data file and of a callback,
would only happen again."""

_BUSY: Final = 51
_UNAVAILABLE: Final = 52
_OTHER: Final = 80
# The server has too much to do, is on its way down or up, or something in it failed.
_PASSING: Final = frozenset({_BUSY, _UNAVAILABLE, _OTHER})
_CODES: Final = {
    # timeLimitExceeded and adminLimitExceeded: there was too much to do at the time.
    3: Verdict.AGAIN,
    11: Verdict.AGAIN,
    # unwillingToPerform: 389 Directory Server has too many active synchronization sessions; slapd is behind what it has
    # told before.
    53: Verdict.AGAIN,
    # strongerAuthRequired and confidentialityRequired: each try could show the password to the network once more.
    8: Verdict.STOP,
    13: Verdict.STOP,
}

# KRB5KDC_ERR_PREAUTH_FAILED and KRB5KRB_AP_ERR_BAD_INTEGRITY: an older key, which a realm counts like a wrong password.
_OLD_KEYS: Final = frozenset({-1765328360, -1765328353})


def verdict(error: BaseException) -> Verdict:
    """Return what to do after an error."""
    if isinstance(error, LDAPResultError):
        bind = "bind" in error.operation
        if error.code in _PASSING and not (bind and error.code == _OTHER):
            return Verdict.AGAIN
        if bind:
            # slapd says 'other' of a user that SASL does not know.
            # Some servers say by other codes than invalidCredentials that an account is locked or has expired.
            return Verdict.STOP
        if error.code in _CODES:
            return _CODES[error.code]
    if isinstance(error, KerberosError) and error.code in _OLD_KEYS:
        return Verdict.STOP
    unlisted = Verdict.IF_IT_WORKED if isinstance(error, LDAPResultError) else Verdict.STOP
    return next((what for kind, what in _ERRORS if isinstance(error, kind)), unlisted)
