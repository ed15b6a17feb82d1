"""Changes for people: a line each, and the whole directory.

Nothing that a server sends can move the cursor or colour the screen: what is not printable is shown as an escape.
Values of passwords are not shown: a screen has more readers than a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from syncrepl_client.model import Added, Attributes, Change, Deleted, Modified, Renamed
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Readable", "dump", "shown"]

# How many added, and how many removed, values of an attribute a line shows.
_SHOWN: Final = 5
# How many characters of a value a line shows.
_WIDTH: Final = 72

_SECRET: Final = frozenset({"authpassword", "krbprincipalkey", "sambalmpassword", "sambantpassword", "userpassword"})


class Readable:
    """The format without an option."""

    def begin(self) -> str:
        """Return the line that says that the server let us in."""
        return "bound\n"

    def change(self, change: Change) -> str:
        """Return the line of a change; two if an entry got a new name and new attributes."""
        match change:
            case Added(after):
                return f"added {printable(after.dn)}\n"
            case Deleted(before):
                return f"deleted {printable(before.dn)}\n"
            case Modified(before, after):
                return _changed(after.dn, before.attributes, after.attributes)
            case Renamed(before, after):
                line = f"renamed {printable(before.dn)} -> {printable(after.dn)}\n"
                if before.attributes != after.attributes:
                    line += _changed(after.dn, before.attributes, after.attributes)
                return line
            case _:
                assert_never(change)

    def refresh_done(self, entries: Mapping[str, Attributes]) -> str:
        """Return the line at the end of a refresh."""
        return f"refresh done: {len(entries)} entries\n"

    def cookie(self, cookie: bytes) -> str:
        """Return the line of a cookie."""
        return f"cookie {_text(cookie)}\n"


def dump(entries: Mapping[str, Attributes]) -> Iterator[str]:
    """Give the text of each entry."""
    for dn, attributes in entries.items():
        lines = [printable(dn)]
        for name, values in attributes.items():
            lines += [f"    {name}: {shown(name, value, width=None)}" for value in values]
        yield "\n".join(lines) + "\n"


def _changed(dn: str, before: Attributes, after: Attributes) -> str:
    names = dict.fromkeys(name.lower() for name in (*before, *after))
    differences = [text for name in names if (text := _difference(name, before, after))]
    return f"changed {printable(dn)}{': ' if differences else ''}{', '.join(differences)}\n"


def _difference(name: str, before: Attributes, after: Attributes) -> str:
    old, new = before.get(name, []), after.get(name, [])
    had, has = set(old), set(new)
    words = [
        *_some(name, "+", [value for value in new if value not in had]),
        *_some(name, "-", [value for value in old if value not in has]),
    ]
    if not words:
        return ""
    spelling = next(known for known in (*after, *before) if known.lower() == name)
    return " ".join([spelling, *words])


def _some(name: str, sign: str, values: list[bytes]) -> Iterable[str]:
    texts = [sign + shown(name, value, width=_WIDTH) for value in values[:_SHOWN]]
    more = len(values) - _SHOWN
    return [*texts, f"({sign}{more} more)"] if more > 0 else texts


def shown(name: str, value: bytes, *, width: int | None) -> str:
    """Return a value as a terminal may show it.

    Args:
        name: the attribute's; of those that hold passwords nothing is shown.
        value: the value.
        width: how many characters of it; None for all.
    """
    if name.partition(";")[0].lower() in _SECRET:
        return "(not shown)"
    text = _text(value)
    return text if width is None or len(text) <= width else text[: width - 1] + "…"


def _text(value: bytes) -> str:
    try:
        return printable(value.decode())
    except UnicodeDecodeError:
        return f"({len(value)} octets)"
