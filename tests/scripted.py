"""A server whose answers are written down, in place of a transport: for what real servers do not do when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncrepl_client.contentsync import controls
from syncrepl_client.exceptions import ConnectionLost
from syncrepl_client.ldap import ber, messages
from syncrepl_client.ldap.messages import Control, decode_controls
from syncrepl_client.testing import wire
from syncrepl_client.transport.base import Encryption
from tests.store.listeners import uuid, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.transport.reservoir import Buffers

__all__ = [
    "ABANDON",
    "BIND",
    "EXTENDED",
    "SEARCH",
    "UNBIND",
    "Asked",
    "ScriptedServer",
    "cookie_of",
    "entry",
    "named",
    "phase_end",
]

BIND, UNBIND, SEARCH, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x50, 0x77


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the server sees it."""

    message_id: int
    tag: int
    octets: bytes
    controls: tuple[Control, ...]

    @property
    def abandoned(self) -> int:
        """The id of the operation that is given up."""
        return ber.read_integer(self.octets, 2, len(self.octets))

    @property
    def base(self) -> str:
        """The base of a search."""
        return self.members[0].decode()

    @property
    def scope(self) -> int:
        """The scope of a search."""
        return self.members[1][0]

    @property
    def filter(self) -> bytes:
        """The filter of a search, encoded."""
        _, start, end = ber.read(self.octets, 0, len(self.octets))
        before, this, *_ = list(ber.children(self.octets, start, end))[5:]
        return self.octets[before[2] : this[2]]

    @property
    def is_plain(self) -> bool:
        """Whether it is a search for content without content synchronization."""
        oids = {control.oid for control in self.controls}
        return self.tag == SEARCH and messages.MANAGE_DSA_IT in oids and controls.SYNC_REQUEST not in oids

    @property
    def members(self) -> list[bytes]:
        """The members of the operation."""
        _, start, end = ber.read(self.octets, 0, len(self.octets))
        return [self.octets[first:last] for _, first, last in ber.children(self.octets, start, end)]

    @property
    def cookie(self) -> bytes | None:
        """The cookie that a sync search begins from."""
        value = controls.find(self.controls, controls.SYNC_REQUEST) or b""
        _, start, end = ber.read(value, 0, len(value))
        return next((value[first:last] for tag, first, last in ber.children(value, start, end) if tag == 0x04), None)


class ScriptedServer:
    """Answers requests in the order in which they come.

    Args:
        answers: to each bind, search and extended operation, made of its id; None where it stays unanswered.
        withheld: the answer to each plain search for what content synchronization left out; None where these are
            answered like others.
    """

    def __init__(self, *answers: Callable[[int], bytes] | None, withheld: Callable[[int], bytes] | None = None) -> None:
        self.answers = list(answers)
        self.withheld = withheld
        self.asked: list[Asked] = []
        self.encrypted_for = ""
        self.certificate: bytes | None = None
        self.woken = 0
        self.closed = False
        self.ended = False
        self._said: list[bytes | None] = []
        self._idle = 0

    def say(self, *data: bytes | None) -> None:
        """Say something unasked; each piece arrives by itself, and None is a while of silence."""
        self._said += data

    def searches(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.tag == SEARCH]

    def given_up(self) -> list[int]:
        return [asked.abandoned for asked in self.asked if asked.tag == ABANDON]

    # What a transport does.

    def send(self, data: bytes) -> None:
        if self.ended:
            raise ConnectionLost("the script is over")
        _, start, end = ber.read(data, 0, len(data))
        (_, first, last), (tag, _, after), *rest = ber.children(data, start, end)
        raw = data[after : rest[0][2]] if rest else b""
        asked = Asked(ber.read_integer(data, first, last), tag, data[last:after], decode_controls(raw))
        self.asked.append(asked)
        if self.withheld is not None and asked.is_plain:
            self._said.append(self.withheld(asked.message_id))
        elif tag in {BIND, SEARCH, EXTENDED}:
            assert self.answers, f"nothing is written down for {asked}"
            answer = self.answers.pop(0)
            if answer is not None:
                self._said.append(answer(asked.message_id))

    def read(self, timeout: float, *, patient: bool = False) -> bytes | None:
        if self._said:
            self._idle = 0
            return self._said.pop(0)
        if self.ended:
            raise ConnectionLost("the script is over")
        self._idle += 1
        assert self._idle < 1_000_000, "the client waits for what nobody says"
        return None

    def start_tls(self, hostname: str) -> None:
        self.encrypted_for = hostname

    def drain(self, buffers: Buffers) -> None:
        """There is nothing to take: what is said waits."""

    @property
    def encryption(self) -> Encryption | None:
        return Encryption("TLSv1.3", "", self.certificate or b"", None, verified=True) if self.encrypted_for else None

    def wake(self) -> None:
        self.woken += 1

    def close(self) -> None:
        self.closed = True


# --- messages of a sync search ----------------------------------------------------------------------------------------


def cookie_of(number: int) -> bytes:
    """Make a cookie; higher numbers are later."""
    return b"rid=000,csn=2026010100%04d.000000Z#000000#000#000000" % number


def entry(
    message_id: int, number: int, dn: str, text: str = "", *, state: int = 1, cookie: bytes | None = None
) -> bytes:
    """Send an entry, or name it as present (state 0) or deleted (3)."""
    return wire.message(message_id, wire.entry(dn, dict(values(text))), wire.state(state, uuid(number), cookie))


def named(message_id: int, *numbers: int, deletes: bool = False) -> bytes:
    """Name entries as present or deleted."""
    uuids = ber.set_of(*(ber.octet_string(uuid(number)) for number in numbers))
    return wire.info(message_id, ber.tlv(0xA3, ber.boolean(deletes), uuids))


def phase_end(message_id: int, *, deletes: bool, done: bool = True, cookie: bytes | None = None) -> bytes:
    """End a phase of the refresh."""
    parts = [] if cookie is None else [ber.octet_string(cookie)]
    return wire.info(message_id, ber.tlv(0xA1 if deletes else 0xA2, *parts, ber.boolean(done)))
