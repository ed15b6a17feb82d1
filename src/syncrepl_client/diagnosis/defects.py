"""Known defects, by product and version, and what the client does about each.

Where the client deals with one completely it is a note; where the administrator should act, a warning.  A version that
is not known has only those defects that all versions have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncrepl_client.contentsync.dialects import APACHEDS, DS389, FREEIPA, OPENLDAP
from syncrepl_client.diagnosis.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.contentsync.dialects import Dialect
    from syncrepl_client.diagnosis.facts import Facts

__all__ = ["DEFECTS", "Defect", "defects"]

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect.

    Args:
        dialects: of which servers.
        name: the number of the report, where there is one, has a '#'.
        text: what goes wrong, and what is done about it.
        ranges: the versions that have it, each from the first with it to the first without; empty for all versions.
        severity: whether there is something to do.
    """

    dialects: tuple[Dialect, ...]
    name: str
    text: str
    ranges: tuple[tuple[Version, Version], ...] = ()
    severity: Severity = Severity.NOTE

    def has(self, version: Version) -> bool:
        """Tell whether a version has it."""
        return not self.ranges or (bool(version) and any(first <= version < fixed for first, fixed in self.ranges))


_ANY: Final = (0,)
_LATER: Final = (9999,)
_389: Final = (DS389, FREEIPA)

DEFECTS: Final = (
    Defect(
        (OPENLDAP,),
        "ITS#8768",
        "cookies sent with deletions are ahead of the changes that follow: the client keeps none before the end",
        ((_ANY, (2, 5)),),
    ),
    Defect(
        (OPENLDAP,),
        "ITS#9691",
        "a database without any entry refuses to be listened to (noSuchObject): start again when it has its first one",
        ((_ANY, (2, 6, 1)),),
    ),
    Defect(
        (OPENLDAP,),
        "ITS#10026",
        "a client that polls is sent the UUIDs of the whole content, or the session log, although nothing changed, and "
        "then an empty cookie: the client keeps the former cookie; listening (--persist) spares the traffic",
        (((2, 6, 14), _LATER),),
    ),
    Defect(
        _389,
        "389-updates",
        "a resumed refresh leaves out entries that stopped matching the filter, each 51st deletion in a row and moves "
        "in and out of a one-level base, and ignores the list of attributes: the client compares its copy after each "
        "resumption and every ten minutes, and fetches what is missing",
    ),
    Defect(
        _389,
        "389-slow-readers",
        "not more than ten clients may listen at a time unless syncrepl-max-concurrent (nsslapd-pluginarg0 in older "
        "versions) allows it, and the place of one that went away is freed late",
    ),
    Defect(
        _389,
        "389#5704",
        "sync requests have crashed this version where the last change was in the changelog no more: update the server",
        ((_ANY, (2, 2, 8)), ((2, 3), (2, 3, 4)), ((2, 4), (2, 4, 1))),
        Severity.WARNING,
    ),
    Defect(
        _389,
        "389#7601",
        "several clients that listen have crashed this version: update the server, or poll without --persist",
        (((3, 2, 0), (3, 2, 1)),),
        Severity.WARNING,
    ),
    Defect(
        (APACHEDS,),
        "apacheds-losses",
        "the first change of each entry after a refresh is not sent, nor is an entry that begins to match the filter: "
        "the client reads everything at each start and compares every ten minutes while it listens",
    ),
)
"""The table."""


def defects(facts: Facts) -> Iterator[Finding]:
    """Name the known defects of this server's version."""
    for defect in DEFECTS:
        if facts.dialect in defect.dialects and defect.has(facts.version):
            number = f" ({defect.name})" if "#" in defect.name else ""
            yield Finding(f"defect:{defect.name}", defect.severity, f"A known defect{number}: {defect.text}.")
