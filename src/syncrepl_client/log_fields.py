"""The fields of log records: one name for one thing, whoever logs it.

Every record has a sentence for people and these fields for programs; ``what`` says which event it is.  No field but
``dns`` holds anything of an entry, and that one is of the level DEBUG alone.  No field ever holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["Fields", "fields"]


class Fields(TypedDict, total=False):
    """The fields by name; `docs/logging.rst` describes them."""

    what: str
    # Where
    url: str
    path: str
    encryption: str
    authentication: str
    mechanism: str
    identity: str
    # Who is there
    vendor: str
    version: str
    dialect: str
    # A refresh, and how long anything took
    mode: str
    everything: bool
    reason: str
    seconds: float
    received: int
    # What it did to the copy
    added: int
    modified: int
    renamed: int
    deleted: int
    entries: int
    # A verification
    compared: int
    missing: int
    extra: int
    different: int
    misnamed: int
    undecided: int
    repair: bool
    # Who reads the changelog
    subscription: str
    # The parts of a service
    source: str
    sink: str
    file: str
    # What went wrong
    error: str
    code: int
    wal_bytes: int
    spool_after_bytes: int
    # A connection that is made again
    attempt: int
    delay_seconds: float
    # At DEBUG alone
    dns: list[str]


def fields(**named: Unpack[Fields]) -> dict[str, object]:
    """Make the argument ``extra`` of a call that logs; type checkers know the names."""
    return {**named}
