"""A changelog that covers one suffix: as FreeIPA configures it, and as anybody may without saying so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import ldap
import pytest

from syncrepl_client.model import Origin
from tests.ns_slapd import NsSlapd
from tests.slapd import SUFFIX, empty_tree
from tests.traps.copies import MODES, PERSIST, REFRESH, Copy, add_person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import SyncreplMode

BOTH = pytest.mark.parametrize("mode", MODES)
DNS: Final = f"cn=dns,{SUFFIX}"
PEOPLE: Final = f"ou=people,{SUFFIX}"
A: Final = f"cn=a,{PEOPLE}"
B: Final = f"cn=b,{PEOPLE}"


@pytest.fixture
def plain() -> Iterator[NsSlapd]:
    """Run a server whose changelog is FreeIPA's, but which says nothing of it."""
    with NsSlapd(include_suffix=[DNS]) as started:
        started.start()
        started.load(empty_tree())
        started.add(DNS, {"objectClass": ["nsContainer"], "cn": ["dns"]})
        for name in "ab":
            add_person(started, f"cn={name}", PEOPLE)
        yield started


@pytest.fixture
def server(plain: NsSlapd) -> NsSlapd:
    """Run a server that says that it is FreeIPA's."""
    plain.modify("", [(ldap.MOD_ADD, "objectClass", ["extensibleObject"]), (ldap.MOD_ADD, "ipaDomainLevel", ["1"])])
    return plain


@BOTH
@pytest.mark.trap("B8", server="freeipa")
def test_outside_of_the_changelog_no_cookie_is_kept(server: NsSlapd, tmp_path: Path, mode: SyncreplMode) -> None:
    with Copy(server, tmp_path / "data", mode, PEOPLE, verify_every=0) as copy:
        copy.sync()
        assert copy.cookie() is None
        server.replace(A, "title", ["one"])
        new = add_person(server, "cn=c", PEOPLE)
        server.delete(B)
        assert set(copy.sync()) == {("change", A), ("add", new), ("delete", B)}
        assert copy.cookie() is None
        copy.close()

        server.replace(A, "title", ["two"])
        server.delete(new)

        assert copy.sync() == [("delete", new), ("change", A)]
        assert copy.sync() == []


@BOTH
@pytest.mark.trap("B8", server="freeipa")
def test_inside_of_the_changelog_a_cookie_leads_on(server: NsSlapd, tmp_path: Path, mode: SyncreplMode) -> None:
    everything = "(objectClass=*)"
    with Copy(server, tmp_path / "data", mode, DNS, filter=everything, verify_every=0) as copy:
        copy.sync()
        zone = add_person(server, "cn=zone", DNS)
        assert copy.sync() == [("add", zone)]
        copy.close()
        assert copy.cookie() is not None

        server.replace(zone, "title", ["new"])

        assert copy.sync() == [("change", zone)]
        # Only what changed was sent.
        assert not any('entry "cn=dns' in line for line in copy.trace)


@pytest.mark.trap("B8", server="389")
def test_garbage_in_the_stream_ends_the_use_of_cookies(plain: NsSlapd, tmp_path: Path) -> None:
    with Copy(plain, tmp_path / "data", PERSIST, SUFFIX, verify_every=0) as copy:
        copy.sync()
        assert copy.cookie() is not None
        plain.replace(A, "title", ["one"])
        copy.sync()
        assert copy.cookie() is None
        # One that looks good again came after changes that it does not count.
        add_person(plain, "cn=zone", DNS)
        copy.sync()
        assert copy.cookie() is None
        copy.close()

        plain.replace(A, "title", ["two"])
        plain.delete(B)

        assert copy.sync() == [("delete", B), ("change", A)]


@pytest.mark.trap("B8", server="389")
def test_an_update_that_says_nothing_is_compared(plain: NsSlapd, tmp_path: Path) -> None:
    with Copy(plain, tmp_path / "data", REFRESH, PEOPLE) as copy:
        copy.sync()
        plain.replace(A, "title", ["one"])
        plain.delete(B)
        copy.run()
        copy.check()
        assert copy.news_with_origin() == [
            (("delete", B), Origin.VERIFICATION),
            (("change", A), Origin.VERIFICATION),
        ]
