"""Reading what is here, page by page."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from syncrepl_client.aio.arrival import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncrepl_client.aio.replica import AsyncReplica
    from syncrepl_client.replica import Replica

__all__ = ["Pages"]

T = TypeVar("T")

_PAGE: Final = 500


class Pages(Generic[T]):
    """Iterates over what the replica's thread reads, page by page."""

    def __init__(self, replica: AsyncReplica, begin: Callable[[Replica], Iterator[T]]) -> None:
        # It lives as long as somebody reads.
        self._replica = replica
        self._begin = begin
        self._iterator: Iterator[T] | None = None
        self._reading: Arrival[list[T]] | None = None
        self._page: deque[T] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if not self._page:
            if self._reading is None:
                self._reading = Arrival(self._replica.shared.worker.call(self._read))
            reading = self._reading
            await reading.wait()
            self._reading = None
            self._page.extend(reading.future.result())
            if not self._page:
                raise StopAsyncIteration
        return self._page.popleft()

    def _read(self) -> list[T]:
        if self._iterator is None:
            self._iterator = self._begin(self._replica.shared.replica)
        return list(islice(self._iterator, _PAGE))
