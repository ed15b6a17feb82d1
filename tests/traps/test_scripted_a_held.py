"""Trap A3: what is held, and approvals that reach what they were given for and nothing else."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import MassDeletionHeld
from syncrepl_client.store import held
from syncrepl_client.store.decisions import Decisions
from syncrepl_client.testing import script
from tests.traps.laboratory import DS389, NUMBERED, ONCE, OPENLDAP, refresh_end

if TYPE_CHECKING:
    from pathlib import Path

    from tests.traps.conftest import MakeLaboratory
    from tests.traps.laboratory import Laboratory

MANY = 120
LEFT = set(range(61, MANY + 1))


def decide(path: Path, kind: str = held.APPROVE) -> None:
    with closing(Decisions(path)) as other:
        other.ask(kind, other.held())


def delete_half(lab: Laboratory) -> None:
    for number in range(1, 61):
        lab.delete(number)


@pytest.fixture
def untold(make: MakeLaboratory) -> Laboratory:
    """Make a copy of 389 that holds entries which are gone and never will be told of."""
    lab = make(DS389, entries=MANY, copied=False)
    lab.give_number(10)
    delete_half(lab)
    return lab


def nothing_told(lab: Laboratory) -> None:
    lab.provider.script(refresh_end(ONCE, NUMBERED % 11, deletes=None))


@pytest.mark.trap("A3", "B6", server="scripted")
def test_a_repair_that_was_held_is_done_once_it_is_approved(untold: Laboratory) -> None:
    """The refresh before it succeeds and knows nothing of what was held."""
    for _ in range(2):
        nothing_told(untold)
        with pytest.raises(MassDeletionHeld):
            untold.run()
    assert len(untold.numbers()) == MANY
    decide(untold.path)

    nothing_told(untold)
    untold.run()
    assert untold.numbers() == LEFT
    assert untold.copy().held == []

    for number in range(61, MANY + 1):
        untold.delete(number)
    nothing_told(untold)
    with pytest.raises(MassDeletionHeld):
        untold.run()


@pytest.mark.trap("A3", server="scripted")
def test_a_repair_that_was_held_and_rejected_is_held_anew(untold: Laboratory) -> None:
    nothing_told(untold)
    with pytest.raises(MassDeletionHeld):
        untold.run()
    decide(untold.path, held.REJECT)

    untold.provider.script(*untold.everything(NUMBERED % 12))
    with pytest.raises(MassDeletionHeld):
        untold.run()
    assert len(untold.numbers()) == MANY


@pytest.mark.trap("A3", server="scripted")
def test_a_repair_that_is_not_needed_any_more_is_held_no_longer(untold: Laboratory) -> None:
    nothing_told(untold)
    with pytest.raises(MassDeletionHeld):
        untold.run()
    for number in range(1, 61):
        untold.add(number)

    nothing_told(untold)
    untold.run()
    assert untold.copy().held == []
    assert len(untold.numbers()) == MANY


@pytest.mark.trap("A3", server="scripted")
def test_a_repair_that_somebody_asked_for_is_done_once_it_is_approved(make: MakeLaboratory) -> None:
    lab = make(OPENLDAP, entries=MANY)
    delete_half(lab)
    with closing(sqlite3.connect(lab.path)) as connection:
        # As if the stream had lost the deletions.
        connection.execute("UPDATE syncrepl_state SET cookie = ?", (lab.provider.cookie,))
        connection.commit()
    with closing(lab.replica()) as replica, pytest.raises(MassDeletionHeld):
        replica.verify(repair=True)
    # A refresh in between changes nothing about it.
    lab.run()
    decide(lab.path)

    with closing(lab.replica()) as replica:
        assert replica.verify(repair=True).repaired
    assert lab.numbers() == LEFT
    assert lab.copy().held == []


@pytest.mark.trap("A3", server="scripted")
def test_an_approval_that_is_given_while_the_same_refresh_comes_again_counts(make: MakeLaboratory) -> None:
    """A program that starts again and again is nearly always in the middle of a refresh."""
    lab = make(OPENLDAP, entries=MANY)
    delete_half(lab)
    with pytest.raises(MassDeletionHeld):
        lab.run()
    stall = script.stall()
    lab.provider.script(stall, script.from_directory())
    raised: list[Exception] = []

    def run() -> None:
        try:
            lab.run()
        except MassDeletionHeld as error:
            raised.append(error)

    again = threading.Thread(target=run)
    again.start()
    stall.wait_until_reached()
    decide(lab.path)
    stall.release()
    again.join()
    assert len(raised) == 1

    lab.run()
    assert lab.numbers() == LEFT
