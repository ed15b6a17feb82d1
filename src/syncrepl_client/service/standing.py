"""How far sinks are, as any process can find out: from the data files, and from what a running service has said."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from syncrepl_client.exceptions import UsageError
from syncrepl_client.reader import Reader
from syncrepl_client.service.claim import last_report
from syncrepl_client.service.delivery import subscription_of
from syncrepl_client.store.dead_letters import DeadLetterFile
from syncrepl_client.store.visiting import is_there
from syncrepl_client.subscription import subscribe, unsubscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncrepl_client.reader import Behind
    from syncrepl_client.service.config import Config
    from syncrepl_client.service.snapshot import SinkState

__all__ = ["Standing", "begin_anew", "forget", "left_over", "standings"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sink is with a source.

    Args:
        sink: the name of the sink.
        source: the name of the source.
        state: what its delivery does; ``not running`` without a service, ``not configured`` if only the data file knows
            it.
        offset: the number of the last change that it has; None if it has nothing yet.
        snapshot: whether it still gets the entries that were there when it began.
        behind: how many changes it has not got; None if there is no copy yet.
        waiting: how many seconds the oldest of them has waited; None if that is not known.
        dead_letters: how many events are set aside.
        error: what went wrong last, if that still matters.
    """

    sink: str
    source: str
    state: str
    offset: int | None = None
    snapshot: bool = False
    behind: int | None = None
    waiting: float | None = None
    dead_letters: int = 0
    error: str = ""


def standings(config: Config) -> Iterator[Standing]:
    """Tell how far each sink is, and each that a data file still waits for."""
    letters = {}
    if is_there(config.dead_letters):
        with DeadLetterFile(config.dead_letters) as file:
            letters = {(one.sink, one.source): one.letters for one in file.counts()}
    for one in _standings(config):
        yield msgspec.structs.replace(one, dead_letters=letters.get((one.sink, one.source), 0))


def _standings(config: Config) -> Iterator[Standing]:
    report = last_report(config.folder)
    said = {} if report is None else {(one.sink, one.source): one for one in report.sinks}
    for source in config.sources:
        sinks = [sink for sink in config.sinks if source in config.sources_of(sink)]
        path = config.data_file(source)
        if not is_there(path):
            yield from (_standing(sink, source, said.get((sink, source))) for sink in sinks)
            continue
        with Reader(path) as reader:
            known = {one.name: one for one in reader.status().subscriptions}
            for sink in sinks:
                found = known.pop(subscription_of(sink), None)
                yield _standing(sink, source, said.get((sink, source)), found, reader)
            for sink, found in _left(known):
                yield _standing(sink, source, None, found, reader, state="not configured")


def _standing(
    sink: str,
    source: str,
    said: SinkState | None,
    found: Behind | None = None,
    reader: Reader | None = None,
    *,
    state: str = "not running",
) -> Standing:
    offset = None if found is None else found.sequence
    since = None if reader is None or offset is None else reader.stored_after(offset)
    waiting = None if reader is None else 0.0 if since is None else max(0.0, time.time() - since.timestamp())
    return Standing(
        sink=sink,
        source=source,
        state=state if said is None else said.state.value,
        offset=offset,
        snapshot=found is not None and found.snapshot,
        behind=None if found is None else found.changes,
        waiting=waiting,
        error="" if said is None else said.error,
    )


def _left(known: dict[str, Behind]) -> Iterator[tuple[str, Behind]]:
    """Iterate over the sinks among subscriptions that nobody has asked for; others are programs' own."""
    prefix = subscription_of("")
    for name, found in known.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), found


def left_over(config: Config, source: str) -> list[str]:
    """Return the names of the sinks that a data file waits for and that the configuration does not have."""
    with Reader(config.data_file(source)) as reader:
        known = {one.name: one for one in reader.status().subscriptions}
    for sink in config.sinks:
        if source in config.sources_of(sink):
            known.pop(subscription_of(sink), None)
    return [sink for sink, _ in _left(known)]


def forget(config: Config, sink: str) -> list[str]:
    """Forget how far a sink has come; returns the names of the sources that knew it."""
    return [
        source
        for source in config.sources
        if is_there(config.data_file(source)) and unsubscribe(config.data_file(source), subscription_of(sink))
    ]


def begin_anew(config: Config, sink: str) -> list[str]:
    """Let a sink begin with a snapshot; returns the names of its sources that have a copy.

    Raises:
        UsageError: there is no such sink.
    """
    if sink not in config.sinks:
        raise UsageError(f"there is no sink {sink!r}", hint=f"there are {', '.join(config.sinks)}")
    sources = [source for source in config.sources_of(sink) if is_there(config.data_file(source))]
    for source in sources:
        with closing(subscribe(config.data_file(source), subscription_of(sink), start="snapshot", restart=True)):
            pass
    return sources
