"""How searches end, what comes that was not asked for, and servers that go away."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.connection import inquiry
from syncrepl_client.exceptions import ConnectionLost, LDAPResultError, NoSuchBase
from tests.ns_slapd import NsSlapd
from tests.slapd import SUFFIX, empty_tree
from tests.traps.copies import MODES, PERSIST, REFRESH, Copy, add_person, add_unit, delete_people, move

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syncrepl_client import SyncreplMode

BOTH = pytest.mark.parametrize("mode", MODES)
LIVE = pytest.mark.parametrize("live", [True, False], ids=["live", "offline"])


@pytest.fixture
def own() -> Iterator[NsSlapd]:
    """Run a server that a test may end."""
    with NsSlapd() as started:
        started.start()
        started.load(empty_tree())
        yield started


# --- E3: the end of a search ------------------------------------------------------------------------------------------


@pytest.mark.trap("E3", server="389")
def test_a_search_is_ended_by_abandon(server: NsSlapd, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0) as copy:
        copy.sync()
        replica = copy.open()
        copy.trace.clear()
        began = time.monotonic()
        replica.finish()
        replica.run()
        assert time.monotonic() < began + 2
        assert any("abandon" in line for line in copy.trace)
        assert not any("Cancel" in line for line in copy.trace)
        copy.close()
        server.replace(f"cn=a,{base}", "title", ["later"])
        assert copy.sync() == [("change", f"cn=a,{base}")]


@pytest.mark.trap("E3", server="389")
def test_a_stop_drops_everything_at_once(server: NsSlapd, base: str, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST, base) as copy:
        copy.sync()
        replica = copy.open()
        server.replace(f"cn=a,{base}", "title", ["on its way"])
        began = time.monotonic()
        replica.stop()
        assert not replica.step(10)
        copy.close()
        assert time.monotonic() < began + 2
        assert copy.sync() == [("change", f"cn=a,{base}")]


@pytest.mark.trap("C6", server="389")
def test_a_search_that_begins_again_does_so_on_another_connection(
    server: NsSlapd, base: str, out: str, tmp_path: Path
) -> None:
    """Each one that was given up keeps a thread of its connection; after five the server answers nothing there."""
    family = [add_unit(server, "ou=g", out)]
    family += [add_person(server, "cn=x", family[0])]
    with Copy(server, tmp_path / "data", PERSIST, base, verify_every=0.5) as copy:
        copy.sync()
        for _ in range(7):
            # Who comes along with others is not told of: the search begins again.
            move(server, family[0], base)
            assert len(copy.sync()) == 2
            move(server, f"ou=g,{base}", out)
            assert len(copy.sync()) == 2
        assert sum(line.startswith(">") and " bind " in line for line in copy.trace) > 5


# --- E4: other attributes than were asked for -------------------------------------------------------------------------


@BOTH
@LIVE
@pytest.mark.parametrize("attributes", [("cn",), ("CN", "entryUUID"), ("cn", "sn;lang-de")])
@pytest.mark.trap("E4", server="389")
def test_what_was_not_asked_for_is_no_change(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, attributes: tuple[str, ...], *, live: bool
) -> None:
    with Copy(server, tmp_path / "data", mode, base, attributes=attributes, verify_every=0) as copy:
        copy.run()
        copy.news()
        if not live:
            copy.close()
        server.replace(f"cn=a,{base}", "title", ["not asked for"])
        server.replace(f"cn=b,{base}", "cn", ["b", "asked for"])
        copy.run()
        if live and mode is PERSIST:
            copy.step_until(lambda: bool(copy.listener.told))
        assert copy.news() == [("change", f"cn=b,{base}")]
        # Whoever did not find the entries that were sent would begin again and read everything.
        assert sum(line.startswith("> ") and " bind " in line for line in copy.trace) == 1


@BOTH
@LIVE
@pytest.mark.trap("E4", server="389")
def test_operational_attributes_stay(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, *, live: bool
) -> None:
    asked = ("*", "entryUUID", "modifiersName", "createTimestamp")
    with Copy(server, tmp_path / "data", mode, base, attributes=asked, verify_every=0) as copy:
        copy.sync()
        if not live:
            copy.close()
        server.replace(f"cn=a,{base}", "title", ["asked for"])
        add_person(server, "cn=d", base)
        assert set(copy.sync()) == {("change", f"cn=a,{base}"), ("add", f"cn=d,{base}")}


# --- E9 to E12: servers that go away ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.trap("E9", server="389")
def test_after_a_restart_the_copy_goes_on_from_its_cookie(own: NsSlapd, tmp_path: Path, mode: SyncreplMode) -> None:
    base = f"ou=people,{SUFFIX}"
    for name in "ab":
        add_person(own, f"cn={name}", base)
    with Copy(own, tmp_path / "data", mode, base, verify_every=0) as copy:
        copy.sync()
        own.delete(f"cn=b,{base}")
        own.kill()
        if mode is PERSIST:
            with pytest.raises(ConnectionLost):
                copy.open().run()
            copy.close()
            copy.news()
        own.start()
        own.replace(f"cn=a,{base}", "title", ["after"])
        copy.run()
        copy.check()
        assert all("(4096)" not in line for line in copy.trace)
        # Only what changed was sent.
        assert not any(f'entry "{base}"' in line and "Sync State" in line for line in copy.trace)


@pytest.mark.trap("E10", server="389")
def test_a_server_that_hangs_is_noticed_by_the_next_comparison(
    own: NsSlapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "_PATIENCE", 0.5)
    with Copy(own, tmp_path / "data", PERSIST, f"ou=people,{SUFFIX}", verify_every=0.5) as copy:
        copy.sync()
        os.kill(own.pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost, match="no answer"):
                copy.open().run()
        finally:
            os.kill(own.pid, signal.SIGCONT)


@pytest.mark.trap("E10", server="389")
def test_a_stop_does_not_wait_for_a_server_that_hangs(own: NsSlapd, tmp_path: Path) -> None:
    with Copy(own, tmp_path / "data", PERSIST, f"ou=people,{SUFFIX}", verify_every=0) as copy:
        copy.sync()
        replica = copy.open()
        os.kill(own.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            replica.stop()
            assert not replica.step(10)
            copy.close()
            assert time.monotonic() < began + 2
        finally:
            os.kill(own.pid, signal.SIGCONT)


@BOTH
@LIVE
@pytest.mark.parametrize("fate", ["renamed", "deleted"])
@pytest.mark.trap("E11", server="389")
def test_a_base_that_is_gone_is_an_error_and_no_empty_content(
    server: NsSlapd, base: str, tmp_path: Path, mode: SyncreplMode, fate: str, *, live: bool
) -> None:
    """The server goes silent, or answers an update with success; it sends one deletion at most."""
    elsewhere = f"ou=elsewhere{time.monotonic_ns()}"
    with Copy(server, tmp_path / "data", mode, base) as copy:
        copy.sync()
        if fate == "deleted":
            delete_people(server, *(f"cn={name},{base}" for name in "abc"))
            copy.sync()
        if not live:
            copy.close()
        names = copy.names()
        if fate == "deleted":
            server.delete(base)
        else:
            server.rename(base, elsewhere)
        with pytest.raises(NoSuchBase):
            copy.open().run()
        copy.close()
        assert (copy.names(), copy.news()) == (names, [])
        if fate == "renamed":
            server.rename(f"{elsewhere},ou=people,{SUFFIX}", base.partition(",")[0])
            copy.sync()


@pytest.mark.trap("E12", server="389")
def test_too_many_that_listen_are_told_what_is_wrong(own: NsSlapd, tmp_path: Path) -> None:
    base = f"ou=people,{SUFFIX}"
    with ExitStack() as stack:
        copies = [stack.enter_context(Copy(own, tmp_path / str(number), PERSIST, base)) for number in range(11)]
        for copy in copies[:10]:
            copy.sync()
        with pytest.raises(LDAPResultError, match="Too many active synchronization sessions") as refused:
            copies[10].sync()
        assert "too many clients that listen" in refused.value.hint
        copies[10].close()
        with Copy(own, tmp_path / "refresh", REFRESH, base) as copy:
            copy.sync()

        copies[0].close()
        deadline = time.monotonic() + 20
        while True:
            try:
                copies[10].sync()
            except LDAPResultError:
                # The server notices after a second that one has gone.
                copies[10].close()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            else:
                break
