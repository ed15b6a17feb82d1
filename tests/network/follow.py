"""A program that follows a directory for as long as it lives, whatever the network does; ended by SIGTERM.

Arguments: URL, data file, and a JSON object of options: ``every`` and ``answer`` of the heartbeat, ``hosts`` is a file
in which names are looked up.  It writes a line for each connection that it loses, and keeps the table of `Mirror`, in
which nothing fits that is told twice.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

from syncrepl_client import Backoff, Heartbeat, Syncrepl, SyncreplMode
from syncrepl_client.connection.access import Timeouts
from tests.convergence.mirror import Mirror

_BACKOFF: Final = Backoff(0.1, 1.0)


class Told(Mirror):
    """Writes what becomes of the connection."""

    @classmethod
    def debug(cls, message: str) -> None:
        if message.startswith("connected to"):
            say("connected")
        elif "the next try is in" in message:
            say(message)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def look_up_in(hosts: Path) -> None:
    """Look names up in a file, each time anew."""
    look_up = socket.getaddrinfo

    def looked_up(host: Any, *args: Any, **options: Any) -> Any:
        return look_up(json.loads(hosts.read_text(encoding="utf-8")).get(host, host), *args, **options)

    socket.getaddrinfo = looked_up


def main(url: str, path: str, options: dict[str, Any]) -> None:
    """Follow."""
    if options["hosts"]:
        look_up_in(Path(options["hosts"]))
    # Whatever goes on, also the opening of a client.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    heartbeat = Heartbeat(options["every"], options["answer"])
    timeouts = Timeouts(connect=1, bind=1, answer=1)

    mode = SyncreplMode.REFRESH_AND_PERSIST
    with Syncrepl(
        path,
        Told,
        mode,
        url,
        reconnect=True,
        backoff=_BACKOFF,
        heartbeat=heartbeat,
        timeouts=timeouts,
        patience=2.0,
    ) as client:
        client.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
