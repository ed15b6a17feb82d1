"""A referral object is an entry of the copy like any other (RFC 3296: ManageDsaIT).

slapd announces a new one as a reference and a modified one as an entry where it is not told to manage them; a copy that
took both would hold it twice, or lose it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncrepl_client import Added, Deleted, Modified, Renamed, Replica, SyncreplMode

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from syncrepl_client import Change
    from tests.slapd import Slapd

    Copy = dict[str, dict[str, list[bytes]]]

ELSEWHERE = "ldap://elsewhere.example.com/dc=example,dc=com"
ANYWHERE = "ldap://anywhere.example.com/dc=example,dc=com"


class Noting:
    """Notes what changed, by name."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
        match change:
            case Renamed(before, after):
                self.told.append(("rename", before.dn, after.dn))
            case Added() | Modified() | Deleted():
                self.told.append((type(change).__name__.lower(), change.entry.dn))

    def news(self) -> list[tuple[str, ...]]:
        news, self.told = self.told, []
        return news


def url(slapd: Slapd) -> str:
    return f"{slapd.url}/{slapd.suffix}?*,ref"


def add_referral(slapd: Slapd, name: str) -> str:
    dn = f"ou={name},{slapd.suffix}"
    slapd.add(dn, {"objectClass": ["referral", "extensibleObject"], "ou": [name], "ref": [ELSEWHERE]})
    return dn


def content(slapd: Slapd) -> Copy:
    return slapd.search(attrs=["*", "ref"])


def copy_of(replica: Replica) -> Copy:
    return {dn: dict(attributes) for dn, attributes in replica.entries.items()}


def history(slapd: Slapd) -> list[tuple[Callable[[], Any], list[tuple[str, ...]]]]:
    """Return operations on a referral object, and what is to be told of each."""
    first, second = f"ou=first,{slapd.suffix}", f"ou=second,{slapd.suffix}"
    return [
        (lambda: add_referral(slapd, "first"), [("added", first)]),
        (lambda: slapd.replace(first, "ref", [ANYWHERE, ELSEWHERE]), [("modified", first)]),
        (lambda: slapd.rename(first, "ou=second"), [("rename", first, second)]),
        (lambda: slapd.replace(second, "description", ["moved"]), [("modified", second)]),
        (lambda: slapd.delete(second), [("deleted", second)]),
    ]


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(False, id="present phase", marks=pytest.mark.trap("D10", server="slapd")),
        pytest.param(True, id="delete phase", marks=pytest.mark.trap("D10", server="slapd-log")),
    ],
)
def test_each_refresh_tells_of_a_referral_as_of_an_entry(
    request: pytest.FixtureRequest, tmp_path: Path, *, log: bool
) -> None:
    slapd: Slapd = request.getfixturevalue("slapd_log" if log else "slapd")
    stays = add_referral(slapd, "stays")
    noting = Noting()

    def refresh() -> Copy:
        with Replica(url(slapd), tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY, listener=noting) as replica:
            replica.refresh()
            return copy_of(replica)

    assert content(slapd) == refresh()
    assert ("added", stays) in noting.news()
    for operate, told in history(slapd):
        operate()
        assert content(slapd) == refresh()
        assert told == noting.news()
        # A refresh in which nothing changed names it as present.
        assert content(slapd) == refresh()
        assert noting.news() == []
    assert refresh()[stays]["ref"] == [ELSEWHERE.encode()]


@pytest.mark.trap("D10", server="slapd")
def test_the_persist_stage_tells_of_a_referral_as_of_an_entry(slapd: Slapd, tmp_path: Path) -> None:
    stays = add_referral(slapd, "stays")
    noting = Noting()
    with Replica(url(slapd), tmp_path / "data", listener=noting) as replica:
        replica.refresh()
        assert ("added", stays) in noting.news()
        for operate, told in history(slapd):
            operate()
            while not noting.told:
                assert replica.step(20)
            assert told == noting.news()
            assert content(slapd) == copy_of(replica)

    with Replica(url(slapd), tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY, listener=noting) as replica:
        replica.refresh()
        assert content(slapd) == copy_of(replica)
    assert noting.news() == []


def test_what_the_search_is_of_may_be_a_referral_itself(slapd: Slapd, tmp_path: Path) -> None:
    dn = add_referral(slapd, "base")
    below = f"{slapd.url}/{dn}?*,ref"

    with Replica(below, tmp_path / "data", mode=SyncreplMode.REFRESH_ONLY) as replica:
        replica.refresh()
        assert {dn: content(slapd)[dn]} == copy_of(replica)
