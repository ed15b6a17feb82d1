"""Exit codes: what each means, and which error becomes which."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from syncrepl_client.exceptions import (
    AuthenticationError,
    ConnectionLost,
    DBError,
    InsufficientAccess,
    InvalidCredentials,
    MassDeletionHeld,
    NoSuchBase,
    ProtocolError,
    ProviderBehind,
    StartTLSRefused,
    SyncNotSupported,
    SyncreplError,
    UsageError,
)

__all__ = ["MEANINGS", "ExitCode", "exit_code"]


class ExitCode(IntEnum):
    """What the command tells the shell."""

    OK = 0
    OTHER = 1
    USAGE = 2
    CONNECTION = 3
    ACCESS = 4
    NOT_OFFERED = 5
    PROTOCOL = 6
    DATA_FILE = 7
    HELD = 8
    DRIFT = 9
    REPAIRED = 10
    UNFIT = 11


MEANINGS: Final = {
    ExitCode.OK: "done; for copy, watch and run also that a signal stopped them",
    ExitCode.OTHER: "any other error",
    ExitCode.USAGE: "wrong options, URL, filter or configuration, or the data file is of another search",
    ExitCode.CONNECTION: "no connection to the server, or a lost or unencrypted one, or it is behind the copy",
    ExitCode.ACCESS: "wrong name, password or ticket, or not allowed",
    ExitCode.NOT_OFFERED: "the server does not offer synchronization here, or no such base",
    ExitCode.PROTOCOL: "the server broke the protocol",
    ExitCode.DATA_FILE: "the data file cannot be used",
    ExitCode.HELD: "a refresh would delete too much and is held; nothing was changed",
    ExitCode.DRIFT: "verify: the copy is not what the server holds",
    ExitCode.REPAIRED: "verify: the copy was not what the server holds, and is now",
    ExitCode.UNFIT: "doctor: the server would lose changes, or a password is given away",
}

_CODES: Final[dict[type[SyncreplError], ExitCode]] = {
    UsageError: ExitCode.USAGE,
    ConnectionLost: ExitCode.CONNECTION,
    StartTLSRefused: ExitCode.CONNECTION,
    InvalidCredentials: ExitCode.ACCESS,
    AuthenticationError: ExitCode.ACCESS,
    InsufficientAccess: ExitCode.ACCESS,
    SyncNotSupported: ExitCode.NOT_OFFERED,
    NoSuchBase: ExitCode.NOT_OFFERED,
    ProtocolError: ExitCode.PROTOCOL,
    ProviderBehind: ExitCode.CONNECTION,
    DBError: ExitCode.DATA_FILE,
    MassDeletionHeld: ExitCode.HELD,
}


def exit_code(error: SyncreplError) -> ExitCode:
    """Return the exit code that tells of an error."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.OTHER)
