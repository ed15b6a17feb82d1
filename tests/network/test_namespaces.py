"""A real cable, between two network namespaces: what it loses is lost by the kernel, and sent again by it."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.network.following import Following, Idleness, until
from tests.server import find_program
from tests.slapd import Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.long

NEAR, FAR = "192.0.2.1", "192.0.2.2"
"""Addresses for documentation (RFC 5737): nobody has them."""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Wire:
    """Two namespaces, for the server and for the client, and a wire between them."""

    def __init__(self, stack: ExitStack) -> None:
        self.namespaces = [f"syncrepl-{side}-{os.getpid()}" for side in ("server", "client")]
        for namespace in self.namespaces:
            run("ip", "netns", "add", namespace)
            stack.callback(run, "ip", "netns", "delete", namespace)
        self._ip(0, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", self.namespaces[1])
        for number, address in enumerate((NEAR, FAR)):
            self._ip(number, "address", "add", f"{address}/30", "dev", "wire")
            for device in ("lo", "wire"):
                self._ip(number, "link", "set", device, "up")

    def inside(self, number: int) -> list[str]:
        """Return what a command begins with to run at one end: 0 for the server's."""
        return ["ip", "netns", "exec", self.namespaces[number]]

    def cut(self) -> None:
        """Let nothing through in either direction; the client's end is not told."""
        self._ip(0, "link", "set", "wire", "down")

    def mend(self) -> None:
        self._ip(0, "link", "set", "wire", "up")

    def _ip(self, number: int, *words: str) -> None:
        run("ip", "-n", self.namespaces[number], *words)


class DistantSlapd(Slapd):
    """A server in a namespace; its private socket is in ours."""

    inside: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"ldap://{NEAR}:{self.port}"

    def _prepare(self) -> list[str]:
        return [*self.inside, *super()._prepare()]

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as local:
            return local.connect_ex(str(self._socket_path)) == 0


@pytest.fixture
def wire() -> Iterator[Wire]:
    find_program("ip", "iproute2")
    if os.geteuid():
        pytest.skip("network namespaces are for root alone")
    with ExitStack() as stack:
        try:
            made = Wire(stack)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield made


@pytest.fixture
def server(wire: Wire) -> Iterator[Slapd]:
    with DistantSlapd(sessionlog=1000) as slapd:
        slapd.inside = wire.inside(0)
        slapd.load(sample_ldif(20))
        slapd.start()
        yield slapd


def change(server: Slapd) -> None:
    server.replace(f"uid=u000001,ou=people,{server.suffix}", "description", [os.urandom(20).hex()])


@pytest.mark.parametrize("patient", [False, True])
def test_a_wire_is_cut_and_mended(wire: Wire, server: Slapd, tmp_path: Path, *, patient: bool) -> None:
    """Who is patient keeps the connection, if the kernel does."""
    limit = 30 if patient else 1
    inside = wire.inside(1)
    with Following(server, server.url, tmp_path / "data", every=limit, answer=limit, prefix=inside) as following:
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
