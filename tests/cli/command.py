"""The command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from syncrepl_client import exceptions

__all__ = ["COMMAND", "environment", "run"]

COMMAND = [sys.executable, "-m", "syncrepl_client"]
PACKAGE = Path(exceptions.__file__).parent.parent


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the command's own variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNCREPL_")}
    return {**clean, "PYTHONPATH": str(PACKAGE), **more}


def run(*arguments: str, text: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    given = {"stdin": subprocess.DEVNULL} if text is None else {}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [*COMMAND, *arguments],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=environment(**variables),
        timeout=50,
        **given,  # type: ignore[call-overload]
    )
    assert "Traceback" not in done.stderr
    return done
