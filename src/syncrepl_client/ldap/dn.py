"""Distinguished names (RFC 4514): parse, compare, parent, rebase.

Two spellings of one name have one normal form: attribute types in lower case, values case-folded with their spaces
collapsed, the pairs of a multi-valued RDN sorted, escapes in one way.  Most names that servers send are plain, and
their normal form is their lower case; `_is_plain` tells which those are.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DNError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "RDN",
    "alike",
    "child_range",
    "depth",
    "escape_value",
    "first_rdn",
    "is_under",
    "key",
    "keys",
    "normalize",
    "parent",
    "parse",
    "rebase",
    "same",
    "split_first",
]

RDN = tuple[tuple[str, str | bytes], ...]
"""The pairs of type and value of one RDN, as written; a value is bytes where it was ``#hex`` or is not UTF-8."""

# The octets that have no meaning of their own in a name.
_SIMPLE: Final = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'\\+"#;<>')
# A type that is an OID, an empty RDN, or a space after a comma.
_AFTER_COMMA: Final = re.compile(r",(?:[^a-z]|oid\.|\Z)")
# The same, and the spaces that do not count, in names that stand in lines of their own.
_ODD_PAIRS: Final = (b"  ", b" ,", b" =", b" \n", b"= ", b",oid.", b"\noid.")
_LETTERS: Final = bytes.maketrans(b"bcdefghijklmnopqrstuvwxyz", b"a" * 25)
_TYPE: Final = re.compile(r" *((?:[A-Za-z][A-Za-z0-9-]*|(?:[Oo][Ii][Dd]\.)?\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*) *= *")
_HEX: Final = re.compile(r"#((?:[0-9a-fA-F]{2})+) *(?=[,;+]|\Z)")
_PAIR: Final = re.compile(r"\\(?:([0-9a-fA-F]{2})|(.))", re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)" *(?=[,;+]|\Z)', re.DOTALL)
_PLAIN: Final = re.compile(r"(?:[^,;+\\\"]|\\.)*", re.DOTALL)
_SPECIAL: Final = re.compile(r'[\\+",;<>\x00]')

_SHORT_NAMES: Final = {
    "2.5.4.3": "cn",
    "2.5.4.7": "l",
    "2.5.4.8": "st",
    "2.5.4.10": "o",
    "2.5.4.11": "ou",
    "2.5.4.6": "c",
    "2.5.4.9": "street",
    "0.9.2342.19200300.100.1.25": "dc",
    "0.9.2342.19200300.100.1.1": "uid",
}


def parse(text: str) -> tuple[RDN, ...]:
    """Parse a name into its RDNs, the entry's own first.

    Spaces around separators, ``;`` as a separator and quoted values are read as RFC 2253 has them.

    Raises:
        DNError: it is not a name.
    """
    rdns: list[RDN] = []
    pairs: list[tuple[str, str | bytes]] = []
    pos = 0
    if not text.strip(" "):
        return ()
    while True:
        match = _TYPE.match(text, pos)
        if match is None:
            raise DNError(text, pos, "expected an attribute type and '='")
        value, pos = _value(text, match.end())
        pairs.append((match[1], value))
        separator = text[pos : pos + 1]
        if separator != "+":
            rdns.append(tuple(pairs))
            pairs = []
        if not separator:
            return tuple(rdns)
        pos += 1


def _value(text: str, pos: int) -> tuple[str | bytes, int]:
    """Read the value at `pos`; returns it and where the separator after it stands."""
    if text.startswith("#", pos):
        match = _HEX.match(text, pos)
        if match is None:
            raise DNError(text, pos, "expected pairs of hexadecimal digits after '#'")
        return bytes.fromhex(match[1]), match.end()
    quoted = _QUOTED.match(text, pos)
    if quoted is not None:
        return _unescape(quoted[1]), quoted.end()
    plain = _PLAIN.match(text, pos)
    end = plain.end() if plain else pos
    if end < len(text) and text[end] not in ",;+":
        raise DNError(text, end, "expected an escape or a separator")
    raw = text[pos:end]
    stripped = raw.rstrip(" ")
    if len(stripped) < len(raw) and (len(stripped) - len(stripped.rstrip("\\"))) % 2:
        stripped += " "
    return _unescape(stripped), end


