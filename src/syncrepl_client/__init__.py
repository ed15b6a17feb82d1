"""Change data capture for LDAP directories: a local copy of a search that stays in step, through RFC 4533."""

from __future__ import annotations

import logging

from syncrepl_client.backoff import Backoff
from syncrepl_client.callbacks import BaseCallback, LoggingCallback
from syncrepl_client.guard import MaxDeletes
from syncrepl_client.heartbeat import Heartbeat
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.model import (
    Added,
    Change,
    Deleted,
    Difference,
    Entry,
    Modified,
    Origin,
    Renamed,
    Report,
    SyncreplMode,
)
from syncrepl_client.replica import Replica
from syncrepl_client.syncrepl import Syncrepl
from syncrepl_client.transport.reservoir import Buffers

__all__ = [
    "Added",
    "Attributes",
    "Backoff",
    "BaseCallback",
    "Buffers",
    "Change",
    "Deleted",
    "Difference",
    "Entry",
    "Heartbeat",
    "LoggingCallback",
    "MaxDeletes",
    "Modified",
    "Origin",
    "Renamed",
    "Replica",
    "Report",
    "Syncrepl",
    "SyncreplMode",
    "__version__",
]

__version__ = "0.1.0"

# Without it Python prints warnings of a program that has set up no logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
