"""From what a configuration says to the objects that do it; opens and connects nothing.

Whatever can be known to be wrong before anything is opened is known here, so `check` is what ``config check`` does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from syncrepl_client.backoff import Backoff
from syncrepl_client.connection.access import credentials_of
from syncrepl_client.consumer.guard import MaxDeletes
from syncrepl_client.credentials import External, Kerberos, Plain, Scram, Simple
from syncrepl_client.envelope.cloudevents import CloudEvents
from syncrepl_client.envelope.debezium import Debezium
from syncrepl_client.envelope.ldif import Ldif
from syncrepl_client.envelope.plain import Plain as PlainEnvelope
from syncrepl_client.exceptions import ConfigurationError, Mistake, SyncreplError, UsageError
from syncrepl_client.ldap import url as urls
from syncrepl_client.model import SyncreplMode
from syncrepl_client.redaction import PASSWORDS, Redaction
from syncrepl_client.relay.pulse import Pulse
from syncrepl_client.relay.selection import Selection
from syncrepl_client.replica import Replica
from syncrepl_client.service.health import Policy
from syncrepl_client.service.sink_keys import accepts, sink_class
from syncrepl_client.sinks.registry import maker
from syncrepl_client.store.retention import Retention
from syncrepl_client.transport.tls import TLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from syncrepl_client.credentials import Credentials
    from syncrepl_client.envelope.base import Envelope, Event
    from syncrepl_client.ldap.url import LDAPUrl
    from syncrepl_client.model import Change
    from syncrepl_client.service.config import Config
    from syncrepl_client.service.sections import ServiceSection, SinkSection, SourceSection
    from syncrepl_client.service.units import Duration
    from syncrepl_client.sinks.base import Sink

__all__ = [
    "VERSION",
    "Encoding",
    "address_of",
    "backoff_of",
    "check",
    "make_encoding",
    "make_envelope",
    "make_pulse",
    "make_replica",
    "make_selection",
    "make_sink",
    "policy_of",
    "redaction_of",
    "retention_of",
]

VERSION: Final = metadata.version("syncrepl")
"""Of this package."""
_PASSWORDS: Final = "passwords"
# How often there may be a heartbeat, in seconds.
_MOST_OFTEN: Final = 1.0


def check(config: Config) -> None:
    """Make everything once, and throw it away.

    Raises:
        ConfigurationError: something cannot be made of what the configuration says; all such things are told.
    """
    mistakes: dict[str, SyncreplError] = {}
    # What a sink has to have for itself, and which sink that is.
    taken: dict[str, str] = {}

    def attempt(key: str, work: Callable[[], object]) -> None:
        try:
            work()
        except SyncreplError as error:
            mistakes.setdefault(key, error)

    attempt("service.listen", lambda: address_of(config.service.listen))
    files = {path.resolve(): what for path, what in config.own_files.items()}
    for name in config.sources:
        attempt(f"sources.{name}", partial(_check_source, config, name, files))
    for name in config.sinks:
        for source in config.sources_of(name):
            # What a sink gets cannot be known of a source that cannot be.
            if f"sources.{source}" not in mistakes:
                attempt(f"sinks.{name}", partial(_check_sink, config, name, source, taken))
    if mistakes:
        told = (Mistake(key, str(error), error.hint) for key, error in mistakes.items())
        raise ConfigurationError(config.named, tuple(told))


def _check_source(config: Config, name: str, files: dict[Path, str]) -> None:
    make_replica(config, name).check()
    path = config.data_file(name)
    try:
        file = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{str(path)!r} can be no data file: {error}", hint="name another one as data") from error
    other = files.setdefault(file, f"the data file of {name}")
    if other != f"the data file of {name}":
        raise UsageError(f"{path} is {other}", hint="give each source a data file of its own")


def _check_sink(config: Config, name: str, source: str, taken: dict[str, str]) -> None:
    backoff_of(config.sinks[name].section)
    make_selection(config.sinks[name].section)
    envelope = make_envelope(config, name, source, "0")
    make_pulse(config.sinks[name].section, envelope)
    sink = make_sink(config, name, source, envelope)
    place = getattr(sink, "alone_at", None)
    if place is None:
        return
    this = f"sink {name} from {source}"
    other = taken.setdefault(place, this)
    if other != this:
        raise UsageError(
            f"{place} is for {other} and for {this}, and only one can write to it",
            hint="give each its own; {source} in its name stands for the name of the source",
        )


# --- sources ----------------------------------------------------------------------------------------------------------


def make_replica(config: Config, name: str, listener: object | None = None) -> Replica:
    """Return the replica of a source, which is not open yet.

    Args:
        config: the configuration.
        name: the source.
        listener: who is told of connections and refreshes.

    Raises:
        UsageError: what the table says contradicts itself.
    """
    section = config.sources[name].section
    url = urls.parse(section.url)
    return Replica(
        url,
        config.data_file(name),
        mode=SyncreplMode.REFRESH_AND_PERSIST,
        listener=listener,
        starttls=section.starttls,
        credentials=_credentials(url, section),
        tls=_tls(section),
        cleartext_password=section.cleartext_password,
        on_behalf_of=section.on_behalf_of,
        max_deletes=MaxDeletes.parse(section.max_deletes),
        # To a replica, 0 is never.
        verify_every=None if section.verify_every is None else section.verify_every.limited or 0.0,
        providers=section.providers,
        srv=section.srv or None,
        redaction=redaction_of(section),
        changelog=retention_of(section),
        lag_every=section.lag_every.limited,
    )


def _credentials(url: LDAPUrl, section: SourceSection) -> Credentials:
    if not section.sasl:
        if section.password is not None and not url.bind_name:
            raise UsageError(
                "there is a password, and nobody whose it is", hint="write bindname=DN in the URL, or sasl"
            )
        credentials = credentials_of(url, section.password)
        if isinstance(credentials, Simple) and section.password is None and not url.bind_password:
            raise UsageError(
                f"there is no password for {url.bind_name!r}",
                hint='write password = { file = "/path" } in the table, or leave the bindname out of the URL',
            )
        return credentials
    if section.sasl == "EXTERNAL":
        return External(section.authzid)
    if section.sasl == "GSSAPI":
        return Kerberos(section.keytab_file, section.principal, authzid=section.authzid)
    if not section.user or section.password is None:
        raise UsageError(f"{section.sasl} needs a user and a password", hint="write user and password in the table")
    if section.sasl == "PLAIN":
        return Plain(section.user, section.password, section.authzid)
    return Scram(section.user, section.password, authzid=section.authzid)


def _tls(section: SourceSection) -> TLS:
    return TLS(
        ca_file=section.ca_file or None,
        ca_folder=section.ca_folder or None,
        certificate=section.cert_file or None,
        key=section.key_file or None,
        key_password=section.key_password,
    )


def redaction_of(section: SourceSection) -> Redaction:
    """Return what is kept of which attributes.

    Raises:
        UsageError: the names contradict each other, or the key is missing.
    """
    taken = {name.lower() for name in (*section.drop, *section.mask, *section.hash)}
    return Redaction(
        drop=_expanded(section.drop, taken),
        mask=_expanded(section.mask, taken),
        hash=_expanded(section.hash, taken),
        key=section.hash_key,
    )


def _expanded(names: tuple[str, ...], taken: set[str]) -> list[str]:
    """Put all attributes that hold passwords in place of their word, but for those that are named by themselves."""
    expanded = [name for name in names if name != _PASSWORDS]
    if _PASSWORDS in names:
        expanded += sorted(name for name in PASSWORDS if name.lower() not in taken)
    return expanded


def retention_of(section: SourceSection) -> Retention:
    """Return how long changes are kept."""
    return Retention(
        age=_timedelta(section.keep),
        octets=section.keep_size.limited,
        longest=_timedelta(section.keep_unread),
        largest=section.keep_unread_size.limited,
    )


def _timedelta(duration: Duration) -> timedelta | None:
    return None if duration.limited is None else timedelta(seconds=duration.limited)


# --- sinks ------------------------------------------------------------------------------------------------------------


def make_envelope(config: Config, sink: str, source: str, file_id: str) -> Envelope:
    """Return what makes events of the changes of a source for a sink.

    Args:
        config: the configuration.
        sink: the sink.
        source: the source.
        file_id: the name of its data file; see `reader.Status`.
    """
    url = urls.parse(config.sources[source].section.url)
    match config.sinks[sink].section.envelope:
        case "cloudevents":
            return CloudEvents(file_id, url)
        case "cloudevents-binary":
            return CloudEvents(file_id, url, mode="binary")
        case "debezium":
            return Debezium(file_id, url, name=source, version=VERSION)
        case "ldif":
            return Ldif(file_id)
        case "plain":
            return PlainEnvelope(file_id)


@dataclass(frozen=True, slots=True)
class Encoding:
    """What makes events of the changes of a source for a sink.

    Args:
        envelope: what they look like.
        selection: which changes, and what of them.
        events: makes the events of a change, none of one that is not selected.
    """

    envelope: Envelope
    selection: Selection
    events: Callable[[Change], Iterable[Event]]


def make_encoding(config: Config, sink: str, source: str, file_id: str) -> Encoding:
    """Return what makes events for a sink; see `make_envelope` and `make_selection`."""
    envelope = make_envelope(config, sink, source, file_id)
    selection = make_selection(config.sinks[sink].section)
    return Encoding(envelope, selection, selection.around(envelope.events))


def make_pulse(section: SinkSection, envelope: Envelope, clock: Callable[[], float] = time.monotonic) -> Pulse | None:
    """Return what sends heartbeats; None if there are to be none.

    Args:
        section: the table of the sink.
        envelope: what makes its events.
        clock: returns seconds, never less than before.

    Raises:
        UsageError: they would come too often.
    """
    every = section.heartbeat.limited
    if every is None:
        return None
    if every < _MOST_OFTEN:
        raise UsageError(f"a heartbeat each {section.heartbeat.text} is too much", hint='give "1s" or more')
    return Pulse(every, lambda offset: envelope.heartbeat(offset, time.time_ns() // 1000), clock=clock)


def make_sink(config: Config, name: str, source: str, envelope: Envelope) -> Sink:
    """Return a sink for the events of a source, which is not open yet.

    Args:
        config: the configuration.
        name: the sink.
        source: the source.
        envelope: what makes its events.

    Raises:
        UsageError: something in its table is wrong, or what it needs is not installed.
    """
    section = config.sinks[name].section
    kind = sink_class(_named(section))
    options: dict[str, Any] = dict(section.options)
    given = {"join": envelope.batch, "source": source}
    options |= {name: value for name, value in given.items() if accepts(kind, name)}
    try:
        return maker(kind)(section.url, **options)
    except SyncreplError:
        raise
    except Exception as error:
        # A class of somebody else's may raise anything.
        what = f"{type(error).__name__}: {error}"
        raise UsageError(f"{kind} cannot be made: {what}", hint="look into what makes it") from error


def make_selection(section: SinkSection) -> Selection:
    """Return what a sink gets of the changes.

    Raises:
        UsageError: the filter is none, or what is said of attributes contradicts itself.
    """
    return Selection(
        kinds=section.kinds,
        filter=section.filter or None,
        keep=section.attributes,
        leave_out=section.without,
        rename=section.rename,
    )


def policy_of(section: ServiceSection) -> Policy:
    """Return what makes the service unready."""
    return Policy(
        grace=float(section.grace),
        lag=section.lag_limit.limited,
        delivery_lag=section.delivery_lag_limit.limited,
        held=section.held_is_unready,
        paused=section.paused_is_unready,
    )


def backoff_of(section: SinkSection) -> Backoff:
    """Return how long to wait between tries.

    Raises:
        UsageError: the waits would shrink.
    """
    return Backoff(float(section.retry_first), float(section.retry_longest))


def address_of(text: str) -> tuple[str, int] | None:
    """Return host and port of ``HOST:PORT``, with brackets around an address that has colons; None for no text.

    Raises:
        UsageError: it is none.
    """
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not port.isdecimal() or (":" in bare and not host.startswith("[")):
        raise UsageError(f"{text!r} is no HOST:PORT", hint='write "127.0.0.1:9464" or "[::1]:9464"')
    return bare, int(port)


def _named(section: SinkSection) -> dict[str, str]:
    return {"class": section.sink_class, "url": section.url}
