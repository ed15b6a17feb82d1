"""The interface that the project was started from, against a real server."""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import LoggingCallback, Syncrepl, SyncreplMode
from syncrepl_client.callbacks import BaseCallback
from syncrepl_client.exceptions import ClosedError, DBSettingError, LDAPUrlConflict, LDAPUrlError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path
    from uuid import UUID

    from tests.slapd import Slapd

PERSON = {"objectClass": ["person"], "sn": ["x"]}


def url(slapd: Slapd, rest: str = "") -> str:
    return f"{slapd.url}/{slapd.suffix}{rest}"


class Recorder:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def bind_complete(self, ldap: Any, cursor: sqlite3.Cursor) -> None:
        self.ldap = ldap
        self.calls.append(("bind", ldap.whoami_s()))

    def refresh_done(self, items: Mapping[str, Any], cursor: sqlite3.Cursor) -> None:
        self.calls.append(("done", sorted(items)))

    def record_add(self, dn: str, attrs: Any, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("add", dn, dict(attrs)))

    def record_delete(self, dn: str, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("delete", dn))

    def record_rename(self, old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("rename", old_dn, new_dn))

    def record_change(self, dn: str, old_attrs: Any, new_attrs: Any, cursor: sqlite3.Cursor) -> None:
        self.calls.append(("change", dn, dict(old_attrs), dict(new_attrs)))

    def cookie_change(self, cookie: bytes) -> None:
        self.calls.append(("cookie", cookie))

    def named(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] in kinds]


def refresh(path: Path, ldap_url: str | None, callback: object) -> None:
    with Syncrepl(path, callback, SyncreplMode.REFRESH_ONLY, ldap_url) as client:
        while client.poll(timeout=1):
            pass


def test_the_first_program_refreshes_once(slapd: Slapd, tmp_path: Path) -> None:
    """Steps one to four of the seed: callback, client, poll, unbind."""
    callback = Recorder()

    client = Syncrepl(
        data_path=tmp_path / "data", callback=callback, mode=SyncreplMode.REFRESH_ONLY, ldap_url=url(slapd)
    )
    while client.poll():
        pass
    client.unbind()

    people = f"ou=people,{slapd.suffix}"
    assert callback.named("bind") == [("bind", "")]
    assert slapd.suffix == callback.named("add")[0][1]
    assert {slapd.suffix, people, f"ou=groups,{slapd.suffix}"} == {call[1] for call in callback.named("add")}
    assert sorted(slapd.search()) == callback.named("done")[0][1]
    assert [call[0] for call in callback.calls] == ["bind", "add", "add", "add", "cookie", "done"]


def test_the_second_program_listens_in_a_thread_until_it_is_asked_to_stop(slapd: Slapd, tmp_path: Path) -> None:
    done, deleted = threading.Event(), threading.Event()

    class Signalling(Recorder):
        def refresh_done(self, items: Mapping[str, Any], cursor: sqlite3.Cursor) -> None:
            super().refresh_done(items, cursor)
            done.set()

        def record_delete(self, dn: str, cursor: sqlite3.Cursor) -> None:
            super().record_delete(dn, cursor)
            deleted.set()

    callback = Signalling()
    client = Syncrepl(str(tmp_path) + "/", callback, "refreshAndPersist", url(slapd))
    worker = threading.Thread(target=client.run)

    worker.start()
    assert done.wait(10)
    dn = f"cn=a,{slapd.suffix}"
    slapd.add(dn, {**PERSON, "cn": ["a"]})
    slapd.replace(dn, "sn", ["y"])
    slapd.rename(dn, "cn=b")
    slapd.delete(f"cn=b,{slapd.suffix}")
    assert deleted.wait(10)
    client.please_stop()
    worker.join(10)

    assert not worker.is_alive()
    client.unbind()
    assert [("add", dn), ("change", dn), ("rename", dn), ("change", f"cn=b,{slapd.suffix}")] == [
        call[:2] for call in callback.named("add", "change", "rename")[3:]
    ]
    assert [("delete", f"cn=b,{slapd.suffix}")] == callback.named("delete")
    assert (tmp_path / "syncrepl.db").exists()


