"""What a sink sends: changes as CloudEvents, in Debezium's form, in our own, or as LDIF.

Each form is a class with the two methods of `Envelope`.  Nothing here reads or sends anything.
"""

from __future__ import annotations

from syncrepl_client.envelope.base import Batch, Envelope, Event, Kind, tombstone
from syncrepl_client.envelope.bindings import BINDINGS, Binding
from syncrepl_client.envelope.cloudevents import CloudEvents
from syncrepl_client.envelope.debezium import Debezium
from syncrepl_client.envelope.ldif import Ldif
from syncrepl_client.envelope.plain import Plain

__all__ = [
    "BINDINGS",
    "Batch",
    "Binding",
    "CloudEvents",
    "Debezium",
    "Envelope",
    "Event",
    "Kind",
    "Ldif",
    "Plain",
    "tombstone",
]
