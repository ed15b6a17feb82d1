"""Change data capture for LDAP directories: a local copy of a search that stays in step, through RFC 4533.

Importing it imports the names below and what they are made of.  What stands behind them (SQLite, sockets and TLS, the
protocol, asyncio) is imported by whoever opens a replica or reads a file, in the methods of the fronts that do it.
"""

from __future__ import annotations

import logging

from syncrepl_client.aio import AsyncReplica, AsyncSubscription, awatch
from syncrepl_client.backoff import Backoff
from syncrepl_client.callbacks import BaseCallback, LoggingCallback
from syncrepl_client.consumer.guard import MaxDeletes
from syncrepl_client.consumer.heartbeat import Heartbeat
from syncrepl_client.ldap.attributes import Attributes
from syncrepl_client.model import (
    Added,
    Change,
    Deleted,
    Difference,
    Entry,
    Modified,
    Origin,
    Provenance,
    Refreshed,
    Renamed,
    Report,
    SyncreplMode,
)
from syncrepl_client.reader import Reader, Status
from syncrepl_client.replica import Replica
from syncrepl_client.store.retention import Retention
from syncrepl_client.subscription import Subscription, subscribe, unsubscribe
from syncrepl_client.syncrepl import Syncrepl
from syncrepl_client.transport.reservoir import Buffers
from syncrepl_client.watching import watch

__all__ = [
    "Added",
    "AsyncReplica",
    "AsyncSubscription",
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
    "Provenance",
    "Reader",
    "Refreshed",
    "Renamed",
    "Replica",
    "Report",
    "Retention",
    "Status",
    "Subscription",
    "Syncrepl",
    "SyncreplMode",
    "__version__",
    "awatch",
    "subscribe",
    "unsubscribe",
    "watch",
]

__version__ = "1.0.0rc1"

# Without it Python prints warnings of a program that has set up no logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
