"""The words that the package and its users share: entries, changes, and what was found out about them.  Pure."""

from __future__ import annotations

from syncrepl_client.model.changes import (
    Added,
    Attributes,
    Change,
    Deleted,
    Difference,
    Entry,
    FindsEntries,
    Membership,
    Modified,
    Origin,
    Provenance,
    Refreshed,
    Renamed,
    Report,
    SyncreplMode,
    Values,
)

__all__ = [
    "Added",
    "Attributes",
    "Change",
    "Deleted",
    "Difference",
    "Entry",
    "FindsEntries",
    "Membership",
    "Modified",
    "Origin",
    "Provenance",
    "Refreshed",
    "Renamed",
    "Report",
    "SyncreplMode",
    "Values",
]
