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
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client import Heartbeat, Syncrepl, SyncreplMode
from syncrepl_client.access import Timeouts
from syncrepl_client.exceptions import ConnectionFailed, ConnectionLost, LDAPResultError
from tests.convergence.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST: Final = 0.1
_LONGEST: Final = 1.0


def follow(open_client: Callable[[], Syncrepl]) -> None:
    """Open a client, and another one when the connection is lost, for ever."""
    delay = _FIRST
    while True:
        try:
            with open_client() as client:
                say("connected")
                delay = _FIRST
                while client.poll():
                    pass
        except (ConnectionLost, ConnectionFailed, LDAPResultError) as error:
            say(f"{type(error).__name__}: {error}")
            time.sleep(delay)
            delay = min(2 * delay, _LONGEST)


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

    def open_client() -> Syncrepl:
        mode = SyncreplMode.REFRESH_AND_PERSIST
        return Syncrepl(path, Mirror, mode, url, heartbeat=heartbeat, timeouts=timeouts, patience=2.0)

    follow(open_client)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
