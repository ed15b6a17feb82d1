"""The same as `Replica` and `watch`, for programs that run in an event loop.

The replica is in a thread of its own, so that nothing that takes time is ever done in the loop: no connecting, no
asking the DNS, no SQLite, no waiting.  What comes from there comes in batches.

To cancel a call is to have no use for its result.  What a cancelled ``anext`` was to bring comes with the next one,
which is why the iterators are objects and no generators: a generator would be over.
"""

from __future__ import annotations

from syncrepl_client.aio.replica import AsyncReplica
from syncrepl_client.aio.subscription import AsyncSubscription
from syncrepl_client.aio.watching import AsyncWatch, awatch

__all__ = ["AsyncReplica", "AsyncSubscription", "AsyncWatch", "awatch"]
