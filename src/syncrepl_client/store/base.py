"""What the store tells of a refresh, and asks of those who listen inside its transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypedDict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from syncrepl_client.ldap.attributes import Attributes
    from syncrepl_client.model import Change

__all__ = ["NOTHING", "Counts", "Listener"]


class Counts(TypedDict):
    """How many entries of the copy a refresh changes, and how."""

    added: int
    modified: int
    renamed: int
    deleted: int


NOTHING: Final[Counts] = {"added": 0, "modified": 0, "renamed": 0, "deleted": 0}


class Listener(Protocol):
    """Is told of changes inside the transaction that makes them durable; raising undoes it.

    `cursor` is a cursor of that transaction.
    """

    @property
    def by_name(self) -> bool:
        """Whether it knows entries by the spelling of their names alone; see `telling`."""

    @property
    def hears_changes(self) -> bool:
        """Whether `change` has an effect; if not it is never called."""

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        """One change."""

    def refresh_done(self, entries: Mapping[str, Attributes], cursor: sqlite3.Cursor) -> None:
        """All changes of a refresh were told; `entries` is the copy, readable inside the call."""

    def cookie(self, cookie: bytes) -> None:
        """A new cookie is about to be stored."""

    def debug(self, message: str) -> None:
        """A message for people, outside of any transaction."""
