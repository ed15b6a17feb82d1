"""What readers were told, followed change by change: each change fits what was there before, and all lead to the copy.

One of them is away for so long that what he has not read is taken away; then he begins anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client import subscribe
from syncrepl_client.exceptions import ChangesLost
from tests.convergence.mirror import look
from tests.soak.clients import digest, state_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Laggard", "Told"]

_LAGGARD: Final = "laggard"
# How long nothing comes to who has all there is, in seconds.
_QUIET: Final = 0.5


class _Followed:
    """Where changes lead to."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.state: dict[str, tuple[str, str]] = {}
        self.changes = self.repeats = 0

    def _follow(self, sequence: int, uuid: str, kind: str, before: Any, after: Any) -> None:
        if sequence <= self._last.get(uuid, -1):
            self.repeats += 1
            return
        self.changes += 1
        self._last[uuid] = sequence
        told = (sequence, uuid, kind, before, after)
        was = self.state.pop(uuid, None)
        assert was == (before and tuple(before)), f"{told} does not fit {was}"
        if after is not None:
            self.state[uuid] = tuple(after)

    def check(self, path: Path) -> str:
        """Compare what it leads to with a copy."""
        copy = look(path).copy
        expected = {str(uuid): (dn, _digest(values)) for uuid, (dn, values) in copy.items()}
        wrong = [uuid for uuid in expected.keys() | self.state.keys() if expected.get(uuid) != self.state.get(uuid)]
        return (
            f"{len(wrong)} entries are not what was told: "
            + "; ".join(f"{uuid}: {expected.get(uuid)}, told {self.state.get(uuid)}" for uuid in wrong[:3])
            if wrong
            else ""
        )


class Told(_Followed):
    """What a client was told, in the file that it writes; read on after each round."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._read = 0

    def read(self) -> None:
        """Follow what is new; each change fits what was there before it."""
        octets = self._path.read_bytes()[self._read :]
        whole = octets[: octets.rfind(b"\n") + 1]
        self._read += len(whole)
        lines = whole.splitlines()
        for number, line in enumerate(lines):
            try:
                said = json.loads(line) if line else "begin"
            except ValueError:
                # The client died in the middle of it, and another one has begun.
                assert b'"begin"' in lines[number + 1 : number + 3], line
                continue
            if said != "begin":
                self._follow(*said)


class Laggard(_Followed):
    """Reads the changelog of somebody else now and then.

    Args:
        path: the data file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.lost = 0

    def read(self) -> None:
        """Read all there is; who is told that something is lost begins with a snapshot."""
        restart = False
        while True:
            try:
                with subscribe(self._path, _LAGGARD, restart=restart) as changes:
                    while found := changes.read(timeout=_QUIET):
                        for one in found:
                            kind = type(one).__name__
                            before, after = state_of(one.before), state_of(one.after)
                            self._follow(one.sequence or 0, str(one.uuid), kind, before, after)
            except ChangesLost:
                self.lost += 1
                self._last.clear()
                self.state.clear()
                restart = True
            else:
                return


def _digest(values: dict[str, list[str]]) -> str:
    return digest({name: [bytes.fromhex(value) for value in of_it] for name, of_it in values.items()})
