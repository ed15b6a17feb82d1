"""A reader of the changelog that outlives all clients: what it was told must lead to the copy, whoever died when."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

from syncrepl_client.store.copy import Copy
from syncrepl_client.store.feed import Feed
from tests.convergence.mirror import canonical, difference, look
from tests.store.changing import State, followed

if TYPE_CHECKING:
    from pathlib import Path

    from syncrepl_client.store.position import Position

__all__ = ["Stream"]


class Stream:
    """Follows the changelog of a data file."""

    def __init__(self) -> None:
        self._position: Position | None = None
        self._state: State = {}

    def begin_again(self, path: Path) -> None:
        """Follow a file that was put in place of the one before."""
        self._position, self._state = None, {}
        self.check(path, "the file before")

    def check(self, path: Path, told: object) -> None:
        """Read on, and compare what follows from it with the copy."""
        if not look(path).copy:
            return
        with closing(Copy(path)) as copy:
            whole = copy.facts().log.whole
        if whole:
            with closing(Feed(path, self._position)) as feed:
                while page := feed.read():
                    self._state = followed(self._state, [change for change, _ in page])
                self._position = feed.position
            found = {UUID(bytes=uuid): (dn, canonical(attrs)) for uuid, (dn, attrs) in self._state.items()}
            wrong = difference(look(path).copy, found)
            assert not wrong, f"the changelog does not lead to the copy: {wrong}\n{told}"