def _unescape(raw: str) -> str | bytes:
    if "\\" not in raw:
        return raw
    octets = bytearray()
    last = 0
    for match in _PAIR.finditer(raw):
        octets += raw[last : match.start()].encode()
        octets += bytes.fromhex(match[1]) if match[1] else match[2].encode()
        last = match.end()
    octets += raw[last:].encode()
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return bytes(octets)


def escape_value(value: str) -> str:
    """Escape a value so that it can stand in a name (RFC 4514 section 2.4)."""
    escaped = _SPECIAL.sub(lambda match: "\\00" if match[0] == "\0" else "\\" + match[0], value)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and escaped != "\\ ":
        escaped = escaped[:-1] + "\\ "
    return escaped


def normalize(text: str) -> str:
    """Return the form that all spellings of a name share; a text that is no name is only case-folded."""
    lowered = text.lower()
    if _is_plain(lowered):
        return lowered
    try:
        rdns = parse(text)
    except DNError:
        return text.casefold()
    return _normalized(rdns, str.casefold)


def _normalized(rdns: Iterable[RDN], fold: Callable[[str], str]) -> str:
    return ",".join(
        "+".join(sorted(f"{_normal_type(kind)}={_normal_value(value, fold)}" for kind, value in rdn)) for rdn in rdns
    )


def _is_plain(lowered: str) -> bool:
    """Tell whether a name in lower case is its own normal form: no escapes, no OIDs, no spaces that do not count."""
    odd = lowered.encode().translate(None, _SIMPLE)
    if odd and (
        odd.strip(b" ")
        or "  " in lowered
        or " ," in lowered
        or "= " in lowered
        or " =" in lowered
        or lowered[-1] == " "
        or lowered[0] == " "
    ):
        return False
    return not _AFTER_COMMA.search(lowered) and "a" <= lowered[:1] <= "z" and not lowered.startswith("oid.")


def _normal_type(kind: str) -> str:
    lowered = kind.lower().removeprefix("oid.")
    return _SHORT_NAMES.get(lowered, lowered)


def _normal_value(value: str | bytes, fold: Callable[[str], str]) -> str:
    if isinstance(value, bytes):
        return "#" + value.hex()
    folded = " ".join(fold(unicodedata.normalize("NFKC", value)).split(" ")).strip(" ")
    return escape_value(re.sub(" +", " ", folded))


def split_first(normalized: str) -> tuple[str, str]:
    """Split a normalized name into its first RDN and its parent's name."""
    if "\\" not in normalized:
        first, _, rest = normalized.partition(",")
        return first, rest
    pos = _first_end(normalized)
    return normalized[:pos], normalized[pos + 1 :]


def _first_end(text: str) -> int:
    """Find where the first RDN ends."""
    return next(_separators(text), len(text))


def _separators(text: str) -> Iterator[int]:
    """Find where RDNs end and others follow, in one pass: a name may be as long as a message."""
    quoted = False
    # Before its "=" a type may have options, which semicolons begin.
    in_value = False
    pos = 0
    while pos < len(text):
        char = text[pos]
        if char == "\\":
            pos += 1
        elif char == '"':
            quoted = not quoted
        elif quoted:
            pass
        elif char == "," or (char == ";" and in_value):
            in_value = False
            yield pos
        elif char in "=+":
            in_value = char == "="
        pos += 1


def _after(text: str, count: int) -> int:
    """Find where a name goes on behind its first RDNs."""
    return next(islice(_separators(text), count - 1, None), len(text) - 1) + 1 if count > 0 else 0


