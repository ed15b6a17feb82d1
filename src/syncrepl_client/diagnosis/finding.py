"""What a diagnosis consists of: findings, each one sentence and, where there is something to do, the lines to type."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Remedy", "Severity"]


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    """As it should be."""
    NOTE = "note"
    """Nothing to repair, but worth knowing; also what could not be found out."""
    WARNING = "warning"
    """Synchronization works, but slower, or by a way around."""
    PROBLEM = "problem"
    """Synchronization does not work, the server loses changes, or a password is given away."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """Lines to type, and where."""

    where: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Args:
        name: what was looked at, for programs; it does not change with the text.
        severity: how bad it is.
        text: one sentence.
        remedies: what to type; several are one and the same in the configurations that a server may have.
    """

    name: str
    severity: Severity
    text: str
    remedies: tuple[Remedy, ...] = ()
