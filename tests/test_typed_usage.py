"""How programs use the package, in the eyes of a type checker: mypy reads this file in its strict mode, and it runs."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, assert_never, assert_type
from uuid import UUID

from syncrepl_client import (
    Added,
    AsyncReplica,
    Attributes,
    Change,
    Deleted,
    Entry,
    Modified,
    Reader,
    Refreshed,
    Renamed,
    Replica,
    Report,
    Retention,
    Status,
    SyncreplMode,
    awatch,
    subscribe,
    watch,
)
from syncrepl_client.model.diff import Values

if TYPE_CHECKING:
    from pathlib import Path

    from tests.slapd import Slapd

ONCE = SyncreplMode.REFRESH_ONLY


def where(slapd: Slapd) -> str:
    return f"{slapd.url}/{slapd.suffix}"


def told(change: Change) -> str:
    match change:
        case Added(after=entry):
            return f"new: {assert_type(entry, Entry).dn}"
        case Modified(before=before, after=after):
            return f"{after.dn}: {before.text('l')} -> {after.text('l')}"
        case Renamed(before=before, after=after):
            return f"{before.dn} is {after.dn}"
        case Deleted(before=entry):
            return f"gone: {entry.dn}"
        case _:
            assert_never(change)


def change_everything(slapd: Slapd) -> None:
    people = f"ou=people,{slapd.suffix}"
    slapd.add(f"cn=a,{people}", {"objectClass": ["device"], "cn": ["a"], "l": ["Oslo"]})
    slapd.replace(f"cn=a,{people}", "l", ["Bergen"])
    slapd.rename(f"cn=a,{people}", "cn=b")
    slapd.delete(f"cn=b,{people}")


CHANGED = [
    "new: cn=a,ou=people,dc=example,dc=com",
    "cn=a,ou=people,dc=example,dc=com: Oslo -> Bergen",
    "cn=a,ou=people,dc=example,dc=com is cn=b,ou=people,dc=example,dc=com",
    "gone: cn=b,ou=people,dc=example,dc=com",
]


def test_watch(slapd: Slapd, tmp_path: Path) -> None:
    found: list[str] = []
    for change in watch(where(slapd), tmp_path / "data", changelog=Retention()):
        assert_type(change, Change)
        found.append(told(change))
        if len(found) == 3:
            change_everything(slapd)
        if len(found) == 7:
            break

    assert found[3:] == CHANGED


def test_awatch(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> list[str]:
        found: list[str] = []
        async with awatch(where(slapd), tmp_path / "data", kinds=(Added, Deleted)) as changes:
            async for change in changes:
                assert_type(change, Change)
                found.append(told(change))
                if len(found) == 3:
                    change_everything(slapd)
                if len(found) == 5:
                    break
        return found

    assert asyncio.run(main())[3:] == [CHANGED[0], CHANGED[-1]]


def test_replica(slapd: Slapd, tmp_path: Path) -> None:
    with Replica.open(where(slapd), tmp_path / "data") as replica:
        assert_type(replica, Replica)
        refreshed = assert_type(replica.refresh(), Refreshed)
        assert refreshed.added == 3
        attributes = assert_type(replica.entries[slapd.suffix], Attributes)
        assert assert_type(attributes["dc"], list[bytes]) == [b"example"]
        entry = assert_type(replica.entries.entry(slapd.suffix), Entry | None)
        assert entry is not None
        assert assert_type(entry["dc"], list[bytes]) == [b"example"]
        assert assert_type(entry.text("dc"), str | None) == "example"
        assert assert_type(entry.values("dc"), list[object]) == ["example"]
        assert assert_type(entry.get("cn"), list[bytes] | None) is None
        assert replica.entries.by_uuid(assert_type(entry.uuid, UUID)) == entry
        assert entry.dn in [one.dn for one in replica.entries.all()]

        change_everything(slapd)
        with replica.subscribe("reader", start=0) as changes:
            every = [assert_type(next(changes), Change) for _ in range(4)]
        assert [told(change) for change in every] == CHANGED
        values = assert_type(every[1].diff(), dict[str, Values])["l"]
        assert (values.added, values.removed) == ([b"Bergen"], [b"Oslo"])
        # That is not among the attributes asked for.
        assert assert_type(every[1].modified_at, datetime | None) is None
        assert len(list(replica.history(f"cn=b,ou=people,{slapd.suffix}"))) == 4
        assert assert_type(replica.verify(), Report).drift is False
        assert assert_type(replica.status(), Status).sequence == 4
        assert len(replica.at(1)) == 4

    with Reader(tmp_path / "data") as reader, subscribe(tmp_path / "data", "other", start=2) as others:
        assert assert_type(reader.status(), Status).entries == 3
        assert [told(change) for change in assert_type(others.read(), list[Change])] == CHANGED[2:]


def test_async_replica(slapd: Slapd, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncReplica(where(slapd), tmp_path / "data") as replica:
            assert_type(replica, AsyncReplica)
            assert assert_type(await replica.refresh(), Refreshed).entries == 3
            entry = assert_type(await replica.entry(slapd.suffix), Entry | None)
            assert entry in [one async for one in replica.entries()]
            change_everything(slapd)
            async with replica.subscribe("reader", start=0) as changes:
                first = assert_type(await anext(changes), Change)
                rest = assert_type(await changes.read(), list[Change])
                await changes.commit()
            assert told(first) == CHANGED[0]
            assert first in [change async for change in replica.history(first.uuid)]
            assert {told(change) for change in rest} <= set(CHANGED)
            assert assert_type(await replica.verify(), Report).drift is False
            assert assert_type(await replica.status(), Status).entries == 3
            assert assert_type(await replica.call(lambda it: len(it.entries)), int) == 3
            replica.stop()
            await replica.follow()

        replica = await AsyncReplica.open(None, tmp_path / "data", mode=ONCE)
        await replica.aclose()

    asyncio.run(main())
