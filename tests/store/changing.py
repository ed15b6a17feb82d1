"""A copy that changes at random, with a changelog, and what it was after each batch of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncrepl_client.contentsync.events import EntriesDeleted, EntriesSent
from syncrepl_client.model import Added, Attributes, Deleted, Renamed
from syncrepl_client.store import changelog
from tests.store.listeners import refresh, uuid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from syncrepl_client.contentsync.events import SentEntry
    from syncrepl_client.model import Change, Entry
    from syncrepl_client.store.base import Listener
    from syncrepl_client.store.store import Store

__all__ = ["Changing", "State", "followed", "state_of"]

State = dict[bytes, tuple[str, Attributes]]
"""Names and attributes by UUID; the order of values does not count."""

MEMBERS = [b"uid=member%05d,ou=people,dc=example,dc=com" % number for number in range(400)]


def state_of(entries: Iterable[Entry]) -> State:
    """Return what entries are; each comes once."""
    listed = list(entries)
    state = {entry.uuid_octets: (entry.dn, entry.attributes) for entry in listed}
    assert len(state) == len(listed)
    return state


def followed(state: State, changes: Iterable[Change]) -> State:
    """Follow changes from a state; each fits what was there before it."""
    state = dict(state)
    for change in changes:
        octets = change.entry.uuid_octets
        if isinstance(change, Added):
            assert octets not in state, change
        else:
            before = change.before
            assert state.pop(octets) == (before.dn, before.attributes), change
            if isinstance(change, Renamed):
                assert before.dn.lower() != change.after.dn.lower(), change
            elif not isinstance(change, Deleted):
                assert before.dn.lower() == change.after.dn.lower(), change
        if not isinstance(change, Deleted):
            state[octets] = (change.after.dn, change.after.attributes)
    return state


class Changing:
    """Changes a store; some entries are large enough to be logged as differences.

    Args:
        store: with a copy, or without one yet.
        random: what decides.
        listener: who is told, if anybody is.
    """

    def __init__(self, store: Store, random: Random, listener: Listener | None = None) -> None:
        self._store = store
        self._random = random
        self._listener = listener
        self._next = 1
        self.state: State = {}
        # What the copy was, by the number of the last change then.
        self.states: dict[int, State] = {}
        self._root = uuid(0)
        rows = [(self._root, b"dc=x", Attributes.of({"dc": [b"x"]}).wire), *(self._new() for _ in range(6))]
        refresh(store, EntriesSent(rows), listener=listener)
        self._remember()

    @property
    def sequence(self) -> int:
        return changelog.extent(self._store.database.connection).sequence

    def _remember(self) -> None:
        self.state = state_of(self._store.entries.all())
        self.states[self.sequence] = self.state

    def _new(self) -> SentEntry:
        number, self._next = self._next, self._next + 1
        return uuid(number), f"cn=e{number},dc=x".encode(), self._values()

    def _values(self) -> bytes:
        values = {"objectClass": [b"top"], "description": [self._random.randbytes(self._random.randrange(1, 40))]}
        if self._random.random() < 0.4:
            values["member"] = MEMBERS
        return Attributes.of(values).wire

    def _changed(self, octets: bytes, dn: str, attributes: Attributes) -> SentEntry:
        """Change a little, the name or nothing at all."""
        values = attributes.copy()
        match self._random.randrange(6):
            case 0:
                dn = f"cn=r{self._random.randrange(10_000)},dc=x"
            case 1:
                dn = dn.upper() if self._random.random() < 0.5 else dn.lower()
            case 2 if "member" in values:
                values["member"] = [one for one in values["member"] if self._random.random() > 0.01]
            case 3 if "member" in values:
                values["member"].append(b"uid=new%d" % self._random.randrange(10_000))
            case 4 if "member" in values:
                # The same values in another order are no change, but other octets.
                values["member"] = [*values["member"][1:], values["member"][0]]
            case _:
                values["description"] = [self._random.randbytes(8)]
        return octets, dn.encode(), Attributes.of(values).wire

    def _some(self, most: int) -> list[bytes]:
        entries = [octets for octets in self.state if octets != self._root]
        return self._random.sample(entries, min(len(entries), self._random.randrange(most + 1)))

    def live(self) -> None:
        """Apply a batch of the persist stage."""
        events: list[EntriesSent | EntriesDeleted] = [
            EntriesSent([self._changed(octets, *self.state[octets])]) for octets in self._some(3)
        ]
        events += [EntriesDeleted((octets,)) for octets in self._some(2)]
        events += [EntriesSent([self._new()]) for _ in range(self._random.randrange(3))]
        self._random.shuffle(events)
        self._store.apply(events, self._listener, lambda _: True)
        self._remember()

    def refresh(self) -> None:
        """Apply a refresh, in which names may be swapped."""
        gone = set(self._some(2))
        rows = {
            octets: (octets, dn.encode(), attributes.wire)
            for octets, (dn, attributes) in self.state.items()
            if octets not in gone
        }
        for octets in self._some(3):
            if octets in rows:
                rows[octets] = self._changed(octets, *self.state[octets])
        circle = [octets for octets in self._some(4) if octets in rows]
        names = [rows[octets][1] for octets in circle]
        for octets, name in zip(circle, names[1:] + names[:1], strict=True):
            rows[octets] = (octets, name, rows[octets][2])
        new = [self._new() for _ in range(self._random.randrange(3))]
        refresh(self._store, EntriesSent([*rows.values(), *new]), listener=self._listener, sweep=True)
        self._remember()

    def change(self) -> None:
        """Apply either."""
        if self._random.random() < 0.7:
            self.live()
        else:
            self.refresh()
