"""`Delivery`: what one sink gets of one source, by a thread of its own."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Final

from syncrepl_client.backoff import Backoff
from syncrepl_client.exceptions import ChangesLost
from syncrepl_client.reader import Reader
from syncrepl_client.relay import Policy, Relay, State
from syncrepl_client.service import diary
from syncrepl_client.service.attempts import Attempts, Phase
from syncrepl_client.service.building import backoff_of, make_encoding, make_pulse, make_sink
from syncrepl_client.service.snapshot import SinkState, ThreadState
from syncrepl_client.store.relay_letters import RelayLetters
from syncrepl_client.subscription import subscribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.envelope.base import Kind
    from syncrepl_client.service.config import Config
    from syncrepl_client.service.source import Source
    from syncrepl_client.store.position import Start
    from syncrepl_client.subscription import Subscription

__all__ = ["Delivery", "subscription_of"]

# How long one step waits, and how long one may take until somebody wonders: receivers may be slow.
_STEP: Final = 1.0
_LONGEST_STEP: Final = 900.0
# How often it is looked whether there is a data file yet.
_LOOK_EVERY: Final = 0.5
_BACKOFF: Final = Backoff(10.0, 600.0)
# A receiver that refuses everything is not told of with each event.
_TELL_EVERY: Final = 60.0


# What to those who look is the state of a relay that there is not.
_SHOWN: Final = {Phase.FAILED: State.WAITING, Phase.HELPLESS: State.STOPPED, Phase.STOPPED: State.STOPPED}


def subscription_of(sink: str) -> str:
    """Return the name under which a data file remembers how far a sink has come."""
    return f"sink {sink}"


class Delivery:
    """Delivers the changes of a source to a sink.

    Args:
        config: what is to be done.
        sink: which of its sinks.
        source: where changes come from.
        random: returns a number from 0 up to, but not including, 1.
        clock: returns seconds, never less than before.
    """

    def __init__(
        self,
        config: Config,
        sink: str,
        source: Source,
        *,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sink = sink
        self.source = source.name
        self.fingerprint = config.sinks[sink].fingerprint + source.fingerprint + os.fsencode(config.dead_letters)
        self._config = config
        self._section = config.sinks[sink].section
        self._from = source
        self._random = random
        self._clock = clock
        self.attempts = Attempts(f"sink {sink} from {source.name}", self, _BACKOFF, random=random, clock=clock)
        self._interrupted = False
        self._relay: Relay | None = None
        # Of the relays before this one.
        self._delivered: Counter[Kind] = Counter()
        self._rejected = self._errors = 0
        self._state = State.RUNNING
        # What the log knows: the state, and the last error; how many were not taken, and when it may be told of more.
        self._told = (State.RUNNING, str(None))
        self._told_rejected = 0
        self._tell_again = clock()

    def follows(self, source: Source) -> bool:
        """Tell whether it takes from a source."""
        return self._from is source

    # --- the thread ---------------------------------------------------------------------------------------------------

    def attempt(self) -> None:
        """Deliver until `interrupt`."""
        while not self._from.opened.wait(_LOOK_EVERY):
            self.attempts.beat()
            if self._interrupted:
                return
        restart = False
        while True:
            try:
                self._deliver(restart=restart)
            except ChangesLost as error:
                if self._section.lost != "snapshot":
                    raise
                diary.begins_anew(self.sink, self.source, error)
                restart = True
            else:
                return

    def _deliver(self, *, restart: bool) -> None:
        start: Start = "snapshot" if restart else self._section.start
        file = self._from.file
        with (
            closing(self._letters()) as letters,
            subscribe(self._from.path, subscription_of(self.sink), start=start, restart=restart) as subscription,
        ):
            relay = self._make_relay(subscription, letters)
            self._relay = relay
            try:
                if self._interrupted:
                    relay.stop()
                # Who has opened a file that was replaced would wait there for ever.
                while relay.step(_STEP) and file == self._from.file:
                    self.attempts.beat()
                    self._look(relay)
            finally:
                try:
                    relay.close()
                finally:
                    self._count(relay)

    def _letters(self) -> RelayLetters:
        in_order = self._section.dead_letters_in_order
        return RelayLetters(self._config.dead_letters, self.sink, self.source, in_order=in_order)

    def _make_relay(self, subscription: Subscription, letters: RelayLetters) -> Relay:
        section = self._section
        with Reader(self._from.path) as reader:
            encoding = make_encoding(self._config, self.sink, self.source, reader.status().file_id)
            unknown = encoding.selection.unknown(reader.schema)
        if unknown:
            diary.unknown_attributes(self.sink, self.source, unknown)
        return Relay(
            subscription,
            encoding.events,
            make_sink(self._config, self.sink, self.source, encoding.envelope),
            random=self._random,
            backoff=backoff_of(section),
            policy=Policy(section.rejected),
            dead_letters=letters,
            pulse=make_pulse(section, encoding.envelope, self._clock),
            batch=section.batch,
        )

    def interrupt(self) -> None:
        """Let `attempt` return; what is not confirmed is delivered again the next time."""
        self._interrupted = True
        relay = self._relay
        if relay is None:
            return
        try:
            relay.stop()
        except Exception as error:  # noqa: BLE001 - what else is to be stopped must be
            diary.stop_failed(self.sink, self.source, error)

    def failed(self, error: Exception, delay: float | None) -> None:
        """Note why nothing is delivered."""
        diary.sink_failed(self.sink, self.source, error, delay)

    def _look(self, relay: Relay) -> None:
        """Count failures, and tell the log of what is new: neither another try nor its failing in the same way is."""
        state, error = relay.state, relay.status().error
        if state is State.WAITING and self._state is not state:
            self._errors += 1
        self._state = state
        # What has stopped without an error was told to.
        news = error is None if state is State.RUNNING else state is not State.STOPPED or error is not None
        if news and self._told != (state, str(error)):
            self._told = (state, str(error))
            diary.sink_changed(self.sink, self.source, state.value, error)
        rejected = self._rejected + relay.status().rejected
        if rejected > self._told_rejected and self._clock() >= self._tell_again:
            diary.events_refused(self.sink, self.source, rejected - self._told_rejected, self._section.rejected)
            self._told_rejected, self._tell_again = rejected, self._clock() + _TELL_EVERY

    def _count(self, relay: Relay) -> None:
        status = relay.status()
        # Another one, for somebody may be looking at that.
        self._delivered = self._delivered + Counter(status.kinds)
        self._rejected += status.rejected
        self._relay = None

    # --- for who shows it ---------------------------------------------------------------------------------------------

    def state(self, dead_letters: int = 0) -> SinkState:
        """Tell how it is.

        Args:
            dead_letters: how many events are set aside for it.
        """
        relay, error = self._relay, self.attempts.error
        status = None if relay is None else relay.status()
        if status is not None and status.error is not None:
            error = status.error
        offset = None if status is None else status.offset
        looking = self._from.looking
        return SinkState(
            sink=self.sink,
            source=self.source,
            state=self._shown(relay),
            pending=None if offset is None else max(0, looking.facts.sequence - offset),
            lag=looking.waiting(offset),
            delivered=self._delivered + Counter(status.kinds if status is not None else {}),
            errors=self._errors,
            retries=0 if status is None else status.retries,
            rejected=self._rejected + (0 if status is None else status.rejected),
            dead_letters=dead_letters,
            error="" if error is None else diary.named(error),
        )

    def _shown(self, relay: Relay | None) -> State:
        if relay is not None:
            return relay.state
        return _SHOWN.get(self.attempts.phase, State.RUNNING)

    def thread(self) -> ThreadState:
        """Tell whether its thread is at work."""
        return ThreadState(self.attempts.name, self.attempts.silent, _LONGEST_STEP)

    def again(self) -> None:
        """Try again at once, if it waits or was paused."""
        self.attempts.again()
        relay = self._relay
        if relay is not None and relay.state in {State.PAUSED, State.WAITING}:
            relay.resume()

    def close(self) -> None:
        """Have nothing to close: what `state` looks at is the source's."""
