"""The attributes of an entry, kept as the octets that arrived and decoded when someone looks (RFC 4511 section 4.1.7).

Decoding costs more than everything else that is done with an entry of a refresh, so it is paid by those who look.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Final
from zlib import adler32

from syncrepl_client.exceptions import ProtocolError
from syncrepl_client.ldap import ber
from syncrepl_client.ldap.layout import Layout

__all__ = [
    "Attributes",
    "Decoded",
    "attribute_at",
    "decode_attributes",
    "differ_at_sight",
    "encode_attributes",
    "is_rewritten",
    "same_values",
    "without",
]

# Attribute names by their element, tag and length included.
_NAMES: Final[dict[bytes, str]] = {}
_NAMES_LIMIT: Final = 4096
# Layouts by the first attribute of the entries that they are of.
_LAYOUTS: Final[dict[bytes, Layout]] = {}
_MOST_LAYOUTS: Final = 64
_WORTH_LEARNING: Final = 2
_LONG_FORM: Final = 0x80
# From which size on, with tag and length, an element needs one more octet for its length, and two more.
_ONE_MORE_FROM: Final = 0x83
_TWO_MORE_FROM: Final = 0x104
# Of so many octets the sum differs by less than the modulus of the checksum, whatever the case of all letters.
_MOST_SUMMED: Final = 2048


class Attributes(Mapping[str, list[bytes]]):
    """A read-only mapping of attribute names to lists of values, in the server's spelling and order.

    Lookup ignores the case of names.  Two are equal if they hold the same values for the same names in whatever order,
    since LDAP orders neither.

    Args:
        wire: a PartialAttributeList with its tag and length.
    """

    __slots__ = ("_folded", "_values", "wire")

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self._values: dict[str, list[bytes]] | None = None
        self._folded: dict[str, str] | None = None

    @classmethod
    def of(cls, values: Mapping[str, list[bytes]]) -> Attributes:
        """Make attributes from names and values."""
        return cls(encode_attributes(values))

    @property
    def _decoded(self) -> dict[str, list[bytes]]:
        if self._values is None:
            self._values = decode_attributes(self.wire)
        return self._values

    def __getitem__(self, name: str) -> list[bytes]:
        values = self._decoded
        if name in values:
            return values[name]
        if self._folded is None:
            self._folded = {known.lower(): known for known in values}
        try:
            return values[self._folded[name.lower()]]
        except KeyError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded)

    def __len__(self) -> int:
        return len(self._decoded)

    def copy(self) -> dict[str, list[bytes]]:
        """Return a dict of one's own."""
        return {name: list(values) for name, values in self._decoded.items()}

    # The views of the decoded dict are several times faster than the ones that Mapping makes.

    def items(self) -> ItemsView[str, list[bytes]]:
        """Return a view of the names and values."""
        return self._decoded.items()

    def values(self) -> ValuesView[list[bytes]]:
        """Return a view of the values."""
        return self._decoded.values()

    def keys(self) -> KeysView[str]:
        """Return a view of the names."""
        return self._decoded.keys()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Attributes):
            return same_values(self.wire, other.wire)
        if isinstance(other, Mapping):
            return dict(self._decoded) == dict(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(name.lower() for name in self._decoded))

    def __repr__(self) -> str:
        return f"Attributes({', '.join(self._decoded)})"


class Decoded(Attributes):
    """Attributes made of names and values, which become octets when somebody asks for those.

    Args:
        values: the values by name; they are the new object's own.
    """

    __slots__ = ()

    def __init__(self, values: dict[str, list[bytes]]) -> None:
        self._values = values
        self._folded = None

    def __getattr__(self, name: str) -> bytes:
        # It is asked for what has no value yet.
        if name != "wire":
            raise AttributeError(name)
        self.wire = encode_attributes(self._decoded)
        return self.wire


