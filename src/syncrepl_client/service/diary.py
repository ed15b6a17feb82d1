"""What operators are told of the service, in the words of the log; of the copies themselves `journal` tells.

A record names sources and sinks as the configuration does, and never an entry.
"""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING

from syncrepl_client.consumer import journal
from syncrepl_client.exceptions import ConfigurationError, EventRejected, MassDeletionHeld, SyncreplError
from syncrepl_client.log_fields import fields
from syncrepl_client.trace.words import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "begins_anew",
    "configuration_refused",
    "deletions_held",
    "events_refused",
    "named",
    "part_ended",
    "reloaded",
    "service_ended",
    "service_started",
    "sink_changed",
    "sink_failed",
    "source_connected",
    "source_failed",
    "stop_failed",
    "subscriptions_left",
    "unknown_attributes",
]

_logger = logging.getLogger("syncrepl_client.service")


def named(error: BaseException) -> str:
    """Return what may be said of an error above DEBUG, in text that can be written anywhere: not every path is one."""
    return printable(journal.named(error))


def source_connected(source: str, url: str) -> None:
    """Say that a search runs."""
    _logger.info("%s: connected to %s", source, url, extra=fields(what="source-connected", source=source, url=url))


def source_failed(source: str, error: Exception, delay: float | None) -> None:
    """Say why a copy is not kept in step."""
    extra = fields(what="source-failed", source=source, error=type(error).__name__)
    _failed(source, error, delay, extra)


def deletions_held(source: str, error: MassDeletionHeld, path: Path) -> None:
    """Say that somebody has to decide about deletions, and by which command."""
    extra = fields(what="deletions-held", source=source, deleted=error.deletions, entries=error.entries)
    _logger.error(
        "%s: %d of %d entries would be deleted, and somebody has to decide: syncrepl-client deletes list %s",
        source,
        error.deletions,
        error.entries,
        printable(shlex.quote(str(path))),
        extra=extra,
    )


def sink_failed(sink: str, source: str, error: Exception, delay: float | None) -> None:
    """Say why nothing is delivered."""
    extra = fields(what="sink-failed", sink=sink, source=source, error=type(error).__name__)
    _failed(f"{sink} from {source}", error, delay, extra)


def stop_failed(sink: str, source: str, error: Exception) -> None:
    """Say that a sink does not let itself be stopped."""
    extra = fields(what="stop-failed", sink=sink, source=source, error=type(error).__name__)
    _logger.error("%s from %s: it cannot be told to stop: %s", sink, source, named(error), extra=extra)
    _defect(f"{sink} from {source}", error, extra)


def _failed(who: str, error: Exception, delay: float | None, extra: dict[str, object]) -> None:
    then = "the next try is at a reload" if delay is None else f"the next try is in {delay:.0f} s"
    if delay is not None:
        extra = extra | fields(delay_seconds=round(delay, 3))
    _logger.error("%s: %s%s; %s", who, named(error), _hint(error), then, extra=extra)
    _defect(who, error, extra)


def _hint(error: Exception) -> str:
    return f" ({error.hint})" if isinstance(error, SyncreplError) and error.hint else ""


def _defect(who: str, error: Exception, extra: dict[str, object]) -> None:
    """Say where an error comes from that nobody has foreseen."""
    if not isinstance(error, SyncreplError):
        _logger.error("%s: this is a defect of the program", who, exc_info=error, extra=extra | fields(what="defect"))


def begins_anew(sink: str, source: str, error: Exception) -> None:
    """Say that a sink gets a snapshot because changes are gone that it has not got."""
    extra = fields(what="sink-begins-anew", sink=sink, source=source, error=type(error).__name__)
    _logger.warning("%s from %s: begins with a snapshot: %s", sink, source, error, extra=extra)


def unknown_attributes(sink: str, source: str, names: Sequence[str]) -> None:
    """Say that a sink's table names attributes that the server does not have, so that they are never there."""
    extra = fields(what="attributes-unknown", sink=sink, source=source)
    _logger.warning("%s from %s: the server has no attribute %s", sink, source, ", ".join(names), extra=extra)


def sink_changed(sink: str, source: str, state: str, error: Exception | None) -> None:
    """Say that a delivery does something else."""
    extra = fields(what=f"sink-{state}", sink=sink, source=source)
    if error is None:
        _logger.info("%s from %s: %s", sink, source, state, extra=extra)
        return
    # What a receiver says of an event may quote it.
    said = type(error).__name__ if isinstance(error, EventRejected) else named(error)
    extra |= fields(error=type(error).__name__)
    _logger.warning("%s from %s: %s: %s%s", sink, source, state, said, _hint(error), extra=extra)


def events_refused(sink: str, source: str, count: int, policy: str) -> None:
    """Say that a receiver does not take some events, and that the others go on."""
    extra = fields(what="events-refused", sink=sink, source=source)
    then = "set aside (look at them: syncrepl-client dead list CONFIG)" if policy == "dead letters" else "left out"
    events = f"{count} event{'' if count == 1 else 's'}"
    _logger.warning("%s from %s: %s not taken and %s", sink, source, events, then, extra=extra)


def subscriptions_left(source: str, names: Sequence[str]) -> None:
    """Say that the changelog waits for sinks that the configuration does not have."""
    extra = fields(what="subscriptions-left", source=source)
    _logger.warning(
        "%s: changes are kept for sinks that are gone: %s (forget them: syncrepl-client sinks CONFIG --forget NAME)",
        source,
        ", ".join(names),
        extra=extra,
    )


def service_started(file: str, contents: str) -> None:
    """Say that the service works, and with what."""
    _logger.info("started with %s", contents, extra=fields(what="started", file=file))


def service_ended(file: str) -> None:
    """Say that the service has ended."""
    _logger.info("ended", extra=fields(what="ended", file=file))


def reloaded(file: str, made_anew: Sequence[str]) -> None:
    """Say that the configuration was read again."""
    said = ", ".join(made_anew) or "nothing"
    _logger.info("read the configuration again; made anew: %s", said, extra=fields(what="reloaded", file=file))


def configuration_refused(error: Exception) -> None:
    """Say that a configuration cannot be, and that the one before it goes on."""
    extra = fields(what="configuration-refused", error=type(error).__name__)
    if not isinstance(error, ConfigurationError):
        _logger.error("the configuration was not changed: %s%s", named(error), _hint(error), extra=extra)
        _defect("the configuration", error, extra)
        return
    extra |= fields(file=error.file)
    for one in error.mistakes:
        hint = f" ({one.hint})" if one.hint else ""
        _logger.error("%s: %s: %s%s", error.file, one.key, one.problem, hint, extra=extra)
    count = len(error.mistakes)
    _logger.error("the configuration was not changed: %d mistake%s", count, "" if count == 1 else "s", extra=extra)


def part_ended(name: str, *, ended: bool) -> None:
    """Say that a part of the service was stopped, or does not stop."""
    if ended:
        _logger.debug("%s has ended", name, extra=fields(what="part-ended"))
    else:
        _logger.warning("%s does not end; it is left alone", name, extra=fields(what="part-hangs"))
