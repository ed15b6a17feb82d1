"""The client dies before every single statement that it writes: the file shows the old copy or the new one."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Replica, SyncreplMode
from tests.convergence.client import Clients, Job
from tests.convergence.history import History
from tests.convergence.mirror import content_of, look
from tests.convergence.runs import Follower
from tests.slapd import Slapd, empty_tree, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.convergence.mirror import Content

BOTH_MODES = pytest.mark.parametrize("mode", list(SyncreplMode))
SAMPLE = 600
PEOPLE = 3000


@pytest.fixture(params=[None, 1000], ids=["present", "sessionlog"])
def server(request: pytest.FixtureRequest) -> Iterator[Slapd]:
    with Slapd(sessionlog=request.param) as slapd:
        slapd.load(empty_tree())
        slapd.start()
        yield slapd


@pytest.fixture
def clients() -> Iterator[Clients]:
    with Clients() as running:
        yield running


def some(failpoints: int, most: int | None) -> list[int]:
    """Return all failpoints, or as many as there is time for, evenly spread."""
    if most is None or failpoints <= most:
        return list(range(1, failpoints + 1))
    return sorted({1 + number * (failpoints - 1) // (most - 1) for number in range(most)})


def die_at_each(follower: Follower, old: Path, *, most: int | None) -> None:
    """Let a client that brings a file up to date die at each failpoint, and another one go on from there."""
    before = look(old).copy
    work = follower.path
    follower.history.mark()
    restore(old, work)
    failpoints = follower.converge().statements
    for number in some(failpoints, most):
        restore(old, work)
        follower.stream.begin_again(work)
        follower.history.told[:] = [f"failpoint {number} of {failpoints}"]
        if follower.converge(kill_at=number).killed:
            old_or_new(work, before, content_of(follower.history.content()), follower.history)
        follower.converge()


def restore(old: Path, work: Path) -> None:
    for path in work.parent.glob(work.name + "*"):
        path.unlink()
    if old.exists():
        shutil.copy(old, work)


def old_or_new(path: Path, old: Content, new: Content, told: object) -> None:
    sight = look(path)
    assert sight.copy in (old, new), f"neither the old copy nor the new one\n{told}"
    sight.check(told)


# --- refreshes --------------------------------------------------------------------------------------------------------


@BOTH_MODES
@pytest.mark.timeout(240)
def test_a_first_load_that_dies_shows_nothing_or_all(
    server: Slapd, clients: Clients, tmp_path: Path, mode: SyncreplMode
) -> None:
    follower = Follower(clients, History(server, 1), tmp_path / "data.db", mode)
    die_at_each(follower, tmp_path / "missing.db", most=SAMPLE)


@BOTH_MODES
@pytest.mark.timeout(240)
def test_a_refresh_that_dies_shows_the_old_copy_or_the_new_one(
    server: Slapd, clients: Clients, tmp_path: Path, mode: SyncreplMode
) -> None:
    refresh_that_dies(Follower(clients, History(server, 2), tmp_path / "data.db", mode), most=SAMPLE)


@pytest.mark.long
@BOTH_MODES
@pytest.mark.parametrize("seed", range(10, 15))
@pytest.mark.timeout(1800)
def test_refreshes_that_die_anywhere_show_the_old_copy_or_the_new_one(
    server: Slapd, clients: Clients, tmp_path: Path, mode: SyncreplMode, seed: int
) -> None:
    follower = Follower(clients, History(server, seed), tmp_path / "data.db", mode)
    die_at_each(follower, tmp_path / "missing.db", most=None)
    refresh_that_dies(follower, most=None)


def refresh_that_dies(follower: Follower, *, most: int | None) -> None:
    follower.converge()
    old = follower.path.with_name("old.db")
    with closing(sqlite3.connect(follower.path)) as source, closing(sqlite3.connect(old)) as target:
        source.backup(target)
    history = follower.history
    history.steps(60)
    for operation in (history.circle, history.out_and_in, history.move_unit, history.recreate):
        history.do(operation)
    die_at_each(follower, old, most=most)


# --- the persist stage ------------------------------------------------------------------------------------------------


def operations(slapd: Slapd, history: History) -> list[Callable[[], None]]:
    """Return a circle of operations, each of which the server tells by one message."""
    base, out = history.base, history.base.replace("ou=people", "ou=out")
    top, person = f"ou=top,{base}", f"cn=p,ou=inner,ou=top,{base}"
    attrs = {"objectClass": ["inetOrgPerson"], "cn": ["p"], "sn": ["s"], "description": ["keep"]}
    for dn in (top, f"ou=inner,{top}"):
        slapd.add(dn, {"objectClass": ["organizationalUnit"]})
    slapd.add(f"cn=other,{top}", {**attrs, "cn": ["other"]})
    return [
        lambda: slapd.add(person, attrs),
        lambda: slapd.replace(person, "jpegPhoto", [b"\xff\xd8\xff\xe0photo\xff\xd9"]),
        lambda: slapd.replace(person, "description", ["gone"]),
        lambda: slapd.replace(person, "description", ["keep"]),
        lambda: slapd.rename(top, "ou=crown"),
        lambda: slapd.rename(f"ou=crown,{base}", "ou=top"),
        lambda: slapd.rename(top, "ou=top", out),
        lambda: slapd.rename(f"ou=top,{out}", "ou=top", base),
        lambda: slapd.delete(person),
    ]


@pytest.mark.timeout(240)
def test_a_live_change_that_dies_is_there_whole_or_not_at_all(server: Slapd, clients: Clients, tmp_path: Path) -> None:
    history = History(server, 3)
    follower = Follower(clients, history, tmp_path / "data.db", SyncreplMode.REFRESH_AND_PERSIST)
    circle = operations(server, history)
    failpoints = [die_live(follower, operation, 0) for operation in circle]
    assert min(failpoints) > 3
    for number in range(1, max(failpoints) + 1):
        for operation in circle:
            die_live(follower, operation, number)


def die_live(follower: Follower, operation: Callable[[], None], number: int) -> int:
    """Let a client that listens die at a failpoint of one operation, and another one go on from there."""
    history = follower.history
    history.told[:] = [f"failpoint {number}"]
    job = Job(
        url=history.url, path=str(follower.path), mode=follower.mode.value, kill_at=number, later=True, counting=""
    )
    run = follower.clients.start(job)
    follower.await_mark(run, history.mark(), follower.path)
    before = look(follower.path).copy
    run.send(signal.SIGUSR1)
    operation()
    after = content_of(history.content())
    while not run.ended and look(follower.path).copy != after:
        pass
    result = run.stop()
    follower.told(result)
    old_or_new(follower.path, before, after, f"failpoint {number}")
    follower.converge()
    return result.statements


# --- a first load at 90 % ---------------------------------------------------------------------------------------------


def test_a_first_load_that_dies_at_ninety_percent_leaves_no_rows(clients: Clients, tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    with Slapd() as slapd:
        slapd.load(sample_ldif(PEOPLE))
        slapd.start()
        job = Job(
            url=f"{slapd.url}/{slapd.suffix}",
            path=str(path),
            mode=SyncreplMode.REFRESH_ONLY.value,
            counting="INSERT INTO syncrepl_entry",
            kill_at=PEOPLE * 9 // 10,
        )

        assert clients.run(job).killed
        assert rows(path) > 0
        assert not look(path).copy
        with_store_open(path, job.url, lambda: rows(path), expected=0)

        assert clients.run(Job(url=job.url, path=job.path, mode=job.mode)).status == 0
        sight = look(path)
        assert content_of(slapd.uuids()) == sight.copy
        sight.check("after the second load")


def rows(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM syncrepl_entry").fetchone()
        return int(count)


def with_store_open(path: Path, url: str, count: Callable[[], int], *, expected: int) -> None:
    """Open the file as its next client does, and look before it has asked the server anything."""
    replica = Replica(url, path)
    try:
        replica.open_store()
        assert expected == count()
        assert not look(path).copy
    finally:
        replica.close()
