"""Callbacks by DN: which methods are called, and how."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from syncrepl_client.callbacks import BaseCallback, CallbackListener, LoggingCallback
from syncrepl_client.model import Added, Attributes, Deleted, Entry, Modified, Renamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.connection.listener import BoundConnection
    from syncrepl_client.model import Change

ONE = UUID(int=1)


def entry(dn: str, text: str = "") -> Entry:
    return Entry(ONE.bytes, dn, Attributes.of({"cn": [text.encode()], "sn": [b"s"]}))


OLD, NEW, CHANGED = entry("cn=a", "1"), entry("cn=b", "1"), entry("cn=b", "2")


@pytest.fixture
def cursor() -> Iterator[sqlite3.Cursor]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection.cursor()


def tell(callback: object, cursor: sqlite3.Cursor, *changes: Change) -> CallbackListener:
    listener = CallbackListener(callback, lambda: cursor)
    for change in changes:
        listener.change(change, cursor)
    return listener


class Noting:
    """Notes each call; the signatures are those of BaseCallback."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def record_add(self, dn: str, attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("add", dn, attrs["CN"], cursor))

    def record_delete(self, dn: str, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("delete", dn, cursor))

    def record_rename(self, old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("rename", old_dn, new_dn, cursor))

    def record_change(self, dn: str, old_attrs: Attributes, new_attrs: Attributes, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("change", dn, old_attrs["cn"], new_attrs["cn"], cursor))


def test_each_change_is_a_call(cursor: sqlite3.Cursor) -> None:
    noting = Noting()

    tell(noting, cursor, Added(OLD), Renamed(OLD, NEW), Modified(NEW, CHANGED), Deleted(CHANGED))

    assert [
        ("add", "cn=a", [b"1"], cursor),
        ("rename", "cn=a", "cn=b", cursor),
        ("change", "cn=b", [b"1"], [b"2"], cursor),
        ("delete", "cn=b", cursor),
    ] == noting.calls


def test_an_entry_that_was_renamed_and_changed_is_told_by_two_calls(cursor: sqlite3.Cursor) -> None:
    noting = Noting()

    tell(noting, cursor, Renamed(OLD, CHANGED))

    assert [call[0] for call in noting.calls] == ["rename", "change"]
    assert noting.calls[1][:4] == ("change", "cn=b", [b"1"], [b"2"])


@pytest.mark.parametrize("callback", [object(), BaseCallback, BaseCallback()], ids=["none", "class", "instance"])
def test_methods_that_are_missing_are_not_called(callback: object, cursor: sqlite3.Cursor) -> None:
    listener = tell(callback, cursor, Added(OLD), Renamed(OLD, CHANGED), Deleted(CHANGED))
    listener.refresh_done({}, cursor)
    listener.cookie(b"c")
    listener.debug("text")
    listener.bound(cast("BoundConnection", None))

    assert not listener.hears_changes


@pytest.mark.parametrize("name", ["record_add", "record_delete", "record_rename", "record_change"])
def test_one_method_is_enough_to_hear_of_changes(name: str) -> None:
    callback = type("One", (), {name: lambda *_: None})

    assert CallbackListener(callback, cast("Any", None)).hears_changes


def test_methods_take_the_cursor_or_not(cursor: sqlite3.Cursor) -> None:
    calls: list[tuple[Any, ...]] = []

    class Plain:
        def record_delete(self, dn: str) -> None:
            calls.append(("plain", dn))

    class Static:
        @staticmethod
        def record_delete(dn: str, cursor: sqlite3.Cursor) -> None:
            calls.append(("static", dn, cursor))

    class Everything:
        def record_delete(self, *arguments: Any) -> None:
            calls.append(("everything", *arguments))

    for callback in (Plain, Plain(), Static, Everything):
        tell(callback, cursor, Deleted(OLD))

    assert [
        ("plain", "cn=a"),
        ("plain", "cn=a"),
        ("static", "cn=a", cursor),
        ("everything", "cn=a", cursor),
    ] == calls


def test_uuid_and_cursor_are_given_to_those_who_name_them(cursor: sqlite3.Cursor) -> None:
    calls: list[tuple[Any, ...]] = []

    class Class:
        @classmethod
        def record_delete(cls, dn: str, uuid: UUID) -> None:
            calls.append(("class", dn, uuid))

    class ByName:
        def record_delete(self, dn: str, *, cursor: sqlite3.Cursor) -> None:
            calls.append(("by name", dn, cursor))

    class Both:
        def record_delete(self, dn: str, cursor: sqlite3.Cursor, uuid: UUID) -> None:
            calls.append(("both", dn, cursor, uuid))

    class NamedOnly:
        def record_delete(self, dn: str, *, uuid: UUID, cursor: sqlite3.Cursor) -> None:
            calls.append(("named only", dn, cursor, uuid))

    for callback in (Class, ByName(), Both, NamedOnly):
        tell(callback, cursor, Deleted(OLD))

    assert [
        ("class", "cn=a", ONE),
        ("by name", "cn=a", cursor),
        ("both", "cn=a", cursor, ONE),
        ("named only", "cn=a", cursor, ONE),
    ] == calls


def test_what_is_not_about_an_entry_has_no_uuid(cursor: sqlite3.Cursor) -> None:
    done: list[Any] = []

    class Done:
        def refresh_done(self, items: Any, uuid: UUID | None = None) -> None:
            done.append((items, uuid))

    tell(Done(), cursor).refresh_done({"cn=a": OLD.attributes}, cursor)

    assert done == [({"cn=a": OLD.attributes}, None)]


def test_cookies_and_messages_are_passed_on(cursor: sqlite3.Cursor) -> None:
    said: list[Any] = []

    class Listening:
        cookie_change = debug = said.append

    listener = tell(Listening, cursor)
    listener.cookie(b"cookie")
    listener.debug("message")

    assert said == [b"cookie", "message"]


def test_the_logging_callback_prints_each_call(cursor: sqlite3.Cursor) -> None:
    class Logged(LoggingCallback):
        dest = io.StringIO()

    class Bound:
        name = "dn:cn=reader"

        def whoami_s(self) -> str:
            return self.name

    bound = Bound()
    listener = tell(Logged, cursor, Added(OLD), Renamed(OLD, CHANGED), Deleted(CHANGED))
    listener.bound(cast("BoundConnection", bound))
    bound.name = ""
    listener.bound(cast("BoundConnection", bound))
    listener.refresh_done({"cn=a": OLD.attributes}, cursor)
    listener.cookie(b"rid=000,csn=\xff")
    listener.debug("hello")

    assert Logged.dest.getvalue().splitlines() == [
        "NEW RECORD: cn=a",
        "\tcn: b'1'",
        "\tsn: b's'",
        "RECORD RENAMED:",
        "\tOLD: cn=a",
        "\tNEW: cn=b",
        "RECORD CHANGED: cn=b",
        "\tcn: [b'1'] -> [b'2']",
        "DELETED RECORD: cn=b",
        "BIND COMPLETE!",
        "\tWE ARE: dn:cn=reader",
        "BIND COMPLETE!",
        "\tWE ARE: anonymous",
        "REFRESH COMPLETE!",
        "\tENTRIES: 1",
        "NEW COOKIE: rid=000,csn=\ufffd",
        "[DEBUG] hello",
    ]
