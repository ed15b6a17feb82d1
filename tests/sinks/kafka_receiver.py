"""Kafka as a receiver of the contract: its broker keeps nothing, so it is cut off instead of killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.sinks.kafka_server import KafkaServer
from tests.sinks.receivers import Receiver

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["Topic"]

_STORAGE_ERROR = 56
_NOT_AUTHORIZED = 29


class Topic(Receiver):
    """A topic of several partitions."""

    troubles = ("cut", "frozen", "full", "refusing", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = KafkaServer("ldap.directory")

    def settings(self) -> dict[str, Any]:
        return {"url": self._server.url, "timeout": 0.5}

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(message.value()) for message in self._server.messages("ldap.directory")]

    def begin(self, trouble: str) -> None:
        match trouble:
            case "cut":
                self._server.line.break_off()
            case "frozen":
                self._server.line.stand_still()
            case "full":
                self._server.order(f"errors {_STORAGE_ERROR} 1000")
            case "refusing":
                self._server.order(f"errors {_NOT_AUTHORIZED} 1000")
            case _:
                self._server.order("delay 50")

    def end(self) -> None:
        self._server.line.mend()
        self._server.order("errors")
        self._server.order("delay 0")

    def close(self) -> None:
        self._server.close()
