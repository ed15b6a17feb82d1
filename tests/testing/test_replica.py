"""Our own client against the provider: the copy is what the directory holds."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Added, BaseCallback, Deleted, Modified, Renamed, Replica, Syncrepl, SyncreplMode
from syncrepl_client.exceptions import ConnectionLost, InsufficientAccess, InvalidCredentials, SyncNotSupported
from syncrepl_client.testing import Provider

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

SUFFIX = "dc=example,dc=com"
ONCE = SyncreplMode.REFRESH_ONLY


class Recorder:
    """Notes changes, and tells whoever waits."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, ...]] = []
        self._heard = threading.Condition()

    def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
        match change:
            case Added(after=entry):
                noted: tuple[str, ...] = ("add", entry.dn)
            case Modified(after=entry):
                noted = ("modify", entry.dn)
            case Renamed(before=before, after=after):
                noted = ("rename", before.dn, after.dn)
            case Deleted(before=entry):
                noted = ("delete", entry.dn)
        with self._heard:
            self.changes.append(noted)
            self._heard.notify_all()

    def wait_for(self, *expected: tuple[str, ...]) -> None:
        with self._heard:
            self._heard.wait_for(lambda: len(self.changes) >= len(expected), 10)
            assert list(expected) == self.changes
            self.changes.clear()


def where(provider: Provider, rest: str = "") -> str:
    return f"{provider.url}/{SUFFIX}{rest}"


def refreshed(provider: Provider, path: Path, rest: str = "", **options: Any) -> dict[str, dict[str, list[bytes]]]:
    with Replica(where(provider, rest), path, mode=ONCE, **options) as replica:
        replica.refresh()
        return {dn: dict(replica.entries[dn]) for dn in replica.entries}


def fill(provider: Provider) -> None:
    for unit in ("people", "groups"):
        provider.add(f"ou={unit},{SUFFIX}", {"objectClass": "organizationalUnit"})
    for name in "abc":
        provider.add(f"cn={name},ou=people,{SUFFIX}", {"objectClass": "person", "sn": name})


@pytest.mark.parametrize("session_log", [False, True])
def test_polling_converges(provider: Provider, tmp_path: Path, *, session_log: bool) -> None:
    provider.session_log = session_log
    fill(provider)
    assert provider.search() == refreshed(provider, tmp_path / "data")
    changes: list[Any] = [
        lambda: provider.replace(f"cn=a,ou=people,{SUFFIX}", "sn", ["1", "2"]),
        lambda: provider.delete(f"cn=b,ou=people,{SUFFIX}"),
        lambda: provider.rename(f"ou=people,{SUFFIX}", f"ou=folk,{SUFFIX}"),
        lambda: provider.rename(f"ou=folk,{SUFFIX}", f"ou=folk,ou=groups,{SUFFIX}"),
        lambda: provider.add(f"cn=b,ou=folk,ou=groups,{SUFFIX}", {"sn": "new"}),
        lambda: None,
    ]
    for change in changes:
        change()

        assert provider.search() == refreshed(provider, tmp_path / "data")


@pytest.mark.parametrize("session_log", [False, True])
def test_a_subtree_that_leaves_and_comes_back_is_followed(
    provider: Provider, tmp_path: Path, *, session_log: bool
) -> None:
    provider.session_log = session_log
    fill(provider)
    people, away = f"ou=people,{SUFFIX}", f"ou=people,ou=groups,{SUFFIX}"
    provider.add(f"ou=sub,{people}", {"objectClass": "organizationalUnit"})
    provider.add(f"cn=d,ou=sub,{people}", {})
    url = f"{provider.url}/{people}"

    def found() -> set[str]:
        with Replica(url, tmp_path / "data", mode=ONCE) as replica:
            replica.refresh()
            return set(replica.entries)

    assert found() == set(provider.search(people))
    provider.rename(f"ou=sub,{people}", f"ou=sub,{SUFFIX}")
    assert found() == set(provider.search(people))
    provider.rename(f"ou=sub,{SUFFIX}", f"ou=back,{people}")
    assert found() == set(provider.search(people))
    assert f"cn=d,ou=back,{people}" in found()
    assert not provider.search(away, 0)


def test_listening_hears_of_each_write(provider: Provider, tmp_path: Path) -> None:
    fill(provider)
    heard = Recorder()
    with Replica(where(provider), tmp_path / "data", listener=heard) as replica:
        replica.refresh()
        heard.changes.clear()
        worker = threading.Thread(target=replica.run)
        worker.start()
        people, folk = f"ou=people,{SUFFIX}", f"ou=folk,{SUFFIX}"
        provider.add(f"cn=d,{people}", {})
        heard.wait_for(("add", f"cn=d,{people}"))
        provider.replace(f"cn=d,{people}", "sn", "x")
        heard.wait_for(("modify", f"cn=d,{people}"))
        provider.delete(f"cn=d,{people}")
        heard.wait_for(("delete", f"cn=d,{people}"))
        provider.rename(people, folk)
        heard.wait_for(
            ("rename", people, folk), *(("rename", f"cn={name},{people}", f"cn={name},{folk}") for name in "abc")
        )
        replica.stop()
        worker.join(10)

        assert provider.search() == {dn: dict(replica.entries[dn]) for dn in replica.entries}
    assert not worker.is_alive()


