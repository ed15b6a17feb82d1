"""Look for inputs that break what must hold; see the package.

    python -m tests.fuzz --seconds 600

The time is shared by the targets.  With atheris (the extra ``fuzz``; it has wheels for some versions of Python on
Linux) coverage guides the search, each target in a process of its own; without it inputs are changed at random.  What
fails is written into ``tests/fuzz/corpus/TARGET``, where the tests will try it from then on, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import resource
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING

from tests.fuzz.guided import MEMORY
from tests.fuzz.limits import bounded, measured
from tests.fuzz.mutation import mutated
from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS, attempt

if TYPE_CHECKING:
    from pathlib import Path

MEASURED_EVERY = 16


def main() -> int:
    """Run all targets, or one."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together (600)")
    parser.add_argument("--target", choices=list(TARGETS), help="one alone")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(1 << 30), help="of the random search"
    )
    asked = parser.parse_args()
    targets = [asked.target] if asked.target else list(TARGETS)
    guided = importlib.util.find_spec("atheris") is not None
    share = asked.seconds / len(targets)
    if asked.target and not guided:
        return 0 if _search(asked.target, share, asked.seed) else 1
    print(f"{'atheris' if guided else 'random search'}, seed {asked.seed}, {len(targets)} targets", flush=True)
    failed = [name for name in targets if not (_guided(name, share) if guided else _apart(name, share, asked.seed))]
    print("failed: " + ", ".join(failed) if failed else "nothing failed")
    return 1 if failed else 0


def _apart(name: str, seconds: float, seed: int) -> bool:
    """Search in a process of its own: what one target leaves in memory is not told of another."""
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--seconds", str(seconds), "--seed", str(seed)]
    return subprocess.run(command, check=False).returncode == 0


def _search(name: str, seconds: float, seed: int) -> bool:
    """Try inputs that are changed at random; tells whether none failed."""
    chance = random.Random(seed)
    target, material = TARGETS[name], seeds(name)
    cases = taken = longest = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        data = mutated(chance, material)
        try:
            with bounded(len(data)):
                if cases % MEASURED_EVERY:
                    taken += attempt(target, data)
                else:
                    taken += measured(lambda octets: attempt(target, octets), data)
        except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
            traceback.print_exc()
            print(f"{name}: failed after {cases} inputs, kept in {_keep(name, data)}")
            return False
        cases += 1
        longest = max(longest, len(data))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name}: {cases} inputs, {taken} of them valid, up to {longest} bytes; {peak} MiB at most")
    if peak > MEMORY:
        print(f"{name}: more than {MEMORY} MiB")
    return peak <= MEMORY


def _keep(name: str, data: bytes) -> Path:
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def _guided(name: str, seconds: float) -> bool:
    """Let atheris look for inputs; tells whether none failed."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(seconds)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    lines = done.stderr.splitlines()
    told = [line for line in lines if "DONE" in line or "peak_rss_mb" in line or "number_of_executed" in line]
    print(f"{name}: {'; '.join(' '.join(line.split()) for line in told) or 'it did not end'}")
    if done.returncode:
        print("\n".join(lines[-60:]))
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
