"""What must be so once everything has come to rest."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from syncrepl_client import Reader, subscribe, unsubscribe
from syncrepl_client.envelope.plain import Plain
from tests.convergence.mirror import Content, content_of, contradicts_itself, look, respelled
from tests.sinks.folding import folded, same_values
from tests.soak.chapters import BASE, FILTER
from tests.soak.deletions import decide
from tests.soak.stage import SINKS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server import Server
    from tests.soak.stage import Stage

__all__ = ["Apart", "Damaged", "check_sinks", "come_to_rest", "held"]

# A server that says nothing is given up after a minute.
_PATIENCE: Final = 120.0
_ALIKE: Final = 20.0
# How often the administrator of the service looks after it.
_RELOAD_EVERY: Final = 3.0
_EXAMINER: Final = "examiner"


class Apart(Exception):
    """The providers do not become equal, so there is nothing to compare a copy with."""


class Damaged(Exception):
    """A server contradicts itself."""


def held(server: Server) -> Content:
    """Return what a directory holds."""
    return content_of(server.uuids(BASE, filter=FILTER))


def _differences(expected: Content, found: Content) -> list[str]:
    """Say what is different between two contents, for people."""
    said = []
    for uuid in expected.keys() | found.keys():
        one, other = expected.get(uuid), found.get(uuid)
        if one is None or other is None:
            said.append(f"{'invented' if one is None else 'missing'}: {(one or other or ('',))[0]!r}")
        elif one != other:
            names = sorted(name for name in one[1].keys() | other[1].keys() if one[1].get(name) != other[1].get(name))
            values = "; ".join(
                f"{name}: {one[1].get(name)!r:.200}, found {other[1].get(name)!r:.200}" for name in names
            )
            said.append(f"{one[0]!r}, found {other[0]!r}: {values}")
    return said


def _alike(stage: Stage) -> Content:
    deadline = time.monotonic() + _ALIKE
    while True:
        first, second = held(stage.first), held(stage.second)
        wrong = _differences(first, second)
        if not wrong:
            return first
        if time.monotonic() > deadline:
            said = [line for server in stage.providers for line in server.log.splitlines() if " failed (" in line]
            raise Apart("\n".join([f"{len(wrong)} differences", *wrong[:3], *said[-10:]]))
        time.sleep(0.1)


def come_to_rest(stage: Stage) -> str:
    """Wait until each copy is its directory, and everything is delivered; returns what is not so, or nothing."""
    pair = _alike(stage)
    contents = {"first": pair, "other": held(stage.other)}
    deadline = time.monotonic() + _PATIENCE
    reload_at = time.monotonic()
    while True:
        if time.monotonic() >= reload_at:
            stage.reload_service()
            reload_at = time.monotonic() + _RELOAD_EVERY
        decide(stage, pair)
        wrong = _unequal(stage, contents) or _undelivered(stage)
        if not wrong or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if wrong and contradicts_itself(stage.other, BASE, FILTER, contents["other"], stage.data("other")):
        raise Damaged(wrong)
    return wrong


def _unequal(stage: Stage, contents: dict[str, Content]) -> str:
    for name, path, server in stage.copies:
        copy = look(path).copy
        expected = respelled(contents["other"], copy) if server is stage.other else contents["first"]
        wrong = _differences(expected, copy)
        if wrong:
            return f"{name}: {len(wrong)} entries are not what the directory has: {'; '.join(wrong[:3])}"
    return ""


def _undelivered(stage: Stage) -> str:
    """Ask the service what it has not delivered yet."""
    lines = stage.metrics()
    if not lines:
        return "the service does not answer"
    pending = [line for line in lines if line.startswith("syncrepl_outbox_pending_events{")]
    if len(pending) < sum(map(len, SINKS.values())):
        return f"the service knows of few deliveries: {pending}"
    return "; ".join(line for line in pending if not line.endswith(" 0"))


# --- what leads to it -------------------------------------------------------------------------------------------------


def check_sinks(stage: Stage) -> tuple[list[str], dict[str, int]]:
    """Compare what each receiver got, folded, with the copies; returns what is wrong, and how many events each got."""
    expected = {source: _entries(stage.data(source)) for source in SINKS["nats"]}
    wrong, counts = list[str](), dict[str, int]()
    for name, receiver in stage.receivers.items():
        received = receiver.received()
        counts[name] = len(received)
        try:
            state = folded(received)
        except AssertionError as error:
            wrong.append(f"sink {name}: an event does not fit what came before it: {str(error)[:1500]}")
            continue
        right = {uuid: entry for source in SINKS[name] for uuid, entry in expected[source].items()}
        bad = [
            uuid for uuid in right.keys() | state.keys() if same_values(right.get(uuid)) != same_values(state.get(uuid))
        ]
        if bad:
            shown = "; ".join(f"{uuid}: {right.get(uuid)!r:.300}, got {state.get(uuid)!r:.300}" for uuid in bad[:3])
            wrong.append(f"sink {name}: {len(bad)} entries are not what its events lead to: {shown}")
    return wrong, counts


def _entries(path: Path) -> dict[str, Any]:
    """Return the entries of a copy in the form of events, as a subscription gets them that begins now."""
    with Reader(path) as reader:
        count = reader.status().entries
    envelope, entries = Plain("examiner"), dict[str, Any]()
    with subscribe(path, _EXAMINER, restart=True) as changes:
        while len(entries) < count:
            for change in changes.read(timeout=5.0):
                for event in envelope.events(change):
                    body = json.loads(event.body or b"")
                    entries[str(UUID(body["entryUUID"]))] = body["after"]
    unsubscribe(path, _EXAMINER)
    return entries
