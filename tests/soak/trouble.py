"""`Trouble`: something that goes wrong, with its begin and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.soak.stage import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.soak.excuses import Excuse
    from tests.soak.stage import Stage

__all__ = ["USERS", "Trouble"]

# Who asks which server, by the lines, and who reads the file of another.
USERS: Final = {
    "first": (SERVICE, "callbacks", "watcher"),
    "second": (SERVICE, "watcher"),
    "other": (SERVICE, "asynchronous"),
}


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that goes wrong.

    Args:
        begin: lets it go wrong.
        end: puts it right.
        parts: what nobody else may trouble meanwhile.
        lasts: how many seconds, from and to.
        excused: what may be in the logs, by program.
        ends_program: whether a program ends by it whose growth is measured.
    """

    begin: Callable[[Stage], object]
    end: Callable[[Stage], object] = lambda _: None
    parts: frozenset[str]
    lasts: tuple[float, float] = (0.3, 3.0)
    excused: Mapping[str, Excuse]
    ends_program: bool = False
