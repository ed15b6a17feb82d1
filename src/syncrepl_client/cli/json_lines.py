"""Changes as JSON, one object per line.

An object has the same members whatever the change: ``op`` (``c`` create, ``u`` update, ``d`` delete, ``r`` read, which
is an entry of the first load), ``entryUUID``, and the entry ``before`` and ``after`` the change, or null.  A rename is
an update whose two DNs differ.  Values of an attribute are always an array; a value is a string, or an object with the
one member ``base64`` if it is not text.  The last rule holds per value, so a reader must expect both in one array.

Where changes are read from the changelog there are also ``sequence``, the number of the change, and ``time``, when it
was stored; for an entry of a snapshot those of the last change that the snapshot contains.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, assert_never

import msgspec

from syncrepl_client.ldap.syntaxes import plain_text
from syncrepl_client.model import Added, Attributes, Change, Deleted, Entry, Modified, Origin, Renamed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JsonLines", "entry_line"]

# JSON leaves them as they are, and a terminal may obey them.
_HIGH_CONTROL: Final = re.compile("[\x7f-\x9f]")

Operation = Literal["c", "u", "d", "r"]


class _Octets(msgspec.Struct, frozen=True):
    """A value that is not text."""

    base64: str


class _State(msgspec.Struct, frozen=True):
    """An entry as it is or was."""

    dn: str
    attributes: dict[str, list[str | _Octets]]


class _Entry(msgspec.Struct, frozen=True, rename={"uuid": "entryUUID"}):
    """One line about an entry as it is."""

    dn: str
    uuid: str
    attributes: dict[str, list[str | _Octets]]


class _Record(msgspec.Struct, frozen=True, rename={"uuid": "entryUUID"}):
    """One line."""

    op: Operation
    uuid: str
    before: _State | None
    after: _State | None


class _Placed(_Record, frozen=True):
    """One line about a change of the changelog."""

    sequence: int | None
    time: datetime | None


class JsonLines:
    """The format of ``--json``.

    Args:
        placed: whether to tell of numbers and times.
    """

    def __init__(self, *, placed: bool = False) -> None:
        self._encoder = msgspec.json.Encoder()
        self._placed = placed

    def begin(self) -> str:
        """Return what comes first: nothing."""
        return ""

    def change(self, change: Change) -> str:
        """Return the line of a change."""
        op: Operation
        before = after = None
        match change:
            case Added():
                op, after = ("r" if change.origin is Origin.SNAPSHOT else "c"), _state(change.after)
            case Modified() | Renamed():
                op, before, after = "u", _state(change.before), _state(change.after)
            case Deleted():
                op, before = "d", _state(change.before)
            case _:
                assert_never(change)
        uuid = str(change.uuid)
        record = (
            _Placed(op, uuid, before, after, change.sequence, change.stored_at)
            if self._placed
            else _Record(op, uuid, before, after)
        )
        return _line(self._encoder.encode(record))

    def refresh_done(self, entries: Mapping[str, Attributes]) -> str:  # noqa: ARG002 - the data are all in the changes
        """Return what marks the end of a refresh: nothing."""
        return ""

    def cookie(self, cookie: bytes) -> str:  # noqa: ARG002 - the same
        """Return what a cookie looks like: nothing."""
        return ""


def entry_line(entry: Entry) -> str:
    """Return the line of an entry as it is: ``dn``, ``entryUUID`` and ``attributes``."""
    return _line(msgspec.json.encode(_Entry(entry.dn, str(entry.uuid), _attributes(entry))))


def _line(encoded: bytes) -> str:
    """Return a line in which nothing is left that a terminal obeys: names may have control characters above ASCII."""
    return _HIGH_CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded.decode()) + "\n"


def _state(entry: Entry) -> _State:
    return _State(entry.dn, _attributes(entry))


def _attributes(entry: Entry) -> dict[str, list[str | _Octets]]:
    return {name: [_value(value) for value in values] for name, values in entry.attributes.items()}


def _value(value: bytes) -> str | _Octets:
    text = plain_text(value)
    return _Octets(base64.b64encode(value).decode("ascii")) if text is None else text
