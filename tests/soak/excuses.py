"""What may stand in the logs, and why: everything else that is a warning or an error is unexplained.

An excuse counts in the round in which its trouble happened, and for the programs that the trouble touches.
"""

from __future__ import annotations

import json
import re
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Excuse", "excused", "unexplained"]


class Excuse(Flag):
    """What happened to a program, or to what it needs."""

    NONE = 0
    CONNECTION = auto()
    """A server, or the line to it, was away, still or slow."""
    SIZE_LIMIT = auto()
    """A server gave only some entries."""
    FORGOTTEN = auto()
    """A server has forgotten what it had changed."""
    DISK = auto()
    """The disk of its data was full or read-only."""
    SINK = auto()
    """A receiver was in trouble."""
    CLOCK = auto()
    """Its clock was wrong."""
    LIE = auto()
    """A server said what is not true."""
    MANY = auto()
    """So many entries are gone that it asks before it deletes them; the watcher does, at any time."""
    OVERTAKEN = auto()
    """A reader of its changelog was away for too long; that of the callbacks has one, at any time."""
    PASSWORD = auto()
    """A server has refused its password."""
    UNTOLD = auto()
    """Its server does not tell everything, so that it compares: 389 Directory Server does not, at any time, and slapd
    does not of what is moved while everything is read, or while it is asked."""


_TRY = r"(; the next try is in [0-9.]+ s|; another provider is tried)$"
_LOST = r"Connection(Lost|Failed): "
_DISK = r"(database or disk is full|readonly database|disk I/O error|Read-only file system|No space left on device)"
# The messages of log lines that there may be.
_LINES: Final = (
    (Excuse.CONNECTION, rf"{_LOST}.*{_TRY}"),
    (Excuse.CONNECTION, rf"the session ended: {_LOST}"),
    # One that has just come back does not have everything yet.
    (Excuse.CONNECTION, rf"(ProviderBehind: |LDAPResultError: .*(busy|unavailable|unwillingToPerform) ).*{_TRY}"),
    (
        Excuse.CONNECTION,
        r"the session ended: (ProviderBehind|LDAPResultError: .*(busy|unavailable|unwillingToPerform) )",
    ),
    # A slapd that was killed right after a deletion does not know any more how new it was.
    (Excuse.CONNECTION, r"^the refresh reads everything: consumer state is newer than provider!$"),
    # What it was would quote the server.
    (Excuse.LIE, rf"^[^ ]+: ProtocolError{_TRY}"),
    (Excuse.LIE, r"^the session ended: ProtocolError$"),
    (Excuse.MANY, r"^a refresh that would delete \d+ of \d+ entries is held; nothing was changed$"),
    (Excuse.MANY, r"MassDeletionHeld: "),
    (Excuse.OVERTAKEN, r"^the subscription 'laggard' has not read the changes up to number \d+, "),
    (Excuse.PASSWORD, r"InvalidCredentials: "),
    (Excuse.SIZE_LIMIT, r"LDAPResultError: .* failed: sizeLimitExceeded \(4\)"),
    (Excuse.FORGOTTEN, r"^the refresh reads everything: the changelog holds changes "),
    (Excuse.DISK, rf"DBError: .*{_DISK}"),
    (Excuse.DISK, rf"^the write-ahead log of .* cannot be moved into it: {_DISK}$"),
    # The command says in two lines why it does not start.
    (Excuse.DISK, rf"^error: .*{_DISK}"),
    (Excuse.DISK, r"^hint: make it a folder that this user may write to$"),
    (Excuse.SINK, r"^(files|nats|database) from (pair|other): waiting: SinkUnavailable: "),
    (Excuse.UNTOLD, r"^(\d+|many) entries were not as the server holds them$"),
    (Excuse.UNTOLD, r"^the copy was made what the server holds: \d+ entries changed$"),
)
_ALWAYS: Final = {"asynchronous": Excuse.UNTOLD, "callbacks": Excuse.OVERTAKEN, "watcher": Excuse.MANY}
# Where the other server is told by the line itself.
_OTHER: Final = "Directory%20Manager"
# Of many moments, or of answers that came while somebody wrote: so it is compared afterwards.
_COMPARED: Final = (
    "a refresh of everything begins",
    "the search begins again: what the server told and what it answered do not fit together yet",
)


def unexplained(program: str, lines: Iterable[str], excuse: Excuse) -> list[str]:
    """Return the lines that nothing excuses."""
    lines = list(lines)
    if any(reason in line for line in lines for reason in _COMPARED):
        excuse |= Excuse.UNTOLD
    return [line for line in lines if not excused(program, line, excuse)]


def excused(program: str, line: str, excuse: Excuse) -> bool:
    """Tell whether a line may be in the log of a program."""
    try:
        record: Any = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        # Libraries say what they say, and a program that fails shows where.
        record = {"level": "error", "message": line}
    if record["level"] not in {"warning", "error", "critical"}:
        return True
    excuse |= _ALWAYS.get(program, Excuse.NONE)
    if _OTHER in record.get("url", ""):
        excuse |= Excuse.UNTOLD
    return any(need & excuse and re.search(pattern, record["message"]) for need, pattern in _LINES)
