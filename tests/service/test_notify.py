"""What a service manager hears: a real socket, as systemd makes it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from syncrepl_client.exceptions import UsageError
from syncrepl_client.service.notify import Notifier
from tests.service.manager import Manager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@syncrepl-test-{os.getpid()}"
    listening = Manager(address)
    yield listening
    listening.close()


def test_a_life_is_told(manager: Manager) -> None:
    notifier = Notifier.take({"NOTIFY_SOCKET": manager.address})

    assert notifier.heard
    assert notifier.extend(30, "the first load: 5 entries")
    assert manager.heard()[0] == "EXTEND_TIMEOUT_USEC=30000000"
    assert notifier.ready("2 sources")
    assert manager.heard()[0] == "READY=1"
    assert notifier.beat()
    assert manager.heard() == ["WATCHDOG=1"]
    assert notifier.status("in step")
    assert manager.heard() == ["STATUS=in step"]
    assert notifier.stopping()
    assert manager.heard() == ["STOPPING=1"]


def test_a_status_comes_in_the_same_message(manager: Manager) -> None:
    Notifier(manager.address).ready("in step with 1 source")

    assert manager.heard() == ["READY=1", "STATUS=in step with 1 source"]


def test_a_reload_is_told_with_its_time(manager: Manager) -> None:
    before = time.monotonic()

    Notifier(manager.address).reloading()

    first, stamp = manager.heard()
    assert first == "RELOADING=1"
    name, _, microseconds = stamp.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before - 0.001 <= int(microseconds) / 1e6 <= time.monotonic() + 0.001


@pytest.mark.parametrize("between", ["\n", "\r\n", "\x00", "\u2028", "\x1b[2J"])
def test_a_text_says_nothing_else_than_a_status(manager: Manager, between: str) -> None:
    Notifier(manager.address).status(f"the server says{between}MAINPID=1")

    (line,) = manager.heard()
    assert line.startswith("STATUS=the server says")
    assert line.isprintable()


def test_a_long_text_is_cut(manager: Manager) -> None:
    assert Notifier(manager.address).status("x" * 1_000_000)

    (line,) = manager.heard()
    assert len(line) < 1100


def test_without_a_manager_nothing_is_said() -> None:
    notifier = Notifier.take({"WATCHDOG_USEC": "1000000"})

    assert not notifier.heard
    assert notifier.interval is None
    assert not notifier.ready()
    assert not notifier.beat()


def test_a_manager_that_has_gone_is_no_error(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    manager.close()

    assert not notifier.beat()


def test_a_manager_that_reads_nothing_keeps_nobody_for_long(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    began = time.monotonic()

    # The kernel keeps a few hundred datagrams at most.
    while notifier.beat():
        assert time.monotonic() < began + 30

    assert time.monotonic() < began + 30


def test_signs_of_life_come_twice_as_often_as_they_must() -> None:
    environment = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}

    assert Notifier.take(environment).interval == 15.0
    assert environment == {}


@pytest.mark.parametrize(
    "variables",
    [{}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}],
    ids=["no watchdog", "an empty one", "another process's"],
)
def test_nobody_waits_for_signs_of_life(variables: dict[str, str]) -> None:
    assert Notifier.take({"NOTIFY_SOCKET": "@x", **variables}).interval is None


@pytest.mark.parametrize("limit", ["soon", "0", "-1", "1.5", "³"])
def test_a_watchdog_without_a_time_is_refused(limit: str) -> None:
    with pytest.raises(UsageError, match="WATCHDOG_USEC") as refused:
        Notifier.take({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": limit})

    assert "microseconds" in refused.value.hint


@pytest.mark.parametrize("address", ["relative", "vsock:2:1234", "/", "@", "/" + 107 * "x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="NOTIFY_SOCKET"):
        Notifier.take({"NOTIFY_SOCKET": address})


def test_commands_that_are_started_do_not_speak_for_the_service(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    notifier = Notifier.take()

    asked = "import os; print([name for name in os.environ if name.startswith(('NOTIFY', 'WATCHDOG'))])"
    assert subprocess.check_output([sys.executable, "-I", "-c", asked], text=True).strip() == "[]"
    assert notifier.beat()
