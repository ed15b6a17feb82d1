"""Names that change places, subtrees that come and go: small histories with all that must be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pytest

from syncrepl_client import Syncrepl, SyncreplMode
from tests.convergence.mirror import Mirror, content_of, look
from tests.slapd import Slapd, empty_tree

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from syncrepl_client import Attributes

FILTER = "(|(objectClass=organizationalUnit)(description=keep))"
BASE = "ou=people,dc=example,dc=com"
OUT = "ou=groups,dc=example,dc=com"
Call = tuple[str, ...]


@pytest.fixture(params=[None, 1000], ids=["present", "sessionlog"])
def server(request: pytest.FixtureRequest) -> Iterator[Slapd]:
    with Slapd(sessionlog=request.param) as slapd:
        slapd.load(empty_tree())
        slapd.start()
        yield slapd


class Client:
    """A client whose callbacks are noted and keep the mirror; the copy is compared after every round."""

    def __init__(self, slapd: Slapd, path: Path, mode: SyncreplMode) -> None:
        self.slapd, self.path, self.mode = slapd, path, mode
        self.told: list[Call] = []
        self._client: Syncrepl | None = None
        self._nonce = 0

    def __enter__(self) -> Self:
        add_person(self.slapd, "cn=marker", BASE)
        self.sync()
        self.told.clear()
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.unbind()

    def sync(self) -> list[Call]:
        """Follow the directory to where it is now, and return what was told."""
        if self.mode is SyncreplMode.REFRESH_ONLY:
            with self._open() as client:
                while client.poll(1):
                    pass
        else:
            self._follow()
        content = content_of(self.slapd.uuids(BASE, filter=FILTER))
        sight = look(self.path)
        assert content == sight.copy, self.told
        sight.check(self.told)
        told = [call for call in self.told if "cn=marker" not in call[1]]
        self.told.clear()
        return told

    def offline(self) -> None:
        """Leave; the next `sync` begins with a refresh."""
        if self._client is not None:
            self._client.unbind()
            self._client = None

    def _open(self) -> Syncrepl:
        return Syncrepl(self.path, noting(self.told), self.mode, f"{self.slapd.url}/{BASE}?*?sub?{FILTER}")

    def _follow(self) -> None:
        self._nonce += 1
        self.slapd.replace(f"cn=marker,{BASE}", "title", [str(self._nonce)])
        if self._client is None:
            self._client = self._open()
        mark = [str(self._nonce).encode().hex()]
        for _ in range(100):
            self._client.poll(0.1)
            if look(self.path).mirror.get(f"cn=marker,{BASE}", {}).get("title") == mark:
                return
        pytest.fail("the marker did not come")


def noting(told: list[Call]) -> type[Mirror]:
    class Noting(Mirror):
        @classmethod
        def record_add(cls, dn: str, attrs: Attributes, cursor: sqlite3.Cursor) -> None:
            told.append(("add", dn))
            super().record_add(dn, attrs, cursor)

        @classmethod
        def record_delete(cls, dn: str, cursor: sqlite3.Cursor) -> None:
            told.append(("delete", dn))
            super().record_delete(dn, cursor)

        @classmethod
        def record_rename(cls, old_dn: str, new_dn: str, cursor: sqlite3.Cursor) -> None:
            told.append(("rename", old_dn, new_dn))
            super().record_rename(old_dn, new_dn, cursor)

        @classmethod
        def record_change(cls, dn: str, old_attrs: Attributes, new_attrs: Attributes, cursor: sqlite3.Cursor) -> None:
            told.append(("change", dn))
            super().record_change(dn, old_attrs, new_attrs, cursor)

    return Noting


def add_person(slapd: Slapd, rdn: str, parent: str, **more: Any) -> str:
    dn = f"{rdn},{parent}"
    slapd.add(dn, {"objectClass": ["inetOrgPerson"], "cn": ["always"], "sn": ["s"], "description": ["keep"], **more})
    return dn


def add_unit(slapd: Slapd, rdn: str, parent: str) -> str:
    dn = f"{rdn},{parent}"
    slapd.add(dn, {"objectClass": ["organizationalUnit"]})
    return dn


def move(slapd: Slapd, dn: str, parent: str) -> str:
    rdn = dn.partition(",")[0]
    slapd.rename(dn, rdn, parent)
    return f"{rdn},{parent}"


def rotate(slapd: Slapd, *rdns: str) -> None:
    """Give each of these the name of the next."""
    slapd.rename(f"{rdns[-1]},{BASE}", "cn=aside")
    for old, new in zip(rdns[-2::-1], rdns[:0:-1], strict=True):
        slapd.rename(f"{old},{BASE}", new)
    slapd.rename(f"cn=aside,{BASE}", rdns[0])


@pytest.mark.parametrize("circle", [("cn=a", "cn=b"), ("cn=a", "cn=b", "cn=c")], ids=["swap", "three"])
@pytest.mark.parametrize("mode", list(SyncreplMode))
def test_a_circle_of_names_is_cut_once(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, circle: tuple[str, ...]
) -> None:
    """D1: one member leaves and comes back, the others are renamed into free names."""
    for rdn in circle:
        add_person(server, rdn, BASE, title=[rdn])
    with Client(server, tmp_path / "data.db", mode) as client:
        client.offline()
        rotate(server, *circle)
        told = client.sync()

    moves = {f"{old},{BASE}": f"{new},{BASE}" for old, new in zip(circle, (*circle[1:], circle[0]), strict=True)}
    names = [call for call in told if call[0] != "change"]
    assert ["delete", *["rename"] * (len(circle) - 1), "add"] == [call[0] for call in names]
    cut, *renames, back = names
    assert moves[cut[1]] == back[1]
    free = cut[1]
    for _, old, new in renames:
        assert (free, moves[old]) == (new, new)
        free = old
    assert free == back[1]


def test_a_refresh_is_told_in_the_order_delete_rename_change_add(server: Slapd, tmp_path: Path) -> None:
    gone = add_unit(server, "ou=gone", BASE)
    add_person(server, "cn=child", gone)
    for rdn in ("cn=chain1", "cn=chain2", "cn=changed"):
        add_person(server, rdn, BASE)
    with Client(server, tmp_path / "data.db", SyncreplMode.REFRESH_ONLY) as client:
        # Parents are written before their children, and each name is taken as soon as it is free.
        new = add_unit(server, "ou=new", BASE)
        add_person(server, "cn=fresh", new)
        server.rename(f"cn=chain2,{BASE}", "cn=chain3")
        server.rename(f"cn=chain1,{BASE}", "cn=chain2")
        add_person(server, "cn=chain1", BASE)
        server.replace(f"cn=changed,{BASE}", "title", ["Dr"])
        server.delete(f"cn=child,{gone}")
        server.delete(gone)
        told = client.sync()

    adds = [call[1] for call in told if call[0] == "add"]
    assert [
        ("delete", f"cn=child,{gone}"),
        ("delete", gone),
        ("rename", f"cn=chain2,{BASE}", f"cn=chain3,{BASE}"),
        ("change", f"cn=chain3,{BASE}"),
        ("rename", f"cn=chain1,{BASE}", f"cn=chain2,{BASE}"),
        ("change", f"cn=chain2,{BASE}"),
        ("change", f"cn=changed,{BASE}"),
    ] == told[: len(told) - len(adds)]
    assert {new, f"cn=fresh,{new}", f"cn=chain1,{BASE}"} == set(adds)
    assert adds.index(new) < adds.index(f"cn=fresh,{new}")


def test_an_entry_made_anew_under_its_old_name_is_a_delete_and_an_add(server: Slapd, tmp_path: Path) -> None:
    """D2: the new UUID is sent before the old one is known to be gone."""
    dn = add_person(server, "cn=a", BASE)
    with Client(server, tmp_path / "data.db", SyncreplMode.REFRESH_ONLY) as client:
        server.delete(dn)
        add_person(server, "cn=a", BASE)
        assert [("delete", dn), ("add", dn)] == client.sync()


MODES = pytest.mark.parametrize(
    ("mode", "offline"),
    [
        (SyncreplMode.REFRESH_ONLY, True),
        (SyncreplMode.REFRESH_AND_PERSIST, True),
        (SyncreplMode.REFRESH_AND_PERSIST, False),
    ],
    ids=["refreshOnly", "persist-offline", "persist-live"],
)


@pytest.fixture
def family(server: Slapd) -> Callable[[str], tuple[str, ...]]:
    """Make a container with a container in it and people in both; return their names, parents first."""

    def make(parent: str) -> tuple[str, ...]:
        top = add_unit(server, "ou=top", parent)
        inner = add_unit(server, "ou=inner", top)
        return top, inner, add_person(server, "cn=a", top), add_person(server, "cn=b", inner)

    return make


@MODES
def test_what_was_moved_out_with_its_parent_is_deleted(
    server: Slapd, tmp_path: Path, family: Callable[[str], tuple[str, ...]], mode: SyncreplMode, *, offline: bool
) -> None:
    """B4: the server tells of the top alone."""
    names = family(BASE)
    with Client(server, tmp_path / "data.db", mode) as client:
        if offline:
            client.offline()
        move(server, names[0], OUT)
        told = client.sync()

    assert {("delete", dn) for dn in names} == set(told)
    gone = [call[1] for call in told]
    assert gone.index(names[2]) < gone.index(names[0])
    assert gone.index(names[3]) < gone.index(names[1]) < gone.index(names[0])


@MODES
def test_what_was_moved_in_with_its_parent_is_added(
    server: Slapd, tmp_path: Path, family: Callable[[str], tuple[str, ...]], mode: SyncreplMode, *, offline: bool
) -> None:
    """C4: entries nobody sends, whose UUIDs at most are named as present."""
    outside = family(OUT)
    with Client(server, tmp_path / "data.db", mode) as client:
        if offline:
            client.offline()
        move(server, outside[0], BASE)
        told = client.sync()

    names = [dn.replace(OUT, BASE) for dn in outside]
    assert {("add", dn) for dn in names} == set(told)
    come = [call[1] for call in told]
    assert come.index(names[0]) < come.index(names[1]) < come.index(names[3])
    assert come.index(names[0]) < come.index(names[2])


@MODES
def test_the_names_below_a_renamed_entry_follow(
    server: Slapd, tmp_path: Path, family: Callable[[str], tuple[str, ...]], mode: SyncreplMode, *, offline: bool
) -> None:
    """D3: no message comes for them."""
    names = family(BASE)
    with Client(server, tmp_path / "data.db", mode) as client:
        if offline:
            client.offline()
        server.rename(names[0], "ou=crown")
        told = client.sync()

    new = [dn.replace("ou=top", "ou=crown") for dn in names]
    assert set(zip(["rename"] * 4, names, new, strict=True)) == {call for call in told if call[0] == "rename"}
    assert [("change", new[0])] == [call for call in told if call[0] != "rename"]


@MODES
def test_what_was_moved_out_and_in_again_is_still_there(
    server: Slapd, tmp_path: Path, family: Callable[[str], tuple[str, ...]], mode: SyncreplMode, *, offline: bool
) -> None:
    names = family(BASE)
    with Client(server, tmp_path / "data.db", mode) as client:
        if offline:
            client.offline()
        move(server, move(server, names[0], OUT), BASE)
        told = client.sync()

    if offline:
        assert not told


@MODES
def test_who_moves_out_into_a_container_that_moves_in_is_there(
    server: Slapd, tmp_path: Path, family: Callable[[str], tuple[str, ...]], mode: SyncreplMode, *, offline: bool
) -> None:
    outside = family(OUT)
    person = add_person(server, "cn=traveller", BASE)
    with Client(server, tmp_path / "data.db", mode) as client:
        if offline:
            client.offline()
        move(server, person, outside[1])
        move(server, outside[0], BASE)
        client.sync()


@MODES
def test_containers_that_swap_names_take_their_children_along(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    for unit in ("ou=a", "ou=b"):
        for person in ("cn=1", "cn=2"):
            parent = f"{unit},{BASE}"
            if person == "cn=1":
                add_unit(server, unit, BASE)
            add_person(server, person, parent, title=[unit])
    with Client(server, tmp_path / "data.db", mode) as client:
        if offline:
            client.offline()
        server.rename(f"ou=a,{BASE}", "ou=aside")
        server.rename(f"ou=b,{BASE}", "ou=a")
        server.rename(f"ou=aside,{BASE}", "ou=b")
        client.sync()
