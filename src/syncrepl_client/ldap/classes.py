"""Object classes, as far as a filter has to know them (RFC 4512 section 2.4).

An entry is of every class that its classes are derived from, whether ``objectClass`` says so or not: OpenLDAP keeps
what was written and finds the entry by the others as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ObjectClasses"]

# A quote inside a description is one behind which a word goes on.
_DESCRIPTION: Final = re.compile(r"\sDESC\s+'(?:[^']|'(?=[^\s)]))*'", re.IGNORECASE)
_OID: Final = re.compile(r"\s*\(\s*'?([^\s'()]+)")
_ONE_OR_SOME: Final = r"\s*(?:\(([^)]*)\)|'?([^\s'()]+)'?)"
_NAME: Final = re.compile(rf"\sNAME\b{_ONE_OR_SOME}", re.IGNORECASE)
_SUPERIOR: Final = re.compile(rf"\sSUP\b{_ONE_OR_SOME}", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\s'$]+")
_LONGEST: Final = 65536


class ObjectClasses:
    """The object classes of a schema.

    Args:
        texts: their definitions; what cannot be read is left out.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        # By OID, all in lower case: what a class is called, and which are derived from it.
        self._names: dict[str, set[str]] = {}
        self._derived: dict[str, set[str]] = {}
        # The OID by each name.
        self._oids: dict[str, str] = {}
        superiors: list[tuple[str, str]] = []
        for oid, names, above in filter(None, map(_read, texts)):
            self._names.setdefault(oid, {oid}).update(names)
            self._oids.update(dict.fromkeys((oid, *names), oid))
            superiors += [(superior, oid) for superior in above]
        for superior, oid in superiors:
            self._derived.setdefault(self._oids.get(superior, superior), set()).add(oid)

    def names(self, name: str) -> frozenset[str]:
        """Return what a class and those derived from it are called.

        Args:
            name: its name or OID, in any case.

        Returns:
            Names and OIDs in lower case; none for a class that is not known.
        """
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [self._oids[name.lower()]] if name.lower() in self._oids else []
        while waiting:
            oid = waiting.pop()
            if oid not in seen:
                seen.add(oid)
                found |= self._names[oid]
                waiting += self._derived.get(oid, ())
        return frozenset(found)


def _read(text: str) -> tuple[str, list[str], list[str]] | None:
    """Read a definition: OID, names and the names of superior classes, in lower case; None if it is none."""
    oid = _OID.match(text)
    if oid is None or len(text) > _LONGEST:
        return None
    plain = _DESCRIPTION.sub("", text.lower())
    return oid[1].lower(), _words(_NAME.search(plain)), _words(_SUPERIOR.search(plain))


def _words(found: re.Match[str] | None) -> list[str]:
    return _WORD.findall(found[1] or found[2] or "") if found else []
