"""`Stage`: everybody who takes part, in one folder."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

from tests.cli.command import COMMAND
from tests.network.cable import Cable
from tests.ns_slapd import CONFIG, CONTENT_SYNC, NsSlapd
from tests.providers import Providers
from tests.service.running import Service, table
from tests.sinks.nats_receiver import NatsStream
from tests.sinks.postgresql_receiver import Database
from tests.sinks.postgresql_server import stop_shared
from tests.sinks.receivers import Rotated
from tests.soak.chapters import BASE, FILTER, begin
from tests.soak.pen import Gate, Pen
from tests.soak.programs import Disk, Program, System, build_system
from tests.soak.told import Laggard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.server import Server
    from tests.sinks.receivers import Receiver

__all__ = ["CLIENTS", "LINES", "SERVICE", "SESSION_LOG", "SINKS", "Stage"]

SERVICE: Final = "service"
CLIENTS: Final = ("callbacks", "watcher", "subscriber", "asynchronous")
SINKS: Final = {"files": ("pair",), "nats": ("pair", "other"), "database": ("pair",)}
"""The sinks of the service, each with the sources that it takes from."""
# Where each line goes; the service has others than the clients.
LINES: Final = {
    "service to first": "first",
    "service to second": "second",
    "service to other": "other",
    "clients to first": "first",
    "clients to second": "second",
    "clients to other": "other",
}
SESSION_LOG: Final = 2000
# Else one that is killed right after a deletion begins with an older contextCSN, and keeps the deletion from a client
# that has come just so far.
CHECKPOINT: Final = "syncprov-checkpoint 1 1"

_MEGABYTES: Final = 256
_OTHER_SETTINGS: Final = {
    # Those who were killed count for a second.
    CONTENT_SYNC: {"nsslapd-pluginarg0": ["1000"]},
    CONFIG: {"passwordStorageScheme": ["CLEAR"]},
    # It refuses what is not ASCII in some attributes.
    "cn=7-bit check,cn=plugins,cn=config": {"nsslapd-pluginEnabled": ["off"]},
}


class Stage:
    """Servers, lines, disks, receivers, and the programs.

    Args:
        folder: of all that is written; it stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        # Who has trouble with a part.
        self.busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self.lines: dict[str, Cable] = {}
        self.disks: dict[str, Disk] = {}
        self.receivers: dict[str, Receiver] = {}
        self.programs: dict[str, Program] = {}
        # What became of the refreshes that were held, by their numbers.
        self.decided: dict[int, str] = {}

    # --- how it begins and ends ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stack = stack
            self._begin()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()
        self._stack.close()

    def _begin(self) -> None:
        self.providers = self._stack.enter_context(Providers(sessionlog=SESSION_LOG, extra_overlay=CHECKPOINT))
        self.first, self.second = self.providers
        self.other = self._stack.enter_context(NsSlapd(settings=dict(_OTHER_SETTINGS)))
        self.servers: dict[str, Server] = {"first": self.first, "second": self.second, "other": self.other}
        self.providers.load(begin())
        self.providers.start()
        self.other.start()
        self.other.load(begin())
        self.gate = Gate([Pen(server) for server in self.providers])
        self._stack.callback(self.gate.close)
        for name, server in LINES.items():
            self.lines[name] = self._stack.enter_context(Cable(self.servers[server].port))
        self._library = build_system(self.folder)
        for name in (SERVICE, "callbacks", "watcher", "asynchronous", "files"):
            self.disks[name] = disk = Disk(self.folder / name, _MEGABYTES)
            self._stack.callback(disk.close)
        self._make_receivers()
        self._make_service()
        self._make_clients()
        for program in self.programs.values():
            self._stack.callback(program.kill)
            program.start()
        self.laggard = Laggard(self.data("callbacks"))
        self._keeper.start()

    def _make_receivers(self) -> None:
        self._stack.callback(stop_shared)
        kinds: dict[str, Callable[[Path], Receiver]] = {"files": Rotated, "nats": NatsStream, "database": Database}
        for name, kind in kinds.items():
            disk = self.disks.get(name)
            folder = self.folder / name if disk is None else disk.point
            folder.mkdir(exist_ok=True)
            self.receivers[name] = self._stack.enter_context(contextlib.closing(kind(folder)))

    def _make_service(self) -> None:
        variables: dict[str, str] = {}
        sinks = {
            name: {
                **table(receiver, variables),
                "from": list(SINKS[name]),
                # Who gets another one's directory is to tell it from the first.
                "lost": "pause",
            }
            for name, receiver in self.receivers.items()
        }
        sinks["files"]["max_octets"] = 4_000_000
        self.service = Service(self.disks[SERVICE].point, self._url("service to first"), sinks, "pair", **variables)
        tables = self.service.tables
        common = {"max_deletes": "none", "mask": [], "keep_size": "8 MB"}
        tables["sources.pair"] |= {**common, "providers": [self.lines["service to second"].url]}
        tables["sources.other"] = {
            **common,
            "url": self._url("service to other", bound=True),
            "password": {"env": "SOAK_PASSWORD"},
            "verify_every": "2s",
        }
        self.service.write()
        command = [*COMMAND, "run", str(self.service.file)]
        self._add(SERVICE, command, SOAK_PASSWORD=self.other.rootpw, **variables)

    def _make_clients(self) -> None:
        # One stays with its provider, one fails over, one is told by the file of another, one asks the other server.
        self._client("callbacks", self._url("clients to first"))
        self._client("watcher", self._url("clients to second"), self.lines["clients to first"].url)
        self._client("subscriber", data="callbacks")
        self._client("asynchronous", self._url("clients to other", bound=True, password=self.other.rootpw))

    def _client(self, name: str, *urls: str, data: str = "") -> None:
        path = self.data(data or name)
        self._add(name, [sys.executable, "-m", "tests.soak.clients", name, str(path), str(self.told(name)), *urls])

    def _add(self, name: str, command: list[str], **variables: str) -> None:
        system = System(self.folder / f"{name}.system", self._library)
        self.programs[name] = Program(name, command, self.folder, system, **variables)

    def _keep(self) -> None:
        """Start again whoever ends by itself."""
        while not self._over.wait(0.1):
            for program in self.programs.values():
                program.look()

    # --- where things are ---------------------------------------------------------------------------------------------

    def _url(self, line: str, *, bound: bool = False, password: str = "") -> str:
        who = f"?bindname={quote(self.other.rootdn, safe='')}" if bound else ""
        return f"{self.lines[line].url}/{BASE}?*?sub?{FILTER}{who}{f',x-bindpw={password}' if password else ''}"

    def data(self, name: str) -> Path:
        """Return the data file of a client, or of a source of the service."""
        if name in SINKS["nats"]:
            return self.service.data / f"{name}.db"
        return self.disks[name].point / "data.db"

    def told(self, name: str) -> Path:
        """Return the file of what a client was told."""
        return self.folder / f"{name}.told"

    @property
    def copies(self) -> Iterator[tuple[str, Path, Server]]:
        """Yield all copies, with the directory that each is to be."""
        for name, server in (("pair", self.first), ("other", self.other)):
            yield f"copy of {name} in the service", self.data(name), server
        for name, server in (("callbacks", self.first), ("watcher", self.first), ("asynchronous", self.other)):
            yield f"copy of {name}", self.data(name), server

    def metrics(self) -> list[str]:
        """Return the lines of the service's metrics; none if it does not answer."""
        status, text = self.service.ask("/metrics")
        return text.splitlines() if status else []

    def reload_service(self) -> None:
        """Let the service read its configuration, and try again what has failed, as an administrator would."""
        # Before it answers the signal would end it.
        if self.metrics():
            self.programs[SERVICE].signal(signal.SIGHUP)
