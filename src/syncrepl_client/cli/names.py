"""A DN taken apart as it is spelled (RFC 4514): LDIF wants its first part, the rest, and the values in the first part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parse_rdn", "split"]

# A character, an escaped character, or (RFC 2253 section 4) a quoted string.
_PIECE: Final = re.compile(r'\\.|"(?:\\.|[^"\\])*"|.', re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


def split(dn: str) -> tuple[str, str]:
    """Return the first RDN and the name of the entry above; both are empty for the root."""
    for at, piece in _pieces(dn):
        if piece in ",;":
            return dn[:at].rstrip(" "), dn[at + 1 :].lstrip(" ")
    return dn, ""


def parse_rdn(rdn: str) -> list[tuple[str, bytes]]:
    """Return the attribute names and values of an RDN."""
    ends = [at for at, piece in _pieces(rdn) if piece == "+"]
    parts = [rdn[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(rdn)], strict=True)]
    pairs = [part.partition("=") for part in parts if part]
    return [(name.strip(" "), _value(value.lstrip(" "))) for name, _, value in pairs]


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match.group()) for match in _PIECE.finditer(text))


def _value(text: str) -> bytes:
    if text.startswith("#"):
        # The BER encoding of the value: what most values have is a tag and one octet of length.
        try:
            return bytes.fromhex(text[1:].rstrip(" "))[2:]
        except ValueError:
            return text.encode()
    pieces = [piece for _, piece in _pieces(text)]
    while pieces and pieces[-1] == " ":
        pieces.pop()
    if len(pieces) == 1 and pieces[0].startswith('"'):
        pieces = [pieces[0][1:-1]]
    return _ESCAPED.sub(_unescape, "".join(pieces).encode())


def _unescape(match: re.Match[bytes]) -> bytes:
    escaped = match.group(1)
    return bytes.fromhex(escaped.decode()) if len(escaped) > 1 else escaped
