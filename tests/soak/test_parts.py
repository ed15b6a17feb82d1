"""The soak notices what is wrong, and a seed makes the same plan again."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from syncrepl_client import Replica, Retention
from syncrepl_client.testing import Provider
from tests.following import until
from tests.soak.chapters import Operation
from tests.soak.excuses import Excuse, unexplained
from tests.soak.plan import Due, Happening, Plan, Round, make_plan
from tests.soak.smaller import smaller
from tests.soak.told import Laggard, Told
from tests.soak.troubles import TROUBLES
from tests.soak.vitals import Vitals, grown

if TYPE_CHECKING:
    from pathlib import Path


def test_a_seed_makes_the_same_plan_and_another_seed_another() -> None:
    plan = make_plan(3, 100, 20, TROUBLES)

    assert plan == make_plan(3, 100, 20, TROUBLES)
    assert plan.rounds != make_plan(4, 100, 20, TROUBLES).rounds
    assert plan == msgspec.json.decode(msgspec.json.encode(plan), type=Plan)


def test_each_trouble_comes_in_its_turn_and_never_two_at_a_time_to_one_part() -> None:
    plan = make_plan(5, 600, 1, TROUBLES)

    assert {what.trouble for one in plan.rounds for what in one.troubles} == TROUBLES.keys()
    for one in plan.rounds:
        for part in {part for what in one.troubles for part in TROUBLES[what.trouble].parts}:
            times = [(what.at, what.at + what.lasts) for what in one.troubles if part in TROUBLES[what.trouble].parts]
            assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(times))
    assert not any(TROUBLES[what.trouble].ends_program for one in plan.rounds[-10:] for what in one.troubles)


def test_less_that_fails_is_found() -> None:
    operations = [Due(0.0, Operation(what="delete", dn=str(number))) for number in range(40)]
    troubles = [Happening(0.0, 1.0, str(number)) for number in range(10)]
    plan = Plan(1, [Round([], [], []), Round(operations, operations, troubles)])

    def fails(less: Plan) -> bool:
        [one] = less.rounds
        return {"17", "31"} <= {due.operation.dn for due in one.pair} and "4" in {what.trouble for what in one.troubles}

    [found] = smaller(plan, plan.rounds[1], fails, lambda: True).rounds

    assert [due.operation.dn for due in found.pair] == ["17", "31"]
    assert [what.trouble for what in found.troubles] == ["4"]
    assert found.other == []


def test_what_fails_with_all_before_it_alone_is_kept_with_that() -> None:
    plan = Plan(1, [Round([], [], []), Round([], [], [Happening(0.0, 1.0, "x")]), Round([], [], [])])

    assert smaller(plan, plan.rounds[1], lambda less: len(less.rounds) > 1, lambda: True).rounds == plan.rounds[:2]


@pytest.mark.parametrize(
    ("later", "what"),
    [
        (Vitals(60_000, 20, 5), "memory"),
        (Vitals(30_000, 33, 5), "descriptors"),
        (Vitals(30_000, 20, 8), "threads"),
    ],
)
def test_growth_is_noticed(later: Vitals, what: str) -> None:
    first = Vitals(30_000, 20, 5)

    assert grown([first, first, first]) == []
    # Who has just started is small.
    assert grown([first, later, later]) == []
    [found] = grown([first, first, later])
    assert found.startswith(what)


def test_lines_need_an_excuse() -> None:
    lost = json.dumps({"level": "warning", "message": "h: ConnectionLost: gone; the next try is in 0.1 s"})
    full = json.dumps({"level": "error", "message": "ended by DBError: the data file x: database or disk is full"})
    told = json.dumps({"level": "info", "message": "connected"})

    assert unexplained("watcher", [lost, full, told, "Traceback"], Excuse.NONE) == [lost, full, "Traceback"]
    assert unexplained("watcher", [lost, full, told, "Traceback"], Excuse.CONNECTION) == [full, "Traceback"]
    assert unexplained("watcher", [lost, full], Excuse.CONNECTION | Excuse.DISK) == []


def line(sequence: int, before: object, after: object, uuid: str = "u") -> str:
    return json.dumps([sequence, uuid, "Modified", before, after]) + "\n"


def test_what_was_told_is_followed_over_deaths_and_repeats(tmp_path: Path) -> None:
    path = tmp_path / "told"
    first, second = ["cn=a", "1"], ["cn=a", "2"]
    path.write_text('\n"begin"\n' + line(1, None, first) + '[2, "u", "Mod\n"begin"\n' + line(1, None, first))
    told = Told(path)
    told.read()
    with path.open("a") as file:
        file.write(line(2, first, second))

    told.read()

    assert told.state == {"u": ("cn=a", "2")}
    assert (told.changes, told.repeats) == (2, 1)


@pytest.mark.parametrize(
    "hole",
    [
        line(3, ["cn=a", "2"], ["cn=a", "3"]),
        line(3, None, ["cn=a", "3"]),
        line(3, ["cn=b", "1"], None, uuid="other"),
        "torn\n" + line(3, ["cn=a", "1"], None),
    ],
)
def test_a_change_that_does_not_fit_is_noticed(tmp_path: Path, hole: str) -> None:
    path = tmp_path / "told"
    path.write_text('\n"begin"\n' + line(1, None, ["cn=a", "1"]) + hole)

    with pytest.raises(AssertionError):
        Told(path).read()


def test_who_is_overtaken_begins_anew_and_follows_to_the_copy(tmp_path: Path) -> None:
    path, base = tmp_path / "data", "dc=example,dc=com"
    laggard, names = Laggard(path), [f"cn={number},{base}" for number in range(3)]

    with Provider(base) as provider:

        def follow_to(count: int) -> None:
            kept = Retention(octets=0, largest=0)
            with Replica(f"{provider.url}/{base}", path, changelog=kept) as replica:
                until(lambda: replica.step(0.1) and len(replica.entries) > count)
                # Once more, for it is idle when it looks whether there is too much.
                replica.step(0.1)

        follow_to(0)
        laggard.read()
        for number, name in enumerate(names, 1):
            provider.add(name, {"objectClass": "person", "sn": "x"})
            follow_to(number)

    assert laggard.check(path)
    laggard.read()
    assert (laggard.check(path), laggard.lost) == ("", 1)
