"""Which sink is meant by a URL, or by a name.

Those of this package are in a table; everybody else's are entry points of the group ``syncrepl_client.sinks``, whose
name is the scheme of the URL.  None is imported before it is asked for, so that none needs the libraries of another.
"""

from __future__ import annotations

import importlib
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from syncrepl_client.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncrepl_client.sinks.base import Sink

__all__ = ["GROUP", "SinkType", "extra_of", "known", "make_sink", "maker", "scheme_of", "sink_type"]

GROUP: Final = "syncrepl_client.sinks"
"""The group of entry points."""

_DISTRIBUTION: Final = "syncrepl"
_MQTT: Final = ("syncrepl_client.sinks.mqtt", "MQTTSink", "mqtt")
_RABBITMQ: Final = ("syncrepl_client.sinks.rabbitmq", "RabbitMQSink", "rabbitmq")
_KAFKA: Final = ("syncrepl_client.sinks.kafka", "KafkaSink", "kafka")
_POSTGRESQL: Final = ("syncrepl_client.sinks.postgresql", "PostgreSQLSink", "postgres")
_WEBHOOK: Final = ("syncrepl_client.sinks.webhook", "WebhookSink", "webhook")
_NATS: Final = ("syncrepl_client.sinks.nats", "NatsSink", "nats")
_REDIS: Final = ("syncrepl_client.sinks.redis", "RedisSink", "redis")
# Module, class, and the extra that has what it needs; none for those that need nothing.
_OURS: Final = {
    "stdout": ("syncrepl_client.sinks.stdout", "StreamSink", ""),
    "file": ("syncrepl_client.sinks.file", "FileSink", ""),
    "exec": ("syncrepl_client.sinks.command", "CommandSink", ""),
    "amqp": _RABBITMQ,
    "amqps": _RABBITMQ,
    "mqtt": _MQTT,
    "mqtts": _MQTT,
    "http": _WEBHOOK,
    "https": _WEBHOOK,
    "nats": _NATS,
    "tls": _NATS,
    "kafka": _KAFKA,
    "kafkas": _KAFKA,
    "kafka+tls": _KAFKA,
    "postgres": _POSTGRESQL,
    "postgresql": _POSTGRESQL,
    "redis": _REDIS,
    "rediss": _REDIS,
}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?=:|$)")


class SinkType(Protocol):
    """What an entry point names: a class of sinks, with a class method ``from_url`` if its constructor takes no URL.

    What is taken by name is what a configuration may say, checked against the annotations: text, numbers, truth
    values, `Secret`, and sequences of those; what takes a function is for programs alone.  Two names are given by the
    service and not by users: ``join``, which makes one body of several events, and ``source``, the name of the source.
    """

    def __call__(self, url: str, **options: Any) -> Sink:  # noqa: ANN401 - each has options of its own
        """Make a sink of a URL.

        Raises:
            UsageError: the URL is none of this kind, or an option is wrong.
        """


def maker(kind: SinkType) -> Callable[..., Sink]:
    """Return what makes a sink of a URL and options."""
    made: Callable[..., Sink] = getattr(kind, "from_url", kind)
    return made


def known() -> list[str]:
    """Return the names of all sinks there are, whether or not what they need is installed."""
    return sorted({*_OURS, *(one.name for one in metadata.entry_points(group=GROUP))})


def extra_of(name: str) -> str:
    """Return the extra of this package that has what a sink needs; empty if it needs nothing, or is somebody else's."""
    return _OURS.get(name, ("", "", ""))[2]


def sink_type(name: str) -> SinkType:
    """Return the class of sinks of a name.

    Args:
        name: the scheme of their URLs.

    Raises:
        UsageError: there is none, or it cannot be imported; the hint says what to install.
    """
    if name in _OURS:
        module, kind, extra = _OURS[name]
        try:
            return cast("SinkType", getattr(importlib.import_module(module), kind))
        except ModuleNotFoundError as error:
            raise _missing(name, error, _DISTRIBUTION, [extra] if extra else []) from error
    for one in metadata.entry_points(group=GROUP, name=name):
        try:
            return cast("SinkType", one.load())
        except (ImportError, AttributeError) as error:
            raise _missing(name, error, one.dist.name if one.dist else "", one.extras) from error
    raise UsageError(f"there is no sink {name!r}", hint=f"there are {', '.join(known())}")


def scheme_of(url: str) -> str:
    """Return the name of the sink that a URL means.

    Raises:
        UsageError: it is no URL.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise UsageError("that is not the URL of a sink", hint=f"it begins with one of {', '.join(known())}, and ':'")
    return scheme[1].lower()


def make_sink(url: str, **options: Any) -> Sink:  # noqa: ANN401 - each has options of its own
    """Make a sink of a URL.

    Args:
        url: its scheme says which sink; for one without an address the scheme alone will do.
        options: what that sink takes besides.

    Raises:
        UsageError: there is no such sink, what it needs is not installed, or the URL or an option is wrong.
    """
    name = scheme_of(url)
    kind = sink_type(name)
    try:
        return maker(kind)(url, **options)
    except TypeError as error:
        raise UsageError(
            f"the sink {name!r} does not take that: {error}", hint="compare the names of options"
        ) from error


def _missing(name: str, error: Exception, distribution: str, extras: list[str]) -> UsageError:
    hint = "the installation is not whole: install it anew"
    if distribution and extras:
        hint = f'pip install "{distribution}[{",".join(extras)}]"'
    return UsageError(f"the sink {name!r} cannot be used: {error}", hint=hint)
