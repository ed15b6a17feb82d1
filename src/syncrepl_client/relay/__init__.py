"""The second pump, from the changelog to a sink, and what it makes of changes on the way."""

from __future__ import annotations

from syncrepl_client.relay.pump import Relay, RelayStatus, Signal, Source, State
from syncrepl_client.relay.rejection import DeadLetters, Policy
from syncrepl_client.relay.replay import Replay
from syncrepl_client.relay.selection import Selection

__all__ = [
    "DeadLetters",
    "Policy",
    "Relay",
    "RelayStatus",
    "Replay",
    "Selection",
    "Signal",
    "Source",
    "State",
]
