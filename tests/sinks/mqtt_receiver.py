"""Mosquitto as a receiver for the contract of sinks, with somebody who has subscribed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sinks.mosquitto import Mosquitto, Subscriber, bodies
from tests.sinks.receivers import Receiver
from tests.sinks.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["MQTTTopic"]


class MQTTTopic(Receiver):
    """A topic; the subscriber lives on when the line of the sink is cut, and gets what the broker gets."""

    troubles = ("cut", "held", "frozen", "refusing", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._broker = Mosquitto()
        self._broker.start()
        self._subscriber = Subscriber(self._broker.port, "ldap/#")
        self._wire = Wire(self._broker.port)
        self._trouble = ""

    def settings(self) -> dict[str, Any]:
        return {"url": f"mqtt://127.0.0.1:{self._wire.port}", "topic": "ldap/{kind}", "timeout": 0.5}

    def received(self) -> list[dict[str, Any]]:
        return bodies(self._subscriber.messages())

    def begin(self, trouble: str) -> None:
        self._trouble = trouble
        match trouble:
            case "cut":
                self._wire.cut_off()
            case "held":
                self._wire.hold()
            case "frozen":
                self._broker.freeze()
            case "refusing":
                self._subscriber.leave()
            case "slow":
                self._wire.slow(0.01)

    def end(self) -> None:
        self._wire.mend()
        self._broker.thaw()
        if self._trouble == "refusing":
            self._subscriber.join()

    def close(self) -> None:
        self._wire.__exit__()
        self._broker.thaw()
        self._subscriber.close()
        self._broker.close()
