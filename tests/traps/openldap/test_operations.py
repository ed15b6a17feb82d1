"""Connections, sessions and the order of things: part E of the traps."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Replica, SyncreplMode
from syncrepl_client.exceptions import ConnectionLost, NoSuchBase
from syncrepl_client.ldap.messages import SearchResultDone
from tests.slapd import SUFFIX, Slapd, sample_ldif
from tests.traps.openldap.copies import BOTH_MODES, MODES, ONCE, PERSIST, Copy
from tests.traps.openldap.line import Line, deletes_of, presents_of
from tests.traps.openldap.tree import GROUPS, PEOPLE, add_people, add_person, add_unit, named, on

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT = 2.0
# Less than the time after which a client that waits looks around by itself.
_AT_ONCE = 0.5


# --- E3: the end of a search ------------------------------------------------------------------------------------------


@on("E3", servers=["slapd"])
def test_a_search_is_ended_by_cancel(server: Slapd, tmp_path: Path) -> None:
    with Line(server) as line, Copy(server, tmp_path / "data", PERSIST, through=line.url) as copy:
        copy.sync()
        replica = copy.open()
        started = time.monotonic()
        replica.finish()
        while replica.step(_LIMIT):
            assert time.monotonic() < started + _LIMIT

        (asked,) = line.take()
        done = asked.answers[-1].operation
        assert isinstance(done, SearchResultDone)
        assert done.result.code == 118
        copy.check()


@on("E3", servers=["slapd"])
def test_a_stop_ends_a_client_that_waits(server: Slapd, tmp_path: Path) -> None:
    with Copy(server, tmp_path / "data", PERSIST) as copy:
        copy.sync()
        replica = copy.open()
        stopped: list[float] = []

        def stop() -> None:
            stopped.append(time.monotonic())
            replica.stop()

        timer = threading.Timer(0.1, stop)
        timer.start()

        replica.run()

        timer.join()
        assert time.monotonic() < stopped[0] + _AT_ONCE
        copy.check()


# --- E5, E6: much, and what is none of our business -------------------------------------------------------------------


@pytest.mark.trap("E5", server="slapd")
def test_a_present_phase_takes_time_in_proportion(tmp_path: Path) -> None:
    """Four times as many entries take about four times as long, not sixteen times."""
    times = [min(_present_phase(tmp_path / str(people), people)) for people in (4000, 16000)]

    assert times[1] < 8 * times[0] + 0.1


def _present_phase(path: Path, people: int) -> list[float]:
    with Slapd() as slapd, Line(slapd) as line:
        slapd.load(sample_ldif(people, random_uuids=True))
        slapd.start()
        _refresh(slapd.url, path)
        measured = []
        for number in range(3):
            slapd.replace(PEOPLE, "description", [str(number)])
            measured.append(_refresh(slapd.url, path))
        slapd.replace(PEOPLE, "description", ["heard"])
        _refresh(line.url, path)
        (asked,) = line.take()
        assert sum(map(presents_of, asked.answers)) == people + 3
        return measured


def _refresh(url: str, path: Path) -> float:
    started = time.monotonic()
    with Replica(f"{url}/{SUFFIX}?cn", path, mode=ONCE) as replica:
        replica.refresh()
    return time.monotonic() - started


@on("E6", servers=["slapd-log"])
@BOTH_MODES
def test_deletions_of_what_was_never_here_are_none(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    """The log names all that does not match, whether it ever did or not."""
    outside = add_person(server, "outside", GROUPS)
    server.replace(named("c"), "description", ["hidden"])
    filter_ = "(!(description=hidden))"
    with (
        Line(server) as line,
        Copy(server, tmp_path / "data", mode, through=line.url, base=PEOPLE, filter=filter_) as copy,
    ):
        copy.sync()
        copy.offline()
        cookie = copy.cookie
        server.delete(add_person(server, "tmp"))
        server.delete(outside)
        server.replace(named("c"), "title", ["Dr"])
        line.take()

        assert copy.sync() == []

        named_ones = sum(deletes_of(answer) for asked in line.take() for answer in asked.answers)
        assert named_ones > 0
        assert cookie != copy.cookie


# --- E9, E11, E13: servers that go away, and come back as less ------------------------------------------------------


@on("E9")
@pytest.mark.parametrize("end", [Slapd.stop, Slapd.kill], ids=["stopped", "killed"])
def test_a_lost_connection_is_said_and_the_next_client_goes_on(server: Slapd, tmp_path: Path, end: object) -> None:
    assert callable(end)
    with Line(server) as line, Copy(server, tmp_path / "data", PERSIST, through=line.url) as copy:
        copy.sync()
        replica = copy.open()
        cookie = copy.cookie
        end(server)
        with pytest.raises(ConnectionLost):
            replica.run()
        copy.offline()
        server.start()
        server.delete(named("b"))
        line.take()

        assert [("delete", named("b"))] == copy.sync()

        assert [cookie] == [asked.cookie for asked in line.take()]


@on("E11")
@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_a_base_that_goes_away_is_said(server: Slapd, tmp_path: Path, how: str) -> None:
    base = add_unit(server, "base")
    children = [add_person(server, name, base) for name in "xy"]
    with Copy(server, tmp_path / "data", PERSIST, base=base) as copy:
        copy.sync()
        if how == "renamed":
            server.rename(base, "ou=other")
            server.replace(named("a"), "title", ["the next write"])
        else:
            for dn in (*children, base):
                server.delete(dn)

        with pytest.raises(NoSuchBase):
            copy.until(lambda: False)

        copy.offline()
        # It is said again, until it is back.
        with pytest.raises(NoSuchBase):
            copy.step()
        if how == "renamed":
            assert set(children) <= copy.names
            server.rename(f"ou=other,{PEOPLE}", "ou=base")
        else:
            add_unit(server, "base")
        copy.sync()


@on("E13")
@BOTH_MODES
def test_a_provider_that_forgot_its_last_change_is_read_anew(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    """A deletion leaves no entry with its number, and nothing was written of how far the provider is."""
    with Line(server) as line, Copy(server, tmp_path / "data", mode, through=line.url) as copy:
        copy.sync()
        server.delete(named("b"))
        copy.sync()
        copy.offline()
        server.kill()
        server.start()
        line.take()

        copy.step()

        first, second = line.take()[:2]
        done = first.answers[-1].operation
        assert isinstance(done, SearchResultDone)
        assert done.result.code == 53
        assert (first.cookie is not None, second.cookie) == (True, None)
        copy.check()
        add_person(server, "d")
        copy.step()
        assert named("d") in copy.names


# --- E14, E15: changes that are none, and the order of those that are -----------------------------------------------


@on("E14")
@MODES
def test_a_change_that_changes_nothing_is_not_told(
    server: Slapd, tmp_path: Path, mode: SyncreplMode, *, offline: bool
) -> None:
    server.replace(named("a"), "title", ["one", "two"])
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        if offline:
            copy.offline()
        server.replace(named("a"), "sn", ["A"])
        server.replace(named("a"), "title", ["two", "one"])

        assert copy.sync() == []


@on("E14")
def test_what_is_written_while_a_client_comes_is_told_once(server: Slapd, tmp_path: Path) -> None:
    with Line(server) as line, Copy(server, tmp_path / "data", PERSIST, through=line.url) as copy:
        copy.sync()
        copy.offline()
        people = add_people(server, 50)
        server.replace(named("a"), "title", ["so that it begins with something"])
        written: list[str] = []

        def write(_: object) -> bool:
            # Between two messages of the refresh, and of what follows.
            if len(written) < len(people):
                written.append(people[len(written)])
                server.replace(written[-1], "title", ["Dr"])
            return False

        line.hear(write)
        told = copy.sync()

        assert {("add", dn) for dn in people} <= set(told)
        assert all(told.count(("change", dn)) <= 1 for dn in people)


@on("E15")
@BOTH_MODES
def test_a_refresh_is_told_in_order(server: Slapd, tmp_path: Path, mode: SyncreplMode) -> None:
    gone = add_unit(server, "gone")
    add_person(server, "child", gone)
    with Copy(server, tmp_path / "data", mode) as copy:
        copy.sync()
        copy.offline()
        new = add_unit(server, "new")
        fresh = add_person(server, "fresh", new)
        server.replace(named("a"), "title", ["Dr"])
        server.rename(named("b"), "cn=d")
        server.delete(named("child", gone))
        server.delete(gone)
        replica = copy.open()
        replica.refresh()

        assert copy.witness.kinds == [
            *["Deleted"] * 2,
            "Renamed",
            "Modified",
            *["Added"] * 2,
            "cookie",
            "done",
        ]
        assert [
            ("delete", named("child", gone)),
            ("delete", gone),
            ("rename", named("b"), named("d")),
            ("change", named("a")),
            ("add", new),
            ("add", fresh),
        ] == copy.witness.take()
        copy.check()
