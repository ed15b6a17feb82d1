"""What was taken from a server while a client did something else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncrepl_client import Replica
    from syncrepl_client.transport.reservoir import Reservoir

__all__ = ["reservoir_of", "wait_until_taken"]


def reservoir_of(replica: Replica) -> Reservoir:
    """Return where it is, of a client that is connected."""
    reservoir: Reservoir = replica.opened.link._client._transport._drain._reservoir  # type: ignore[union-attr]  # noqa: SLF001
    return reservoir


def wait_until_taken(replica: Replica, size: int) -> None:
    """Wait, in a callback, until so many bytes have been taken from the server, or it is full."""
    reservoir = reservoir_of(replica)
    deadline = time.monotonic() + 30
    while reservoir.held < size:
        assert time.monotonic() < deadline, f"{reservoir.held} bytes of {size} were taken"
        time.sleep(0.01)
