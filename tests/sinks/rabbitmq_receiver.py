"""RabbitMQ as a receiver for the contract of sinks: a queue of its own in the broker that the tests share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.sinks.rabbitmq_server import new_name, shared
from tests.sinks.receivers import Receiver
from tests.sinks.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["RabbitMQQueue"]

# How many messages a queue takes that is soon full.
_ROOM = 4


class RabbitMQQueue(Receiver):
    """A durable queue, which nobody reads until somebody looks."""

    troubles = ("killed", "frozen", "full", "refusing", "slow")
    rounds: ClassVar = {"killed": 1}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._broker = shared()
        self._wire = Wire(self._broker.port)
        self._queue = new_name("contract")
        self._taken: list[dict[str, Any]] = []
        self._trouble = ""
        self._make()

    def settings(self) -> dict[str, Any]:
        return {"url": f"amqp://127.0.0.1:{self._wire.port}", "routing_key": self._queue, "timeout": 0.5}

    def received(self) -> list[dict[str, Any]]:
        self._taken += [json.loads(body) for _, _, body in self._broker.take(self._queue)]
        return self._taken

    def begin(self, trouble: str) -> None:
        self._trouble = trouble
        match trouble:
            case "killed":
                # A queue that was just made may be gone else, with what was confirmed: mnesia writes that later.
                self._broker.control("eval", "mnesia:dump_log().")
                self._broker.kill()
            case "frozen":
                self._broker.freeze()
            case "full":
                self._delete()
                self._make(**{"x-max-length": _ROOM, "x-overflow": "reject-publish"})
            case "refusing":
                self._delete()
            case "slow":
                self._wire.slow(0.01)

    def end(self) -> None:
        self._wire.mend()
        self._broker.mend()
        if self._trouble in {"full", "refusing"}:
            if self._trouble == "full":
                self._delete()
            self._make()

    def close(self) -> None:
        self._wire.__exit__()
        self._broker.mend()

    def _make(self, **arguments: Any) -> None:
        self._broker.make(self._queue, **arguments)

    def _delete(self) -> None:
        """Take what is in the queue, and delete it."""
        self.received()
        with self._broker.connected() as channel:
            channel.queue_delete(self._queue)
