"""Traps C1 to C12: changes that are missed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.model import Change, Origin
from syncrepl_client.testing import Provider, script
from tests.traps.laboratory import (
    APACHEDS,
    DS389,
    FOLLOW,
    NEWER,
    NUMBERED,
    ONCE,
    OPENLDAP,
    SUFFIX,
    UNKNOWN,
    Laboratory,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing.directory import Values
    from syncrepl_client.testing.script import Response
    from tests.traps.conftest import MakeLaboratory

EARLY: dict[str, Callable[[Laboratory, bytes], Response]] = {
    "one set of deletions": lambda lab, cookie: script.id_set([lab.uuid(2)], deletes=True, cookie=cookie),
    "set of the present": lambda lab, cookie: script.id_set(lab.uuids(1, 4), cookie=cookie),
    "entry": lambda lab, cookie: lab.sent(2, cookie=cookie),
    "deleted entry": lambda lab, cookie: script.entry("", {}, lab.uuid(2), 3, cookie),
    "newcookie": lambda _, cookie: script.new_cookie(cookie),
    "separator": lambda _, cookie: script.refresh_present(cookie, done=False),
}
"""Where a cookie may stand inside a refresh: 389 has it in its deletions, slapd 2.4 in its one set of all of them."""


@pytest.mark.trap("C1", server="scripted")
@both_modes
@pytest.mark.parametrize("place", EARLY)
@pytest.mark.parametrize("root_dse", [OPENLDAP, UNKNOWN, DS389], ids=["openldap", "unknown", "389"])
def test_a_cookie_that_comes_before_its_changes_is_not_kept_without_them(
    make: MakeLaboratory, mode: SyncreplMode, place: str, root_dse: Mapping[str, Values]
) -> None:
    lab = make(root_dse, copied=False)
    former, newer = (NUMBERED % 7, NUMBERED % 9) if root_dse is DS389 else (None, NEWER)
    if former is not None:
        lab.provider.script(*[lab.sent(number) for number in range(1, 5)], refresh_end(ONCE, former, deletes=None))
    lab.run(verify_every=0)
    former = lab.copy().cookie
    lab.modify(1)
    lab.provider.script(EARLY[place](lab, newer), script.cut())

    with lab.refused(ConnectionLost):
        lab.run(mode, verify_every=0)
    lab.converges(mode=mode, verify_every=0)
    assert lab.cookies[-1] == former


@pytest.mark.trap("C1", server="scripted")
@both_modes
@pytest.mark.parametrize("place", EARLY)
def test_a_cookie_inside_a_refresh_is_none_of_its_end_either(lab: Laboratory, mode: SyncreplMode, place: str) -> None:
    before = lab.copy().cookie
    lab.provider.script(EARLY[place](lab, NEWER), refresh_end(mode, None, deletes=True))

    lab.run(mode)
    assert lab.copy().cookie == before


@pytest.mark.trap("C2", server="scripted")
@pytest.mark.parametrize("session_log", [False, True])
def test_the_servers_own_id_is_not_sent_back(make: MakeLaboratory, session_log: bool) -> None:  # noqa: FBT001
    with Provider(server_id=1, session_log=session_log) as provider:
        lab = Laboratory(provider, make().path)
        lab.path = lab.path.with_name("other")
        lab.fill(3)
        lab.run()
        assert b",sid=001," in provider.cookie
        with lab.replica(FOLLOW) as replica:
            replica.refresh()
            lab.delete(2)
            while lab.dn(2) in replica.entries:
                replica.step()
        lab.delete(3)
        lab.converges()

    assert all(b"sid=" not in cookie and b"delcsn=" not in cookie for cookie in lab.cookies if cookie)


@pytest.mark.trap("C3", server="scripted")
@both_modes
def test_the_cookie_at_the_end_of_a_refresh_replaces_the_one_before(make: MakeLaboratory, mode: SyncreplMode) -> None:
    """The content is that of a provider that lags, so what it lacks has to be sent again."""
    # How far it is it does not show.
    lab = make({"namingContexts": []})
    ahead, behind = (
        f"rid=000,csn=20300101000000.000000Z#000000#001#000000;20{year}0101000000.000000Z#000000#002#000000".encode()
        for year in (30, 29)
    )
    lab.provider.script(refresh_end(mode, ahead, deletes=True))
    lab.run(mode)
    lab.provider.script(script.id_set(lab.uuids(1, 4)), refresh_end(mode, behind, deletes=False))

    lab.run(mode)
    assert lab.cookies[-1] == ahead
    assert lab.copy().cookie == behind


@pytest.mark.trap("C10", server="scripted")
def test_a_cookie_of_one_server_leaves_those_of_the_others_alone(lab: Laboratory) -> None:
    csns = {sid: f"20300101000000.000000Z#000000#00{sid}#000000" for sid in (1, 2, 3)}
    both = f"rid=000,csn={csns[1]};{csns[2]}".encode()
    newer = csns[2].replace("2030", "2031")
    lab.modify(1)
    lab.provider.script(
        script.refresh_delete(both),
        lab.sent(2, 2, f"rid=000,sid=003,csn={newer}".encode()),
        lab.sent(3, 2, f"rid=000,csn={csns[3]}".encode()),
        # A replay repeats an old one.
        lab.sent(1, 2, f"rid=000,csn={csns[2]}".encode()),
    )

    with lab.replica(FOLLOW) as replica:
        while replica.entries[lab.dn(1)]["sn"] != [b"changed"]:
            replica.step()
    assert lab.copy().cookie == f"rid=000,csn={csns[1]};{newer};{csns[3]}".encode()


# --- C4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("C4", server="scripted")
@both_modes
@pytest.mark.parametrize("scope", ["one", "sub"])
@pytest.mark.parametrize("deletes", [None, True], ids=["present phase", "delete phase"])
def test_who_is_named_as_present_and_not_here_is_fetched(
    make: MakeLaboratory,
    mode: SyncreplMode,
    scope: str,
    deletes: bool | None,  # noqa: FBT001
) -> None:
    lab = make(scope=scope)
    suffix = [UUID(bytes=row[0]) for row in lab.copy().rows if row[1] == SUFFIX]
    lab.add(5)
    lab.add(6)
    lab.provider.script(
        script.id_set([*suffix, *lab.uuids(1, 6)]), refresh_end(mode, lab.provider.cookie, deletes=deletes)
    )

    lab.run(mode)

    asked = [request for request in lab.requests if "entryUUID" in request.filter]
    assert len(asked) == 1
    assert all(str(lab.uuid(number)) in asked[0].filter for number in (5, 6))
    assert {5, 6} <= lab.numbers()
    lab.converges()


@pytest.mark.trap("C4", server="scripted")
@both_modes
def test_who_was_sent_or_named_as_deleted_as_well_is_not_asked_for(lab: Laboratory, mode: SyncreplMode) -> None:
    """Slapd names those too that it is about to send."""
    lab.add(5)
    lab.provider.script(
        script.id_set([*lab.uuids(1, 5), lab.uuid(7)]),
        lab.sent(5),
        script.id_set([lab.uuid(7)], deletes=True),
        script.id_set([lab.uuid(5)]),
        refresh_end(mode, lab.provider.cookie, deletes=None),
    )

    with lab.asks(1):
        lab.run(mode)
    assert lab.numbers() == {1, 2, 3, 4, 5}


@pytest.mark.trap("C4", server="scripted")
@both_modes
def test_who_was_named_and_is_not_found_is_not_there(lab: Laboratory, mode: SyncreplMode) -> None:
    lab.provider.script(script.id_set(lab.uuids(1, 5)), refresh_end(mode, lab.provider.cookie, deletes=None))

    with lab.asks(2):
        lab.run(mode)
    assert lab.numbers() == {1, 2, 3, 4}
    lab.converges()


@pytest.mark.trap("C4", server="scripted")
@both_modes
def test_where_nobody_can_be_asked_for_everything_is_read(lab: Laboratory, mode: SyncreplMode) -> None:
    """An identity that may not search by entryUUID finds not even those who are there."""
    lab.add(5)
    lab.provider.script(script.id_set(lab.uuids(1, 5)), refresh_end(mode, lab.provider.cookie, deletes=None))
    lab.provider.script(refresh_end(ONCE, None, deletes=True))

    with lab.asks(3):
        lab.run(mode)
    assert lab.cookies[-1] is None
    assert lab.numbers() == {1, 2, 3, 4, 5}


@pytest.mark.trap("C4", server="scripted")
@both_modes
def test_so_many_that_were_named_and_are_not_here_are_read_with_everything(lab: Laboratory, mode: SyncreplMode) -> None:
    lab.add(5)
    lab.provider.script(
        *(script.id_set(lab.uuids(first, first + 255)) for first in range(1, 10_000, 256)),
        refresh_end(mode, lab.provider.cookie, deletes=None),
    )

    with lab.asks(2):
        lab.run(mode)
    assert lab.cookies[-1] is None
    assert lab.numbers() == {1, 2, 3, 4, 5}


# --- C9 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("C9", server="scripted")
@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_change_that_could_not_be_applied_is_told_again(lab: Laboratory, fails_at: int) -> None:
    class Listener:
        told = 0

        def change(self, change: Any, cursor: sqlite3.Cursor) -> None:
            self.told += 1
            if self.told == fails_at:
                raise LookupError

    stall = script.stall()
    cookies = [NEWER.replace(b"2030", b"%d" % year) for year in (2031, 2032, 2033)]
    before = lab.copy()
    for number in (1, 2, 3):
        lab.modify(number)
    changes = [lab.sent(number, 2, cookie) for number, cookie in enumerate(cookies, 1)]
    lab.provider.script(script.refresh_delete(), *changes, stall)

    with lab.replica(FOLLOW, listener=Listener()) as replica, pytest.raises(LookupError):
        replica.run()

    changed = {int.from_bytes(row[0]) for row in set(lab.copy().rows) - set(before.rows)}
    assert changed <= set(range(1, fails_at))
    assert lab.copy().cookie == (cookies[max(changed) - 1] if changed else before.cookie)
    lab.provider.script(*changes[max(changed, default=0) :], refresh_end(ONCE, cookies[-1], deletes=True))
    lab.converges()


@pytest.mark.trap("C5", server="scripted")
def test_a_change_that_apacheds_loses_is_found_by_verification_while_it_listens(make: MakeLaboratory) -> None:
    """The first change of each entry after a refresh is never told there."""
    lab = make(APACHEDS, copied=False)
    silence = script.stall()
    everything = [lab.sent(number) for number in range(1, 5)]
    lab.provider.script(*everything, script.new_cookie(b"rid=001,csn=1"), silence)
    origins: list[Origin] = []

    class Listener:
        def change(self, change: Change, cursor: sqlite3.Cursor) -> None:
            origins.append(change.origin)

    with lab.replica(FOLLOW, verify_every=0.1, listener=Listener()) as replica:
        replica.refresh()
        lab.modify(1, "lost")
        deadline = time.monotonic() + 30
        while replica.entries[lab.dn(1)]["sn"] != [b"lost"]:
            assert time.monotonic() < deadline
            replica.step(0.1)

    assert origins == [*[Origin.SNAPSHOT] * 4, Origin.VERIFICATION]
    lab.converges()
