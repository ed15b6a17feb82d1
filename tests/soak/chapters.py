"""Histories without an end, as operations that can be written to a server later: the same seed makes the same ones.

Some chapters are written at a time, each in a tree of its own; when one is over its tree is deleted and the next
begins, so that the directory stays as large as it is.  ``ou=people,ou=soak`` is the base of all searches, and
``ou=out,ou=soak`` lies beside it.

What the servers themselves do not manage is left out, so that a difference is ours:

* Of two slapd that replicate each other one takes no other spelling of a name and no old name as a value.  It first
  renames an entry and then takes away what is gone with the former name, and where that is of another attribute than
  the new one it has renamed already: "be_modify failed (16)", each second, and nothing else is copied (2.5.13).  One
  that was away while entries were deleted may lack others when it is back.  So people there have one kind of name, and
  an entry is renamed or deleted only while the other one has all there is, and that it gets it is waited for.
* 389 Directory Server 2.3.1 damages its database when a container is renamed while somebody reads below it, which
  clients do that compare (see ``tests/convergence/test_389.py``); so there only people move.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

import msgspec

from tests.convergence.history import FILTER, History, Node
from tests.slapd import SUFFIX, ldif_entry, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.server import Server, Values

__all__ = ["BASE", "FILTER", "Kind", "Operation", "begin", "operations"]

TOP: Final = f"ou=soak,{SUFFIX}"
BASE: Final = f"ou=people,{TOP}"
OUT: Final = f"ou=out,{TOP}"

# How many are written at a time, of how many steps each.
_AT_A_TIME: Final = 6
_STEPS: Final = 120
_GROUPS: Final = 3
# People who are always there.
_CROWD: Final = 200

Kind = str
"""Whose history: ``pair`` or ``other``."""


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is written at once.

    Args:
        what: ``add``, ``replace``, ``rename``, ``delete``; ``purge`` deletes with all that is below.
        dn: of which entry.
        values: by attribute.
        rdn: the new one.
        parent: the new one, if it moves.
        keep_old: whether the old name stays as a value.
        careful: whether the other provider has to have everything before and after it.
    """

    what: str
    dn: str
    values: dict[str, list[bytes]] = {}
    rdn: str = ""
    parent: str | None = None
    keep_old: bool = False
    careful: bool = False


class _Recorder:
    """Takes what a history writes, in the place of a server."""

    suffix = SUFFIX

    def __init__(self) -> None:
        self.taken: list[Operation] = []

    def add(self, dn: str, attrs: Mapping[str, Values]) -> None:
        self._take("add", dn, values={name: _octets(values) for name, values in attrs.items()})

    def replace(self, dn: str, attr: str, values: Values) -> None:
        self._take("replace", dn, values={attr: _octets(values)})

    def rename(self, dn: str, newrdn: str, newsuperior: str | None = None, *, delete_old: bool = True) -> None:
        self._take("rename", dn, rdn=newrdn, parent=newsuperior, keep_old=not delete_old)

    def delete(self, dn: str) -> None:
        self._take("delete", dn)

    def purge(self, dn: str) -> None:
        self._take("purge", dn)

    def _take(self, what: str, dn: str, **more: object) -> None:
        self.taken.append(Operation(what=what, dn=dn, careful=what in {"rename", "delete", "purge"}, **more))  # type: ignore[arg-type]


def _octets(values: Values) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else value for value in values]


@dataclass(eq=False)
class _Top(Node):
    """The top of a chapter's own part of a tree that belongs to all."""

    where: str = ""

    @property
    def dn(self) -> str:
        return f"{self.rdn},{self.where}"


