"""Receivers for the contract of sinks: each keeps what it got, and can be in trouble."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from syncrepl_client.secret import Secret
from syncrepl_client.service.sink_keys import accepts
from syncrepl_client.sinks.registry import maker, scheme_of, sink_type
from syncrepl_client.sinks.stdout import StreamSink
from tests.server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncrepl_client.sinks.base import Sink
    from syncrepl_client.sinks.webhook import Joins

__all__ = ["SECRET", "Command", "HookServer", "Pipe", "Receiver", "Rotated", "Webhook"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU"


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file; each must be right."""
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


class Receiver(ABC):
    """What a sink delivers to; `begin` puts it into a trouble, `end` lets it recover."""

    troubles: ClassVar[tuple[str, ...]]
    # How often a trouble comes in a test, where it costs too much to come three times.
    rounds: ClassVar[Mapping[str, int]] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what there is to say about the sink: its URL, and its options."""

    def sink(self, join: Joins) -> Sink:
        """Make a sink, for one life of a relay."""
        options = self.settings()
        url = options.pop("url")
        kind = sink_type(scheme_of(url))
        return maker(kind)(url, **options, **({"join": join} if accepts(kind, "join") else {}))

    @abstractmethod
    def received(self) -> list[dict[str, Any]]:
        """Return the events it got, in their order."""

    @abstractmethod
    def begin(self, trouble: str) -> None:
        """Put it into a trouble."""

    @abstractmethod
    def end(self) -> None:
        """Let it recover."""

    def close(self) -> None:  # noqa: B027 - most have nothing that runs
        """End what runs."""


class Rotated(Receiver):
    """A file, and those that it was moved away as."""

    troubles = ("away",)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._place = folder / "kept"
        self._place.mkdir()

    def settings(self) -> dict[str, Any]:
        return {"url": (self._place / "changes").as_uri(), "max_octets": 8000}

    def received(self) -> list[dict[str, Any]]:
        while True:
            before = sorted(self._place.glob("changes.*"))
            found = [one for file in (*before, self._place / "changes") for one in lines(file)]
            # One may have been moved away meanwhile.
            if sorted(self._place.glob("changes.*")) == before:
                return found

    def begin(self, trouble: str) -> None:
        self._place.rename(self.folder / "elsewhere")

    def end(self) -> None:
        (self.folder / "elsewhere").rename(self._place)


class Pipe(Receiver):
    """The next program of a pipe, which is another one for each life of the relay."""

    troubles = ("ended", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._command = "cat"
        self._reader: subprocess.Popen[bytes] | None = None

    def settings(self) -> dict[str, Any]:
        return {"url": "stdout:"}

    def sink(self, join: Joins) -> Sink:
        self._reader = None
        return StreamSink(self)

    def write(self, octets: bytes) -> int:
        """Write to the pipe."""
        if self._command == "exit":
            raise BrokenPipeError("nobody reads")
        if self._reader is None:
            number = len(list(self.folder.glob("part*")))
            with (self.folder / f"part{number:06}").open("wb") as part:
                self._reader = subprocess.Popen(
                    ["/bin/sh", "-c", self._command], stdin=subprocess.PIPE, stdout=part, bufsize=0
                )
        assert self._reader.stdin is not None
        return self._reader.stdin.write(octets) or 0

    def flush(self) -> None:
        """Have no buffer."""

    def received(self) -> list[dict[str, Any]]:
        self.close()
        return [one for part in sorted(self.folder.glob("part*")) for one in lines(part)]

    def begin(self, trouble: str) -> None:
        self.close()
        self._command = "exit" if trouble == "ended" else 'while read -r line; do sleep 0.01; echo "$line"; done'

    def end(self) -> None:
        self.close()
        self._command = "cat"

    def close(self) -> None:
        if self._reader is not None:
            assert self._reader.stdin is not None
            self._reader.stdin.close()
            self._reader.wait()
            self._reader = None


class Command(Receiver):
    """A program for each batch, which does what it is told in a file."""

    troubles = ("refusing", "killed", "slow")
    _DO: ClassVar = {"refusing": "exit 1", "killed": "kill -KILL $$", "slow": "sleep 0.05"}

    def settings(self) -> dict[str, Any]:
        script = '. "$0/do"; exec flock "$0/kept" sh -c \'cat >> "$0/kept"\' "$0"'
        (self.folder / "do").touch()
        return {"url": f"exec:{shlex.join(['/bin/sh', '-c', script, str(self.folder)])}"}

    def received(self) -> list[dict[str, Any]]:
        return lines(self.folder / "kept")

    def begin(self, trouble: str) -> None:
        (self.folder / "do").write_text(self._DO[trouble])

    def end(self) -> None:
        (self.folder / "do").write_text("")


class HookServer:
    """A process that receives webhooks, at one address all its lives."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "hooks"
        self._orders = folder / "orders"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}/hook?token=s3cret"

    def start(self) -> None:
        program = str(Path(__file__).with_name("hook.py"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", program, str(self._port), str(self.notes), str(self._orders), SECRET]
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError("the receiver did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def order(self, **orders: Any) -> None:
        """Let it answer in some way; nothing for the right one."""
        made = self._orders.with_suffix(".new")
        made.write_text(json.dumps(orders))
        made.rename(self._orders)


class Webhook(Receiver):
    """An HTTP server."""

    troubles = ("killed", "refusing", "busy", "slow")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = HookServer(folder)
        self._server.start()

    def settings(self) -> dict[str, Any]:
        return {"url": self._server.url, "secrets": [Secret(SECRET)], "at_most": 20, "timeout": 5.0}

    def received(self) -> list[dict[str, Any]]:
        return lines(self._server.notes)

    def begin(self, trouble: str) -> None:
        what: dict[str, Callable[[], None]] = {
            "killed": self._server.kill,
            "refusing": lambda: self._server.order(status=503),
            "busy": lambda: self._server.order(status=429, headers={"Retry-After": "0"}),
            "slow": lambda: self._server.order(slow=0.05),
        }
        what[trouble]()

    def end(self) -> None:
        self._server.order()
        self._server.kill()
        self._server.start()

    def close(self) -> None:
        self._server.kill()
