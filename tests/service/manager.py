"""A service manager, as far as a service talks to it."""

from __future__ import annotations

import socket

__all__ = ["Manager"]


class Manager:
    """Listens as a service manager does.

    Args:
        address: as in the environment of a service.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(10)

    def until(self, assignment: str) -> list[str]:
        """Wait for a message that says something; returns all assignments up to it."""
        said: list[str] = []
        while assignment not in said:
            said += self.heard()
        return said

    def heard(self) -> list[str]:
        return self._socket.recv(65536).decode().split("\n")

    def close(self) -> None:
        self._socket.close()
