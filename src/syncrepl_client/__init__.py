"""Change data capture for LDAP directories: a local copy of a search that stays in step, through RFC 4533."""

from __future__ import annotations

from syncrepl_client.callbacks import BaseCallback, LoggingCallback
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.model import Added, Change, Deleted, Entry, Modified, Renamed, SyncreplMode
from syncrepl_client.replica import Replica
from syncrepl_client.syncrepl import Syncrepl

__all__ = [
    "Added",
    "Attributes",
    "BaseCallback",
    "Change",
    "Deleted",
    "Entry",
    "LoggingCallback",
    "Modified",
    "Renamed",
    "Replica",
    "Syncrepl",
    "SyncreplMode",
    "__version__",
]

__version__ = "0.1.0"
