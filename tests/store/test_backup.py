"""A backup has its name at once, whole, and takes nobody else's."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.store.backup import backup
from syncrepl_client.store.copy import Copy
from tests.store.listeners import refresh, sent

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client.store.store import Store

# The kernel's answer on such a disk.
_WITHOUT_LINKS = """
import errno, sys
from pathlib import Path
from syncrepl_client.store.backup import backup

def refuse(event, arguments):
    if event == "os.link":
        raise OSError(errno.EPERM, "Operation not permitted")

sys.addaudithook(refuse)
backup(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture
def data(store: Store) -> Path:
    refresh(store, sent(1, "cn=a,dc=x"))
    return store.database.path


def names(path: Path) -> list[str]:
    with closing(Copy(path)) as copy:
        return list(copy.entries)


def test_a_name_that_somebody_else_has_meanwhile_is_not_taken(data: Path, tmp_path: Path) -> None:
    """To ask for a link that leads nowhere is answered with no, and yet there is one."""
    target = tmp_path / "kept"
    target.symlink_to(tmp_path / "nowhere")

    with pytest.raises(UsageError, match=r"there is already a file .*kept") as caught:
        backup(data, target)

    assert "another name" in caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("data")) == ["kept"]
    backup(data, target, overwrite=True)
    assert not target.is_symlink()
    assert names(target) == ["cn=a,dc=x"]


def test_a_disk_without_links_is_no_obstacle(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "kept"

    command = [sys.executable, "-c", _WITHOUT_LINKS, str(data), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert names(target) == ["cn=a,dc=x"]
