"""One connection to a broker of AMQP 0-9-1 with one channel that confirms, driven by who waits.

Nothing runs in between: what the broker says is read while something is waited for, and every wait has an end.

Facts about pika that shaped it:

* ``BlockingChannel`` waits for each confirmation by itself, which is several times slower than asking for many; so the
  loop of a ``SelectConnection`` is stepped here.
* It wraps what went wrong in as many errors as it has layers.
* What is to wake a loop from another thread takes a lock, which a signal handler must not; so the loop wakes by itself.
* It cannot be told to give a connection up without asking the broker, but a subclass can do it.
"""

from __future__ import annotations

import logging
import time
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

import pika
from pika.adapters.select_connection import IOLoop

from syncrepl_client.exceptions import SinkUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ChannelClosed", "Line"]

# Where a program configures no logging, pika would print words of its own beside the errors that are raised here.
logging.getLogger("pika").addHandler(logging.NullHandler())

# How many seconds a wait is blind to who wants it to end, and how many a broker has to say goodbye.
_TICK: Final = 0.05
_GOODBYE: Final = 1.0
_ALARM: Final = "it is short of memory or disk: rabbitmq-diagnostics alarms says of what"
_HINTS: Final[dict[type[BaseException], str]] = {
    ConnectionRefusedError: "see whether the broker runs, and on which port it listens",
    pika.exceptions.ProbableAuthenticationError: "compare user and password; guest is let in from the broker's own "
    "machine only",
    pika.exceptions.AuthenticationError: "the broker offers no way to log in with what was given: a password wants "
    "PLAIN, a certificate EXTERNAL",
    pika.exceptions.ProbableAccessDeniedError: "compare the virtual host with rabbitmqctl list_vhosts, and give the "
    "user rights there by rabbitmqctl set_permissions",
    pika.exceptions.IncompatibleProtocolError: "that is no broker of AMQP 0-9-1, or it wants amqps",
}


