"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest_syncrepl

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
LIGHT = """
import sys
import pytest_syncrepl
print([name for name in sys.modules if name.startswith("syncrepl_client")])
"""
TESTS = """
def test_one(syncrepl_provider):
    syncrepl_provider.add("cn=a,dc=example,dc=com", {})

def test_another_begins_empty(syncrepl_provider):
    assert ["dc=example,dc=com"] == list(syncrepl_provider.search())
"""


def run(*arguments: str, folder: Path) -> str:
    # Whether it is installed or only on the path, it is loaded once: by its name.
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(Path(pytest_syncrepl.__file__).parent),
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_registered_and_has_nothing_but_the_fixture() -> None:
    entry_points = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["pytest11"]

    assert entry_points == {"syncrepl": "pytest_syncrepl"}
    assert pytest_syncrepl.__all__ == ["syncrepl_provider"]


def test_each_test_has_a_provider_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)

    printed = run("-m", "pytest", "-q", "-p", "pytest_syncrepl", "-p", "no:cacheprovider", folder=tmp_path)

    assert "2 passed" in printed


def test_loading_it_does_not_load_the_package(tmp_path: Path) -> None:
    assert run("-c", LIGHT, folder=tmp_path) == "[]\n"
