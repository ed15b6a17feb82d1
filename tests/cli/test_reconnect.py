"""``--reconnect``, run as users run it."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

from syncrepl_client.cli.exits import ExitCode
from tests.cli.command import COMMAND, environment, run
from tests.server import free_port
from tests.slapd import SUFFIX, Slapd, empty_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 20.0


def until(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def test_a_loss_is_told_once_and_a_signal_is_a_clean_end(tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    with Slapd() as slapd, out.open("wb") as stdout, err.open("wb") as stderr:
        slapd.load(empty_tree())
        slapd.start()
        command = [*COMMAND, "--persist", "--reconnect", "--json", f"{slapd.url}/{SUFFIX}", str(tmp_path / "data")]
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment())
        try:
            until(lambda: SUFFIX in out.read_text(), err)
            slapd.kill()
            until(lambda: "the next try is in" in err.read_text(), err)
            slapd.start()
            slapd.add(f"cn=late,{SUFFIX}", {"objectClass": ["person"], "cn": ["late"], "sn": ["late"]})
            until(lambda: "cn=late" in out.read_text(), err)
            slapd.kill()
            lines = len(err.read_text().splitlines())
            until(lambda: len(err.read_text().splitlines()) > lines, err)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == ExitCode.OK
        finally:
            process.kill()
            process.wait()
    said = err.read_text().splitlines()
    assert sum("closed the connection" in line for line in said) == 2, said
    assert sum("connected to" in line for line in said) == 2, said


def test_another_provider_is_taken_and_a_wrong_password_ends_it(tmp_path: Path) -> None:
    with Slapd(debug="stats") as slapd:
        slapd.load(empty_tree())
        slapd.start()
        gone = f"ldap://127.0.0.1:{free_port()}/{SUFFIX}"
        once = run("--reconnect", "--provider", slapd.url, "--json", gone, str(tmp_path / "data"))
        assert once.returncode == ExitCode.OK, once.stderr
        assert SUFFIX in once.stdout
        secret = tmp_path / "secret"
        secret.write_text("wrong")
        secret.chmod(0o600)
        name = f"cn=admin,{SUFFIX}".replace(",", "%2C")
        url = f"{slapd.url}/{SUFFIX}????bindname={name}"
        before = slapd.log.count(" BIND dn=")
        refused = run("--persist", "--reconnect", "--password-file", str(secret), url, str(tmp_path / "other"))
        assert refused.returncode == ExitCode.ACCESS, refused.stderr
        assert slapd.log.count(" BIND dn=") - before == 1
