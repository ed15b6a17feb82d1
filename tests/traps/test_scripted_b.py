"""Traps B1 to B10: deletions that are not told, and cookies that lead nowhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import MassDeletionHeld
from syncrepl_client.testing import script
from tests.traps.laboratory import (
    DS389,
    FOLLOW,
    NEWER,
    NUMBERED,
    ONCE,
    OPENLDAP,
    UNKNOWN,
    Laboratory,
    both_modes,
    refresh_end,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing import Step
    from syncrepl_client.testing.directory import Values
    from tests.traps.conftest import MakeLaboratory

EMPTY = b""


def set_cookie(lab: Laboratory, cookie: bytes | None) -> None:
    with closing(sqlite3.connect(lab.path)) as connection:
        connection.execute("UPDATE syncrepl_state SET cookie = ?", (cookie,))
        connection.commit()


# --- B1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("B1", server="scripted")
@both_modes
@pytest.mark.parametrize("deletes", [None, False, True])
@pytest.mark.parametrize("root_dse", [OPENLDAP, UNKNOWN, DS389], ids=["openldap", "unknown", "389"])
def test_without_a_cookie_the_content_is_what_was_sent(
    make: MakeLaboratory,
    mode: SyncreplMode,
    deletes: bool | None,  # noqa: FBT001
    root_dse: Mapping[str, Values],
) -> None:
    lab = make(root_dse)
    lab.delete(2)
    set_cookie(lab, None)
    lab.provider.script(lab.sent(1), lab.sent(3), lab.sent(4), refresh_end(mode, NEWER, deletes=deletes))

    lab.run(mode)
    assert lab.numbers() == {1, 3, 4}


# --- B2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("B2", server="scripted")
@pytest.mark.parametrize("deletes", [None, False, True])
@pytest.mark.parametrize("root_dse", [OPENLDAP, UNKNOWN], ids=["openldap", "unknown"])
def test_an_idle_poll_that_ends_with_an_empty_cookie_keeps_the_one_before(
    make: MakeLaboratory,
    deletes: bool | None,  # noqa: FBT001
    root_dse: Mapping[str, Values],
) -> None:
    """As slapd 2.6.14 ends it, with its whole present set or with a replay of its log."""
    lab = make(root_dse)
    cookie = lab.copy().cookie
    for _ in range(2):
        lab.provider.script(script.id_set(lab.uuids(1, 4), cookie=EMPTY), refresh_end(ONCE, EMPTY, deletes=deletes))
        lab.run()
        assert lab.copy().cookie == cookie
    lab.delete(2)

    with lab.asks(1):
        lab.run()
    assert lab.cookies[-1] == cookie
    assert lab.numbers() == {1, 3, 4}


@pytest.mark.trap("B2", "A5", server="scripted")
@both_modes
def test_a_sweep_without_a_cookie_is_followed_by_a_full_refresh(lab: Laboratory, mode: SyncreplMode) -> None:
    """Nobody knows which state of which provider the copy is in now."""
    lab.provider.script(script.id_set(lab.uuids(1, 3)), refresh_end(mode, EMPTY, deletes=False))
    lab.run(mode)
    assert lab.numbers() == {1, 2, 3}

    lab.converges()
    assert lab.cookies[-1] is None


@pytest.mark.trap("B2", server="scripted")
@pytest.mark.parametrize("deletes", [False, True])
def test_empty_cookies_in_all_places_are_none(lab: Laboratory, deletes: bool) -> None:  # noqa: FBT001
    cookie = lab.copy().cookie
    stall = script.stall()
    lab.modify(3)
    lab.provider.script(
        script.new_cookie(EMPTY),
        script.id_set(lab.uuids(1, 4), cookie=EMPTY),
        lab.sent(1, cookie=EMPTY),
        (script.refresh_delete if deletes else script.refresh_present)(EMPTY),
        lab.sent(2, 2, EMPTY),
        script.new_cookie(EMPTY),
        script.id_set([lab.uuid(9)], deletes=True, cookie=EMPTY),
        lab.sent(3, 2, EMPTY),
        stall,
    )
    told: list[bytes] = []

    class Listener:
        def cookie(self, cookie: bytes) -> None:
            told.append(cookie)

    with lab.replica(FOLLOW, listener=Listener()) as replica:
        while replica.entries[lab.dn(3)]["sn"] != [b"changed"]:
            replica.step()
    assert lab.copy().cookie == cookie
    assert told == []
    lab.converges()


@pytest.mark.trap("B2", server="scripted")
@both_modes
@pytest.mark.parametrize(
    "stored", [b"", NUMBERED % 7, b"rid=000", b"rid=000,csn=", b"rid=000,csn=x", b"csn=20200101000000.000000Z#0#0#0"]
)
def test_a_stored_cookie_that_openldap_cannot_read_is_not_sent(
    lab: Laboratory, mode: SyncreplMode, stored: bytes
) -> None:
    """Slapd would give everything and no cookie in return, and the next refresh were no better."""
    set_cookie(lab, stored)
    lab.delete(2)

    with lab.asks(2):
        lab.run(mode)
    assert lab.cookies[-1] is None
    assert lab.numbers() == {1, 3, 4}
    assert lab.copy().cookie == lab.provider.cookie


# --- B3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.trap("B3", server="scripted")
@pytest.mark.parametrize("cookie", [b"rid=000", b"rid=000,sid=001", b"rid=000,csn=", b"rid=000,csn=;", b"x"])
@pytest.mark.parametrize("place", ["entry", "newcookie", "set", "end"])
def test_a_cookie_without_a_change_number_replaces_none(lab: Laboratory, cookie: bytes, place: str) -> None:
    before = lab.copy().cookie
    lab.modify(1)
    in_persist: dict[str, list[Step]] = {
        "entry": [lab.sent(1, 2, cookie)],
        "newcookie": [script.new_cookie(cookie), lab.sent(1, 2)],
        "set": [script.id_set([lab.uuid(9)], deletes=True, cookie=cookie), lab.sent(1, 2)],
        "end": [lab.sent(1, 2)],
    }
    lab.provider.script(script.refresh_delete(cookie if place == "end" else None), *in_persist[place])

    with lab.replica(FOLLOW) as replica:
        while replica.entries[lab.dn(1)]["sn"] != [b"changed"]:
            replica.step()
    assert lab.copy().cookie == before
    lab.converges()
    assert lab.cookies[-1] == before


# --- B6, B10 ----------------------------------------------------------------------------------------------------------


@pytest.mark.trap("B6", "B10", server="scripted")
@pytest.mark.parametrize("root_dse", [OPENLDAP, DS389], ids=["nopresent", "389"])
def test_deletions_that_nobody_tells_are_found_by_verification(
    make: MakeLaboratory, root_dse: Mapping[str, Values]
) -> None:
    lab = make(root_dse)
    cookie = lab.give_number() if root_dse is DS389 else NEWER
    lab.delete(2)
    lab.provider.script(refresh_end(ONCE, cookie, deletes=True))
    lab.run(verify_every=0)
    assert lab.numbers() == {1, 2, 3, 4}

    # 389 is asked without being told to.
    lab.run(verify_every=None if root_dse is DS389 else 600)
    assert lab.numbers() == {1, 3, 4}
    lab.converges()


@pytest.mark.trap("B6", server="scripted")
def test_a_repair_that_would_delete_too_much_is_held(make: MakeLaboratory) -> None:
    lab = make(DS389, entries=120)
    for number in range(1, 81):
        lab.delete(number)
    before = lab.copy().rows
    lab.provider.script(refresh_end(ONCE, lab.provider.cookie, deletes=True))

    with pytest.raises(MassDeletionHeld) as held:
        lab.run()
    assert held.value.deletions == 80
    assert lab.copy().rows == before
    assert lab.copy().held == [uuid.bytes for uuid in lab.uuids(1, 80)]
