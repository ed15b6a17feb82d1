"""What goes wrong between programs and servers: lines, what comes through them, and the way to a host."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.network.lies import LIES, WRONG_PASSWORD, half_of_them
from tests.server import free_port
from tests.soak.examination import held
from tests.soak.excuses import Excuse
from tests.soak.stage import LINES, SERVICE
from tests.soak.trouble import USERS, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.network.cable import Cable
    from tests.network.lies import Lie
    from tests.soak.stage import Stage

__all__ = ["of_line", "of_names"]


def _users_of(line: str) -> list[str]:
    return [user for user in USERS[LINES[line]] if (user == SERVICE) == line.startswith(SERVICE)]


def of_line(name: str) -> dict[str, Trouble]:
    """Return what may go wrong with a line, and with what comes through it."""
    users = _users_of(name)
    make = partial(Trouble, parts=frozenset({name}), excused=dict.fromkeys(users, Excuse.CONNECTION))

    lied_to = dict.fromkeys(users, Excuse.CONNECTION | Excuse.LIE)

    def with_line(act: Callable[[Cable], object]) -> Callable[[Stage], object]:
        return lambda stage: act(stage.lines[name])

    table = {
        f"{name}: {what}": make(
            begin=partial(_lie, name=name, lie=lie), end=with_line(_tell_the_truth), excused=lied_to
        )
        for what, lie in LIES.items()
    }
    table[f"{name}: half of them are there"] = make(
        begin=partial(_lie, name=name),
        end=with_line(_tell_the_truth),
        # It has to tell who is there.
        parts=frozenset({name, LINES[name]}),
        excused=lied_to,
    )
    if LINES[name] == "other":
        # With the first servers nobody has one.
        table[f"{name}: the password is wrong"] = make(
            begin=partial(_lie, name=name, lie=WRONG_PASSWORD),
            end=with_line(_tell_the_truth),
            excused=dict.fromkeys(users, Excuse.CONNECTION | Excuse.PASSWORD),
            ends_program=True,
        )
    return table | {
        f"{name}: cut": make(begin=with_line(_cut), end=lambda stage: _mend(stage, name)),
        f"{name}: the cable is pulled": make(begin=with_line(lambda line: line.pull()), end=with_line(_plug)),
        f"{name}: nothing comes to the server": make(
            begin=with_line(lambda line: line.pull(to_client=False)), end=with_line(_plug)
        ),
        f"{name}: nothing comes from the server": make(
            begin=with_line(lambda line: line.pull(to_server=False)), end=with_line(_plug)
        ),
        f"{name}: reset in the middle of a message": make(
            begin=with_line(lambda line: setattr(line, "reset_after", 333)),
            end=with_line(lambda line: setattr(line, "reset_after", None)),
        ),
        f"{name}: a few bytes at a time": make(
            begin=with_line(lambda line: setattr(line, "trickle", (50, 0.005))),
            end=with_line(lambda line: setattr(line, "trickle", None)),
        ),
    }


def _lie(stage: Stage, *, name: str, lie: Lie | None = None) -> None:
    """Let a server lie; without a lie it says that half of the entries are not there."""
    line = stage.lines[name]
    line.lie = lie or half_of_them([*held(stage.servers[LINES[name]])][::2])
    line.cut()


def _tell_the_truth(line: Cable) -> None:
    line.lie = None
    line.cut()


def _cut(line: Cable) -> None:
    line.server_port = free_port()
    line.cut()


def _mend(stage: Stage, name: str) -> None:
    stage.lines[name].server_port = stage.servers[LINES[name]].port


def _plug(line: Cable) -> None:
    line.plug()
    # The service asks only each minute whether a silent server is there; a router that is back knows no connections.
    line.cut()


def of_names(name: str) -> dict[str, Trouble]:
    """Let a program find no host by its name, nor by its address; and so that it has to, let its lines be cut."""
    lines = [line for line in LINES if line.startswith(SERVICE) == (name == SERVICE) and name in USERS[LINES[line]]]
    users = {user for line in lines for user in _users_of(line)}

    def begin(stage: Stage) -> None:
        stage.programs[name].system.set_names(known=False)
        for line in lines:
            stage.lines[line].cut()

    excused = dict.fromkeys(users, Excuse.CONNECTION)
    return {
        f"{name} finds no host": Trouble(
            begin=begin,
            end=lambda stage: stage.programs[name].system.set_names(known=True),
            parts=frozenset({f"names of {name}"}),
            excused={**excused, name: excused[name] | Excuse.SINK},
        )
    }
