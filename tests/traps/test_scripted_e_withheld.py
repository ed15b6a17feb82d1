"""Trap E14: what changes while a search runs is left out of it, and is not gone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.consumer import guard, verification
from syncrepl_client.testing import script
from tests.traps.laboratory import NEWER, ONCE, OPENLDAP, UNKNOWN, both_modes, refresh_end

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from syncrepl_client import SyncreplMode
    from syncrepl_client.testing.directory import Values
    from tests.traps.conftest import MakeLaboratory


@pytest.mark.trap("E14", server="scripted")
@both_modes
@pytest.mark.parametrize("root_dse", [OPENLDAP, UNKNOWN], ids=["openldap", "unknown"])
def test_who_is_withheld_from_a_refresh_from_nothing_is_not_reported_deleted(
    make: MakeLaboratory, mode: SyncreplMode, root_dse: Mapping[str, Values]
) -> None:
    """An entry that is written to all the time is withheld from the search that confirms, too."""
    lab = make(root_dse)
    forget_cookie(lab.path)
    for kind in (mode, ONCE):
        lab.provider.script(lab.sent(1), lab.sent(2), lab.sent(4), refresh_end(kind, lab.provider.cookie, deletes=True))
    before = lab.copy().rows

    with lab.asks(2):
        lab.run(mode)
    assert before == lab.copy().rows
    lab.delete(3)
    lab.converges()


@pytest.mark.trap("E14", server="scripted")
@both_modes
def test_a_change_of_who_was_left_out_is_not_lost(make: MakeLaboratory, mode: SyncreplMode) -> None:
    """The cookie at the end covers it."""
    lab = make(OPENLDAP)
    forget_cookie(lab.path)
    lab.modify(3)
    for kind in (mode, ONCE):
        lab.provider.script(lab.sent(1), lab.sent(2), lab.sent(4), refresh_end(kind, lab.provider.cookie, deletes=True))

    lab.run(mode)
    assert lab.copy().cookie == lab.provider.cookie
    lab.converges()


@pytest.mark.trap("E14", server="scripted")
@both_modes
def test_a_refresh_that_left_out_more_than_can_be_asked_for_is_not_gone_on_from(
    make: MakeLaboratory, mode: SyncreplMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_MOST_LEFT_OUT", 1)
    lab = make(OPENLDAP)
    forget_cookie(lab.path)
    lab.modify(3)
    for kind in (mode, ONCE):
        lab.provider.script(lab.sent(1), lab.sent(2), refresh_end(kind, lab.provider.cookie, deletes=True))

    lab.run(mode)
    assert lab.copy().cookie is None
    assert lab.numbers() == {1, 2, 3, 4}
    lab.converges()


@pytest.mark.trap("E14", server="scripted")
@both_modes
@pytest.mark.parametrize("limit", [1, 5000])
def test_a_present_phase_that_left_out_who_changed_loses_no_change(
    make: MakeLaboratory, mode: SyncreplMode, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_MOST_LEFT_OUT", limit)
    lab = make(UNKNOWN)
    lab.modify(3)
    lab.modify(4)
    lab.provider.script(refresh_end(mode, lab.provider.cookie, deletes=False))

    lab.run(mode)
    lab.converges()


@pytest.mark.trap("A8", server="scripted")
def test_who_asked_for_everything_goes_on_from_no_cookie_of_the_server(make: MakeLaboratory) -> None:
    lab = make(UNKNOWN)
    forget_cookie(lab.path)
    lab.modify(3)
    lab.provider.script(script.search_done(4096, "", script.sync_done(NEWER)))

    lab.run()
    assert lab.cookies[-2:] == [None, None]
    lab.converges()


@pytest.mark.trap("E14", server="scripted")
def test_a_repair_that_reads_everything_deletes_nobody_who_is_withheld(
    make: MakeLaboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_MOST_DIFFERENCES", 2)
    lab = make(OPENLDAP, entries=9)
    with closing(sqlite3.connect(lab.path)) as connection:
        connection.execute("UPDATE syncrepl_entry SET attrs = (SELECT attrs FROM syncrepl_entry LIMIT 1) WHERE id > 4")
        connection.commit()
    everything = [lab.sent(number) for number in range(1, 10)]
    without_3 = [*everything[:2], *everything[3:]]
    lab.provider.script(*everything, refresh_end(ONCE, lab.provider.cookie, deletes=True))
    for _ in range(2):
        lab.provider.script(*without_3, refresh_end(ONCE, lab.provider.cookie, deletes=True))

    with closing(lab.replica()) as replica:
        assert not replica.verify(repair=True).complete

    assert lab.numbers() == set(range(1, 10))
    lab.converges()


def forget_cookie(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE syncrepl_state SET cookie = NULL")
        connection.commit()
