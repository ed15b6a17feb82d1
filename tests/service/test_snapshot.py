"""What the system tells of the process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from syncrepl_client.service import snapshot
from syncrepl_client.service.snapshot import Process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_process_is_what_it_is() -> None:
    looked = Process.look()

    assert looked.started is not None
    assert looked.resident_bytes is not None
    assert looked.started < time.time() < looked.started + 24 * 3600
    assert 1_000_000 < looked.resident_bytes <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 * 2
    assert 0 < looked.cpu_seconds <= time.process_time()


def test_the_start_is_that_of_the_process_and_not_of_the_machine() -> None:
    look = "from syncrepl_client.service.snapshot import Process; print(Process.look().started)"
    before = time.time()

    started = float(subprocess.check_output([sys.executable, "-c", look], text=True))

    # The kernel counts in hundredths.
    assert before - 0.1 < started < time.time()


def test_open_files_are_counted(tmp_path: Path) -> None:
    before = Process.look().open_files
    assert before is not None
    descriptors = [os.open(tmp_path, os.O_RDONLY) for _ in range(5)]
    try:
        assert Process.look().open_files == before + 5
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    assert Process.look().open_files == before


def test_where_the_system_does_not_tell_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_SELF", tmp_path / "nowhere")

    looked = Process.look()

    assert (looked.started, looked.open_files, looked.resident_bytes) == (None, None, None)
    assert looked.cpu_seconds > 0
