"""A directory in memory, small operations on it, and what a server tells of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from syncrepl_client.contentsync.events import EntriesDeleted, EntriesPresent, EntriesSent
from tests.store.listeners import row, uuid

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from syncrepl_client.contentsync.events import Event, SentEntry

__all__ = ["Directory", "Operation", "operations"]

BASE: Final = "dc=x"
# Few names, so that they meet; each in two spellings.
RDNS: Final = (
    ("cn=a", "CN=A"),
    ("cn=b\\2Cc", "cn=b\\,c"),
    ("cn=dd", "cn=Dd"),
    ("cn=ä+sn=e", "sn=e+cn=Ä"),
)
KINDS: Final = ("add", "add", "delete", "modify", "rename", "move", "swap", "anew")
Operation = tuple[str, int, int, int, int]

operations = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.integers(0, 30), st.integers(0, 30), st.integers(0, len(RDNS) - 1), st.integers(0, 1)
    ),
    max_size=20,
)


@dataclass(slots=True)
class Node:
    """An entry: where it is, how it is called and what it says."""

    above: int | None
    rdn: int
    spelling: int
    text: str = ""


@dataclass(slots=True)
class Directory:
    """Entries by number, and which of them the operations were about."""

    nodes: dict[int, Node] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    last: int = 0

    def dn(self, number: int) -> str:
        node = self.nodes[number]
        above = BASE if node.above is None else self.dn(node.above)
        return f"{RDNS[node.rdn][node.spelling]},{above}"

    def row(self, number: int) -> SentEntry:
        return row(number, self.dn(number), self.nodes[number].text)

    def content(self) -> dict[int, tuple[str, str]]:
        return {number: (self.dn(number), node.text) for number, node in self.nodes.items()}

    def begin_anew(self) -> None:
        self.touched.clear()
        self.gone.clear()

    # Operations; one that is not possible does nothing.

    def do(self, operation: Operation) -> Event | None:
        """Do it; returns what a server tells of it in its persist stage."""
        kind, first, second, rdn, spelling = operation
        numbers = sorted(self.nodes)
        if kind == "add" or not numbers:
            above = None if second > len(numbers) or not numbers else numbers[second % len(numbers)]
            return self._add(self.last + 1, above, rdn, spelling)
        number = numbers[first % len(numbers)]
        node = self.nodes[number]
        if kind == "delete":
            return self._delete(number)
        if kind == "modify":
            node.text = f"{node.text[-3:]}{spelling}"
            return self._told(number)
        if kind == "rename":
            return self._move(number, node.above, rdn, spelling)
        if kind == "move":
            return self._move(number, numbers[second % len(numbers)], rdn, spelling)
        return None

    def swap(self, first: int, second: int) -> None:
        """Let two entries, neither of them above the other, change their places."""
        if first in self._path(second) or second in self._path(first):
            return
        one, other = self.nodes[first], self.nodes[second]
        one.above, one.rdn, other.above, other.rdn = other.above, other.rdn, one.above, one.rdn
        self.touched |= {first, second}

    def make_anew(self, number: int) -> None:
        """Delete an entry and put another one in its place."""
        node = self.nodes[number]
        if self._delete(number):
            self._add(self.last + 1, node.above, node.rdn, node.spelling)

    def do_offline(self, operation: Operation) -> None:
        """Do it, or one of those that take more than one message."""
        kind, first, second, _, _ = operation
        numbers = sorted(self.nodes)
        if kind == "swap" and numbers:
            self.swap(numbers[first % len(numbers)], numbers[second % len(numbers)])
        elif kind == "anew" and numbers:
            self.make_anew(numbers[first % len(numbers)])
        else:
            self.do(operation)

    def _path(self, number: int) -> Iterator[int]:
        at: int | None = number
        while at is not None:
            yield at
            at = self.nodes[at].above

    def _free(self, above: int | None, rdn: int, *, but: int = 0) -> bool:
        return all((node.above, node.rdn) != (above, rdn) for number, node in self.nodes.items() if number != but)

    def _told(self, number: int) -> Event:
        self.touched.add(number)
        return EntriesSent([self.row(number)])

    def _add(self, number: int, above: int | None, rdn: int, spelling: int) -> Event | None:
        if not self._free(above, rdn):
            return None
        self.last = max(self.last, number)
        self.nodes[number] = Node(above, rdn, spelling)
        return self._told(number)

    def _delete(self, number: int) -> Event | None:
        if any(node.above == number for node in self.nodes.values()):
            return None
        dn = self.dn(number)
        del self.nodes[number]
        self.gone.add(number)
        self.touched.discard(number)
        return EntriesDeleted((uuid(number),), dn.encode())

    def _move(self, number: int, above: int | None, rdn: int, spelling: int) -> Event | None:
        if not self._free(above, rdn, but=number) or (above is not None and number in self._path(above)):
            return None
        node = self.nodes[number]
        node.above, node.rdn, node.spelling = above, rdn, spelling
        return self._told(number)

    # What a refresh tells

    def refresh(self, former: Directory, chance: random.Random, *, present: bool) -> list[Event]:
        """Return the messages of a present or of a delete phase, in any order, some of them outdated or repeated."""
        messages: dict[int, list[Event]] = {}
        for number in self.nodes:
            latest: Event = EntriesSent([self.row(number)])
            if number not in self.touched and chance.random() < 0.8:
                messages[number] = [EntriesPresent((uuid(number),))] if present else []
            else:
                messages[number] = [latest] * chance.choice((1, 1, 2))
            if messages[number] and chance.random() < 0.2:
                messages[number].append(latest)
                messages[number].insert(0, EntriesDeleted((uuid(number),)))
        for number in self.gone:
            named: list[Event] = [EntriesDeleted((uuid(number),))]
            if number in former.nodes and chance.random() < 0.3:
                messages[number] = [EntriesSent([former.row(number)]), *named]
            else:
                messages[number] = [] if present and chance.random() < 0.5 else named
        return shuffled(messages, chance)


def shuffled(messages: dict[int, list[Event]], chance: random.Random) -> list[Event]:
    """Mix the messages about each entry with those about the others; their own order stays."""
    turns = [number for number, of_entry in messages.items() for _ in of_entry]
    chance.shuffle(turns)
    queues = {number: iter(of_entry) for number, of_entry in messages.items()}
    return [next(queues[number]) for number in turns]
