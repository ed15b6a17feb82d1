"""The format of ``--ldif``: the records of `syncrepl_client.ldif`, one after the other, to apply to another server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.ldif_records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client.model import Attributes, Change

__all__ = ["Ldif"]


class Ldif:
    """The format of ``--ldif``."""

    def __init__(self) -> None:
        self._records = Records()

    def begin(self) -> str:
        """Return the line that every LDIF file begins with."""
        return "version: 1\n\n"

    def change(self, change: Change) -> str:
        """Return the record of a change: two if a rename also changed attributes, none if there is nothing to apply."""
        return self._records.record(change)

    def refresh_done(self, entries: Mapping[str, Attributes]) -> str:  # noqa: ARG002 - the data are all in the changes
        """Return what marks the end of a refresh: nothing."""
        self._records.begin(live=True)
        return ""

    def cookie(self, cookie: bytes) -> str:  # noqa: ARG002 - the same
        """Return what a cookie looks like: nothing."""
        self._records.end()
        return ""
