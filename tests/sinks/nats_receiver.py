"""NATS JetStream as a receiver of the contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncrepl_client.secret import Secret
from tests.sinks.nats_server import NatsServer
from tests.sinks.receivers import Receiver

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["NatsStream"]

_RIGHT = {"authorization": {"user": "relay", "password": "right"}}
_WRONG = {"authorization": {"user": "relay", "password": "wrong"}}


class NatsStream(Receiver):
    """A stream in files, whose server wants a password."""

    troubles = ("killed", "frozen", "full", "refusing", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = NatsServer(**_RIGHT)
        self._server.login = _RIGHT["authorization"]
        self._server.start()
        self._server.make_stream()

    def settings(self) -> dict[str, Any]:
        return {"url": self._server.url, "user": "relay", "password": Secret("right"), "timeout": 0.3}

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(message.data) for message in self._server.messages()]

    def begin(self, trouble: str) -> None:
        match trouble:
            case "killed":
                self._server.kill()
            case "frozen":
                self._server.freeze()
            case "full":
                self._server.fill_stream()
            case "refusing":
                self._server.reload(**_WRONG)
            case _:
                self._server.stutter()

    def end(self) -> None:
        self._server.thaw()
        if self._server.settings != _RIGHT:
            self._server.reload(**_RIGHT)
        if not self._server.running:
            self._server.start()
        self._server.change_stream(max_msgs=-1)

    def close(self) -> None:
        self._server.close()
