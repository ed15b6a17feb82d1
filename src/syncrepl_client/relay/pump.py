"""`Relay`, the second pump: from the changelog to a sink; the offset moves when the sink has confirmed.

It reads changes from a named subscription, makes events of them, publishes these and stores the offset, in this order.
So whatever is killed in between, each event is delivered at least once, and those of one entry in their order.  Of LDAP
it knows nothing, nor of what else is delivered to whom: a sink that is away stalls its own relay and nobody else.

What it does is in one table (`states`).  It begins as running; what is not in the table changes nothing::

    running ──failed──► waiting ──due, resume──► running
    running, waiting ──pause──► paused ──resume──► running
    all ──stop──► stopped

An event that the receiver will never take is a matter of policy: to try again for ever, to set it aside where somebody
looks at it, to leave it out, or to pause until somebody has done something about it.  What was set aside and is to be
sent again takes turns with what is new.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, assert_never

from syncrepl_client.backoff import Backoff
from syncrepl_client.exceptions import EventRejected, SinkUnavailable, UsageError
from syncrepl_client.relay.rejection import DeadLetters, Policy
from syncrepl_client.relay.states import TABLE, Signal, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncrepl_client.envelope.base import Event, Kind
    from syncrepl_client.model import Change
    from syncrepl_client.relay.pulse import Pulse
    from syncrepl_client.sinks.base import Sink

__all__ = ["DeadLetters", "Policy", "Relay", "RelayStatus", "Signal", "Source", "State"]

# How many seconds a step of `run` waits, and how long a receiver may ask to be left alone.
_LONG: Final = 3.0
_LONGEST_REST: Final = 3600.0
# How much is published at once, in octets of bodies; one event may be more.
_OCTETS: Final = 4 << 20
# How often it looks for what is to be sent again, in seconds.
_LOOK_EVERY: Final = 2.0


class Source(Protocol):
    """Where changes come from; see `Subscription`."""

    @property
    def position(self) -> int | None:
        """The number of the last change that was handled; None before the first."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""

    def read(self, limit: int, timeout: float) -> list[Change]:
        """Read on; what was read before counts as handled."""

    def commit(self, *, patient: bool) -> None:
        """Store that what was read is handled; later, if that would take long and `patient` is false."""

    def stop(self) -> None:
        """Let a `read` that waits return; for any thread."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """What a relay does, at one moment.

    Args:
        state: what it does.
        error: what went wrong last, if that still matters; None after something was delivered.
        offset: the number of the last change that is known to be delivered; None before the first, and as long as a
            snapshot is not.
        lag: how many changes came after it; None if that is not known.
        retries: how many tries have failed since something was delivered.
        delivered: how many events were confirmed, in the life of this object.
        kinds: how many of them there were of each kind.
        rejected: how many were set aside or left out.
    """

    state: State
    error: Exception | None
    offset: int | None
    lag: int | None
    retries: int
    delivered: int
    kinds: Mapping[Kind, int]
    rejected: int


class Relay:
    """Delivers the changes of a subscription to a sink.

    `run` and `step` belong to one thread, which must be that of the subscription; the rest is for any.

    Args:
        source: a subscription with a name, which remains the caller's to close.
        encode: makes the events of a change; none if it is not to be told.
        sink: the receiver; the relay opens and closes it.
        random: returns a number from 0 up to, but not including, 1; it spreads the waits.
        clock: returns seconds, never less than before.
        backoff: how long to wait between tries.
        policy: what becomes of an event that the receiver will never take.
        dead_letters: where `Policy.DEAD_LETTERS` puts them; what is there is sent again whatever the policy.
        pulse: tells the receiver when nothing was sent for long; None if nobody does.
        newest: returns the number of the last change in the changelog, for the lag; called by who asks for the status.
        batch: how many changes are read at once.

    Raises:
        UsageError: events are to be set aside, and there is no place for them.
    """

    def __init__(
        self,
        source: Source,
        encode: Callable[[Change], Iterable[Event]],
        sink: Sink,
        *,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff | None = None,
        policy: Policy = Policy.RETRY,
        dead_letters: DeadLetters | None = None,
        pulse: Pulse | None = None,
        newest: Callable[[], int | None] | None = None,
        batch: int = 100,
    ) -> None:
        if policy is Policy.DEAD_LETTERS and dead_letters is None:
            raise UsageError("there is no place for dead letters", hint="give dead_letters, or choose another policy")
        self._source = source
        self._encode = encode
        self._sink = sink
        self._random = random
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._policy = policy
        self._dead_letters = dead_letters
        self._pulse = pulse
        self._newest = newest
        self._batch = batch
        self._moving = threading.Lock()
        self._state = State.RUNNING
        # Set by other threads: something is to be looked at; it is to end.
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._open = False
        # What was read and not made events of yet, and the events that are not confirmed yet.
        self._changes: deque[Change] = deque()
        self._pending: list[Event] = []
        # Whether those were set aside before, and when it is looked for such.
        self._again = False
        self._look_at = 0.0
        # The waits of this row of failures, how many failures it has, and when the next try is due.
        self._delays = self._backoff.delays(random)
        self._retries = 0
        self._due = 0.0
        self._error: Exception | None = None
        self._offset = source.position
        self._kinds: Counter[Kind] = Counter()
        self._rejected = 0

    # --- for any thread -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What it does."""
        return self._state

    def status(self) -> RelayStatus:
        """Return what it does, how far it has come and what went wrong."""
        offset, newest = self._offset, None if self._newest is None else self._newest()
        return RelayStatus(
            state=self._state,
            error=self._error,
            offset=offset,
            lag=None if newest is None else max(0, newest - (offset or 0)),
            retries=self._retries,
            delivered=self._kinds.total(),
            kinds=dict(self._kinds),
            rejected=self._rejected,
        )

    def pause(self) -> None:
        """Deliver nothing more until `resume`; what is being published now is still delivered."""
        self._move(Signal.PAUSE)
        self._woken.set()

    def resume(self) -> None:
        """Go on, and try again at once."""
        self._move(Signal.RESUME)
        self._woken.set()

    def stop(self) -> None:
        """End soon, for good; for signal handlers too.  What is left is for the next relay of that subscription."""
        self._stopping.set()
        self._woken.set()
        self._source.stop()
        self._sink.stop()

    def _move(self, signal: Signal) -> None:
        with self._moving:
            self._state = TABLE.get((self._state, signal), self._state)

    # --- the pump -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Deliver until it is stopped, or the subscription has ended.

        Raises:
            SyncreplError: the changelog cannot be read, or the sink can never work; what was confirmed is stored.
        """
        try:
            while self.step(_LONG):
                pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the sink, and end; for the thread of `step`."""
        self._move(Signal.STOP)
        self._close_sink()

    def step(self, timeout: float) -> bool:
        """Do the next thing.

        Args:
            timeout: how many seconds to wait at most for something to do; publishing takes its own time.

        Returns:
            Whether there is more to do, now or later.

        Raises:
            SyncreplError: see `run`.
        """
        self._woken.clear()
        if self._stopping.is_set():
            self._move(Signal.STOP)
        match self._state:
            case State.RUNNING:
                self._try(timeout)
            case State.WAITING if (left := self._due - self._clock()) > 0:
                self._woken.wait(min(left, timeout))
            case State.WAITING:
                self._move(Signal.DUE)
            case State.PAUSED:
                self._woken.wait(timeout)
            case State.STOPPED:
                return False
            case _:
                assert_never(self._state)
        return True

    def _try(self, timeout: float) -> None:
        try:
            self._deliver(timeout)
        except SinkUnavailable as error:
            self._failed(error, error.retry_after)
        except BaseException as error:
            self._error = error if isinstance(error, Exception) else self._error
            self._move(Signal.STOP)
            raise

    def _deliver(self, timeout: float) -> None:
        """Publish what comes next; once that was all that was read, store the offset and read on."""
        if not self._open:
            # Also if it fails halfway, there may be something to close.
            self._open = True
            self._sink.open()
            if self._stopping.is_set():
                return
        if self._fill():
            self._publish()
        if self._fill():
            return
        # A refresh of the owner may take minutes; it is stored after that.
        self._source.commit(patient=False)
        self._offset = self._source.position
        if self._state is State.RUNNING and not self._stopping.is_set():
            self._beat()
            self._look()
            self._read(0 if self._again else timeout)

    def _publish(self) -> None:
        try:
            self._sink.publish(tuple(self._pending))
        except EventRejected as error:
            self._refused(error)
        else:
            self._confirmed(len(self._pending))

    def _fill(self) -> bool:
        """Make the events to publish next, if there are none; tells whether there are any."""
        octets = 0
        fresh = not self._pending
        self._again = self._again and not fresh
        while fresh and self._changes and octets < _OCTETS:
            events = self._sifted(list(self._encode(self._changes[0])))
            self._changes.popleft()
            self._pending += events
            octets += sum(len(event.body or b"") for event in events)
        return bool(self._pending)

    def _sifted(self, events: list[Event]) -> list[Event]:
        """Set aside what comes after something that is; returns the others."""
        found = events if self._dead_letters is None else self._dead_letters.sift(events)
        self._rejected += len(events) - len(found)
        return found

    def _look(self) -> None:
        """Take up what was set aside and is to be sent again."""
        if self._dead_letters is not None and self._clock() >= self._look_at:
            self._pending = list(self._dead_letters.due())
            self._again = bool(self._pending)
            self._look_at = 0.0 if self._again else self._clock() + _LOOK_EVERY

    def _read(self, timeout: float) -> None:
        if self._pulse is not None:
            timeout = min(timeout, self._pulse.left)
        self._changes.extend(self._source.read(self._batch, timeout))
        if not self._changes:
            self._offset = self._source.position
            if self._source.ended and not self._again:
                self._move(Signal.STOP)

    def _beat(self) -> None:
        """Tell the receiver if nothing was sent for long.  If that cannot be sent, no event waits for it."""
        if self._pulse is None or self._pulse.left:
            return
        try:
            sent = self._pulse.beat(self._sink, self._offset)
        except SinkUnavailable as error:
            self._close_sink()
            self._error = self._error if self._stopping.is_set() else error
        else:
            if sent is not None:
                self._kinds[sent.kind] += 1
                self._in_order()

    def _confirmed(self, count: int) -> None:
        if count and self._again and self._dead_letters is not None:
            # If it fails, all are sent once more, in their order.
            self._dead_letters.confirmed(self._pending[:count])
        self._kinds.update(event.kind for event in self._pending[:count])
        del self._pending[:count]
        if count:
            self._in_order()

    def _in_order(self) -> None:
        """Forget the failures before; the receiver has heard something."""
        if self._pulse is not None:
            self._pulse.rest()
        self._error = None
        self._retries = 0
        self._delays = self._backoff.delays(self._random)

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def _failed(self, error: Exception, retry_after: float | None = None) -> None:
        """Plan another try."""
        self._close_sink()
        if self._stopping.is_set():
            return
        self._error = error
        self._retries += 1
        self._due = self._clock() + max(next(self._delays), min(retry_after or 0.0, _LONGEST_REST))
        self._move(Signal.FAILED)

    def _refused(self, error: EventRejected) -> None:
        """Do with an event what the policy says; those before it are confirmed."""
        self._confirmed(next(at for at, event in enumerate(self._pending) if event.id == error.event.id))
        match Policy.DEAD_LETTERS if self._again else self._policy:
            case Policy.RETRY:
                self._failed(error)
                return
            case Policy.PAUSE:
                self._error = error
                self._move(Signal.PAUSE)
                return
            case Policy.DEAD_LETTERS if self._dead_letters is not None:
                self._dead_letters.add(error.event, error.reason)
        # No other of its entry may overtake it; what else was to be sent again is asked for anew.
        self._pending = [] if self._again else self._sifted(self._pending[1:])
        self._rejected += not self._again
        self._in_order()

    def _close_sink(self) -> None:
        if self._open:
            self._open = False
            self._sink.close()
