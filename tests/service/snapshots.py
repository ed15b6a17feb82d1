"""A service at one moment."""

from __future__ import annotations

from syncrepl_client.envelope.base import Kind
from syncrepl_client.relay import State
from syncrepl_client.service.snapshot import Process, SinkState, Snapshot, SourceState, ThreadState

__all__ = ["BUSY", "CORP", "QUEUE"]

CORP = SourceState(
    name="corp",
    whole=True,
    connected=True,
    entries=1234,
    lag=0.25,
    last_event=1_800_000_000.5,
    changes={Kind.CREATED: 3, Kind.RENAMED: 1},
    reconnects={"ConnectionLost": 2, "other": 1},
)
QUEUE = SinkState(
    sink="queue",
    source="corp",
    state=State.RUNNING,
    pending=7,
    delivered={Kind.READ: 1234, Kind.DELETED: 2},
    errors=5,
    lag=1.5,
)
BUSY = Snapshot(
    version="1.2.3",
    python="3.11.7",
    sources=(CORP,),
    sinks=(QUEUE,),
    threads=(ThreadState("corp", 0.5, 60.0), ThreadState("queue", 2.0, 60.0)),
    process=Process(1_799_999_000.0, 12.5, 33, 50_000_000),
    reloaded=1_799_999_001.0,
)
"""A source and a sink, both at work."""
