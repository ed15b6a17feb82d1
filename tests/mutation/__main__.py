"""Run mutmut over what decides what is gone, and hold what no test noticed against the explanations.

Facts about mutmut that shaped this module:

* It changes what stands in functions alone; tables of a module are held by tests that go through them row by row.
* It works in the folder ``mutants``, and goes on there when it is started again: what was tried and has not changed
  since is not tried again.
* It numbers the changes of a function, so that numbers mean something else after each edit.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Final

from tests.mutation.explained import EXPLAINED, Mutation

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE: Final = "syncrepl_client."
TARGETS: Final = (
    "contentsync.*",
    # Who was named in a refresh, and who is gone at its end.
    "store.refresh.*",
    "store.brought.*",
    "store.unknown.*",
    "store.delivery.*Deliveryǁ_deletes__*",
    "store.delivery.x__gone__*",
    "store.delivery.x_apply_untold__*",
    # What the end of a refresh means.
    "consumer.pump.*Consumerǁ_end_refresh__*",
    "consumer.pump.*Consumerǁ_stage__*",
    "consumer.pump.x__stage_content__*",
)
_RESULT: Final = re.compile(r"\s*(\S+): (.+)")
_NUMBER: Final = re.compile(r"__mutmut_\d+$")
_NOTICED: Final = frozenset({"killed", "timeout"})


def mutmut(*arguments: str) -> str:
    """Run a command of mutmut, and return what it prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout


def place_of(name: str) -> str:
    """Return the function that a mutant is in, as people write it."""
    module, _, function = _NUMBER.sub("", name.removeprefix(PACKAGE)).rpartition(".")
    return f"{module}: {function.removeprefix('xǁ').removeprefix('x_').replace('ǁ', '.')}"


def mutation_of(name: str) -> Mutation:
    """Return what a mutant changes."""
    lines = [line for line in mutmut("show", name).splitlines() if not line.startswith(("---", "+++"))]
    was, becomes = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in ("-", "+"))
    return Mutation(place_of(name), was, becomes)


def results(targets: Sequence[str]) -> dict[str, str]:
    """Return what became of each mutant."""
    found = (_RESULT.fullmatch(line) for line in mutmut("results", "--all", "true").splitlines())
    return {
        match[1]: match[2]
        for match in found
        if match and any(fnmatch(match[1], PACKAGE + target) for target in targets)
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="how many mutants are tried at once")
    jobs = parser.parse_args().jobs
    patterns = [PACKAGE + target for target in TARGETS]
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *patterns], check=True)

    statuses = results(TARGETS)
    unnoticed = [mutation_of(name) for name, status in statuses.items() if status not in _NOTICED]
    unexplained = [mutation for mutation in unnoticed if mutation not in EXPLAINED]
    settled = [mutation for mutation in EXPLAINED if mutation not in unnoticed]
    for mutation in unexplained:
        print(f"no test notices, in {mutation.place}:\n    {mutation.was}\n    {mutation.becomes}")
    for mutation in settled:
        print(f"explained, but noticed or not made any more, in {mutation.place}:\n    {mutation.becomes}")
    counts = ", ".join(f"{count} {status}" for status, count in Counter(statuses.values()).most_common())
    print(f"{len(statuses)} mutants: {counts}; {len(unnoticed) - len(unexplained)} explained")
    return 1 if unexplained or settled or not statuses else 0


if __name__ == "__main__":
    raise SystemExit(main())
