"""The environments of other programs that do this job, made once in a cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["python_with"]

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "syncrepl-bench"


def python_with(name: str, *requirements: str) -> Path:
    """Return the interpreter of an environment that holds exactly these distributions.

    What they require in turn is named by the caller: the reference's own requirements cannot be met any more.
    """
    folder = _CACHE / name
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, *requirements], check=True)
        ready.touch()
    return python
