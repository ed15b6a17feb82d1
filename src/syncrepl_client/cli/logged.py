"""The formats of what is read from a changelog, one change after the other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from syncrepl_client.cli import colours
from syncrepl_client.cli.colours import Colours
from syncrepl_client.cli.detailed import Detailed
from syncrepl_client.cli.json_lines import JsonLines
from syncrepl_client.cli.ldif import Ldif
from syncrepl_client.cli.output import StandardOutput
from syncrepl_client.ldif_records import Records

if TYPE_CHECKING:
    from syncrepl_client.model import Change

__all__ = ["Form", "LoggedLdif", "chosen"]


class Form(Protocol):
    """What each thing looks like; an empty text prints nothing."""

    def begin(self) -> str:
        """Return what comes before everything else."""

    def change(self, change: Change) -> str:
        """Return the text of a change."""


class LoggedLdif:
    """Change records."""

    def __init__(self) -> None:
        self._records = Records()

    def begin(self) -> str:
        """Return the line that every LDIF file begins with."""
        return Ldif().begin()

    def change(self, change: Change) -> str:
        """Return the record of a change; see `Records`."""
        return self._records.logged(change)


def chosen(*, as_json: bool, as_ldif: bool, numbers: bool = False) -> tuple[Form, StandardOutput]:
    """Return the format that the options choose, and where to write it.

    Args:
        as_json: whether it is ``--json``.
        as_ldif: whether it is ``--ldif``.
        numbers: whether people shall see the numbers of changes.
    """
    # Machines read UTF-8; a terminal says what it reads.
    encoding = "utf-8" if as_json or as_ldif else sys.stdout.encoding
    output = StandardOutput(sys.stdout.buffer, encoding=encoding)
    if as_json:
        return JsonLines(placed=True), output
    if as_ldif:
        return LoggedLdif(), output
    return Detailed(Colours(colours.wanted(sys.stdout)), numbers=numbers), output