def first_rdn(text: str) -> str:
    """Return the first RDN as it is spelled."""
    return text[: _first_end(text)]


def parent(text: str) -> str:
    """Return the name above, as it is spelled; empty above the last RDN."""
    return text[_first_end(text) + 1 :].lstrip(" ")


def depth(text: str) -> int:
    """Return the number of RDNs."""
    if not text.strip(" "):
        return 0
    if "\\" not in text and '"' not in text and ";" not in text:
        return text.count(",") + 1
    return sum(1 for _ in _separators(text)) + 1


def rebase(text: str, old: str, new: str) -> str:
    """Return the name that an entry below `old` has when `old` is called `new`; its own part keeps its spelling."""
    if text.endswith("," + old) and text[-len(old) - 2 : -len(old) - 1] != "\\":
        return text[: -len(old)] + new
    return text[: _after(text, depth(text) - depth(old))] + new


def is_under(text: str, base: str) -> bool:
    """Tell whether a name is `base` or below it."""
    normal, top = normalize(text), normalize(base)
    if not top or normal == top:
        return True
    if not normal.endswith("," + top):
        return False
    return "\\" not in normal or (depth(normal) > depth(top) and _tail(normal, depth(top)) == top)


def _tail(normal: str, count: int) -> str:
    return normal[_after(normal, depth(normal) - count) :]


def same(first: str, second: str) -> bool:
    """Tell whether two texts spell one name."""
    return first == second or normalize(first) == normalize(second)


def alike(first: str, second: str) -> bool:
    """Tell whether two texts spell one name on every server.

    Two names may be the `same` by RFC 4518 and still be two entries: OpenLDAP takes ``Straße`` and ``Strasse`` for
    two, since it compares letter by letter.
    """
    if first == second:
        return True
    if not same(first, second):
        return False
    try:
        return _normalized(parse(first), _letter_by_letter) == _normalized(parse(second), _letter_by_letter)
    except DNError:
        return first.lower() == second.lower()


def _letter_by_letter(text: str) -> str:
    return "".join(letter.lower() for letter in text)


def key(text: str) -> int:
    """Return a stable 64-bit number for an index: the upper half stands for the parent, the lower half for the RDN.

    Other names may have the same number, so whoever finds one by it compares the name.
    """
    rdn, above = split_first(normalize(text))
    return _upper_half(above) | zlib.crc32(rdn.encode())


@lru_cache(maxsize=1024)
def _upper_half(normalized_parent: str) -> int:
    number = zlib.crc32(normalized_parent.encode()) << 32
    return number - (1 << 64) if number >= 1 << 63 else number


def keys(texts: list[str]) -> list[int]:
    """Return the `key` of each of many names; where all are plain, as most are, this is several times faster."""
    lines = "\n".join(["", *texts, ""]).lower().encode()
    normalized = lines[1:-1].split(b"\n")
    if len(normalized) != len(texts) or not _are_plain(lines):
        return [key(text) for text in texts]
    crc32 = zlib.crc32
    found = []
    former, upper_half = b"", _upper_half("")
    for name in normalized:
        rdn, _, above = name.partition(b",")
        if above != former:
            former, upper_half = above, _upper_half(above.decode())
        found.append(upper_half | crc32(rdn))
    return found


def _are_plain(lines: bytes) -> bool:
    """Tell whether names in lower case, each in a line with a line break before it too, are their own normal forms."""
    shapes = lines.translate(_LETTERS)
    after_separators = shapes.count(b",a") + shapes.count(b"\na")
    return (
        not lines.translate(None, _SIMPLE + b" \n")
        and lines.count(b",") + lines.count(b"\n") - 1 == after_separators
        and not any(pair in lines for pair in _ODD_PAIRS)
    )


def child_range(text: str) -> tuple[int, int]:
    """Return the lowest and the highest `key` that a child of a name can have."""
    low = _upper_half(normalize(text))
    return low, low | 0xFFFFFFFF
