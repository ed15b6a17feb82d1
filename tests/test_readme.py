"""The README's five lines run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from syncrepl_client import Replica, SyncreplMode
from tests.cli.command import run

if TYPE_CHECKING:
    import pytest

    from tests.slapd import Slapd

README = Path(__file__).parent.parent / "README.md"


def test_the_five_lines_work(slapd: Slapd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    exec(code, {"url": f"{slapd.url}/{slapd.suffix}"})  # noqa: S102 - what the README tells a reader to run

    with Replica(None, "people.db", mode=SyncreplMode.REFRESH_ONLY) as replica:
        assert set(slapd.search()) == set(replica.entries)


def test_the_configuration_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "config.toml").write_text(text)

    assert run("config", "check", str(tmp_path / "config.toml")).returncode == 0


def test_it_is_one_screen() -> None:
    lines = README.read_text().splitlines()

    assert len(lines) <= 45
    assert {"make demo", "make test"} <= {" ".join(line.split()[:2]) for line in lines}
