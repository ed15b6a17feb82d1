"""Everything that goes wrong: a table of troubles, each with its begin and its end.

A trouble says which parts nobody else may trouble meanwhile, and what it excuses in the log of which program; see
``excuses``.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client.cli.exits import ExitCode
from tests.cli.command import run
from tests.convergence.mirror import look
from tests.server import Server, free_port
from tests.soak.deletions import WATCHER, lose_many
from tests.soak.excuses import Excuse
from tests.soak.line_troubles import of_line, of_names
from tests.soak.stage import CLIENTS, LINES, SERVICE, SESSION_LOG, Stage
from tests.soak.trouble import USERS, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["TROUBLES"]

_OWN_FILES: Final = ("callbacks", "watcher", "asynchronous")
_DAY: Final = 86_400


def _all() -> dict[str, Trouble]:
    table: dict[str, Trouble] = {}
    for name in ("first", "second", "other"):
        table |= _of_server(name)
    for name in (SERVICE, *CLIENTS):
        table |= _of_program(name)
    for name in LINES:
        table |= of_line(name)
    for name in (SERVICE, *_OWN_FILES):
        table |= _of_disk(name)
        table |= _of_clock(name)
        table |= of_names(name)
    for name in _OWN_FILES:
        table |= _of_file(name)
    table |= _of_receivers()
    table["laggard reads on"] = Trouble(
        begin=lambda stage: stage.laggard.read(),
        parts=frozenset({"callbacks", "laggard"}),
        lasts=(0.0, 0.1),
        excused={},
    )
    table["many are deleted while watcher is away"] = Trouble(
        begin=lose_many,
        parts=frozenset({WATCHER, "first", "second"}),
        lasts=(0.0, 0.1),
        excused={WATCHER: Excuse.MANY},
        ends_program=True,
    )
    return table


# --- servers ----------------------------------------------------------------------------------------------------------


def _of_server(name: str) -> dict[str, Trouble]:
    make = partial(Trouble, parts=frozenset({name}), excused=dict.fromkeys(USERS[name], Excuse.CONNECTION))

    def with_server(act: Callable[[Any], object]) -> Callable[[Stage], object]:
        def gated(stage: Stage) -> None:
            with nullcontext() if name == "other" else stage.gate.closed():
                act(stage.servers[name])

        return gated

    start = with_server(Server.start)

    def kill(stage: Stage) -> None:
        stage.servers[name].kill()

    table = {
        # The others in the middle of what is written.
        f"{name} is killed": make(begin=with_server(Server.kill) if name == "second" else kill, end=start),
        f"{name} is stopped": make(begin=with_server(Server.stop), end=start),
        f"{name} is frozen": make(
            begin=lambda stage: os.kill(stage.servers[name].pid, signal.SIGSTOP),
            end=lambda stage: os.kill(stage.servers[name].pid, signal.SIGCONT),
        ),
    }
    if name == "other":
        table["other forgets its changelog"] = make(
            begin=with_server(lambda server: _set(server, changelog_max_age="1s", changelog_trim_interval=1)),
            end=with_server(lambda server: _set(server, changelog_max_age=None, changelog_trim_interval=None)),
            excused=dict.fromkeys(USERS[name], Excuse.CONNECTION | Excuse.FORGOTTEN),
        )
        return table
    table[f"{name} forgets what was deleted"] = make(
        begin=with_server(lambda server: _set(server, sessionlog=None)),
        end=with_server(lambda server: _set(server, sessionlog=SESSION_LOG)),
    )
    table[f"{name} gives only so many entries"] = make(
        begin=with_server(lambda server: _set(server, sizelimit="20")),
        end=with_server(lambda server: _set(server, sizelimit="unlimited")),
        excused=dict.fromkeys(USERS[name], Excuse.CONNECTION | Excuse.SIZE_LIMIT),
    )
    if name == "second":
        table["second lags behind"] = make(
            begin=_cut_second,
            end=_restore_second,
            lasts=(2.0, 5.0),
        )
    return table


def _cut_second(stage: Stage) -> None:
    with stage.gate.closed():
        stage.providers.cut(stage.second)


def _restore_second(stage: Stage) -> None:
    with stage.gate.closed():
        stage.providers.restore(stage.second)


def _set(server: Any, **settings: object) -> None:
    for name, value in settings.items():
        setattr(server, name, value)
    server.restart()


# --- programs ---------------------------------------------------------------------------------------------------------


def _of_program(name: str) -> dict[str, Trouble]:
    # Who reads the file of another waits for it, and says nothing.
    make = partial(Trouble, parts=frozenset({name}), excused={name: Excuse.NONE})
    table = {
        f"{name} is killed": make(
            begin=lambda stage: stage.programs[name].kill(),
            end=lambda stage: stage.programs[name].start(),
            lasts=(0.0, 1.5),
            ends_program=True,
        ),
        f"{name} is killed again and again": make(
            begin=lambda stage: _kill_often(stage, name),
            lasts=(0.0, 0.1),
            ends_program=True,
        ),
        f"{name} is stopped": make(
            begin=lambda stage: _stop(stage, name),
            end=lambda stage: stage.programs[name].start(),
            ends_program=True,
        ),
        f"{name} is frozen": make(
            begin=lambda stage: stage.programs[name].signal(signal.SIGSTOP),
            end=lambda stage: stage.programs[name].signal(signal.SIGCONT),
            # What it has not answered meanwhile may have been given up.
            excused={name: Excuse.CONNECTION},
        ),
    }
    if name == SERVICE:
        table["service is reloaded"] = make(begin=lambda stage: stage.reload_service(), lasts=(0.0, 0.1))
    return table


def _stop(stage: Stage, name: str) -> None:
    young = stage.programs[name].young
    code = stage.programs[name].stop()
    assert code == 0 or (young and code == -signal.SIGTERM), f"{name} was asked to end, and ended with {code}"


def _kill_often(stage: Stage, name: str) -> None:
    for number in range(5):
        stage.programs[name].start()
        # From the first moments of the interpreter to well into the work.
        time.sleep(0.1 + 0.25 * number)
        stage.programs[name].kill()
    stage.programs[name].start()


# --- disks, clocks and files ------------------------------------------------------------------------------------------


def _of_disk(name: str) -> dict[str, Trouble]:
    readers = {"subscriber": Excuse.DISK} if name == "callbacks" else {}
    make = partial(
        Trouble,
        # Nobody else may keep a file open for writing.
        parts=frozenset({name, *readers}),
        excused={name: Excuse.DISK, **readers},
        lasts=(1.0, 4.0),
        ends_program=True,
    )
    return {
        f"the disk of {name} is full": make(
            begin=lambda stage: stage.disks[name].fill(), end=lambda stage: stage.disks[name].empty()
        ),
        f"the disk of {name} is read-only": make(
            begin=lambda stage: _read_only(stage, name, *readers), end=lambda stage: stage.disks[name].writable()
        ),
    }


def _read_only(stage: Stage, *names: str) -> None:
    for name in names:
        stage.programs[name].kill()
    stage.disks[names[0]].read_only()
    for name in names:
        stage.programs[name].start()


def _of_clock(name: str) -> dict[str, Trouble]:
    # Together, so that both go wrong in one file.
    together = ("callbacks", "subscriber") if name == "callbacks" else (name,)

    def put(seconds: int) -> Callable[[Stage], None]:
        def act(stage: Stage) -> None:
            for one in together:
                stage.programs[one].system.set_clock(seconds)

        return act

    make = partial(Trouble, parts=frozenset({f"clock of {name}"}), excused={name: Excuse.CLOCK}, end=put(0))
    return {
        f"the clock of {name} is a day fast": make(begin=put(_DAY)),
        f"the clock of {name} is an hour slow": make(begin=put(-3600)),
    }


def _of_file(name: str) -> dict[str, Trouble]:
    make = partial(Trouble, parts=frozenset({name}), excused={name: Excuse.NONE}, lasts=(0.0, 0.1))
    return {
        f"somebody else wants the file of {name}": make(begin=lambda stage: _second_owner(stage, name)),
        f"the file of {name} is copied": make(begin=lambda stage: _backup(stage, name)),
    }


def _second_owner(stage: Stage, name: str) -> None:
    """Start a second consumer on a file that has one; it must be refused."""
    done = run("sync", f"ldap://127.0.0.1:{free_port()}/dc=nowhere", str(stage.data(name)))
    refused = done.returncode not in {ExitCode.OK, ExitCode.USAGE}
    assert refused, f"a second consumer of {name} was not refused: {done.returncode} {done.stderr[-1000:]}"


def _backup(stage: Stage, name: str) -> None:
    """Copy a data file while it is in use; the copy must be sound, and the same inside."""
    target = stage.folder / f"{name}.backup"
    target.unlink(missing_ok=True)
    done = run("backup", str(stage.data(name)), str(target))
    assert done.returncode == ExitCode.OK, f"no backup of {name}: {done.returncode} {done.stderr[-1000:]}"
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    if name == "callbacks":
        look(target).check(f"the backup of {name}")


# --- receivers --------------------------------------------------------------------------------------------------------


def _of_receivers() -> dict[str, Trouble]:
    troubles = {
        "files": ("away",),
        "nats": ("killed", "frozen", "full", "refusing", "slow"),
        "database": ("killed", "frozen", "full", "refusing", "slow"),
    }
    table = {
        f"sink {name}: {trouble}": Trouble(
            begin=partial(_begin_receiver, name=name, trouble=trouble),
            end=partial(_end_receiver, name=name),
            parts=frozenset({name}),
            excused={SERVICE: Excuse.SINK},
        )
        for name, kinds in troubles.items()
        for trouble in kinds
    }
    table["the disk of sink files is full"] = Trouble(
        begin=lambda stage: stage.disks["files"].fill(),
        end=lambda stage: stage.disks["files"].empty(),
        parts=frozenset({"files"}),
        excused={SERVICE: Excuse.SINK},
    )
    return table


def _begin_receiver(stage: Stage, *, name: str, trouble: str) -> None:
    stage.receivers[name].begin(trouble)


def _end_receiver(stage: Stage, *, name: str) -> None:
    stage.receivers[name].end()


TROUBLES: Final = _all()
"""All troubles, by their name."""
