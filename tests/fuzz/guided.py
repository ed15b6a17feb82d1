"""One target under atheris, which lets coverage guide it; a process of its own, for atheris never returns.

python -m tests.fuzz.guided TARGET SECONDS
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["MEMORY", "run"]

MEMORY = 512  # MiB that a process may have
# Seconds that one input may take.
PATIENCE = 20


def run(name: str, seconds: float) -> None:
    """Run a target until the time is over, or an input fails: it is kept in the corpus then."""
    atheris: Any = importlib.import_module("atheris")
    # What is imported here is counted; so nothing of the package may be imported before.
    with atheris.instrument_imports(include=["syncrepl_client"]):
        from tests.fuzz.mutation import LONGEST  # noqa: PLC0415
        from tests.fuzz.seeds import CORPUS, seeds  # noqa: PLC0415
        from tests.fuzz.targets import TARGETS, attempt  # noqa: PLC0415
    target, failures = TARGETS[name], CORPUS / name
    failures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as inputs:
        for number, data in enumerate(seeds(name)):
            Path(inputs, str(number)).write_bytes(data)
        options = {
            "max_total_time": int(seconds),
            "max_len": LONGEST,
            "artifact_prefix": f"{failures}/",
            "rss_limit_mb": MEMORY,
            "timeout": PATIENCE,
            "print_final_stats": 1,
        }
        arguments = [f"-{option}={value}" for option, value in options.items()]
        atheris.Setup([sys.argv[0], *arguments, inputs], lambda data: attempt(target, data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]))
