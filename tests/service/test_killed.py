"""The service is killed again and again while it delivers: whatever the sink, nothing is lost and nothing invented."""

from __future__ import annotations

import contextlib
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from syncrepl_client import Reader, subscribe
from syncrepl_client.exceptions import DBError
from tests.service.running import Service, table
from tests.sinks.folding import folded
from tests.sinks.test_contract import RECEIVERS, check
from tests.slapd import SUFFIX, Slapd, sample_ldif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sinks.receivers import Receiver

PEOPLE = 40
# Standard output is read by another program in each life.
KINDS = [kind for kind in RECEIVERS if kind.__name__ != "Pipe"]


@pytest.fixture
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    folder = tmp_path / "receiver"
    folder.mkdir()
    with contextlib.closing(request.param(folder)) as made:
        yield made


class Writer(threading.Thread):
    """Changes the directory at random until it is told to stop."""

    def __init__(self, server: Slapd, random: Random) -> None:
        super().__init__()
        self._server = server
        self._random = random
        self._stopped = threading.Event()
        self._names = [f"uid=u{number:06},ou=people,{SUFFIX}" for number in range(1, PEOPLE + 1)]
        self._number = 0

    def run(self) -> None:
        # Now and then so fast as the server takes it, now and then not at all.
        while not self._stopped.wait(0.2 * self._random.random()):
            for _ in range(self._random.randrange(1, 20)):
                self._change()

    def _change(self) -> None:
        self._number += 1
        at = self._random.randrange(len(self._names))
        match self._random.randrange(5):
            case 0:
                name = f"uid=n{self._number},ou=people,{SUFFIX}"
                self._server.add(name, {"objectClass": ["account"], "uid": [f"n{self._number}"]})
                self._names.append(name)
            case 1 if len(self._names) > PEOPLE // 2:
                self._server.delete(self._names.pop(at))
            case 2:
                self._server.rename(self._names[at], f"uid=r{self._number}")
                self._names[at] = f"uid=r{self._number},ou=people,{SUFFIX}"
            case _:
                self._server.replace(self._names[at], "description", [str(self._number)])

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def is_whole(path: Path) -> bool:
    try:
        with Reader(path) as reader:
            return reader.status().whole
    except DBError:
        return False


def kill_again_and_again(receiver: Receiver, folder: Path, times: int) -> None:
    random = Random(7)
    variables: dict[str, str] = {}
    sink = {**table(receiver, variables), "batch": 7}
    with Slapd(sessionlog=100_000) as server:
        server.load(sample_ldif(PEOPLE))
        server.start()
        service = Service(folder, f"{server.url}/{SUFFIX}?*,+", {"tried": sink}, "directory", **variables)
        # So few entries change so much that a refresh may delete most of them.
        service.tables["sources.directory"]["max_deletes"] = "none"
        with service:
            path = service.data / "directory.db"
            service.wait(lambda: is_whole(path))
            subscribe(path, "witness").close()
            # Both begin with the same snapshot, if it begins before anything changes.
            service.wait(lambda: len(receiver.received()) >= PEOPLE)
            writer = Writer(server, random)
            writer.start()
            try:
                for _ in range(times):
                    # From the first moments of the interpreter to well into the work.
                    threading.Event().wait(3 * random.random() ** 2)
                    service.kill()
                    service.start()
            finally:
                writer.stop()
            names = {str(uuid): dn for uuid, (dn, _) in server.uuids().items()}
            service.wait(lambda: delivered(receiver) == names)
            service.wait(lambda: 'events{sink="tried",source="directory"} 0' in service.ask("/metrics")[1])
            assert service.end() == 0
        check(receiver.received(), path)


def delivered(receiver: Receiver) -> dict[str, str]:
    return {uuid: entry["dn"] for uuid, entry in folded(receiver.received()).items()}


@pytest.mark.parametrize("receiver", [kind for kind in KINDS if kind.__name__ == "Rotated"], indirect=True)
def test_a_service_that_is_killed_goes_on_where_it_was(receiver: Receiver, tmp_path: Path) -> None:
    kill_again_and_again(receiver, tmp_path, 5)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("receiver", KINDS, indirect=True)
def test_a_service_that_is_killed_a_hundred_times_loses_nothing(receiver: Receiver, tmp_path: Path) -> None:
    kill_again_and_again(receiver, tmp_path, 100)
