"""What users install: the source distribution and the wheel, built and installed where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import syncrepl_client

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True)
    return folder


@pytest.mark.timeout(300)
def test_the_wheel_has_the_package_alone_and_works_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "pytest_syncrepl.py",
        "syncrepl_client",
        f"syncrepl-{syncrepl_client.__version__}.dist-info",
    }
    assert {"syncrepl_client/py.typed", "syncrepl_client/envelope/schemas/cloudevents.json"} <= set(names)
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    command = [str(tmp_path / "venv" / "bin" / "syncrepl-client")]
    said = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout == f"syncrepl-client {syncrepl_client.__version__}\n"
    for words in (["--help"], ["config", "example"], ["man"]):
        subprocess.run([*command, *words], check=True, capture_output=True, cwd=tmp_path)
    program = "import syncrepl_client; print(syncrepl_client.__file__)"
    said = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert said.stdout.startswith(str(tmp_path))


@pytest.mark.timeout(300)
def test_the_source_distribution_has_what_the_tests_need_and_nothing_that_was_made(built: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for needed in ("README.md", "CHANGELOG.md", "Makefile", "tests/slapd.py", "docs/index.rst", "bench/measure.py"):
        assert needed in names
    assert {"etc/syncrepl-client.service", "scripts/install-packages"} <= names
    assert not [name for name in names if "__pycache__" in name or "_build" in name or name.startswith(".venv")]