def test_entries_that_begin_or_cease_to_match_are_added_or_deleted(provider: Provider, tmp_path: Path) -> None:
    fill(provider)
    heard = Recorder()
    with Replica(where(provider, "?sn?sub?(sn=a)"), tmp_path / "data", listener=heard) as replica:
        replica.refresh()
        worker = threading.Thread(target=replica.run)
        worker.start()
        heard.wait_for(("add", f"cn=a,ou=people,{SUFFIX}"))
        provider.replace(f"cn=b,ou=people,{SUFFIX}", "sn", "A")
        heard.wait_for(("add", f"cn=b,ou=people,{SUFFIX}"))
        provider.modify(f"cn=a,ou=people,{SUFFIX}", {"sn": "z"})
        heard.wait_for(("delete", f"cn=a,ou=people,{SUFFIX}"))
        replica.stop()
        worker.join(10)


def test_a_client_that_comes_back_resumes_after_the_provider_was_away(provider: Provider, tmp_path: Path) -> None:
    fill(provider)
    with Replica(where(provider), tmp_path / "data") as replica:
        replica.refresh()
        provider.stop()
        with pytest.raises(ConnectionLost):
            replica.run()
    provider.replace(f"cn=a,ou=people,{SUFFIX}", "sn", "new")
    cookie = provider.requests[0].cookie
    provider.start()

    assert provider.search() == refreshed(provider, tmp_path / "data")
    assert cookie is None
    assert (provider.requests[1].cookie or b"").startswith(b"rid=000,csn=")


def test_the_number_of_a_provider_is_not_sent_back_to_it(tmp_path: Path) -> None:
    with Provider(server_id=1) as provider:
        fill(provider)
        refreshed(provider, tmp_path / "data")
        provider.delete(f"cn=a,ou=people,{SUFFIX}")
        refreshed(provider, tmp_path / "data")

        cookies = [request.cookie for request in provider.requests if request.cookie]
    assert cookies
    assert not any(b"sid=" in cookie for cookie in cookies)
    assert all(b"#001#" in cookie for cookie in cookies)


def test_the_interface_by_dn_stops_cleanly_while_it_listens(provider: Provider, tmp_path: Path) -> None:
    fill(provider)
    refreshed_ = threading.Event()

    class Callback(BaseCallback):
        @classmethod
        def refresh_done(cls, items: Any, cursor: sqlite3.Cursor) -> None:
            refreshed_.set()

    client = Syncrepl(tmp_path / "data", Callback, SyncreplMode.REFRESH_AND_PERSIST, where(provider))
    worker = threading.Thread(target=client.run)
    worker.start()
    assert refreshed_.wait(10)
    client.please_stop()
    worker.join(10)
    client.unbind()

    assert not worker.is_alive()


def test_identities_are_checked(tmp_path: Path) -> None:
    name = f"cn=reader,{SUFFIX}"
    rest = f"????bindname={name.replace(',', '%2C')}"
    with Provider(bind_dn=name, password="secret") as provider:
        assert provider.search() == refreshed(provider, tmp_path / "data", rest, password=b"secret")
        assert [name] == [request.identity for request in provider.requests]
        with pytest.raises(InvalidCredentials):
            refreshed(provider, tmp_path / "data", rest, password=b"wrong")
        with pytest.raises(InsufficientAccess):
            refreshed(provider, tmp_path / "data")


def test_a_server_without_synchronization_says_so(tmp_path: Path) -> None:
    with (
        Provider(root_dse={"supportedControl": "2.16.840.1.113730.3.4.2"}) as provider,
        pytest.raises(SyncNotSupported),
    ):
        refreshed(provider, tmp_path / "data")


def write(provider: Provider, number: int, chance: random.Random) -> None:
    """Write at random below an entry of one's own, which moves too."""
    top = f"ou=w{number},{SUFFIX}"
    provider.add(top, {})
    names: list[str] = []
    for step in range(30):
        kind = chance.choice(["add", "add", "replace", "rename", "delete", "move"])
        if kind == "add" or not names:
            names.append(f"cn={step}")
            provider.add(f"{names[-1]},{top}", {"sn": str(step)})
        elif kind == "replace":
            provider.replace(f"{chance.choice(names)},{top}", "sn", f"new {step}")
        elif kind == "delete":
            provider.delete(f"{names.pop(chance.randrange(len(names)))},{top}")
        elif kind == "rename":
            old, names[0] = names[0], f"cn=renamed {step}"
            provider.rename(f"{old},{top}", f"{names[0]},{top}")
        else:
            old, top = top, f"ou=w{number} {step},{SUFFIX}"
            provider.rename(old, top)


@pytest.mark.parametrize("session_log", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_any_history_ends_in_the_same_copy(provider: Provider, tmp_path: Path, seed: int, *, session_log: bool) -> None:
    """Writes from two threads, and a client that polls meanwhile."""
    provider.session_log = session_log
    fill(provider)
    writers = [
        threading.Thread(target=write, args=(provider, number, random.Random(seed * 10 + number)))
        for number in range(2)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        refreshed(provider, tmp_path / "data")

    assert provider.search() == refreshed(provider, tmp_path / "data")