class Table(BaseCallback):
    """The third program: a table of its own, kept through the cursor."""

    @classmethod
    def bind_complete(cls, ldap: Any, cursor: sqlite3.Cursor) -> None:
        cursor.execute("CREATE TABLE IF NOT EXISTS names (dn TEXT PRIMARY KEY, sn BLOB)")

    @staticmethod
    def record_add(dn: str, attrs: Any, cursor: sqlite3.Cursor) -> None:
        cursor.execute("INSERT INTO names VALUES (?, ?)", (dn, attrs.get("SN", [None])[0]))

    @staticmethod
    def record_delete(dn: str, cursor: sqlite3.Cursor) -> None:
        cursor.execute("DELETE FROM names WHERE dn = ?", (dn,))

    @staticmethod
    def record_rename(old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
        cursor.execute("UPDATE names SET dn = ? WHERE dn = ?", (new_dn, old_dn))

    @staticmethod
    def record_change(dn: str, old_attrs: Any, new_attrs: Any, cursor: sqlite3.Cursor) -> None:
        cursor.execute("UPDATE names SET sn = ? WHERE dn = ?", (new_attrs.get("sn", [None])[0], dn))


def test_the_third_program_keeps_a_table_through_the_cursor(slapd: Slapd, tmp_path: Path) -> None:
    for name in "abc":
        slapd.add(f"cn={name},{slapd.suffix}", {**PERSON, "cn": [name]})
    refresh(tmp_path / "data", url(slapd), Table)
    slapd.delete(f"cn=a,{slapd.suffix}")
    slapd.rename(f"cn=b,{slapd.suffix}", "cn=bb")
    slapd.replace(f"cn=c,{slapd.suffix}", "sn", ["z"])
    slapd.add(f"cn=d,{slapd.suffix}", {**PERSON, "cn": ["d"]})

    with Syncrepl(tmp_path / "data", Table, SyncreplMode.REFRESH_ONLY, None) as client:
        while client.poll():
            pass
        rows = client.db().execute("SELECT dn, sn FROM names WHERE sn IS NOT NULL ORDER BY dn").fetchall()

    names = [(f"cn={name},{slapd.suffix}", sn) for name, sn in (("bb", b"x"), ("c", b"z"), ("d", b"x"))]
    assert names == rows


def test_both_generations_of_signatures_are_called(slapd: Slapd, tmp_path: Path) -> None:
    class Old:
        added: list[str] = []  # noqa: RUF012

        @classmethod
        def bind_complete(cls, ldap: Any) -> None:
            ldap.search_s(slapd.suffix, 0)

        @staticmethod
        def record_add(dn: str, attrs: Any) -> None:
            Old.added.append(dn)

        def refresh_done(self, items: Any) -> None:
            Old.added.append(str(len(items)))

    class WithUuid:
        uuids: list[UUID] = []  # noqa: RUF012

        def record_add(self, dn: str, attrs: Any, cursor: Any, uuid: UUID) -> None:
            self.uuids.append(uuid)

    refresh(tmp_path / "old", url(slapd), Old)
    refresh(tmp_path / "uuid", url(slapd), WithUuid())

    assert Old.added[3:] == ["3"]
    assert set(slapd.uuids()) == set(WithUuid.uuids)


def test_the_connection_of_bind_complete_answers_inside_the_call_alone(slapd: Slapd, tmp_path: Path) -> None:
    class Asking(Recorder):
        def bind_complete(self, ldap: Any, cursor: sqlite3.Cursor) -> None:
            super().bind_complete(ldap, cursor)
            self.root = ldap.read_rootdse_s()
            self.schema = ldap.read_subschemasubentry_s(ldap.search_subschemasubentry_s(""))
            self.contexts = ldap.get_naming_contexts()

    callback = Asking()
    refresh(tmp_path / "data", url(slapd), callback)

    assert b"3" in callback.root["supportedLDAPVersion"]
    assert callback.schema["attributeTypes"]
    assert [slapd.suffix.encode()] == callback.contexts
    with pytest.raises(ClosedError):
        callback.ldap.whoami_s()


def test_the_items_of_refresh_done_are_read_only_and_found_in_any_spelling(slapd: Slapd, tmp_path: Path) -> None:
    class Reading(BaseCallback):
        @classmethod
        def refresh_done(cls, items: Any, cursor: sqlite3.Cursor) -> None:
            assert items[f"OU=People, {slapd.suffix.upper()}"]["OU"] == [b"people"]
            assert "cn=none" not in items
            with pytest.raises(AttributeError):
                items["cn=x"] = {}
            with pytest.raises(AttributeError):
                del items[slapd.suffix]

    refresh(tmp_path / "data", url(slapd), Reading)


def test_another_search_is_a_conflict_and_another_identity_is_not(slapd: Slapd, tmp_path: Path) -> None:
    refresh(tmp_path / "data", url(slapd), BaseCallback)

    with pytest.raises(LDAPUrlConflict) as caught:
        refresh(tmp_path / "data", url(slapd, "?cn"), BaseCallback)
    refresh(
        tmp_path / "data", url(slapd, f"????bindname={slapd.rootdn.replace(',', '%2C')},X-BINDPW=secret"), BaseCallback
    )

    assert url(slapd, "?cn") in caught.value.new_url
    # Not the attribute type secretary of the schema, which is stored too.
    assert not re.search(rb"secret(?!ary)", (tmp_path / "data").read_bytes())


def test_without_a_url_the_stored_one_is_used(slapd: Slapd, tmp_path: Path) -> None:
    refresh(tmp_path / "data", url(slapd), BaseCallback)
    refresh(tmp_path / "data", None, BaseCallback)

    with pytest.raises(LDAPUrlError):
        refresh(tmp_path / "empty", None, BaseCallback)


def test_a_closed_client_says_so(slapd: Slapd, tmp_path: Path) -> None:
    client = Syncrepl(tmp_path / "data", BaseCallback, SyncreplMode.REFRESH_ONLY, url(slapd))
    client.sync()
    client.unbind()

    for call in (client.poll, client.please_stop, client.unbind, client.db, client.db_reconnect, client.sync):
        with pytest.raises(ClosedError):
            call()


def test_logging_callback_prints_every_call(slapd: Slapd, tmp_path: Path) -> None:
    class Logged(LoggingCallback):
        dest = io.StringIO()

    refresh(tmp_path / "data", url(slapd), Logged)
    slapd.add(f"cn=a,{slapd.suffix}", {**PERSON, "cn": ["a"]})
    refresh(tmp_path / "data", None, Logged)
    slapd.rename(f"cn=a,{slapd.suffix}", "cn=b")
    refresh(tmp_path / "data", None, Logged)
    slapd.delete(f"cn=b,{slapd.suffix}")
    refresh(tmp_path / "data", None, Logged)
    printed = Logged.dest.getvalue()

    for word in (
        "BIND COMPLETE",
        "NEW RECORD: cn=a",
        "RECORD RENAMED",
        "RECORD CHANGED",
        "DELETED RECORD",
        "NEW COOKIE",
    ):
        assert word in printed


def test_the_handle_of_the_caller_has_settings_and_a_clone(slapd: Slapd, tmp_path: Path) -> None:
    with Syncrepl(tmp_path / "data", BaseCallback, SyncreplMode.REFRESH_ONLY, url(slapd)) as client:
        while client.poll():
            pass
        handle = client.db()
        handle.set_setting("mine", b"value")
        handle.commit()
        clone = handle.clone()

        assert clone.get_setting("mine") == b"value"
        assert clone.execute("SELECT count(*) FROM syncrepl_copy").fetchone()[0] == 3
        with pytest.raises(DBSettingError):
            clone.get_setting("none")
        handle.optimize()
        handle.vacuum()
        handle.execute("CREATE TABLE own (a)")
        handle.rollback()
        clone.close()
        handle.close()
