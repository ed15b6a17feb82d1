"""Two versions of a large attribute list as the difference between them.

A group with a hundred thousand members is five megabytes, and a change of it a line.  The difference is a list of
splices of the wire octets, so that applying it is a matter of copying and does not decode anything.  It leads in both
directions.

The splices are found attribute by attribute and value by value, which also finds one that was taken out of the middle
while another was put at the end.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from syncrepl_client.exceptions import DBError, ProtocolError
from syncrepl_client.ldap import ber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["ARE_SMALL", "LARGE", "are_small", "redo", "splices", "undo"]

LARGE: Final = 8192
"""From how many octets on, of both versions together, a difference is worth its while."""

ARE_SMALL: Final = f"max(3 * length(e.attrs), length(e.attrs) + length(d.attrs)) <= {LARGE}"
"""In SQL, whether there is no difference of the rows `e` and `d`, the older and the newer version.

What is larger by itself may be the version that an earlier difference leads to; see `telling`.
"""


def are_small(old: bytes, new: bytes) -> bool:
    """Tell the same as `ARE_SMALL`."""
    return max(3 * len(old), len(old) + len(new)) <= LARGE


# An attribute that is not larger is replaced as a whole.
_SMALL: Final = 256


class _Splice(NamedTuple):
    """Where the octets `old` became `new`, counted in the older version."""

    at: int
    old: bytes
    new: bytes


class _Attribute(NamedTuple):
    """Where an attribute lies: its first octet, the first octet of its values, and the end of both."""

    start: int
    values: int
    end: int


@cache
def _form() -> tuple[Callable[[object], bytes], Callable[[bytes], list[tuple[int, bytes, bytes]]]]:
    """Return what writes a difference, and what reads one."""
    # Few copies hold an entry so large, and it brings seventeen modules.
    import msgspec  # noqa: PLC0415

    return msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(list[tuple[int, bytes, bytes]]).decode


def splices(old: bytes, new: bytes) -> bytes | None:
    """Find the difference between two attribute lists.

    Returns:
        The difference, encoded; None if it is not much smaller than the newer version.
    """
    try:
        found = _found(old, new)
    except ProtocolError:
        # Whoever looks at the attributes is told so; here they are octets.
        return None
    if found is None:
        return None
    encode, _ = _form()
    encoded = encode([tuple(splice) for splice in found])
    # An attribute that a server sends in two parts fits none of this.
    return encoded if len(encoded) * 4 < len(new) and redo(old, encoded) == new else None


def redo(old: bytes, difference: bytes) -> bytes:
    """Make the newer version of the older one.

    Raises:
        DBError: the difference is not of this version.
    """
    _, decode = _form()
    return _spliced(old, decode(difference))


def undo(new: bytes, difference: bytes) -> bytes:
    """Make the older version of the newer one.

    Raises:
        DBError: the difference is not of this version.
    """
    back = []
    shift = 0
    _, decode = _form()
    for at, was, became in decode(difference):
        back.append((at + shift, became, was))
        shift += len(became) - len(was)
    return _spliced(new, back)


def _spliced(octets: bytes, found: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    pieces: list[bytes] = []
    pos = 0
    for at, old, new in found:
        end = at + len(old)
        if at < pos or octets[at:end] != old:
            raise DBError("a difference in the changelog does not fit its entry", hint="the data file is damaged")
        pieces += octets[pos:at], new
        pos = end
    pieces.append(octets[pos:])
    return b"".join(pieces)


# --- finding it -------------------------------------------------------------------------------------------------------


def _found(old: bytes, new: bytes) -> list[_Splice] | None:
    """Find the splices in their order; None where the attributes changed their order."""
    _, old_start, _ = ber.read(old, 0, len(old))
    _, new_start, _ = ber.read(new, 0, len(new))
    had, has = _attributes(old, old_start), _attributes(new, new_start)
    if [name for name in had if name in has] != [name for name in has if name in had]:
        return None
    found = [_Splice(0, old[:old_start], new[:new_start])]
    names = iter(has)
    for name, was in had.items():
        became = has.get(name)
        if became is None:
            found.append(_Splice(was.start, old[was.start : was.end], b""))
            continue
        found += _inserted(names, name, was.start, new, has)
        within = _within(old, was, new, became)
        if within is None:
            return None
        found += within
    found += _inserted(names, None, len(old), new, has)
    return [splice for splice in found if splice.old != splice.new]


def _attributes(wire: bytes, pos: int) -> dict[bytes, _Attribute]:
    """Find the attributes by the octets of their names."""
    found = {}
    while pos < len(wire):
        _, start, end = ber.read(wire, pos, len(wire))
        _, _, name_end = ber.read(wire, start, end)
        _, values, _ = ber.read(wire, name_end, end)
        found[wire[start:name_end]] = _Attribute(pos, values, end)
        pos = end
    return found


def _inserted(
    names: Iterator[bytes], until: bytes | None, at: int, new: bytes, has: dict[bytes, _Attribute]
) -> Iterator[_Splice]:
    """Take the new attributes that come before a common one."""
    for name in names:
        if name == until:
            return
        yield _Splice(at, b"", new[has[name].start : has[name].end])


def _within(old: bytes, was: _Attribute, new: bytes, became: _Attribute) -> list[_Splice] | None:
    """Find the splices inside an attribute; None where its values changed their order."""
    old_octets, new_octets = old[was.start : was.end], new[became.start : became.end]
    if old_octets == new_octets:
        return []
    if len(old_octets) <= _SMALL:
        return [_Splice(was.start, old_octets, new_octets)]
    found = [_Splice(was.start, old[was.start : was.values], new[became.start : became.values])]
    had, has = _values(old, was), _values(new, became)
    had_all, has_all = set(had), set(has)
    if [value for value in had if value in has_all] != [value for value in has if value in had_all]:
        return None
    at = was.values
    coming = iter(has)
    value_now = next(coming, None)
    for value in had:
        while value_now is not None and value_now not in had_all:
            found.append(_Splice(at, b"", value_now))
            value_now = next(coming, None)
        if value in has_all:
            value_now = next(coming, None)
        else:
            found.append(_Splice(at, value, b""))
        at += len(value)
    if value_now is not None:
        found.append(_Splice(at, b"", b"".join((value_now, *coming))))
    return found


def _values(wire: bytes, attribute: _Attribute) -> list[bytes]:
    """Split the values of an attribute, each with its tag and length."""
    found = []
    pos, end = attribute.values, attribute.end
    while pos < end:
        length = wire[pos + 1]
        stop = pos + 2 + length if length < 0x80 else ber.read(wire, pos, end)[2]  # noqa: PLR2004 - the short form
        found.append(wire[pos:stop])
        pos = stop
    return found
