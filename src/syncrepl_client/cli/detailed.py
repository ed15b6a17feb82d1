"""Changes for people who look at each: a line with time and name, and below it each value that came or went.

As in `readable`, nothing that a server sends can move the cursor, and values of passwords are not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.cli.readable import shown
from syncrepl_client.model import Added, Change, Deleted, Modified, Origin, Renamed
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncrepl_client.cli.colours import Colours

__all__ = ["Detailed"]

# How many values of an attribute are shown that came, and how many that went: groups have thousands.
_SHOWN: Final = 20
# How many characters of a value a line shows.
_WIDTH: Final = 200
_TIME: Final = "%Y-%m-%d %H:%M:%S"


class Detailed:
    """The format of ``watch`` and ``history`` without an option.

    Args:
        colours: what to colour with.
        numbers: whether to show the number of each change in the changelog.
    """

    def __init__(self, colours: Colours, *, numbers: bool = False) -> None:
        self._colours = colours
        self._numbers = numbers

    def begin(self) -> str:
        """Return what comes first: nothing."""
        return ""

    def change(self, change: Change) -> str:
        """Return the lines of a change."""
        lines = [self._heading(change), *self._values(change)]
        return "".join(f"{line}\n" for line in lines)

    def _heading(self, change: Change) -> str:
        colours = self._colours
        name = colours.strong(printable(change.dn))
        match change:
            case Added():
                snapshot = change.origin is Origin.SNAPSHOT
                word = colours.faint("is here ") if snapshot else colours.new("added   ")
            case Deleted():
                word = colours.gone("deleted ")
            case Modified():
                word = colours.changed("modified")
            case Renamed(before, _):
                word = colours.moved("renamed ")
                name = f"{printable(before.dn)} -> {name}"
            case _:
                assert_never(change)
        return " ".join([*self._place(change), word, name])

    def _place(self, change: Change) -> Iterator[str]:
        """Give number and time, in local time."""
        if self._numbers and change.sequence is not None:
            yield self._colours.faint(f"#{change.sequence}")
        if change.stored_at is not None:
            yield self._colours.faint(change.stored_at.astimezone().strftime(_TIME))

    def _values(self, change: Change) -> Iterator[str]:
        before: Mapping[str, list[bytes]] = {} if change.before is None else change.before.attributes
        after: Mapping[str, list[bytes]] = {} if change.after is None else change.after.attributes
        for name in _names(before, after):
            old, new = before.get(name, []), after.get(name, [])
            had, has = set(old), set(new)
            yield from map(self._colours.gone, _lines("-", name, [value for value in old if value not in has]))
            yield from map(self._colours.new, _lines("+", name, [value for value in new if value not in had]))


def _names(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """Give the names of all attributes, each in one spelling: names differ by their case alone if a server says so."""
    known = dict.fromkeys(after)
    yield from known
    folded = {name.lower() for name in known}
    yield from (name for name in before if name.lower() not in folded)


def _lines(sign: str, name: str, values: list[bytes]) -> Iterator[str]:
    for value in values[:_SHOWN]:
        yield f"    {sign} {printable(name)}: {shown(name, value, width=_WIDTH)}"
    if len(values) > _SHOWN:
        yield f"    {sign} {printable(name)}: and {len(values) - _SHOWN:,} more"
