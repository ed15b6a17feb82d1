"""How each transport carries an event: what it puts before the names of attributes, and where the content type goes.

Each row of `BINDINGS` is from the CloudEvents binding of that protocol, version 1.0; RabbitMQ's, for which there is no
official one, is that of Knative.  They serve events of all forms: one that has all in its body has no attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncrepl_client.envelope.base import Event

__all__ = ["BINDINGS", "Binding"]

# HTTP binding section 3.1.3.2: all that is not printable ASCII is percent-encoded, as are the space, '"' and '%'.
_AS_IT_IS: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True, slots=True)
class Binding:
    """How a transport carries an event.

    Args:
        prefix: what the name of an attribute has before it.
        percent_encoded: whether values are percent-encoded.
        content_type: the header that names the media type of the body; None if messages have a property for it.
        data_content_type: the same where attributes travel beside the body, if that is another header.
    """

    prefix: str
    percent_encoded: bool
    content_type: str | None
    data_content_type: str | None = None

    def headers(self, event: Event) -> dict[str, str]:
        """Return what travels beside the body of an event.

        Where messages have a property for it, `Event.content_type` is to be put there as well.
        """
        attributes = event.headers
        if self.percent_encoded:
            headers = {self.prefix + name: quote(value, safe=_AS_IT_IS) for name, value in attributes.items()}
        else:
            headers = {self.prefix + name: value for name, value in attributes.items()}
        where = (self.data_content_type if attributes else None) or self.content_type
        if where is not None and event.body is not None:
            headers[where] = event.content_type
        return headers


BINDINGS: Final[Mapping[str, Binding]] = MappingProxyType(
    {
        "http": Binding("ce-", percent_encoded=True, content_type="Content-Type"),
        "kafka": Binding("ce_", percent_encoded=False, content_type="content-type"),
        # NATS reads the plain header as the sign of structured mode.
        "nats": Binding(
            "ce-", percent_encoded=True, content_type="Content-Type", data_content_type="ce-datacontenttype"
        ),
        "amqp": Binding("cloudEvents_", percent_encoded=False, content_type=None),
        "rabbitmq": Binding("ce-", percent_encoded=False, content_type=None),
        "mqtt": Binding("", percent_encoded=False, content_type=None),
    }
)
"""By the name of the transport: ``http``, ``kafka``, ``nats``, ``amqp`` (1.0), ``rabbitmq`` (AMQP 0-9-1), ``mqtt`` (5).

In AMQP attributes are application properties, in MQTT user properties.  A transport that has neither, such as MQTT
3.1.1, can carry structured events alone.
"""
