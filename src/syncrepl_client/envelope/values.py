"""Attributes of an entry as JSON.

An attribute is always an array, however many values it has.  A value is what the syntax of its attribute says, by the
server's schema:

================================== ==================================================================================
Boolean                            ``true`` or ``false``
INTEGER                            a number; a string of digits if it is beyond ±(2^53 - 1), where many readers of JSON
                                   would round it without a word
Generalized Time, UTC Time         a string: the time in UTC as RFC 3339 writes it
UUID, DN, OID, all kinds of text   a string
octets: photos, certificates       ``{"base64": "…"}``
of a syntax that is not known      a string if it is text, else ``{"base64": "…"}``
================================== ==================================================================================

``{"base64": "…"}`` also stands for every value that breaks its syntax, and for text with control characters other than
tab, line feed and carriage return, since databases refuse it and terminals obey it.  So one array may hold both; a
string in an attribute that is INTEGER is always a number, and one in an attribute that is a time always a time.

What a `syncrepl_client.redaction.Redaction` left in place of a value is the string that it is, in any attribute.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from syncrepl_client.ldap import descriptions, syntaxes
from syncrepl_client.ldap.schema import NO_SCHEMA
from syncrepl_client.redaction import is_stand_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.ldap.schema import Schema
    from syncrepl_client.model import Change, Entry

__all__ = ["Octets", "State", "Value", "Values", "encode"]

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# JSON leaves these as they are, and a terminal may obey them: DEL, and those that Latin 1 has above it.
_HIGH_CONTROL: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_MOST_EXACT: Final = (1 << 53) - 1
_MOST_REMEMBERED: Final = 4096

# RFC 4517 section 3.3, and RFC 2252 section 6 for those that it dropped: syntaxes whose values are octets, even where
# they happen to be text.
_OCTETS: Final = frozenset(
    f"1.3.6.1.4.1.1466.115.121.1.{number}"
    for number in (
        4,  # Audio
        5,  # Binary
        8,  # Certificate
        9,  # Certificate List
        10,  # Certificate Pair
        23,  # Fax
        28,  # JPEG
        40,  # Octet String
        49,  # Supported Algorithm
    )
)


class Octets(msgspec.Struct, frozen=True):
    """A value that no text stands for: the JSON object ``{"base64": "…"}``."""

    base64: bytes


Value = bool | int | str | datetime | UUID | Octets
"""What `encode` writes as the JSON that the module describes."""


class State(msgspec.Struct, frozen=True):
    """An entry as it is or was: the JSON object ``{"dn": "…", "attributes": {…}}``."""

    dn: str
    attributes: dict[str, list[Value]]


_encode: Final = msgspec.json.Encoder().encode


class Values:
    """Reads attributes by the schema of the entry they are of, and remembers how."""

    __slots__ = ("_readers", "_schema")

    def __init__(self) -> None:
        self._schema: Schema = NO_SCHEMA
        self._readers: dict[str, Callable[[bytes], Value]] = {}

    def of(self, entry: Entry) -> dict[str, list[Value]]:
        """Return the attributes of an entry, by the names that the server gives them."""
        if entry.schema is not self._schema or len(self._readers) > _MOST_REMEMBERED:
            self._schema, self._readers = entry.schema, {}
        readers = self._readers
        found = {}
        for name, values in entry.attributes.items():
            reader = readers.get(name)
            if reader is None:
                reader = readers[name] = _reader(entry.schema, name)
            found[name] = [reader(value) for value in values]
        return found

    def states(self, change: Change) -> tuple[State | None, State | None]:
        """Return the entry before and after a change."""
        before, after = change.before, change.after
        return (
            None if before is None else State(before.dn, self.of(before)),
            None if after is None else State(after.dn, self.of(after)),
        )


def encode(document: object) -> bytes:
    """Return a document as JSON in UTF-8, on one line, without a character that a terminal would obey."""
    encoded = _encode(document)
    # Most have none of these octets, and to look for one takes no time.
    if b"\x7f" in encoded or b"\xc2" in encoded:
        return _HIGH_CONTROL.sub(lambda match: b"\\u00%02x" % match[0][-1], encoded)
    return encoded


def _reader(schema: Schema, name: str) -> Callable[[bytes], Value]:
    kind = schema.attribute(name)
    if (kind and kind.syntax in _OCTETS) or "binary" in descriptions.split(name)[1]:
        return _octets
    decode = schema.decoder(name)
    return _unknown if decode is syntaxes.undecoded else _by_syntax(decode)


def _by_syntax(decode: Callable[[bytes], object]) -> Callable[[bytes], Value]:
    def read(value: bytes) -> Value:
        found = decode(value)
        if isinstance(found, str):
            return found if syntaxes.is_plain(found) else Octets(value)
        if isinstance(found, bool | datetime | UUID):
            return found
        if isinstance(found, int):
            return found if -_MOST_EXACT <= found <= _MOST_EXACT else str(found)
        return _octets(value)

    return read


def _unknown(value: bytes) -> Value:
    text = syntaxes.plain_text(value)
    return Octets(value) if text is None else text


def _octets(value: bytes) -> Value:
    return value.decode("ascii") if is_stand_in(value) else Octets(value)
