"""What tests of verification do to any server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncrepl_client import Replica
from tests.server import SUFFIX

if TYPE_CHECKING:
    from syncrepl_client import Report, SyncreplMode
    from tests.server import Server

__all__ = ["PEOPLE", "person", "reports_under_a_writer"]

PEOPLE = 60


def person(number: int) -> str:
    return f"uid=u{number:06},ou=people,{SUFFIX}"


def reports_under_a_writer(server: Server, url: str, data: str, mode: SyncreplMode, times: int) -> list[Report]:
    """Compare again and again, but not by itself, while somebody writes to the server as fast as it takes it."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            server.replace(person(number % 20 + 1), "title", [str(number % 3)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with Replica(url, data, mode=mode, verify_every=0) as replica:
            replica.refresh()
            return [replica.verify() for _ in range(times)]
    finally:
        stop.set()
        writer.join()