class ChannelClosed(Exception):
    """The broker has closed the channel.

    Args:
        code: its reply code.
        words: what it says.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Line:
    """A connection and its channel.

    Args:
        where: what errors call the broker.
        timeout: how many seconds to wait for each answer.
        stopped: tells whether to wait no more.
    """

    def __init__(self, where: str, timeout: float, stopped: Callable[[], bool]) -> None:
        self._where = where
        self._timeout = timeout
        self._stopped = stopped
        self._loop = IOLoop()
        self._loop.activate_poller()
        self._connection: _Connection | None = None
        self._channel: Any = None
        # Why there is no connection any more, and no channel.
        self._lost: BaseException | None = None
        self._closed: ChannelClosed | None = None
        # Why the broker reads no more.
        self._blocked: str | None = None
        self._answered = 0.0
        self._silent = False
        # The number of the last message on this channel, those of messages without an answer, in order, and what was
        # refused or came back.
        self._number = 0
        self._unconfirmed: dict[int, None] = {}
        self._refused = 0
        self._returned: list[Any] = []

    # --- the connection -----------------------------------------------------------------------------------------------

    def connect(self, parameters: pika.ConnectionParameters) -> None:
        """Connect, and open the channel.

        Raises:
            SinkUnavailable: the broker cannot be reached, or does not let us in.
        """
        self._tick()
        self._connection = connection = _Connection(
            parameters,
            on_open_error_callback=self._on_lost,
            on_close_callback=self._on_lost,
            custom_ioloop=self._loop,
        )
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        self._wait(lambda: connection.is_open)
        self.open_channel()

    def open_channel(self) -> None:
        """Open the channel, after another one was closed perhaps.

        Raises:
            SinkUnavailable: the connection is gone.
        """
        self._closed = None
        self._number = 0
        self._unconfirmed.clear()
        self._channel = channel = self._connected().channel()
        channel.add_on_close_callback(self._on_closed)
        self._wait(lambda: channel.is_open)
        channel.add_on_return_callback(self._on_returned)
        self._ask(lambda callback: channel.confirm_delivery(self._on_confirmed, callback))

    def is_there(self) -> bool:
        """Tell whether connection and channel still are, as far as that is known."""
        # What is found in the first step is told in the second.
        for _ in range(2):
            self._loop.call_later(0, lambda: None)
            self._step()
        return self._lost is None and self._closed is None

    def declare_exchange(self, name: str, *, passive: bool) -> None:
        """Make a durable topic exchange, or see whether there is an exchange of any kind.

        Raises:
            ChannelClosed: there is none, or it cannot be made.
            SinkUnavailable: the connection is gone.
        """
        self._ask(
            lambda callback: self._channel.exchange_declare(
                name, "topic", durable=True, passive=passive, callback=callback
            )
        )

    def declare_queue(self, name: str, *, passive: bool) -> None:
        """Make a durable queue, or see whether there is a queue of any kind; see `declare_exchange`."""
        self._ask(lambda callback: self._channel.queue_declare(name, durable=True, passive=passive, callback=callback))

    def bind(self, queue: str, exchange: str) -> None:
        """Let a queue get everything that goes to an exchange; see `declare_exchange`."""
        self._ask(lambda callback: self._channel.queue_bind(queue, exchange, "#", callback=callback))

    # --- messages -----------------------------------------------------------------------------------------------------

    def publish(
        self, exchange: str, key: str, body: bytes, properties: pika.BasicProperties, *, mandatory: bool
    ) -> None:
        """Send a message; `wait_for_confirmations` tells what became of it.

        Raises:
            ChannelClosed, SinkUnavailable: nothing can be sent.
        """
        self._check()
        self._channel.basic_publish(exchange, key, body, properties, mandatory)
        self._number += 1
        self._unconfirmed[self._number] = None

    def wait_for_confirmations(self) -> None:
        """Return when the broker has confirmed everything that was sent.

        Raises:
            ChannelClosed: it closed the channel instead.
            SinkUnavailable: it did not confirm all, or not in time.
        """
        self._returned.clear()
        self._refused = 0
        self._wait(lambda: not self._unconfirmed)
        if self._returned:
            came_back = self._returned[0]
            to = f"exchange {came_back.exchange}" if came_back.exchange else "default exchange"
            raise SinkUnavailable(
                f"{self._where} has no queue for the routing key {came_back.routing_key} of the {to}",
                hint="bind a queue to it, or set mandatory to false to have such events dropped",
            )
        if self._refused:
            raise SinkUnavailable(
                f"{self._where} has refused {self._refused} events",
                hint="a queue is full and its overflow is reject-publish, or cannot be written: compare rabbitmqctl "
                "list_queues name messages policy",
            )

    def _on_confirmed(self, frame: Any) -> None:  # noqa: ANN401 - pika has no types
        answer = frame.method
        number = answer.delivery_tag
        done = list(takewhile(lambda one: one <= number, self._unconfirmed)) if answer.multiple else [number]
        for one in done:
            self._unconfirmed.pop(one, None)
        if isinstance(answer, pika.spec.Basic.Nack):
            self._refused += len(done)
        self._answered = time.monotonic()

    def _on_returned(self, _channel: object, method: Any, _properties: object, _body: bytes) -> None:  # noqa: ANN401
        self._returned.append(method)

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._loop.call_later(_TICK, self._tick)

    def _ask(self, call: Callable[[Callable[[object], None]], object]) -> None:
        """Ask the broker for something, and wait for the answer."""
        answers: list[object] = []
        self._check()
        call(answers.append)
        self._wait(lambda: bool(answers))

    def _wait(self, done: Callable[[], bool]) -> None:
        """Read what the broker says until something is so."""
        self._answered = time.monotonic()
        while not done():
            self._check()
            if time.monotonic() - self._answered > self._timeout:
                self._silent = True
                raise self._no_answer()
            self._step()

    def _step(self) -> None:
        self._loop.poll()
        self._loop.process_timeouts()

    def _check(self) -> None:
        if self._stopped():
            raise SinkUnavailable(f"the sink of {self._where} was stopped")
        if self._lost is not None:
            raise self._unavailable(_innermost(self._lost))
        if self._closed is not None:
            raise self._closed

    def _connected(self) -> _Connection:
        if self._connection is None:
            raise SinkUnavailable(f"there is no connection to {self._where}")
        return self._connection

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def _on_lost(self, _connection: object, error: BaseException) -> None:
        self._lost = error

    def _on_closed(self, _channel: object, reason: Exception) -> None:
        if isinstance(reason, pika.exceptions.ChannelClosedByBroker):
            self._closed = ChannelClosed(reason.reply_code, reason.reply_text)

    def _on_blocked(self, _connection: object, frame: Any) -> None:  # noqa: ANN401 - pika has no types
        self._blocked = frame.method.reason

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        self._blocked = None

    def _no_answer(self) -> SinkUnavailable:
        if self._blocked is None:
            return SinkUnavailable(f"{self._where} has not answered for {self._timeout:g} s")
        return SinkUnavailable(f"{self._where} lets nobody publish: {self._blocked}", hint=_ALARM)

    def _unavailable(self, error: BaseException) -> SinkUnavailable:
        return SinkUnavailable(f"{self._where} cannot be used: {_words(error)}", hint=_HINTS.get(type(error), ""))

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection; with a goodbye if the broker listens."""
        connection = self._connection
        if connection is not None and self._lost is None:
            if connection.is_open and not self._silent and not self._unconfirmed:
                connection.close()
                self._see_closed()
            if self._lost is None:
                connection.give_up()
                self._see_closed()
        self._loop.close()

    def _see_closed(self) -> None:
        deadline = time.monotonic() + _GOODBYE
        while self._lost is None and time.monotonic() < deadline:
            self._step()


class _Connection(pika.SelectConnection):  # type: ignore[misc] # pika has no types
    """A connection that need not ask the broker before it ends."""

    def give_up(self) -> None:
        """End without a goodbye."""
        self._terminate_stream(pika.exceptions.StreamLostError("given up"))


def _innermost(error: BaseException) -> BaseException:
    """Return what the broker or the system says, without what pika puts around it."""
    while True:
        wrapped = [*getattr(error, "exceptions", ()), getattr(error, "exception", None), *error.args[:1]]
        inner = [one for one in wrapped if isinstance(one, BaseException)]
        if not inner:
            return error
        error = inner[-1]


def _words(error: BaseException) -> str:
    if isinstance(error, pika.exceptions.ConnectionClosedByBroker):
        return str(error.reply_text)
    # Those of pika say their own names first.
    return str(error.args[0]) if isinstance(error, pika.exceptions.AMQPError) and error.args else str(error)
