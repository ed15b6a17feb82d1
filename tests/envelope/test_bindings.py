"""How transports carry events; those of the SDK read them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from cloudevents.core.bindings import amqp, http, kafka, rabbitmq
from cloudevents.core.formats.json import JSONFormat

from syncrepl_client.envelope import BINDINGS, CloudEvents, Debezium, tombstone
from syncrepl_client.envelope.base import Event, Kind
from tests.envelope.changes import CHANGES, FILE, decoded

if TYPE_CHECKING:
    from syncrepl_client.envelope.cloudevents import Mode

# One that has to be escaped.
SOURCE = "ldap://h/o=100%25%20J%C3%BCrgen"


def event_of(mode: Mode = "binary") -> Event:
    (event,) = CloudEvents(FILE, SOURCE, mode=mode).events(CHANGES["updated"])
    return event


@pytest.mark.parametrize(
    ("transport", "expected"),
    [
        ("http", {"Content-Type": "application/json", "ce-id": "5d0e3f:42"}),
        ("kafka", {"content-type": "application/json", "ce_id": "5d0e3f:42"}),
        ("nats", {"ce-datacontenttype": "application/json", "ce-id": "5d0e3f:42"}),
        ("amqp", {"cloudEvents_id": "5d0e3f:42"}),
        ("rabbitmq", {"ce-id": "5d0e3f:42"}),
        ("mqtt", {"id": "5d0e3f:42"}),
    ],
)
def test_each_transport_has_its_prefix_and_its_place_for_the_content_type(
    transport: str, expected: dict[str, str]
) -> None:
    headers = BINDINGS[transport].headers(event_of())
    types = {name: value for name, value in headers.items() if "content" in name.lower()}
    ids = {name: value for name, value in headers.items() if name.endswith("id")}

    assert types | ids == expected
    assert len(headers) == 9 + len(types)


@pytest.mark.parametrize(
    ("transport", "name"),
    [("http", "Content-Type"), ("kafka", "content-type"), ("nats", "Content-Type"), ("amqp", None), ("mqtt", None)],
)
def test_an_event_that_has_all_in_its_body_has_its_content_type_beside_it(transport: str, name: str | None) -> None:
    (other,) = Debezium(FILE, SOURCE, name="a", version="1").events(CHANGES["updated"])

    structured = BINDINGS[transport].headers(event_of("structured"))
    assert structured == ({name: "application/cloudevents+json"} if name else {})
    assert BINDINGS[transport].headers(other) == ({name: "application/json"} if name else {})


@pytest.mark.parametrize("transport", BINDINGS)
def test_a_tombstone_has_nothing_beside_it(transport: str) -> None:
    assert BINDINGS[transport].headers(tombstone(event_of())) == {}


@pytest.mark.parametrize("transport", BINDINGS)
def test_values_are_escaped_where_headers_are_ascii_alone(transport: str) -> None:
    value = 'a "b" 100% ü€\n~!'
    headers = BINDINGS[transport].headers(Event("1", "k", Kind.READ, "", 1, "a/b", {"x": value}, b""))
    (found,) = (told for name, told in headers.items() if name.endswith("x"))

    if BINDINGS[transport].percent_encoded:
        assert found == "a%20%22b%22%20100%25%20%C3%BC%E2%82%AC%0A~!"
        assert unquote(found) == value
    else:
        assert found == value


def message(transport: str, event: Event) -> Any:
    """Return what the SDK reads from a message."""
    headers, body = BINDINGS[transport].headers(event), event.body
    assert body is not None
    match transport:
        case "http":
            return http.from_binary(http.HTTPMessage(headers, body), JSONFormat())
        case "kafka":
            octets = {name: value.encode() for name, value in headers.items()}
            return kafka.from_binary(kafka.KafkaMessage(octets, event.key, body), JSONFormat())
        case "amqp":
            properties = {"content-type": event.content_type}
            return amqp.from_binary(amqp.AMQPMessage(properties, dict(headers), body), JSONFormat())
        case _:
            return rabbitmq.from_binary(rabbitmq.RabbitMQMessage(headers, event.content_type, body), JSONFormat())


@pytest.mark.parametrize("transport", ["http", "kafka", "amqp", "rabbitmq"])
def test_what_is_carried_can_be_read(transport: str) -> None:
    event = event_of()
    read = message(transport, event)

    assert read.get_source() == SOURCE
    assert read.get_id() == event.id
    assert read.get_datacontenttype() == "application/json"
    assert read.get_data() == decoded(event.body)
    assert {name for name in read.get_attributes() if name != "datacontenttype"} == set(event.headers)
