"""Redis Streams as a receiver of the contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncrepl_client.secret import Secret
from tests.sinks.receivers import Receiver
from tests.sinks.redis_server import RedisServer

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["RedisStream"]


class RedisStream(Receiver):
    """A stream on the disk, whose server wants a password."""

    troubles = ("killed", "frozen", "full", "refusing", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = RedisServer(requirepass="right", maxmemory="100mb", **{"maxmemory-policy": "noeviction"})
        self._server.login["password"] = "right"
        self._server.start()

    def settings(self) -> dict[str, Any]:
        return {"url": self._server.url, "password": Secret("right"), "timeout": 0.3, "create": True}

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(fields[b"data"]) for fields in self._server.entries()]

    def begin(self, trouble: str) -> None:
        match trouble:
            case "killed":
                self._server.kill()
            case "frozen":
                self._server.freeze()
            case "full":
                self._server.set("maxmemory", "100")
            case "refusing":
                self._server.set("requirepass", "other")
                self._server.login["password"] = "other"
                self._server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            case _:
                self._server.stutter()

    def end(self) -> None:
        self._server.thaw()
        if not self._server.running:
            self._server.start()
        self._server.set("maxmemory", "100mb")
        self._server.set("requirepass", "right")
        self._server.login["password"] = "right"

    def close(self) -> None:
        self._server.close()