def same_values(first: bytes, second: bytes) -> bool:
    """Tell whether two PartialAttributeLists hold the same values for the same names, in whatever order.

    Most lists differ in a few attributes of many, so only those are decoded: each change of an entry is asked for this.

    Raises:
        ProtocolError: one is malformed.
    """
    if first == second:
        return True
    _, pos, end = ber.read(first, 0, len(first))
    _, at, stop = ber.read(second, 0, len(second))
    same = _common(first[pos:end], second[at:stop])
    alike = pos + same
    while pos < end and at < stop:
        # The first octet of the length is most often all of it.
        length = first[pos + 1] if pos + 1 < end else _LONG_FORM
        next_pos = pos + 2 + length if length < _LONG_FORM else ber.read(first, pos, end)[2]
        next_at = at + next_pos - pos
        if next_pos > alike and first[pos:next_pos] != second[at:next_at]:
            name, values, next_pos = _decode_short(first, pos, end) or _decode_one(first, pos, end)
            other, other_values, next_at = _decode_short(second, at, stop) or _decode_one(second, at, stop)
            if name != other or sorted(values) != sorted(other_values):
                # Other values as well: more of them may come later, under the same name once more.
                return _canonical(first) == _canonical(second)
        pos, at = next_pos, next_at
    return (pos == end and at == stop) or _canonical(first) == _canonical(second)


def differ_at_sight(first: bytes, second: bytes) -> bool:
    """Tell whether PartialAttributeLists of an entry, one sent after the other, hold other values, if that is easy.

    A server takes as many octets for the same values in any order, and the same octets but for the case of names, by
    which their sum differs in multiples of 32.  Most changes show there, and `same_values` takes ten times as long: for
    100,000 changed entries that is 1.3 s.  Servers that pad lengths are looked at closer.

    Returns:
        Whether they differ for certain; if not, `same_values` tells.
    """
    size = len(first)
    if not (_is_shortest(first) and _is_shortest(second)):
        return False
    if size != len(second):
        return True
    # The lower half is the sum of the octets and 1, modulo 65521.
    apart = (adler32(first) & 0xFFFF) - (adler32(second) & 0xFFFF)
    return size < _MOST_SUMMED and 0 not in (apart % 32, (apart + 65521) % 32, (apart - 65521) % 32)


def is_rewritten(first: bytes, second: bytes) -> bool:
    """Tell whether a list that was sent after another one says the same: servers send changes that change nothing.

    Raises:
        ProtocolError: the octets are not such a list; not all who send them are found out.
    """
    return not differ_at_sight(first, second) and same_values(first, second)


def _is_shortest(wire: bytes) -> bool:
    """Tell whether the length of a list is encoded as short as can be, in at most three octets."""
    form, size = wire[1:2], len(wire)
    if size >= _TWO_MORE_FROM:
        return form == b"\x82"
    return form < b"\x81" or (form == b"\x81" and size >= _ONE_MORE_FROM)


def _common(first: bytes, second: bytes) -> int:
    """Count the octets at the beginning that are the same."""
    size = min(len(first), len(second))
    differs = int.from_bytes(first[:size]) ^ int.from_bytes(second[:size])
    return size - (differs.bit_length() + 7) // 8


def _canonical(wire: bytes) -> dict[str, list[bytes]]:
    return {name.lower(): sorted(values) for name, values in decode_attributes(wire).items()}


def decode_attributes(wire: bytes) -> dict[str, list[bytes]]:
    """Decode a PartialAttributeList.

    A program that looks at every attribute spends most of its time here, so entries are first read by the layout of one
    that began alike.

    Args:
        wire: the list with its tag and length.

    Returns:
        Names in the server's spelling with their values, in the order in which they came.

    Raises:
        ProtocolError: it is malformed.
    """
    tag, start, end = ber.read(wire, 0, len(wire))
    if tag != 0x30 or end != len(wire):  # noqa: PLR2004 - SEQUENCE
        raise ProtocolError("an attribute list that is not one SEQUENCE")
    decoded: dict[str, list[bytes]] = {}
    if start == end:
        return decoded
    # For most servers and entries the first attribute is objectClass, which tells the kinds of entries apart.
    first = wire[start : start + 2 + wire[min(start + 1, end - 1)]]
    layout = _LAYOUTS.get(first)
    pos = layout.read(wire, start, end, decoded) if layout is not None else start
    if pos == end:
        return decoded
    if pos > end:
        decoded.clear()
        pos = start
    while pos < end:
        element, values, pos = _decode_short(wire, pos, end) or _decode_one(wire, pos, end)
        name = _NAMES.get(element) or _name(element)
        decoded.setdefault(name, []).extend(values)
    known = layout.attributes if layout is not None else 0
    if len(decoded) > known + _WORTH_LEARNING and (layout is not None or len(_LAYOUTS) < _MOST_LAYOUTS):
        _LAYOUTS[first] = _layout_of(wire, start, end)
    return decoded