class _Chapter(History):
    """A part of a history, with groups of those who are in it."""

    keep_old: ClassVar[float] = 0.0

    def __init__(self, recorder: _Recorder, seed: int, number: int) -> None:
        self.recorder = recorder
        self.number = number
        self.left = _STEPS
        super().__init__(cast("Server", recorder), seed)
        self._groups: dict[str, list[str]] = {f"cn=group {one}": [] for one in range(_GROUPS)}

    def _plant(self) -> tuple[Node, Node, Node]:
        rdn = f"ou=c{self.number}"
        top = _Top(rdn, None, where=TOP)
        tops = top, _Top(rdn, top, where=BASE), _Top(rdn, top, where=OUT)
        for node in tops:
            self._add(node)
        return tops

    def step(self) -> None:
        self.left -= 1
        if self._chance.random() < 0.15:
            self._group()
        else:
            super().step()

    def end(self) -> None:
        """Delete all of it."""
        for where in (BASE, OUT, TOP):
            self.recorder.purge(f"ou=c{self.number},{where}")

    def _group(self) -> None:
        """Make a group, let people join and leave it, or delete it."""
        name = self._chance.choice(list(self._groups))
        dn, there = f"{name},{self.base}", self._groups[name]
        if there and self._chance.random() < 0.1:
            self.recorder.delete(dn)
            self._groups[name] = []
            return
        members = self._members(name)
        if there:
            self.recorder.replace(dn, "member", members)
            return
        self.recorder.add(dn, {"objectClass": ["groupOfNames"], "description": ["keep"], "member": members})

    def _members(self, name: str) -> list[str]:
        """Choose who is in a group from now on."""
        crowd = [f"cn=one {one},ou=crowd,{BASE}" for one in range(_CROWD)]
        self._groups[name] = sorted(self._chance.sample(crowd, self._chance.randrange(1, 40)))
        return self._groups[name]


class _Replicated(_Chapter):
    """What a slapd gets from another as it was written."""

    def _members(self, name: str) -> list[str]:
        # Where one that begins anew is to take some of many values away, it says "be_modify failed (16)" for ever.
        before = self._groups[name]
        after = set(super()._members(name))
        self._groups[name] = sorted(after | set(before) if self._chance.random() < 0.5 else after - set(before))
        return self._groups[name] or self._members(name)

    def respell(self) -> None:
        self.rename()

    def _person_rdn(self) -> str:
        return self._rdn("cn")


class _Persons(_Chapter):
    """What 389 Directory Server survives while it is read."""

    keep_old: ClassVar[float] = 0.2

    def rename(self) -> None:
        node = self._any_person()
        self._rename(node, self._parent(node), self._person_rdn())

    def respell(self) -> None:
        node = self._any_person()
        self._rename(node, self._parent(node), node.rdn.swapcase() if node.rdn.isascii() else node.rdn)

    def move_unit(self) -> None:
        self.move_person()

    def out_and_in(self) -> None:
        """Move somebody out of the base and back."""
        node, home = self._any_person(), self._any_unit()
        self._rename(node, self._out, node.rdn)
        self._rename(node, home, node.rdn)

    def _units(self) -> list[Node]:
        # Circles are of people where there are no others.
        return [] if self._circling else super()._units()

    _circling = False

    def circle(self) -> None:
        self._circling = True
        super().circle()
        self._circling = False

    def _rdn(self, kind: str) -> str:
        return super()._rdn(kind).removesuffix("\\ ")


def operations(kind: Kind, seed: int) -> Iterator[Operation]:
    """Yield what is written, one after the other, for ever."""
    chance, recorder = random.Random(f"{kind} {seed}"), _Recorder()
    make = _Replicated if kind == "pair" else _Persons
    chapters: list[_Chapter] = []
    number = 0
    while True:
        if len(chapters) < _AT_A_TIME:
            number += 1
            chapters.append(make(recorder, chance.randrange(1 << 30), number))
        chapter = chance.choice(chapters)
        chapter.step()
        if not chapter.left:
            chapter.end()
            chapters.remove(chapter)
        yield from recorder.taken
        recorder.taken.clear()


def begin() -> Iterator[str]:
    """Write the LDIF that a directory begins with."""
    yield from sample_ldif(0)
    for dn in (TOP, BASE, OUT, f"ou=crowd,{BASE}"):
        name = dn.partition(",")[0].partition("=")[2]
        yield ldif_entry(dn, {"objectClass": ["organizationalUnit"], "ou": [name]})
    for one in range(_CROWD):
        attrs = {"objectClass": ["inetOrgPerson"], "cn": [f"one {one}"], "sn": ["of many"], "description": ["keep"]}
        yield ldif_entry(f"cn=one {one},ou=crowd,{BASE}", attrs)
