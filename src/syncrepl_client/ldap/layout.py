"""What entries of a directory have in common, used to decode the next one sooner.

The entries of one kind mostly have the same attributes in the same order, one value in each, and a few whose values are
the same throughout, such as objectClass.  A `Layout` is made of one entry.  Reading another by it, each attribute is
recognised by all octets that stand before its value at once, or as a whole, which takes half the time of looking at
each length.

A layout is a guess: what does not fit is left to the general decoder, and nothing is taken that was not compared.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Layout"]

# An attribute of less than 128 octets, so that each of its lengths is one octet.
_MOST: Final = 127
# At this place in a slot stands where the length of the value is; here it says that the whole attribute is constant.
_CONSTANT: Final = -1
_LONGEST_NAME: Final = 100
# The first octets of lengths of up to 255 and up to 65535.
_ONE_MORE: Final = 0x81
_TWO_MORE: Final = 0x82

_Beginnings = tuple[bytes | tuple[()], ...]
_Slot = tuple[str, int, _Beginnings, "_Rare"]
"""Name, offset of the value's length, beginnings by that length, and what is looked at if those do not fit."""


@lru_cache(maxsize=1024)
def _beginnings(head: bytes) -> _Beginnings:
    """Make all that can stand before the only value of an attribute, by the length of the value."""
    most = _MOST - len(head) - 4
    short = (
        bytes((0x30, len(head) + 4 + size)) + head + bytes((0x31, size + 2, 0x04, size)) for size in range(most + 1)
    )
    # Nothing begins with an empty tuple.
    return (*short, *([()] * (255 - most)))


class Layout:
    """The attributes of one entry, to read others by.

    Args:
        attributes: of each attribute its name, its values and all of its octets.
    """

    __slots__ = ("_slots", "attributes")

    def __init__(self, attributes: Sequence[tuple[str, list[bytes], bytes]]) -> None:
        # How many attributes the entry had.
        self.attributes = len(attributes)
        self._slots: list[_Slot] = []
        for name, values, octets in attributes:
            if len(name) > _LONGEST_NAME:
                continue
            head = bytes((0x04, len(name))) + name.encode()
            if len(values) == 1:
                self._slots.append((name, len(name) + 7, _beginnings(head), _Rare(head)))
            else:
                self._slots.append((name, _CONSTANT, (), _Rare(head, octets, values)))

    def read(self, wire: bytes, pos: int, end: int, decoded: dict[str, list[bytes]]) -> int:
        """Read attributes as far as they fit.

        Args:
            wire: the octets of an attribute list.
            pos: where its first attribute begins.
            end: where the list ends.
            decoded: is given the attributes.

        Returns:
            Where the first attribute begins that does not fit; beyond `end` if the list is malformed.
        """
        fits = wire.startswith
        try:
            for name, offset, beginnings, rare in self._slots:
                if offset >= 0:
                    size = wire[pos + offset]
                    if fits(beginnings[size], pos):
                        start = pos + offset + 1
                        pos = start + size
                        decoded[name] = [wire[start:pos]]
                    elif wire[pos + 1] > _MOST and (span := rare.long_value(wire, pos)):
                        decoded[name] = [wire[span[0] : span[1]]]
                        pos = span[1]
                elif fits(rare.octets, pos):
                    decoded[name] = rare.values[:]
                    pos += len(rare.octets)
                elif found := rare.several_values(wire, pos):
                    decoded[name], pos = found
        except IndexError:
            # The list ended within the look ahead: what was read up to there holds.
            pass
        return pos if pos <= end else end + 1


class _Rare:
    """Reads an attribute whose lengths take several octets, or that has several values.

    Args:
        head: the name with its tag and length.
        octets: a whole attribute of this name, if such may come again.
        values: its values.
    """

    __slots__ = ("head", "octets", "values")

    def __init__(self, head: bytes, octets: bytes = b"", values: Sequence[bytes] = ()) -> None:
        self.head = head
        self.octets = octets
        self.values = list(values)

    def long_value(self, wire: bytes, pos: int) -> tuple[int, int] | None:
        """Find the only value of an attribute of 128 to 65535 octets; None if it is another one, or in another form."""
        at = pos + (3 if wire[pos + 1] == _ONE_MORE else 4)
        stop = _stop(wire, pos)
        head = self.head
        if wire[pos] != 0x30 or stop < 0 or not wire.startswith(head, at):  # noqa: PLR2004 - SEQUENCE
            return None
        at += len(head)
        for tag in (0x31, 0x04):
            if wire[at] != tag or _stop(wire, at) != stop:
                return None
            at += 2 if wire[at + 1] <= _MOST else 3 if wire[at + 1] == _ONE_MORE else 4
        return at, stop

    def several_values(self, wire: bytes, pos: int) -> tuple[list[bytes], int] | None:
        """Read the values of an attribute of less than 128 octets; None if it is another one, or in another form."""
        at = pos + 2 + len(self.head)
        stop = pos + 2 + wire[pos + 1]
        if wire[pos] != 0x30 or wire[at] != 0x31 or not wire.startswith(self.head, pos + 2):  # noqa: PLR2004
            return None
        at += 2
        if at + wire[at - 1] != stop:
            return None
        values = []
        while at < stop:
            end = at + 2 + wire[at + 1]
            if wire[at] != 0x04 or end > stop:  # noqa: PLR2004
                return None
            values.append(wire[at + 2 : end])
            at = end
        return values, stop


def _stop(wire: bytes, pos: int) -> int:
    """Tell where the element at `pos` ends, if its length takes at most three octets; otherwise -1."""
    size = wire[pos + 1]
    if size <= _MOST:
        return pos + 2 + size
    if size == _ONE_MORE:
        return pos + 3 + wire[pos + 2]
    if size == _TWO_MORE:
        return pos + 4 + (wire[pos + 2] << 8) + wire[pos + 3]
    return -1
