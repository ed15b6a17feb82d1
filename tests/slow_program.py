"""A program whose first callback of the persist stage takes until a line comes; it tells what it used of memory.

Arguments: URL, data file, how many changes to wait for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from syncrepl_client import Replica


def peak() -> int:
    """The most memory that was used so far, in bytes; what getrusage() says begins with that of the parent."""
    (line,) = (line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


class Listener:
    """Notes the titles that it is told of."""

    def __init__(self) -> None:
        self.titles: list[bytes] = []
        self.listening = False

    def change(self, change: Any, **_: Any) -> None:
        if not self.listening:
            return
        if not self.titles:
            say("busy")
            sys.stdin.readline()
        self.titles += change.entry.attributes["title"]


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(url: str, path: str, changes: int) -> None:
    """Follow until all changes came."""
    listener = Listener()
    with Replica(url, path, listener=listener) as replica:
        replica.refresh()
        listener.listening = True
        before = peak()
        say("listening")
        while len(listener.titles) < changes:
            replica.step()
    say(peak() - before, *(title.decode() for title in listener.titles))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
