"""Random histories of a directory: the same seed writes the same changes.

Each history has a tree of its own: ``ou=people,ou=h17,…`` is the base of the search, ``ou=out,ou=h17,…`` lies beside
it.  All containers match the filter, and a person matches while it is described as "keep".
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

import ldap
from ldap.dn import escape_dn_chars

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.server import Attributes, Server

__all__ = ["FILTER", "History", "Node"]

FILTER: Final = "(|(objectClass=organizationalUnit)(description=keep))"

_WORDS: Final = 'Doe, Jane|a+b|say "hi"|#1| lead|Łukasz Müller|日本語|back\\slash|x=y|a;b|<tag>|plain|two  spaces|Ünï'
_PEOPLE: Final = 12


@dataclass(eq=False)
class Node:
    """An entry that the history knows of."""

    rdn: str
    parent: Node | None
    unit: bool = True
    keep: bool = True
    children: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.parent is not None:
            self.parent.children.append(self)

    @property
    def dn(self) -> str:
        return self.rdn if self.parent is None else f"{self.rdn},{self.parent.dn}"

    def below(self) -> list[Node]:
        """Return the entries below, parents first."""
        return [node for child in self.children for node in (child, *child.below())]

    def within(self, other: Node) -> bool:
        """Tell whether this is the other one, or below it."""
        return self is other or (self.parent is not None and self.parent.within(other))

    def attach(self, parent: Node, rdn: str) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)
        self.parent, self.rdn = parent, rdn
        parent.children.append(self)


class History:
    """Writes a random history to a server; `step` is one operation of it, `told` what was done so far."""

    # How often the old name stays as a value.
    keep_old: ClassVar[float] = 0.2

    def __init__(self, slapd: Server, seed: int) -> None:
        self.slapd = slapd
        self.seed = seed
        self.told: list[str] = []
        self._chance = random.Random(seed)
        self._count = 0
        self._root, self._people, self._out = self._plant()
        for parent in (self._people, self._people, self._out):
            self._new_unit(parent)
        for _ in range(_PEOPLE):
            self.add_person()

    def _plant(self) -> tuple[Node, Node, Node]:
        """Make the tree: its top, the base of the search, and what lies beside that."""
        top = Node(f"ou=h{self.seed},{self.slapd.suffix}", None)
        self._add(top)
        return top, self._new_unit(top, "ou=people"), self._new_unit(top, "ou=out")

    @property
    def base(self) -> str:
        return self._people.dn

    @property
    def url(self) -> str:
        """The URL of the search."""
        return f"{self.slapd.url}/{self.base}?*?sub?{FILTER}"

    def __str__(self) -> str:
        return "\n".join([f"history {self.seed}", *self.told])

    def content(self) -> dict[UUID, tuple[str, Attributes]]:
        """Ask the server for the content of the search."""
        return self.slapd.uuids(self.base, filter=FILTER)

    def step(self) -> None:
        """Do one random operation."""
        kinds: list[tuple[int, Callable[[], None]]] = [
            (4, self.add_person),
            (2, self.add_unit),
            (4, self.modify),
            (4, self.enter_or_leave),
            (3, self.delete),
            (2, self.recreate),
            (4, self.rename),
            (1, self.respell),
            (3, self.move_person),
            (6, self.move_unit),
            (2, self.out_and_in),
            (3, self.circle),
        ]
        self.do(self._chance.choices([kind for _, kind in kinds], [weight for weight, _ in kinds])[0])

    def do(self, operation: Callable[[], None]) -> None:
        """Do an operation as far as the server can: the mdb of some releases fails to move some entries."""
        try:
            operation()
        except ldap.OTHER as error:
            self.told.append(f"-- refused: {error}")

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def mark(self) -> str:
        """Write something that nobody wrote before; returns the value of ``description`` it can be known by."""
        self._count += 1
        value = f"mark {self._count}"
        node = next((node for node in self._people.children if node.rdn == "cn=marker"), None)
        if node is None:
            Node("cn=marker", self._people, unit=False)
            attrs = {"objectClass": ["inetOrgPerson"], "cn": ["marker"], "sn": ["m"], "description": ["keep", value]}
            self.slapd.add(f"cn=marker,{self.base}", attrs)
        else:
            self.slapd.replace(node.dn, "description", ["keep", value])
        return value

    # --- operations ---------------------------------------------------------------------------------------------------

    def add_person(self) -> None:
        self._add(Node(self._person_rdn(), self._any_unit(), unit=False, keep=self._chance.random() < 0.8))

    def add_unit(self) -> None:
        self._new_unit(self._any_unit())

    def modify(self) -> None:
        node = self._any_person()
        kind = self._chance.randrange(4)
        if kind == 0:
            self._replace(node, "title", sorted({self._word() for _ in range(self._chance.randrange(3))}))
        elif kind == 1:
            self._replace(node, "jpegPhoto", [self._photo()])
        elif kind == 2:
            self._replace(node, "userPassword", [self._chance.randbytes(self._chance.randrange(1, 200))])
        else:
            self._replace(node, "title", ["as it was"])
            self._replace(node, "title", [])

    def enter_or_leave(self) -> None:
        hidden = [person for person in self._persons() if not person.keep]
        node = self._chance.choice(hidden) if hidden and self._chance.random() < 0.5 else self._any_person()
        node.keep = not node.keep
        self._replace(node, "description", ["keep", "x"] if node.keep else ["x"])

    def delete(self) -> None:
        if self._chance.random() < 0.8 or len(self._units()) < 4:
            self._delete(self._any_person())
            self.add_person()
        else:
            self._delete(self._chance.choice(self._units()))
            self.add_unit()

    def recreate(self) -> None:
        """Delete an entry and add another one of its name."""
        node = self._any_person()
        parent = self._parent(node)
        self._delete(node)
        self._add(Node(node.rdn, parent, unit=False))

    def rename(self) -> None:
        if self._chance.random() < 0.6:
            node = self._any_person()
            self._rename(node, self._parent(node), self._person_rdn())
        elif units := self._units():
            node = self._chance.choice(units)
            self._rename(node, self._parent(node), self._rdn("ou"))

    def respell(self) -> None:
        node = self._chance.choice([*self._persons(), *self._units()])
        kind, _, value = node.rdn.partition("=")
        self._rename(
            node, self._parent(node), node.rdn.swapcase() if node.rdn.isascii() else f"{kind.swapcase()}={value}"
        )

    def move_person(self) -> None:
        node = self._any_person()
        self._rename(node, self._any_unit(), node.rdn)

    def move_unit(self) -> None:
        units = self._units()
        if not units:
            return self.add_unit()
        node = self._chance.choice(units)
        targets = [unit for unit in (self._people, self._out, *units) if not unit.within(node)]
        return self._rename(node, self._place(targets), node.rdn)

    def out_and_in(self) -> None:
        """Move a container out of the base and back, perhaps with somebody who came or went meanwhile."""
        inside = [unit for unit in self._units() if unit.within(self._people)]
        if not inside:
            return
        node = self._chance.choice(inside)
        home = self._parent(node)
        self._rename(node, self._out, node.rdn)
        if self._chance.random() < 0.5:
            self._rename(self._any_person(), node, self._person_rdn())
        if self._chance.random() < 0.3 and node.children:
            self._rename(self._chance.choice(node.children), self._out, self._rdn("ou"), spare_person=True)
        self._rename(node, home, node.rdn if self._chance.random() < 0.5 else self._rdn("ou"))

    def circle(self) -> None:
        """Let two or three entries of a kind swap their names."""
        kind = self._persons() if self._chance.random() < 0.6 else self._units()
        count = self._chance.choice((2, 2, 3))
        chosen: list[Node] = []
        for node in self._chance.sample(kind, len(kind)):
            if not any(node.within(other) or other.within(node) for other in chosen):
                chosen.append(node)
        chosen = chosen[:count]
        if len(chosen) < 2:
            return
        places = [(self._parent(node), node.rdn) for node in chosen]
        self._rename(chosen[0], self._root, self._rdn("cn" if not chosen[0].unit else "ou"))
        for node, place in zip(chosen[1:], places, strict=False):
            self._rename(node, *place)
        self._rename(chosen[0], *places[-1])

    # --- what they are made of ----------------------------------------------------------------------------------------

    def _new_unit(self, parent: Node, rdn: str = "") -> Node:
        node = Node(rdn or self._rdn("ou"), parent)
        self._add(node)
        return node

    def _add(self, node: Node) -> None:
        self.told.append(f"add {node.dn!r}")
        if node.unit:
            self.slapd.add(node.dn, {"objectClass": ["organizationalUnit"]})
            return
        self.slapd.add(
            node.dn,
            {
                "objectClass": ["inetOrgPerson"],
                "cn": ["always"],
                "sn": [self._word()],
                "description": ["keep", self._word()] if node.keep else [self._word()],
                "jpegPhoto": [self._photo()],
            },
        )

    def _replace(self, node: Node, attr: str, values: list[str] | list[bytes]) -> None:
        self.told.append(f"replace {node.dn!r} {attr} {values!r:.60}")
        self.slapd.replace(node.dn, attr, values)

    def _delete(self, node: Node) -> None:
        for gone in (*reversed(node.below()), node):
            self.told.append(f"delete {gone.dn!r}")
            self.slapd.delete(gone.dn)
        self._parent(node).children.remove(node)

    def _rename(self, node: Node, parent: Node, rdn: str, *, spare_person: bool = False) -> None:
        if spare_person and not node.unit:
            rdn = self._person_rdn()
        old, before = node.dn, node.parent
        keep_old = node.rdn.lower() != rdn.lower() and self._chance.random() < self.keep_old
        new = f"{rdn},{parent.dn}"
        self.told.append(f"rename {old!r} to {new!r}")
        if new == old:
            return
        self.slapd.rename(old, rdn, None if parent is before else parent.dn, delete_old=not keep_old)
        node.attach(parent, rdn)

    def _parent(self, node: Node) -> Node:
        if node.parent is None:
            raise ValueError(f"{node.dn} is the top")
        return node.parent

    def _units(self) -> list[Node]:
        return [node for node in self._root.below() if node.unit and node not in {self._people, self._out}]

    def _persons(self) -> list[Node]:
        return [node for node in self._root.below() if not node.unit and node.rdn != "cn=marker"]

    def _any_unit(self) -> Node:
        return self._place([self._people, self._out, *self._units()])

    def _place(self, units: list[Node]) -> Node:
        """Choose a container, more often than not one inside the base."""
        inside = [unit for unit in units if unit.within(self._people)]
        return self._chance.choice(inside if inside and self._chance.random() < 0.8 else units)

    def _any_person(self) -> Node:
        if not self._persons():
            self.add_person()
        return self._chance.choice(self._persons())

    def _word(self) -> str:
        return self._chance.choice(_WORDS.split("|"))

    def _photo(self) -> bytes:
        return b"\xff\xd8\xff\xe0" + self._chance.randbytes(self._chance.randrange(10, 400)) + b"\xff\xd9"

    def _person_rdn(self) -> str:
        kind = self._chance.choice(["cn", "cn", "uid", "cn+uid"])
        return "+".join(self._rdn(part) for part in kind.split("+"))

    def _rdn(self, kind: str) -> str:
        self._count += 1
        value = f"{self._word()} {self._count}" + self._chance.choice(["", "", " "])
        escaped = escape_dn_chars(value)
        if self._chance.random() < 0.2:
            # Another spelling of the same name.
            escaped = escaped.replace("\\,", "\\2c").replace("\\+", "\\2B")
        return f"{kind}={escaped}"
