"""ApacheDS: its refreshes leave entries out, its stream loses changes, and how a search is ended does harm."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import ConnectionLost, LDAPResultError, NoSuchBase
from syncrepl_client.model import Origin
from tests.apacheds import ApacheDS
from tests.slapd import SUFFIX, empty_tree
from tests.traps.copies import MODES, PERSIST, REFRESH, Copy, add_person, add_unit, move

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import SyncreplMode

pytestmark = pytest.mark.long

BOTH = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def server() -> Iterator[ApacheDS]:
    with ApacheDS() as started:
        started.start()
        started.load(empty_tree())
        yield started


@pytest.fixture
def out(server: ApacheDS) -> str:
    """Make a container beside the base."""
    return add_unit(server, f"ou=out{time.monotonic_ns()}", SUFFIX)


@pytest.fixture
def base(server: ApacheDS) -> str:
    """Make a container with three people."""
    unit = add_unit(server, f"ou=base{time.monotonic_ns()}", f"ou=people,{SUFFIX}")
    for name in "abc":
        add_person(server, f"cn={name}", unit)
    return unit


@pytest.mark.trap("A1", "C5", server="apacheds")
def test_each_refresh_is_the_whole_content(server: ApacheDS, base: str, out: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", REFRESH, base, verify_every=0) as copy:
        copy.sync()
        assert copy.cookie() is None
        for title in ("one", "two"):
            server.replace(f"cn=a,{base}", "title", [title])
            assert copy.sync() == [("change", f"cn=a,{base}")]
        assert copy.sync() == []
        server.replace(f"cn=b,{base}", "description", ["left"])
        assert copy.sync() == [("delete", f"cn=b,{base}")]
        server.replace(f"cn=b,{base}", "description", ["keep"])
        assert copy.sync() == [("add", f"cn=b,{base}")]
        move(server, f"cn=c,{base}", out)
        assert copy.sync() == [("delete", f"cn=c,{base}")]
        move(server, f"cn=c,{out}", base)
        assert copy.sync() == [("add", f"cn=c,{base}")]


@BOTH
@pytest.mark.trap("A3", "C5", server="apacheds")
def test_a_refresh_that_leaves_entries_out_deletes_none(
    server: ApacheDS, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    """After a deletion it sends only what was last written before the entry that is gone."""
    with Copy(server, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        copy.close()
        server.delete(f"cn=a,{base}")
        assert copy.sync() == [("delete", f"cn=a,{base}")]
    # The first refresh of a copy as well.
    with Copy(server, tmp_path / "another", mode, base, verify_every=0) as copy:
        copy.sync()
        assert {f"cn=b,{base}", f"cn=c,{base}"} < copy.names()


@pytest.mark.trap("A6", server="apacheds")
def test_another_search_is_read_anew(server: ApacheDS, base: str, tmp_path: Path) -> None:
    inner = add_person(server, "cn=x", add_unit(server, "ou=inner", base))
    with Copy(server, tmp_path / "data", REFRESH, base, scope="one", attributes=("cn",), verify_every=0) as copy:
        copy.sync()
        copy.scope = "sub"
        copy.sync()
        assert inner in copy.names()
        copy.attributes = ("cn", "sn")
        assert {call[0] for call in copy.sync()} == {"change"}


@pytest.mark.trap("C5", server="apacheds")
def test_a_first_change_is_found_once_the_stream_says_something(server: ApacheDS, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base) as copy:
        copy.sync()
        server.replace(f"cn=a,{base}", "title", ["lost"])
        server.rename(f"cn=b,{base}", "cn=lost")
        new = add_person(server, "cn=new", base)

        copy.run()
        copy.consistent()

        assert dict(copy.news_with_origin()) == {
            ("add", new): Origin.PERSIST,
            ("change", f"cn=a,{base}"): Origin.VERIFICATION,
            ("rename", f"cn=b,{base}", f"cn=lost,{base}"): Origin.VERIFICATION,
        }


@pytest.mark.trap("C5", server="apacheds")
def test_what_the_stream_never_tells_is_found_by_the_next_comparison(
    server: ApacheDS, base: str, out: str, tmp_path: Path
) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0.5) as copy:
        copy.sync()
        server.replace(f"cn=a,{base}", "title", ["lost"])
        copy.sync()
        server.replace(f"cn=b,{base}", "description", ["left"])
        copy.sync()
        server.replace(f"cn=b,{base}", "description", ["keep"])
        copy.sync()
        move(server, f"cn=c,{base}", out)
        copy.sync()
        move(server, f"cn=c,{out}", base)
        copy.sync()


@BOTH
@pytest.mark.trap("D3", "B4", server="apacheds")
def test_a_subtree_goes_where_its_top_goes(
    server: ApacheDS, base: str, out: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    family = [add_unit(server, "ou=g1", base)]
    family += [add_person(server, "cn=x", family[0]), add_unit(server, "ou=inner", family[0])]
    family += [add_person(server, "cn=y", family[2])]
    with Copy(server, tmp_path / "data", mode, base, verify_every=0.5) as copy:
        copy.sync()
        server.rename(family[0], "ou=g2")
        renamed = [dn.replace("ou=g1", "ou=g2") for dn in family]
        assert {call for call in copy.sync() if call[0] != "change"} == set(
            zip(["rename"] * 4, family, renamed, strict=True)
        )
        move(server, renamed[0], out)
        assert set(copy.sync()) == {("delete", dn) for dn in renamed}
        move(server, f"ou=g2,{out}", base)
        assert set(copy.sync()) == {("add", dn) for dn in renamed}


@pytest.mark.trap("D6", server="apacheds")
def test_a_renaming_has_a_state_of_its_own(server: ApacheDS, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0) as copy:
        copy.sync()
        new = add_person(server, "cn=new", base)
        copy.sync()
        server.rename(new, "cn=newer")
        assert copy.sync() == [("rename", new, f"cn=newer,{base}")]
        move(server, f"cn=newer,{base}", add_unit(server, "ou=inner", base))
        assert copy.sync()[-1][2] == f"cn=newer,ou=inner,{base}"


@pytest.mark.trap("E1", server="apacheds")
def test_a_new_cookie_is_the_end_of_the_refresh(server: ApacheDS, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0) as copy:
        assert copy.open().refresh().entries == 4
        copy.check()
        assert copy.cookie() is None


@BOTH
@pytest.mark.trap("E2", server="apacheds")
def test_asking_again_at_once_needs_no_cookie(server: ApacheDS, base: str, tmp_path: Path, mode: SyncreplMode) -> None:
    with Copy(server, tmp_path / "data", mode, base) as copy:
        copy.sync()
        for _ in range(3):
            copy.close()
            assert copy.sync() == []
            assert all("(4096)" not in line for line in copy.trace)


@pytest.mark.trap("C6", "E3", server="apacheds")
def test_a_search_is_ended_by_closing_the_connection(server: ApacheDS, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0) as copy:
        copy.sync()
        replica = copy.open()
        copy.trace.clear()
        began = time.monotonic()
        replica.finish()
        replica.run()
        copy.close()
        assert time.monotonic() < began + 2
        assert not any("abandon" in line or "Cancel" in line for line in copy.trace)
        server.delete(f"cn=a,{base}")
        assert copy.sync() == [("delete", f"cn=a,{base}")]
        assert server.running


@pytest.mark.trap("E3", server="apacheds")
def test_a_stop_drops_everything_at_once(server: ApacheDS, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base) as copy:
        copy.sync()
        replica = copy.open()
        began = time.monotonic()
        replica.stop()
        assert not replica.step(10)
        copy.close()
        assert time.monotonic() < began + 2
        assert not any("abandon" in line for line in copy.trace)


@BOTH
@pytest.mark.parametrize("attributes", [(), ("cn",), ("cn", "entryUUID"), ("*", "entryUUID", "createTimestamp")])
@pytest.mark.trap("E4", server="apacheds")
def test_what_was_not_asked_for_is_no_change(
    server: ApacheDS, base: str, tmp_path: Path, mode: SyncreplMode, attributes: tuple[str, ...]
) -> None:
    """It adds the operational attributes to those that are asked for, sends them alone if none are, and streams all."""
    everything = "*" in attributes or not attributes
    with Copy(server, tmp_path / "data", mode, base, attributes=attributes, verify_every=0.5) as copy:
        copy.sync()
        new = add_person(server, "cn=new", base)
        assert copy.sync() == [("add", new)]
        server.replace(new, "title", ["perhaps not asked for"])
        server.replace(new, "cn", ["new", "asked for"])
        told = copy.sync() + (copy.settle(1) if mode is PERSIST else [])
        assert set(told) == {("change", new)}
        assert everything or len(told) == 1


@BOTH
@pytest.mark.trap("E11", server="apacheds")
def test_a_base_that_is_gone_is_an_error_and_no_empty_content(
    server: ApacheDS, base: str, tmp_path: Path, mode: SyncreplMode
) -> None:
    elsewhere = f"ou=elsewhere{time.monotonic_ns()}"
    with Copy(server, tmp_path / "data", mode, base, verify_every=0.5) as copy:
        copy.sync()
        names = copy.names()
        server.rename(base, elsewhere)
        with pytest.raises((NoSuchBase, ConnectionLost, LDAPResultError)):
            copy.open().run()
        copy.close()
        assert (copy.names(), copy.news()) == (names, [])
        server.rename(f"{elsewhere},ou=people,{SUFFIX}", base.partition(",")[0])
        copy.sync()
