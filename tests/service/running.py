"""The service in a process of its own, as its users run it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from syncrepl_client.secret import Secret
from syncrepl_client.service.reading import as_text
from tests.cli.command import COMMAND, environment
from tests.server import free_port
from tests.slapd import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sinks.receivers import Receiver

__all__ = ["ENTRIES", "PEOPLE", "Service", "bodies", "person", "table"]

PEOPLE = 3
ENTRIES = PEOPLE + 3

PATIENCE = 30.0


class Service:
    """`syncrepl-client run` with a configuration, which may be changed while it runs.

    Args:
        folder: where the configuration is, and the data.
        source: the URL of the source.
        sinks: the tables of the sinks, by name.
        name: the name of the source.
        variables: of the environment.
    """

    def __init__(
        self, folder: Path, source: str, sinks: dict[str, dict[str, Any]], name: str = "corp", **variables: str
    ) -> None:
        self.file = folder / "config.toml"
        self.data = folder / "data"
        self.port = free_port()
        self.tables: dict[str, dict[str, Any]] = {
            "service": {"data": "data", "listen": f"127.0.0.1:{self.port}", "log_format": "json"},
            f"sources.{name}": {"url": source},
            **{f"sinks.{name}": table for name, table in sinks.items()},
        }
        self._variables = variables
        self._log_file = folder / "log"
        self._read = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.records: list[dict[str, Any]] = []

    def write(self) -> None:
        """Write the configuration."""
        lines = []
        for name, table in self.tables.items():
            lines += [f"[{name}]", *(f"{key} = {as_text(value)}" for key, value in table.items())]
        new = self.file.with_suffix(".new")
        new.write_text("\n".join(lines))
        new.rename(self.file)

    def start(self) -> Self:
        """Start it with the configuration as it is now."""
        self.write()
        with self._log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", str(self.file)],
                stderr=log,
                stdout=subprocess.DEVNULL,
                env=environment(**self._variables),
            )
        return self

    def reload(self) -> None:
        """Let it read the configuration as it is now."""
        self.write()
        assert self.process is not None
        self.process.send_signal(1)

    def log(self) -> list[dict[str, Any]]:
        """Return what it has logged so far."""
        octets = self._log_file.read_bytes()[self._read :]
        whole = octets[: octets.rfind(b"\n") + 1]
        self._read += len(whole)
        self.records += [json.loads(line) for line in whole.splitlines()]
        return self.records

    def until(self, what: str, count: int = 1) -> dict[str, Any]:
        """Wait until it has logged something so often."""
        self.wait(lambda: len(self.logged(what)) >= count)
        return self.logged(what)[count - 1]

    def logged(self, what: str) -> list[dict[str, Any]]:
        """Return the records of one kind."""
        return [one for one in self.log() if one.get("what") == what]

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait for something; the service must not end meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self._said()
            assert time.monotonic() < deadline, self._said()
            time.sleep(0.01)

    def _said(self) -> str:
        return "\n".join(one["message"] for one in self.log())

    def ask(self, path: str) -> tuple[int, str]:
        """Ask its endpoint."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except urllib.error.URLError as error:
            # It has just been started.
            return 0, str(error)

    def end(self) -> int:
        """Let it end, and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def table(receiver: Receiver, variables: dict[str, str]) -> dict[str, Any]:
    """Return the table of a sink, with its secrets in variables of the environment."""

    def written(value: object) -> object:
        if isinstance(value, list):
            return [written(one) for one in value]
        if not isinstance(value, Secret):
            return value
        name = f"SECRET_{len(variables)}"
        variables[name] = value.reveal().decode()
        return {"env": name}

    return {
        **{key: written(value) for key, value in receiver.settings().items()},
        "envelope": "plain",
        "retry_longest": "1s",
    }


def bodies(path: Path) -> list[dict[str, Any]]:
    """Return the events in a file of lines, as far as they are whole."""
    octets = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in octets[: octets.rfind(b"\n") + 1].splitlines()]


def person(number: int) -> str:
    """Return the name of a person in the sample data."""
    return f"uid=u{number:06},ou=people,{SUFFIX}"
