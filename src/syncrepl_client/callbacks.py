"""Callbacks by DN: the interface that the project was started from.

A program writes a class with any of the methods of `BaseCallback`.  All of them but `bind_complete` and `debug` are
called inside the transaction that makes the change durable: what they write through the cursor is committed together
with the change, and an exception undoes both.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TextIO, assert_never

from syncrepl_client.model import Added, Deleted, Modified, Renamed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from syncrepl_client.connection.listener import BoundConnection
    from syncrepl_client.ldap.attributes import Attributes
    from syncrepl_client.model import Change, Entry

__all__ = ["BaseCallback", "CallbackListener", "LoggingCallback"]


class BaseCallback:
    """The methods that a program may define; here each does nothing."""

    @classmethod
    def bind_complete(cls, ldap: BoundConnection, cursor: sqlite3.Cursor) -> None:
        """Act on being bound, before the search begins; `ldap` answers ``whoami_s``, ``search_s`` inside the call."""

    @classmethod
    def refresh_done(cls, items: Mapping[str, Attributes], cursor: sqlite3.Cursor) -> None:
        """Act on the end of a refresh; `items` is the copy as a read-only mapping, valid inside the call."""

    @classmethod
    def record_add(cls, dn: str, attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        """Act on an entry that is new in the result set."""

    @classmethod
    def record_delete(cls, dn: str, cursor: sqlite3.Cursor) -> None:
        """Act on an entry that is gone, or no longer matches."""

    @classmethod
    def record_rename(cls, old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
        """Act on a changed DN; `record_change` follows if attributes changed too."""

    @classmethod
    def record_change(cls, dn: str, old_attrs: Attributes, new_attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        """Act on changed attributes."""

    @classmethod
    def cookie_change(cls, cookie: bytes) -> None:
        """Act on a new cookie that is about to be stored."""

    @classmethod
    def debug(cls, message: str) -> None:
        """Act on a message for people."""


class LoggingCallback(BaseCallback):
    """Prints each callback to `dest`."""

    dest: ClassVar[TextIO] = sys.stdout
    # ruff: noqa: ARG003 - every callback has the arguments of its kind, used or not

    @classmethod
    def _print(cls, *lines: str) -> None:
        print(*lines, sep="\n", file=cls.dest)

    @classmethod
    def bind_complete(cls, ldap: BoundConnection, cursor: sqlite3.Cursor) -> None:
        """Print who is bound."""
        cls._print("BIND COMPLETE!", f"\tWE ARE: {ldap.whoami_s() or 'anonymous'}")

    @classmethod
    def refresh_done(cls, items: Mapping[str, Attributes], cursor: sqlite3.Cursor) -> None:
        """Print how many entries there are."""
        cls._print("REFRESH COMPLETE!", f"\tENTRIES: {len(items)}")

    @classmethod
    def record_add(cls, dn: str, attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        """Print an entry."""
        cls._print(f"NEW RECORD: {dn}", *_lines(attrs))

    @classmethod
    def record_delete(cls, dn: str, cursor: sqlite3.Cursor) -> None:
        """Print a DN."""
        cls._print(f"DELETED RECORD: {dn}")

    @classmethod
    def record_rename(cls, old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
        """Print both DNs."""
        cls._print("RECORD RENAMED:", f"\tOLD: {old_dn}", f"\tNEW: {new_dn}")

    @classmethod
    def record_change(cls, dn: str, old_attrs: Attributes, new_attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        """Print the attributes that changed."""
        changed = [name for name in {**old_attrs, **new_attrs} if old_attrs.get(name) != new_attrs.get(name)]
        cls._print(
            f"RECORD CHANGED: {dn}",
            *(f"\t{name}: {old_attrs.get(name, [])} -> {new_attrs.get(name, [])}" for name in changed),
        )

    @classmethod
    def cookie_change(cls, cookie: bytes) -> None:
        """Print the cookie."""
        cls._print(f"NEW COOKIE: {cookie.decode(errors='replace')}")

    @classmethod
    def debug(cls, message: str) -> None:
        """Print the message."""
        cls._print(f"[DEBUG] {message}")


def _lines(attrs: Mapping[str, list[bytes]]) -> list[str]:
    return [f"\t{name}: {value!r}" for name, values in attrs.items() for value in values]


class CallbackListener:
    """Turns changes into calls of a program's callback.

    Args:
        callback: a class or an instance; its methods may be classmethods, staticmethods or plain, take the cursor or
        not,
            and any may be missing.
        cursor: makes a cursor for `bind_complete`, which is called outside of any transaction.
    """

    def __init__(self, callback: object, cursor: Callable[[], sqlite3.Cursor]) -> None:
        self._make_cursor = cursor
        self.name = (callback if inspect.isclass(callback) else type(callback)).__qualname__
        if inspect.isclass(callback) and any(_is_plain(callback, name) for name in _METHODS):
            # A class with plain methods was given instead of an instance: one is made of it.
            callback = callback()
        self._add = _adapted(callback, "record_add", 2)
        self._delete = _adapted(callback, "record_delete", 1)
        self._rename = _adapted(callback, "record_rename", 2)
        self._modify = _adapted(callback, "record_change", 3)
        self._done = _adapted(callback, "refresh_done", 1)
        self._bind = _adapted(callback, "bind_complete", 1)
        self._cookie = getattr(callback, "cookie_change", None)
        self._debug = getattr(callback, "debug", None)

    def debug(self, message: str) -> None:
        """Tell a message for people."""
        if self._debug is not None:
            self._debug(message)

    def connected(self, url: str) -> None:
        """Tell of a connection that was made again."""
        self.debug(f"connected to {url}")

    def disconnected(self, error: Exception, *, url: str, delay: float, attempt: int) -> None:  # noqa: ARG002
        """Tell that there is no connection."""
        self.debug(f"{error}; the next try is in {delay:.1f} s")

    def bound(self, connection: BoundConnection) -> None:
        """Call `bind_complete`."""
        self._bind(self._make_cursor(), None, connection)

    by_name = True
    """Its methods are called with names, so that a program can follow them on a plain dict."""

    @property
    def hears_changes(self) -> bool:
        """Whether the program has a method that changes are told by."""
        return any(method is not _ignore for method in (self._add, self._delete, self._rename, self._modify))

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        """Call the method that fits."""
        match change:
            case Added(after):
                self._add(cursor, after, after.dn, after.attributes)
            case Deleted(before):
                self._delete(cursor, before, before.dn)
            case Renamed(before, after):
                self._rename(cursor, after, before.dn, after.dn)
                if before.attributes != after.attributes:
                    self._modify(cursor, after, after.dn, before.attributes, after.attributes)
            case Modified(before, after):
                self._modify(cursor, after, after.dn, before.attributes, after.attributes)
            case _:
                assert_never(change)

    def refresh_done(self, entries: Mapping[str, Attributes], cursor: sqlite3.Cursor) -> None:
        """Call `refresh_done`."""
        self._done(cursor, None, entries)

    def cookie(self, cookie: bytes) -> None:
        """Call `cookie_change`."""
        if self._cookie is not None:
            self._cookie(cookie)


_METHODS = tuple(name for name in vars(BaseCallback) if not name.startswith("_"))

_Call = Callable[..., None]
"""Takes the cursor, the entry or None, and the values."""


def _ignore(cursor: sqlite3.Cursor, entry: Entry | None, *values: object) -> None:
    """Stand in for a method that a callback does not have."""


def _adapted(callback: object, name: str, arguments: int) -> _Call:
    """Look at a method's signature once, and return a function that calls it the way it wants.

    Two generations of signatures exist, with and without the cursor at the end; a parameter named `uuid` is given the
    entry's UUID.
    """
    method = getattr(callback, name, None)
    if method is None or getattr(method, "__func__", None) is getattr(BaseCallback, name).__func__:
        return _ignore
    parameters = inspect.signature(method).parameters.values()
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD} and parameter.name != "uuid"
    ]
    takes_all = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return _caller(
        method,
        cursor_last=takes_all or len(positional) > arguments,
        cursor_by_name=any(parameter.name == "cursor" for parameter in parameters),
        uuid=any(parameter.name == "uuid" for parameter in parameters),
    )


def _caller(method: Callable[..., object], *, cursor_last: bool, cursor_by_name: bool, uuid: bool) -> _Call:
    """Make the function that is called for each change: as little as possible is left to decide there."""

    def with_cursor(cursor: sqlite3.Cursor, _entry: Entry | None, *values: object) -> None:
        method(*values, cursor)

    def without_cursor(_cursor: sqlite3.Cursor, _entry: Entry | None, *values: object) -> None:
        method(*values)

    def with_names(cursor: sqlite3.Cursor, entry: Entry | None, *values: object) -> None:
        named: dict[str, object] = {"uuid": entry.uuid} if uuid and entry is not None else {}
        if cursor_last:
            values = (*values, cursor)
        elif cursor_by_name:
            named["cursor"] = cursor
        method(*values, **named)

    if uuid or (cursor_by_name and not cursor_last):
        return with_names
    return with_cursor if cursor_last else without_cursor


def _is_plain(callback: type, name: str) -> bool:
    return inspect.isfunction(inspect.getattr_static(callback, name, None))
