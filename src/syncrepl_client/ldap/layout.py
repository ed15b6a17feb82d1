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
# The first octet of a length of 128 to 255.
_ONE_MORE: Final = 0x81

_Slot = tuple[str, int, tuple[bytes | None, ...], bytes, list[bytes]]
"""Name, offset of the value's length, beginnings by that length, whole attribute, values."""


@lru_cache(maxsize=1024)
def _beginnings(name: str) -> tuple[bytes | None, ...]:
    """Make all that can stand before the only value of an attribute, by the length of the value."""
    raw = name.encode()
    head = bytes((0x04, len(raw))) + raw
    most = _MOST - len(head) - 4
    short = (
        bytes((0x30, len(head) + 4 + size)) + head + bytes((0x31, size + 2, 0x04, size)) for size in range(most + 1)
    )
    return (*short, *([None] * (255 - most)))


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
            if len(values) == 1:
                self._slots.append((name, len(name) + 7, _beginnings(name), b"", []))
            else:
                self._slots.append((name, _CONSTANT, (), octets, list(values)))

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
            for name, offset, beginnings, whole, values in self._slots:
                if offset < 0:
                    if fits(whole, pos):
                        decoded[name] = values[:]
                        pos += len(whole)
                    continue
                size = wire[pos + offset]
                beginning = beginnings[size]
                if beginning is not None and fits(beginning, pos):
                    start = pos + offset + 1
                    pos = start + size
                    decoded[name] = [wire[start:pos]]
                elif wire[pos + 1] == _ONE_MORE and (span := _longer_value(wire, pos, name)):
                    decoded[name] = [wire[span[0] : span[1]]]
                    pos = span[1]
        except IndexError:
            # The list ended within the look ahead: what was read up to there holds.
            pass
        return pos if pos <= end else end + 1


def _longer_value(wire: bytes, pos: int, name: str) -> tuple[int, int] | None:
    """Find the only value of an attribute of 128 to 255 octets; None if it is another one, or in another form."""
    raw = name.encode()
    at = pos + 5 + len(raw)
    if wire[pos] != 0x30 or wire[pos + 3 : at] != bytes((0x04, len(raw))) + raw:  # noqa: PLR2004 - SEQUENCE
        return None
    stop = pos + 3 + wire[pos + 2]
    for tag in (0x31, 0x04):
        if wire[at] != tag:
            return None
        size = wire[at + 1]
        at += 2
        if size == _ONE_MORE:
            size = wire[at]
            at += 1
        elif size > _MOST:
            return None
        if at + size != stop:
            return None
    return at, stop
