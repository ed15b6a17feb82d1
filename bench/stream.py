"""Measure the stream of changes: what the changelog costs, catching up, a single change, reading what is stored."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from tests.slapd import SUFFIX

from bench.measure import Run, run
from bench.provider import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.slapd import Slapd

# Between two single changes, in seconds: what piles up before the client would be measured otherwise.
_PAUSE: Final = 0.005
_PROGRAM: Final = "bench.programs.stream"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stream", description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000, help="people in the directory")
    parser.add_argument("--rounds", type=int, default=5, help="alternations of what is compared")
    parser.add_argument("--changes", type=int, default=100_000, help="changes while the client is away")
    parser.add_argument("--live", type=int, default=1_000, help="single changes while it listens")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="syncrepl-bench-"))
    try:
        with prepare(options.entries, random_uuids=False) as slapd:
            slapd.start()
            _first_loads(slapd, scratch, options.rounds)
            _stored(slapd, scratch / "load.db", options.entries)
            for pause in (_PAUSE, 0.0):
                _live(slapd, scratch / "load.db", options.live, pause)
            _catching_up(slapd, scratch, min(options.changes, options.entries))
    finally:
        shutil.rmtree(scratch)


def _run(what: str, slapd: Slapd, path: Path) -> Run:
    return run([sys.executable, "-m", _PROGRAM, what, f"{slapd.url}/{SUFFIX}", path])


def _first_loads(slapd: Slapd, scratch: Path, rounds: int) -> None:
    walls: dict[str, list[Run]] = {"load": [], "load-without": []}
    for number in range(rounds):
        for what in list(walls)[:: -1 if number % 2 else 1]:
            path = scratch / f"{what}.db"
            _remove(path)
            walls[what].append(_run(what, slapd, path))
    ratio = median(one.wall / other.wall for one, other in zip(walls["load"], walls["load-without"], strict=True))
    seconds = median(one.wall for one in walls["load"])
    print(f"first load with a changelog: {seconds:.2f} s, {ratio:.2f} times what it takes without one", flush=True)


def _stored(slapd: Slapd, path: Path, entries: int) -> None:
    measured = _run("iterate", slapd, path)
    print(f"iteration over {entries:,} stored entries: {measured.wall:.2f} s, {measured.peak:.0f} MB", flush=True)


def _live(slapd: Slapd, path: Path, changes: int, pause: float) -> None:
    """Write changes one by one, and compare when the server had answered with when they were heard of."""
    for what, name in (("listen", "callback"), ("iterate-live", "iterator")):
        waited, cpu = _heard(slapd, path, what, changes, pause)
        slowest = quantiles(waited, n=100)
        apart = f"{pause * 1e3:g} ms apart" if pause else "as fast as they are written"
        print(
            f"{len(waited):,} single changes, {apart}, "
            f"from the answer to the writer to the {name}: median {median(waited):.2f} ms, 99 % within "
            f"{slowest[98]:.2f} ms; {cpu / len(waited) * 1e3:.2f} ms of processor for each",
            flush=True,
        )


def _heard(slapd: Slapd, path: Path, what: str, changes: int, pause: float) -> tuple[list[float], float]:
    """Return the milliseconds of each change, and the seconds of processor of all."""
    command = [sys.executable, "-m", _PROGRAM, what, f"{slapd.url}/{SUFFIX}", str(path)]
    answered: dict[str, int] = {}

    def write(number: int, value: str) -> None:
        slapd.replace(f"uid=u{number:06},ou=people,{SUFFIX}", "description", [value])
        answered[value] = time.monotonic_ns()

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(1, changes + 1):
            write(number, f"{what} {pause} {number}")
            if pause:
                time.sleep(pause)
        write(1, f"{what} {pause} last")
        lines = process.stdout.read().splitlines()
    heard = [line.rpartition(" ") for line in lines[:-1]]
    return [(int(when) - answered[value]) / 1e6 for value, _, when in heard], float(lines[-1])


def _catching_up(slapd: Slapd, scratch: Path, changes: int) -> None:
    path, copy = scratch / "load.db", scratch / "caught-up.db"
    unchanged = _run("watch", slapd, path)
    print(f"one refresh that finds nothing new: {unchanged.wall:.2f} s", flush=True)
    _change_many(slapd, changes)
    for what in ("watch", "touch"):
        _remove(copy)
        shutil.copy(path, copy)
        measured = _run(what, slapd, copy)
        print(
            f"{changes:,} changes while it was away, through {what}: {measured.wall:.2f} s, {measured.cpu:.2f} s of "
            f"processor, {measured.peak:.0f} MB: {changes / measured.wall:,.0f} changes/s",
            flush=True,
        )


def _change_many(slapd: Slapd, changes: int) -> None:
    def records() -> Iterator[str]:
        for number in range(1, changes + 1):
            yield (
                f"dn: uid=u{number:06},ou=people,{SUFFIX}\nchangetype: modify\nreplace: description\n"
                f"description: changed {number}\n-\n\n"
            )

    command = ["ldapmodify", "-x", "-H", slapd.url, "-D", slapd.rootdn, "-w", slapd.rootpw]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        process.stdin.writelines(records())
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


if __name__ == "__main__":
    main()
