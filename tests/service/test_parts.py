"""What parts of the service, and the disk below it, may do without taking the rest of it with them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

import pytest

from syncrepl_client.backoff import Backoff
from syncrepl_client.exceptions import InvalidCredentials
from syncrepl_client.service.attempts import Attempts, Phase
from syncrepl_client.service.claim import Claim, is_claimed
from syncrepl_client.testing import Provider
from tests.cli.command import PACKAGE, run
from tests.service.running import Service, bodies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX: Final = "dc=example,dc=com"

OWN: Final = '''
class Own:
    """A sink with defects.

    Args:
        flaw: which.
    """

    def __init__(self, flaw):
        self.flaw = flaw

    @classmethod
    def from_url(cls, url, *, flaw: str):
        return cls(flaw)

    def open(self):
        pass

    def publish(self, batch):
        if self.flaw == "exit":
            raise SystemExit(3)

    def close(self):
        if self.flaw == "close":
            raise RuntimeError("it cannot be closed")

    def stop(self):
        if self.flaw == "stop":
            raise RuntimeError("it cannot be stopped")
'''


@pytest.fixture
def directory() -> Iterator[Provider]:
    with Provider(SUFFIX) as provider:
        provider.add(f"uid=ann,{SUFFIX}", {"objectClass": "account", "uid": "ann"})
        yield provider


@pytest.mark.parametrize("flaw", ["exit", "close", "stop"])
def test_a_sink_with_a_defect_harms_nobody_else(flaw: str, directory: Provider, tmp_path: Path) -> None:
    (tmp_path / "own_sink.py").write_text(OWN)
    kept = tmp_path / "kept"
    own = {"url": "own:", "class": "own_sink:Own", "flaw": flaw}
    sinks = {"kept": {"url": kept.as_uri()}, "own": own}
    path = os.pathsep.join((str(PACKAGE), str(tmp_path)))
    with Service(tmp_path, f"{directory.url}/{SUFFIX}", sinks, PYTHONPATH=path) as service:
        service.wait(lambda: len(bodies(kept)) == 2)
        if flaw == "exit":
            assert "the next try is in" in service.until("sink-failed")["message"]
        else:
            service.wait(lambda: 'op="read"} 2' in service.ask("/metrics")[1].partition('sink="own"')[2])
        del service.tables["sinks.own"]
        service.reload()
        service.until("reloaded")
        directory.delete(f"uid=ann,{SUFFIX}")
        service.wait(lambda: len(bodies(kept)) == 3)
        assert service.end() == 0
    if flaw != "exit":
        assert "it cannot be" in service.logged("defect")[0]["traceback"]


def test_a_folder_whose_name_is_no_text_is_told_like_any_other(directory: Provider, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f\xff")
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "corp.db").write_text("no database" * 1000)
    with Service(folder, f"{directory.url}/{SUFFIX}", {"kept": {"url": (tmp_path / "kept").as_uri()}}) as service:
        assert "corp.db" in service.until("source-failed")["message"]
        service.wait(lambda: "corp.db" in service.ask("/readyz")[1])
        assert service.end() == 0


def test_a_data_file_that_nobody_can_look_at_harms_nobody_else(directory: Provider, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with Service(tmp_path, f"{directory.url}/{SUFFIX}", {"kept": {"url": kept.as_uri(), "from": ["corp"]}}) as service:
        service.wait(lambda: len(bodies(kept)) == 2)
        service.tables["sources.long"] = {**service.tables["sources.corp"], "data": "x" * 300}
        service.reload()
        service.until("reloaded")
        service.until("source-failed")
        directory.delete(f"uid=ann,{SUFFIX}")
        service.wait(lambda: b"deleted" in kept.read_bytes())


class Leaving:
    """Work that leaves its thread."""

    def __init__(self) -> None:
        self.tried = 0
        self.again = threading.Event()

    def attempt(self) -> None:
        self.tried += 1
        if self.tried > 1:
            self.again.set()
        raise SystemExit

    def interrupt(self) -> None:
        """Do nothing: it ends by itself."""

    def failed(self, error: Exception, delay: float | None) -> None:
        assert isinstance(error.__cause__, SystemExit)
        assert delay is not None


def test_work_that_leaves_its_thread_is_tried_again() -> None:
    work = Leaving()
    attempts = Attempts("work", work, Backoff(0.01, 0.01), random=lambda: 0.5)
    attempts.start()
    try:
        assert work.again.wait(10)
    finally:
        attempts.stop()
    assert attempts.join(10)
    assert attempts.phase is Phase.STOPPED


class Refused:
    """Work that goes well until it is let go, and is refused from then on."""

    def __init__(self) -> None:
        self.attempts = Attempts("work", self, Backoff(0.01, 0.01), random=lambda: 0.5)
        self.at_work, self.lets_go, self.came_back = threading.Event(), threading.Event(), threading.Event()

    def attempt(self) -> None:
        if self.at_work.is_set():
            self.came_back.set()
        self.at_work.set()
        self.lets_go.wait(10)
        self.attempts.beat()
        raise InvalidCredentials("bind", 49, "invalidCredentials")

    def interrupt(self) -> None:
        self.lets_go.set()

    def failed(self, error: Exception, delay: float | None) -> None:
        assert delay is None


def test_a_reload_while_all_goes_well_tries_no_wrong_password_again_later() -> None:
    work = Refused()
    work.attempts.start()
    assert work.at_work.wait(10)
    work.attempts.again()
    work.lets_go.set()
    try:
        assert not work.came_back.wait(0.3)
        work.attempts.again()
        assert work.came_back.wait(10)
    finally:
        work.attempts.stop()
    assert work.attempts.join(10)


@pytest.mark.parametrize("command", [["sinks"], ["dead", "list"], ["run", "--dry-run"], ["replay"]], ids=" ".join)
def test_a_command_says_that_it_cannot_look_at_a_file(command: list[str], tmp_path: Path) -> None:
    # As where the folder of the service is closed to who asks; but tests may be run by root.
    service = Service(tmp_path, "ldap://127.0.0.1:1/dc=x", {"kept": {"url": "stdout:"}})
    service.tables["service"]["data"] = "x" * 300
    service.write()
    done = run(*command, str(service.file), *(["kept"] if command == ["replay"] else []))
    assert done.returncode == 7
    assert "File name too long" in done.stderr


def test_who_looks_at_a_folder_keeps_nobody_from_it(tmp_path: Path) -> None:
    (tmp_path / "service.lock").touch()
    looking = os.open(tmp_path / "service.lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    # Nor does another one who looks take it for a service.
    assert not is_claimed(tmp_path)
    threading.Timer(0.1, os.close, (looking,)).start()
    claim = Claim(tmp_path)
    assert is_claimed(tmp_path)
    claim.release()
    assert not is_claimed(tmp_path)


def test_a_folder_that_was_taken_away_can_be_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    claim = Claim(folder)
    folder.rename(tmp_path / "moved")
    folder.touch()
    claim.release()
    assert not is_claimed(tmp_path / "moved")


def test_where_too_many_files_are_open_nothing_is_told_and_nothing_fails() -> None:
    script = (
        "import resource\n"
        "from syncrepl_client.service.notify import Notifier\n"
        "notifier = Notifier('/run/nobody')\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "print(notifier.beat())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=50)
    assert (done.stdout, done.stderr) == ("False\n", "")
