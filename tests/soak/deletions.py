"""Many deletions at once: how they happen while a client is away, and who decides about the refresh that is held.

The watcher is the one client that has a limit.  It is away while a flock of people is deleted, and finds that its next
refresh would delete more than that.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from syncrepl_client import Reader
from syncrepl_client.cli.exits import ExitCode
from syncrepl_client.exceptions import SyncreplError
from tests.cli.command import run
from tests.convergence.mirror import look
from tests.soak.chapters import BASE, Operation
from tests.soak.pen import Pen

if TYPE_CHECKING:
    from tests.convergence.mirror import Content
    from tests.soak.stage import Stage

__all__ = ["WATCHER", "decide", "lose_many"]

WATCHER: Final = "watcher"

_FLOCK: Final = f"ou=flock,{BASE}"
# More than the limit allows, of whatever the copy holds besides.
_MANY: Final = 80
_ARRIVAL: Final = 10.0


def _flock() -> list[Operation]:
    kept = {"description": [b"keep"]}
    people = [
        Operation("add", f"cn={one},{_FLOCK}", {"objectClass": [b"person"], "sn": [b"of a flock"], **kept})
        for one in range(_MANY)
    ]
    return [Operation("add", _FLOCK, {"objectClass": [b"organizationalUnit"], **kept}), *people]


def lose_many(stage: Stage) -> None:
    """Add many entries, and delete them when the watcher has them and is away."""
    watcher = stage.programs[WATCHER]
    with closing(Pen(stage.first)) as pen:
        with stage.gate.closed():
            for operation in _flock():
                pen.write(operation)
        deadline = time.monotonic() + _ARRIVAL
        while time.monotonic() < deadline and not _has_all(stage):
            time.sleep(0.1)
        watcher.kill()
        with stage.gate.closed():
            pen.write(Operation("purge", _FLOCK))
        watcher.start()


def _has_all(stage: Stage) -> bool:
    path = stage.data(WATCHER)
    return path.exists() and sum(dn.endswith(_FLOCK) for dn, _ in look(path).copy.values()) > _MANY


def decide(stage: Stage, content: Content) -> None:
    """Decide about what is held, as an administrator would who looks into the directory.

    Args:
        stage: of the watcher; it remembers what was decided.
        content: what the directory holds.
    """
    path = stage.data(WATCHER)
    try:
        with Reader(path) as reader:
            held = reader.status().held
    except SyncreplError:
        # Whoever has just died made it half.
        return
    if held is None or held.number in stage.decided:
        return
    listed = run("deletes", "list", str(path))
    uuids = {line.split()[0] for line in listed.stdout.splitlines()}
    if listed.returncode != ExitCode.HELD or not uuids:
        # Meanwhile it was found to be nothing.
        return
    copy = {str(uuid) for uuid in look(path).copy}
    assert uuids <= copy, f"{len(uuids - copy)} entries are not in the copy whose deletion is held"
    decision = "reject" if uuids & {str(uuid) for uuid in content} else "approve"
    done = run("deletes", decision, str(path))
    assert done.returncode == ExitCode.OK, f"no decision to {decision}: {done}"
    stage.decided[held.number] = decision
