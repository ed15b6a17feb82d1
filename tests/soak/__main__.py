"""Run everything at once for long; see the package.

    python -m tests.soak --seconds 1200 --seed 7
    python -m tests.soak --replay soak-7.json

What fails is tried again with less and less of it, for as long as the run itself may take at most, and the least that
was found to fail is written into a file, which can be replayed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.soak.plan import Plan, make_plan
from tests.soak.report import report
from tests.soak.run import run
from tests.soak.smaller import smaller
from tests.soak.troubles import TROUBLES

if TYPE_CHECKING:
    from tests.soak.plan import Round


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1200.0, help="how long (1200)")
    parser.add_argument("--rate", type=float, default=100.0, help="operations a second on the average (100)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30), help="of everything")
    parser.add_argument("--replay", type=Path, help="a file that a failure has left")
    asked = parser.parse_args()
    if asked.replay:
        plan = msgspec.json.decode(asked.replay.read_bytes(), type=Plan)
    else:
        plan = make_plan(asked.seed, asked.seconds, asked.rate, TROUBLES)
    say(f"seed {plan.seed}, {len(plan.rounds)} rounds")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    outcome = run(plan, folder, asked.seconds, say)
    say(report(outcome))
    if not outcome.wrong:
        say("nothing failed")
        return 0
    say(f"failed with seed {plan.seed}, see {folder}:\n{outcome.wrong}")
    if outcome.failed is not None:
        _look_for_less(plan, outcome.failed, folder, asked.seconds)
    return 1


def say(line: str) -> None:
    """Tell who waits."""
    print(line, flush=True)


def _look_for_less(plan: Plan, failed: Round, folder: Path, seconds: float) -> None:
    until, numbers = time.monotonic() + seconds, itertools.count(1)

    def fails(less: Plan) -> bool:
        [one] = less.rounds
        place = folder / f"again{next(numbers)}"
        place.mkdir()
        wrong = run(less, place, 0.0, lambda _: None).wrong
        size = f"{len(one.pair)} and {len(one.other)} operations, {len(one.troubles)} troubles"
        say(f"{size}: {wrong.partition(chr(10))[0][:200] if wrong else 'does not fail'}")
        return bool(wrong)

    found = smaller(plan, failed, fails, lambda: time.monotonic() < until)
    path = Path(f"soak-{plan.seed}.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    operations = sum(len(one.pair) + len(one.other) for one in found.rounds)
    say(f"the smallest that was found to fail: {len(found.rounds)} rounds, {operations} operations, and")
    for one in found.rounds[-1].troubles:
        say(f"    {one.at:6.2f} s, for {one.lasts:5.2f} s: {one.trouble}")
    say(f"python -m tests.soak --replay {path}")


if __name__ == "__main__":
    sys.exit(main())
