"""The entries, and every write that was made to them.  Pure: it knows no client, and no lock.

There is no schema: an entry may have any attribute.  What holds is what a tree needs: an entry has a parent, a name is
taken once, only leaves are deleted.  Each write gets a CSN greater than all before it, and is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from syncrepl_client.exceptions import UsageError
from syncrepl_client.ldap import dn as names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Directory", "Entry", "Values", "Write", "is_kind_of", "octets_of"]

Values = str | bytes | Iterable[str | bytes]
"""The values of an attribute as they may be given: one, or some."""
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is after one write; a later write makes another one."""

    uuid: UUID
    dn: str
    csn: str
    attributes: Mapping[str, list[bytes]]
    operational: Mapping[str, list[bytes]]


@dataclass(frozen=True, slots=True)
class Write:
    """One write: the entry before, None if it is new, and after, None if it is gone."""

    csn: str
    before: Entry | None
    after: Entry | None

    @property
    def uuid(self) -> UUID:
        """The entry that was written."""
        entry = self.after or self.before
        assert entry is not None  # noqa: S101 - there is no write without an entry
        return entry.uuid


class Directory:
    """One naming context; its top entry is there from the beginning.

    Args:
        suffix: the DN of the top entry.
        server_id: the number of the server in its CSNs.
        now: the clock.
    """

    def __init__(self, suffix: str, *, server_id: int = 0, now: Callable[[], datetime] | None = None) -> None:
        self.suffix = suffix
        self._server_id = server_id
        self._now = now or (lambda: datetime.now(UTC))
        self._last = datetime.min.replace(tzinfo=UTC)
        self._writer = f"cn=admin,{suffix}".encode()
        # In the order in which they were added, which is the order in which they are sent.
        self._entries: dict[UUID, Entry] = {}
        self._uuids: dict[str, UUID] = {}
        # How many entries are right below each.
        self._children: Counter[UUID | None] = Counter()
        self.writes: list[Write] = []
        self.context_csn = ""
        self.add(suffix, {"objectClass": ["top", "domain"]})

    # --- reading ------------------------------------------------------------------------------------------------------

    def find(self, dn: str) -> Entry | None:
        """Find an entry by its name, in any spelling."""
        uuid = self._uuids.get(names.normalize(dn))
        return None if uuid is None else self._entries[uuid]

    def get(self, uuid: UUID) -> Entry | None:
        """Find an entry by its UUID."""
        return self._entries.get(uuid)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def deepest(self, dn: str) -> str:
        """Return the name of the deepest entry above a name that is not there; empty if there is none."""
        while dn and self.find(dn) is None:
            dn = names.parent(dn)
        return dn

    def _existing(self, dn: str) -> Entry:
        entry = self.find(dn)
        if entry is None:
            raise UsageError(f"there is no entry {dn!r}")
        return entry

    # --- writing ------------------------------------------------------------------------------------------------------

    def add(self, dn: str, attributes: Mapping[str, Values], uuid: UUID | None = None) -> Write:
        """Add an entry; an objectClass and the values of its RDN are added where they are not given.

        Raises:
            UsageError: the name is taken, or its parent is missing.
        """
        self._check_free(dn)
        if uuid is not None and uuid in self._entries:
            raise UsageError(f"there is an entry {uuid} already")
        csn, stamp = self._tick()
        user = {name: octets_of(values) for name, values in attributes.items()}
        kinds = next((values for name, values in user.items() if name.lower() == "objectclass"), None)
        if kinds is None:
            # The filter (objectClass=*) is every entry (RFC 4512 section 2.4.1).
            kinds = user["objectClass"] = [b"top"]
        _add_rdn(user, dn)
        uuid = uuid or uuid4()
        operational = {
            "structuralObjectClass": kinds[-1:],
            "entryUUID": [str(uuid).encode()],
            "creatorsName": [self._writer],
            "createTimestamp": [stamp],
        }
        entry = Entry(uuid, dn, csn, user, operational)
        self._children[self._parent(dn)] += 1
        return self._put(None, self._stamped(entry, csn, stamp))

    def modify(self, dn: str, changes: Mapping[str, Values]) -> Write:
        """Give attributes other values; no values remove an attribute.

        Raises:
            UsageError: there is no such entry.
        """
        before = self._existing(dn)
        csn, stamp = self._tick()
        user = dict(before.attributes)
        for name, values in changes.items():
            known = next((one for one in user if one.lower() == name.lower()), name)
            # Replaced attributes go to the end, as those of an OpenLDAP server do.
            user.pop(known, None)
            user[known] = octets_of(values)
        after = replace(before, attributes={name: values for name, values in user.items() if values})
        return self._put(before, self._stamped(after, csn, stamp))

    def rename(self, dn: str, new_dn: str, *, delete_old: bool = True) -> Write:
        """Give an entry another name, and what is below it with it.

        Raises:
            UsageError: there is no such entry, the new name is taken, or its parent is missing or below the entry.
        """
        before = self._existing(dn)
        if names.same(dn, self.suffix) or names.is_under(names.parent(new_dn), dn):
            raise UsageError(f"{dn!r} cannot become {new_dn!r}")
        if not names.same(dn, new_dn):
            self._check_free(new_dn)
        csn, stamp = self._tick()
        user = {name: list(values) for name, values in before.attributes.items()}
        if delete_old:
            _remove_rdn(user, before.dn)
        _add_rdn(user, new_dn)
        below = self._below(before)
        for entry in (before, *below):
            del self._uuids[names.normalize(entry.dn)]
        for entry in below:
            # RFC 4533 section 4.1: nothing but the name of these changes, and nobody is told.
            self._keep(replace(entry, dn=names.rebase(entry.dn, before.dn, new_dn)))
        self._children[self._parent(before.dn)] -= 1
        self._children[self._parent(new_dn)] += 1
        return self._put(before, self._stamped(replace(before, dn=new_dn, attributes=user), csn, stamp))

    def delete(self, dn: str) -> Write:
        """Delete an entry.

        Raises:
            UsageError: there is no such entry, or there are entries below it.
        """
        before = self._existing(dn)
        if self._children[before.uuid]:
            raise UsageError(f"{dn!r} has entries below it")
        csn, _ = self._tick()
        del self._uuids[names.normalize(before.dn)]
        del self._entries[before.uuid]
        self._children[self._parent(before.dn)] -= 1
        return self._log(Write(csn, before, None))

    def _parent(self, dn: str) -> UUID | None:
        """Return the UUID of the entry above a name; None above the top."""
        return self._uuids.get(names.normalize(names.parent(dn)))

    def _below(self, top: Entry) -> list[Entry]:
        if not self._children[top.uuid]:
            return []
        return [entry for entry in self if entry is not top and names.is_under(entry.dn, top.dn)]

    def _check_free(self, dn: str) -> None:
        if self.find(dn) is not None:
            raise UsageError(f"there is an entry {dn!r} already")
        if not names.same(dn, self.suffix) and self.find(names.parent(dn)) is None:
            raise UsageError(f"{dn!r} has no parent", hint="add the entries above it first")

    def _tick(self) -> tuple[str, bytes]:
        """Make the next CSN, and the time of it as an attribute has it."""
        self._last = max(self._now(), self._last + _MICROSECOND)
        stamp = f"{self._last:%Y%m%d%H%M%S}"
        return f"{stamp}.{self._last:%f}Z#000000#{self._server_id:03x}#000000", f"{stamp}Z".encode()

    def _stamped(self, entry: Entry, csn: str, stamp: bytes) -> Entry:
        last = {"entryCSN": [csn.encode()], "modifiersName": [self._writer], "modifyTimestamp": [stamp]}
        return replace(entry, csn=csn, operational={**entry.operational, **last})

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.uuid] = entry
        self._uuids[names.normalize(entry.dn)] = entry.uuid

    def _put(self, before: Entry | None, after: Entry) -> Write:
        self._keep(after)
        return self._log(Write(after.csn, before, after))

    def _log(self, write: Write) -> Write:
        self.context_csn = write.csn
        self.writes.append(write)
        return write


def is_kind_of(name: str, attribute: str) -> bool:
    """Tell whether an attribute is the one asked for, or that one with more options (RFC 4512 section 2.5.2)."""
    lowered, wanted = name.lower(), attribute.lower()
    return lowered == wanted or lowered.startswith(wanted + ";")


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def octets_of(values: Values) -> list[bytes]:
    """Return the values of an attribute as a list of octets."""
    return [_octets(value) for value in ([values] if isinstance(values, str | bytes) else values)]


def _add_rdn(attributes: dict[str, list[bytes]], dn: str) -> None:
    for kind, value in names.parse(dn)[0]:
        known = next((name for name in attributes if name.lower() == kind.lower()), kind)
        values = attributes.setdefault(known, [])
        if not any(_same_value(value, one) for one in values):
            values.append(_octets(value))


def _remove_rdn(attributes: dict[str, list[bytes]], dn: str) -> None:
    for kind, value in names.parse(dn)[0]:
        for name in [name for name in attributes if name.lower() == kind.lower()]:
            attributes[name] = [one for one in attributes[name] if not _same_value(value, one)]
            if not attributes[name]:
                del attributes[name]


def _same_value(first: str | bytes, second: bytes) -> bool:
    return _octets(first).lower() == second.lower()
