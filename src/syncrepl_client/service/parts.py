"""`Parts`: the sources and sinks that are at work, and how another configuration takes the place of one.

What parts share is the data files alone, so each can be stopped and made anew at any moment and nothing is lost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from syncrepl_client.exceptions import DBError
from syncrepl_client.service import diary
from syncrepl_client.service.delivery import Delivery
from syncrepl_client.service.source import Source
from syncrepl_client.store.dead_letters import DeadLetterFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from syncrepl_client.service.config import Config
    from syncrepl_client.service.snapshot import SinkState, SourceState, ThreadState

__all__ = ["Parts"]

# To count what was set aside takes one part in so many of the time.
_REST: Final = 50
# How long parts have to end, in seconds, before they are left alone.
_TO_END: Final = 30.0


class Parts:
    """All that is at work; for one thread.

    Args:
        random: returns a number from 0 up to, but not including, 1.
        waiting: is called again and again while parts are waited for.
    """

    def __init__(self, random: Callable[[], float], waiting: Callable[[], None]) -> None:
        self._random = random
        self._waiting = waiting
        self._sources: dict[str, Source] = {}
        # By the names of sink and source.
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._letters: Path | None = None
        # How many events were set aside when it was counted last, and when it is counted again.
        self._counted: dict[tuple[str, str], int] = {}
        self._count_at = 0.0

    def apply(self, config: Config) -> list[str]:
        """Make it so: stop what is gone or different now, start what is new, and let all else try again what failed.

        Returns:
            The names of the parts that were made.
        """
        sources = {name: self._source(config, name) for name in config.sources}
        deliveries = {
            (sink, source): self._delivery(config, sink, sources[source])
            for sink in config.sinks
            for source in config.sources_of(sink)
        }
        kept = {id(one) for one in (*sources.values(), *deliveries.values())}
        self._end([one for one in self._all() if id(one) not in kept])
        there = {id(one) for one in self._all()}
        self._sources, self._deliveries, self._letters = sources, deliveries, config.dead_letters
        for one in self._all():
            if id(one) in there:
                one.again()
            else:
                one.attempts.start()
        return [one.attempts.name for one in self._all() if id(one) not in there]

    def _source(self, config: Config, name: str) -> Source:
        made = Source(config, name, random=self._random)
        there = self._sources.get(name)
        same = there is not None and (there.fingerprint, there.path) == (made.fingerprint, made.path)
        return there if there is not None and same else made

    def _delivery(self, config: Config, sink: str, source: Source) -> Delivery:
        made = Delivery(config, sink, source, random=self._random)
        there = self._deliveries.get((sink, source.name))
        # One that follows a source that is made anew has to be made anew with it.
        same = there is not None and there.fingerprint == made.fingerprint and there.follows(source)
        return there if there is not None and same else made

    def _all(self) -> list[Source | Delivery]:
        # Who is started first is stopped last: a sink has what its source has stored.
        return [*self._sources.values(), *self._deliveries.values()]

    def stop(self) -> None:
        """Stop everything."""
        self._end(self._all())
        self._sources, self._deliveries = {}, {}

    def _end(self, parts: Iterable[Source | Delivery]) -> None:
        ending = list(parts)
        for one in reversed(ending):
            one.attempts.stop()
        deadline = time.monotonic() + _TO_END
        for one in reversed(ending):
            while not (ended := one.attempts.join(0.1)) and time.monotonic() < deadline:
                self._waiting()
            diary.part_ended(one.attempts.name, ended=ended)
            if ended:
                one.close()

    # --- how they are -------------------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether it is known of each source whether there is a copy."""
        return all(source.tried.is_set() for source in self._sources.values())

    def sources(self) -> tuple[SourceState, ...]:
        """Tell how the sources are."""
        return tuple(source.state() for source in self._sources.values())

    def sinks(self) -> tuple[SinkState, ...]:
        """Tell how the sinks are."""
        letters = self._dead_letters()
        return tuple(one.state(letters.get(key, 0)) for key, one in self._deliveries.items())

    def _dead_letters(self) -> dict[tuple[str, str], int]:
        began = time.monotonic()
        if self._letters is None or began < self._count_at:
            return self._counted
        try:
            with DeadLetterFile(self._letters) as file:
                self._counted = {(one.sink, one.source): one.letters for one in file.counts()}
        except DBError:
            # There is none yet, or its owners say what is wrong with it.
            self._counted = {}
        # A million of them takes a while.
        now = time.monotonic()
        self._count_at = now + _REST * (now - began)
        return self._counted

    def threads(self) -> tuple[ThreadState, ...]:
        """Tell which threads are at work."""
        return tuple(one.thread() for one in self._all())
