"""A real cable, between two network namespaces: what it loses is lost by the kernel, and sent again by it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.network.following import Following, Idleness, until
from tests.slapd import Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.long

NEAR, FAR = "192.0.2.1", "192.0.2.2"
"""Addresses for documentation (RFC 5737): nobody has them."""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Wire:
    """A namespace for the client, and a wire between it and ours."""

    def __init__(self, stack: ExitStack) -> None:
        self.namespace = f"syncrepl{os.getpid()}"
        self._near, self._far = f"near{os.getpid()}", f"far{os.getpid()}"
        run("ip", "netns", "add", self.namespace)
        stack.callback(run, "ip", "netns", "delete", self.namespace)
        run("ip", "link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.namespace)
        run("ip", "address", "add", f"{NEAR}/30", "dev", self._near)
        run("ip", "link", "set", self._near, "up")
        for command in (
            ["address", "add", f"{FAR}/30", "dev", self._far],
            ["link", "set", self._far, "up"],
            ["link", "set", "lo", "up"],
        ):
            run("ip", "-n", self.namespace, *command)

    def cut(self) -> None:
        """Let nothing through in either direction; neither end is told."""
        run("ip", "link", "set", self._near, "down")

    def mend(self) -> None:
        run("ip", "link", "set", self._near, "up")


@pytest.fixture
def wire() -> Iterator[Wire]:
    if os.geteuid() or sys.platform != "linux" or not shutil.which("ip"):
        pytest.skip("network namespaces need root, Linux and the Debian package iproute2")
    with ExitStack() as stack:
        try:
            made = Wire(stack)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield made


@pytest.fixture
def server(wire: Wire) -> Iterator[Slapd]:
    with Slapd(sessionlog=1000, listen=NEAR) as slapd:
        slapd.load(sample_ldif(20))
        slapd.start()
        yield slapd


def change(server: Slapd) -> None:
    server.replace(f"uid=u000001,ou=people,{server.suffix}", "description", [os.urandom(20).hex()])


@pytest.mark.parametrize("patient", [False, True])
def test_a_wire_is_cut_and_mended(wire: Wire, server: Slapd, tmp_path: Path, *, patient: bool) -> None:
    """Who is patient keeps the connection, if the kernel does."""
    limits = {"every": 30.0, "answer": 30.0} if patient else {"every": 1.0, "answer": 1.0}
    prefix = ["ip", "netns", "exec", wire.namespace]
    url = f"ldap://{NEAR}:{server.port}"
    with Following(server, url, tmp_path / "data", prefix=prefix, **limits) as following:
        following.wait_in_step()
        wire.cut()
        change(server)
        with Idleness(following):
            if not patient:
                until(lambda: len(following.lost()) > 1, following.log)
        wire.mend()
        change(server)
        following.wait_in_step()
        assert (following.connections() == 1) is patient
