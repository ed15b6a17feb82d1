"""What a relay does, and what makes it do something else: the table of `syncrepl_client.relay`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["TABLE", "Signal", "State"]


class State(StrEnum):
    """What a relay does."""

    RUNNING = "running"
    """It delivers what there is, and waits for more."""
    WAITING = "waiting"
    """The receiver cannot be had; the next try is due later."""
    PAUSED = "paused"
    """It waits for `Relay.resume`."""
    STOPPED = "stopped"
    """It has ended for good."""


class Signal(StrEnum):
    """What makes a relay do something else."""

    FAILED = "failed"
    DUE = "due"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


TABLE: Final = {
    (State.RUNNING, Signal.FAILED): State.WAITING,
    (State.RUNNING, Signal.PAUSE): State.PAUSED,
    (State.RUNNING, Signal.STOP): State.STOPPED,
    (State.WAITING, Signal.DUE): State.RUNNING,
    (State.WAITING, Signal.RESUME): State.RUNNING,
    (State.WAITING, Signal.PAUSE): State.PAUSED,
    (State.WAITING, Signal.STOP): State.STOPPED,
    (State.PAUSED, Signal.RESUME): State.RUNNING,
    (State.PAUSED, Signal.STOP): State.STOPPED,
}