def _layout_of(wire: bytes, pos: int, end: int) -> Layout:
    """Make the layout of an entry that could be decoded."""
    attributes = []
    while pos < end:
        name, values, stop = attribute_at(wire, pos, end)
        attributes.append((name, values, wire[pos:stop]))
        pos = stop
    # A name that comes twice would be taken once by the layout.
    return Layout(attributes if len({name for name, _, _ in attributes}) == len(attributes) else [])


def _decode_short(wire: bytes, pos: int, end: int) -> tuple[bytes, list[bytes], int] | None:
    """Decode the attribute at `pos` if all of it is less than 128 octets, so that each length is one octet.

    If one of the inner lengths is in another form the ends do not meet.
    """
    try:
        stop = pos + 2 + wire[pos + 1]
        name_end = pos + 4 + wire[pos + 3]
        at = name_end + 2
        usual = wire[pos] == 0x30 and wire[pos + 2] == 4 and wire[name_end] == 0x31  # noqa: PLR2004
        if not usual or stop > end or at + wire[at - 1] != stop:
            return None
        values = []
        while at < stop:
            value_end = at + 2 + wire[at + 1]
            if wire[at] != 4 or value_end > stop:  # noqa: PLR2004
                return None
            values.append(wire[at + 2 : value_end])
            at = value_end
    except IndexError:
        return None
    return wire[pos + 2 : name_end], values, stop


def _decode_one(wire: bytes, pos: int, end: int) -> tuple[bytes, list[bytes], int]:
    """Decode the attribute at `pos`, in whatever form its lengths are."""
    tag, start, stop = ber.read(wire, pos, end)
    name_tag, _, name_end = ber.read(wire, start, stop)
    set_tag, at, set_end = ber.read(wire, name_end, stop)
    if (tag, name_tag, set_tag) != (0x30, 0x04, 0x31):
        raise ProtocolError(f"an attribute that is not a name and a set of values: {wire[pos : pos + 40].hex()}")
    values = []
    while at < set_end:
        found, inner, value_end = ber.read(wire, at, set_end)
        if found != 0x04:  # noqa: PLR2004 - OCTET STRING
            raise ProtocolError(f"an attribute value with tag 0x{found:02x}")
        values.append(wire[inner:value_end])
        at = value_end
    return wire[start:name_end], values, stop


def _name(element: bytes) -> str:
    """Decode an attribute name with its tag and length, and remember it: a directory has few of them."""
    _, start, end = ber.read(element, 0, len(element))
    try:
        name = element[start:end].decode("ascii")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"an attribute name that is not ASCII: {element[:60]!r}") from error
    if len(_NAMES) >= _NAMES_LIMIT:
        _NAMES.clear()
    _NAMES[element] = name
    return name


def attribute_at(wire: bytes, pos: int, end: int) -> tuple[str, list[bytes], int]:
    """Decode one attribute of a PartialAttributeList.

    Args:
        wire: the list.
        pos: where the attribute begins.
        end: where the list ends.

    Returns:
        Its name, its values, and where it ends.

    Raises:
        ProtocolError: it is malformed.
    """
    element, values, stop = _decode_short(wire, pos, end) or _decode_one(wire, pos, end)
    return _NAMES.get(element) or _name(element), values, stop


def without(wire: bytes, names: frozenset[str]) -> tuple[bytes, dict[str, list[bytes]]]:
    """Take attributes out of a PartialAttributeList; the octets of the others stay as they are.

    Args:
        wire: the list with its tag and length.
        names: in lower case.

    Returns:
        The list without them, and their values by name in lower case.

    Raises:
        ProtocolError: it is malformed.
    """
    _, pos, end = ber.read(wire, 0, len(wire))
    kept = []
    taken: dict[str, list[bytes]] = {}
    while pos < end:
        element, values, stop = _decode_short(wire, pos, end) or _decode_one(wire, pos, end)
        name = (_NAMES.get(element) or _name(element)).lower()
        if name in names:
            taken[name] = values
        else:
            kept.append(wire[pos:stop])
        pos = stop
    return (ber.sequence(*kept) if taken else wire), taken


def encode_attributes(values: Mapping[str, list[bytes]]) -> bytes:
    """Encode names and values as a PartialAttributeList with its tag and length."""
    return ber.sequence(
        *(
            ber.sequence(ber.octet_string(name.encode()), ber.set_of(*(ber.octet_string(value) for value in of_name)))
            for name, of_name in values.items()
        )
    )
